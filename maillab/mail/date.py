"""Dates as mail writes them (RFC 5322 section 3.3)."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime


def mail_date(at: float) -> str:
    """`at`, seconds since 1970, in UTC: "Mon, 23 Nov 2026 13:00:00 +0000"."""
    return format_datetime(datetime.fromtimestamp(at, UTC).replace(microsecond=0))
