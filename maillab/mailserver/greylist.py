"""Greylisting: who is new is asked to come again, as real mail servers do and others do not (RFC 6647)."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import attrs

REMEMBERED_LIMIT_COUNT: Final = 100_000
FORGET_AFTER_SECONDS: Final = 36 * 86400.0  # RFC 6647 section 5 speaks of a month or so


@attrs.frozen
class Triple:
    """What is looked at: who connects, who sends, who is to receive (RFC 6647 section 2.2)."""

    peer: str
    sender: str
    recipient: str


class Greylist:
    """Remembers triples, in memory: after a restart everybody is new again, and waits once more."""

    def __init__(self, wait_seconds: float) -> None:
        """`wait_seconds` is how long a new triple has to wait, in lab time; 0 lets everybody pass."""
        self._wait_seconds = wait_seconds
        self._first_seen: OrderedDict[Triple, float] = OrderedDict()

    def seconds_left(self, triple: Triple, now: float) -> float:
        """How long this one has to wait yet; 0 when it may pass."""
        if not self._wait_seconds:
            return 0.0
        first = self._first_seen.get(triple)
        if first is None or now - first > FORGET_AFTER_SECONDS:
            first = self._first_seen[triple] = now
        self._first_seen.move_to_end(triple)
        if len(self._first_seen) > REMEMBERED_LIMIT_COUNT:
            self._first_seen.popitem(last=False)
        return max(0.0, first + self._wait_seconds - now)
