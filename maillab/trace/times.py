"""How long it took from one time to another, and from one record to another."""

from __future__ import annotations

from datetime import datetime

from maillab.trace.record import Record


def seconds(first: str, last: str) -> float:
    """Seconds between two times as records carry them (RFC 3339)."""
    return (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()


def seconds_between(earlier: Record, later: Record) -> float:
    """Seconds from one record to another; by the lab's clock, which is the real one until somebody moves it."""
    moved = earlier.get("lab_at") or later.get("lab_at")
    if moved and (earlier["run"] == later["run"] or (earlier.get("lab_at") and later.get("lab_at"))):
        first, last = (record.get("lab_at") or record["at"] for record in (earlier, later))
        return seconds(first, last)
    return seconds(earlier["at"], later["at"])
