"""The lab's clock: real time, and the time that queue waits are measured in."""

from __future__ import annotations

import sys
import time
from typing import Final

import trio

MOCK_EPOCH: Final = 1767225600.0  # 2026-01-01T00:00:00Z: where time begins under MockClock, so that runs are alike


class LabClock:
    """Seconds since 1970.  Under Trio's MockClock both times are the mock's."""

    def __init__(self) -> None:
        self._mock_start: float | None = None
        # Who runs under a mock has imported it; nobody else should have to, as it brings pytest along.
        testing = sys.modules.get("trio.testing")
        if testing is not None and isinstance(trio.lowlevel.current_clock(), testing.MockClock):
            self._mock_start = trio.current_time()

    def time(self) -> float:
        # Trio's own clock would stand still while a laptop sleeps, so real time is asked of the system.
        if self._mock_start is None:
            return time.time()
        return MOCK_EPOCH + trio.current_time() - self._mock_start

    def lab_time(self) -> float:
        return self.time()
