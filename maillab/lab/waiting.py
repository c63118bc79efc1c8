"""Waiting for what a record will tell of, without polling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import trio

from maillab.trace.record import Record
from maillab.trace.recorder import Recorder

WAIT_SECONDS: Final = 10.0

T = TypeVar("T")


async def wait_until(
    look: Callable[[], T | None], recorder: Recorder, event: str, *, timeout_seconds: float = WAIT_SECONDS
) -> T:
    """The first answer of `look` that is not None; it is asked now, and again after records of `event`.

    Raises:
        trio.TooSlowError: there was none within `timeout_seconds`.
    """
    happened = trio.Event()

    def listen(record: Record) -> None:
        if record["event"] == event:
            happened.set()

    recorder.add_listener(listen)
    try:
        with trio.fail_after(timeout_seconds):
            while (found := look()) is None:
                await happened.wait()
                happened = trio.Event()
            return found
    finally:
        recorder.remove_listener(listen)
