"""Trace ids and queue ids: what joins the hops of one message, by the standard `Received` id alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import attrs

CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
TRACE_ID_LENGTH: Final = 13
_TIME_DIGITS: Final = 9  # 45 bits of milliseconds
_COUNTER_DIGITS: Final = 4  # 20 bits of a counter
_PAIRS: Final = tuple(high + low for high in CROCKFORD for low in CROCKFORD)  # ten bits at a time
_QUEUE_ID: Final = re.compile(rf"([{CROCKFORD}]{{{TRACE_ID_LENGTH}}})-([1-9][0-9]{{0,3}})-([0-9]{{2,6}})", re.ASCII)


def base32(number: int, digits: int) -> str:
    """`number` in Crockford's base 32, the lowest `digits` digits of it."""
    text = ""
    while len(text) < digits:
        text = _PAIRS[number & 1023] + text
        number >>= 10
    return text[-digits:]


def first_trace_at(at: float) -> str:
    """No trace that began at that time, in seconds since 1970, or later sorts before this."""
    return base32(max(0, int(at * 1000)), _TIME_DIGITS)  # digits and letters of base 32 sort by value


@attrs.frozen
class QueueId:
    """`<trace>-<hop>-<nn>`: a message at one server."""

    trace: str
    hop: int
    copy: int = 0

    def __str__(self) -> str:
        return f"{self.trace}-{self.hop}-{self.copy:02}"

    @classmethod
    def parse(cls, text: str) -> QueueId | None:
        """The queue id that `text` is, or None."""
        match = _QUEUE_ID.fullmatch(text)
        return cls(match[1], int(match[2]), int(match[3])) if match else None


class TraceIds:
    """Makes trace ids: 45 bits of milliseconds, then 20 bits of a counter.

    Two ids of one lab are equal only if more than a million are asked for in one millisecond.
    """

    def __init__(self, now: Callable[[], float], counter_start: int) -> None:
        """`now` gives seconds since 1970; `counter_start` is random, so that processes differ."""
        self._now = now
        self._counter = counter_start

    def new(self) -> str:
        self._counter += 1
        return base32(int(self._now() * 1000), _TIME_DIGITS) + base32(self._counter, _COUNTER_DIGITS)
