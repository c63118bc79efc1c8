"""A disk that is full, fails or is slow, as one server of the lab meets it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Final, TypeVar

import trio

from maillab.faults.fault import DISK_KINDS, Kind
from maillab.faults.injection import record
from maillab.faults.plan import FaultPlan
from maillab.storage.writer import Job
from maillab.trace.recorder import RecordLog

T = TypeVar("T")

_SLOW: Final = frozenset({Kind.DISK_SLOW})
_FAILING: Final = DISK_KINDS - _SLOW
_TROUBLES: Final = {
    # What SQLite says of ENOSPC, and of an fsync that fails: https://sqlite.org/rescode.html
    Kind.DISK_FULL: (sqlite3.SQLITE_FULL, "database or disk is full"),
    Kind.DISK_FAILS: (sqlite3.SQLITE_IOERR_FSYNC, "disk I/O error"),
}


class FaultyDisk:
    """Stands before the commits of one server; implements `storage.database.Disk`."""

    def __init__(self, plan: FaultPlan, host: str, log: RecordLog) -> None:
        self._plan = plan
        self._host = host
        self._log = log
        self._free_at = 0.0  # when the slow disk is through with what it was given
        self._turn = trio.Lock()  # first come, first served

    async def before(self, job: Job) -> Job:
        """The job that the writer gets: the same, or one that is undone by the trouble that comes at its end."""
        if self._plan.has(_SLOW) or self._turn.locked():
            await self._be_slow()
        if self._plan.has(_FAILING):
            planned = self._plan.strikes(_FAILING, lambda planned: planned.is_at(self._host))
            if planned is not None:
                code, text = _TROUBLES[planned.fault.kind]
                record(self._log, planned, f"a commit of {self._host} fails: {text}")
                return _failing(job, code, text)
        return job

    async def _be_slow(self) -> None:
        """Wait; nobody overtakes, also when the disk is well again meanwhile."""
        planned = self._plan.strikes(_SLOW, lambda planned: planned.is_at(self._host))
        if planned is not None:
            seconds = planned.fault.seconds or 0
            record(self._log, planned, f"a commit of {self._host} takes {seconds:g} s longer")
            self._free_at = max(self._free_at, trio.current_time() + seconds)
        free_at = self._free_at
        async with self._turn:
            await trio.sleep_until(free_at)


def _failing(job: Job, code: int, text: str) -> Callable[[sqlite3.Connection], None]:
    def fail(connection: sqlite3.Connection) -> None:
        job(connection)
        error = sqlite3.OperationalError(text)
        error.sqlite_errorcode = code
        raise error

    return fail
