"""Dates as mail writes them (RFC 5322 section 3.3)."""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from email.utils import format_datetime


def mail_date(at: float) -> str:
    """`at`, seconds since 1970, in UTC: "Mon, 23 Nov 2026 13:00:00 +0000"."""
    return _date_of_second(int(at // 1))


@functools.lru_cache(maxsize=4)  # a busy server writes the same date hundreds of times
def _date_of_second(second: int) -> str:
    return format_datetime(datetime.fromtimestamp(second, UTC))
