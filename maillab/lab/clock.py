"""The lab's clock: real time, and the time that queue waits are measured in."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import Final

import orjson
import trio

MOCK_EPOCH: Final = 1767225600.0  # 2026-01-01T00:00:00Z: where time begins under MockClock, so that runs are alike
ADVANCE_LIMIT_SECONDS: Final = 366 * 86400.0
FILE_NAME: Final = "clock.json"


class LabClock:
    """Seconds since 1970: real time, and the lab's, which can be moved on and never back.

    Under Trio's MockClock both are the mock's.
    """

    def __init__(self, data: Path | None = None) -> None:
        """With a data folder the lab's time goes on where it was, so that what waits in a queue is due in time."""
        self._file = None if data is None else data / FILE_NAME
        self.ahead_seconds = self._kept_seconds()
        # Who runs under a mock has imported it; nobody else should have to, as it brings pytest along.
        testing = sys.modules.get("trio.testing")
        self._is_mocked = testing is not None and isinstance(trio.lowlevel.current_clock(), testing.MockClock)

    def time(self) -> float:
        # Trio's own clock would stand still while a laptop sleeps, so real time is asked of the system.
        if not self._is_mocked:
            return time.time()
        return MOCK_EPOCH + trio.current_time()  # a mock begins at 0, and is the same for a lab that is opened again

    def lab_time(self) -> float:
        return self.time() + self.ahead_seconds

    def advance(self, seconds: float) -> None:
        """Let the lab's time jump.

        Raises:
            ValueError: `seconds` is no span of time, or more than `ADVANCE_LIMIT_SECONDS`.
        """
        if not 0 < seconds <= ADVANCE_LIMIT_SECONDS:
            raise ValueError(f"{seconds:g} s is no time to move on by; give more than 0, a year at most")
        self.ahead_seconds += seconds
        if self._file is not None:
            new = self._file.with_suffix(".new")  # a crash leaves the one or the other, whole
            new.write_bytes(orjson.dumps({"ahead_seconds": self.ahead_seconds}))
            new.replace(self._file)

    def _kept_seconds(self) -> float:
        if self._file is None or not self._file.exists():
            return 0.0
        with contextlib.suppress(orjson.JSONDecodeError, KeyError, TypeError, ValueError):  # somebody wrote in it
            return float(orjson.loads(self._file.read_bytes())["ahead_seconds"])
        return 0.0
