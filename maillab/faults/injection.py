"""The record of a firing."""

from __future__ import annotations

from maillab.faults.plan import Planned
from maillab.trace.recorder import RecordLog


def record(log: RecordLog, planned: Planned, reason: str) -> None:
    """A fault has struck, `reason` says what that means; `log` knows where."""
    log.record("fault.injected", fault=planned.fault.name, kind=planned.fault.kind.value, reason=reason)
