"""How often a client may ask by UDP, where its address may be forged and the answers somebody else's flood."""

from __future__ import annotations

import enum
import ipaddress
from typing import Final

import attrs

QUERIES_PER_SECOND: Final = 200.0
BURST_COUNT: Final = 1000
CLIENT_LIMIT: Final = 10_000  # buckets that are kept; a flood from more addresses forgets the oldest
_IPV6_CLIENT_BITS: Final = 64  # one client has a whole /64 (RFC 4291 section 2.5.1)


class Verdict(enum.Enum):
    """What a query gets."""

    ANSWER = enum.auto()
    TRUNCATE = enum.auto()  # no longer than the query; a real client comes again over TCP
    DROP = enum.auto()


@attrs.define
class _Bucket:
    tokens: float
    filled_at: float


class RateLimit:
    """A bucket of tokens for each client.

    It goes into debt: while it does, queries are truncated, and dropped when the debt is as high as the bucket.  In a
    flood that goes on, the client gets short answers only, at the rate of the refill.
    """

    def __init__(
        self,
        per_second: float = QUERIES_PER_SECOND,
        burst_count: int = BURST_COUNT,
        client_limit: int = CLIENT_LIMIT,
    ) -> None:
        self._per_second = per_second
        self._burst_count = burst_count
        self._client_limit = client_limit
        self._buckets: dict[str, _Bucket] = {}  # who asked last is at the end

    def judge(self, address: str, now: float) -> Verdict:
        """Count one query of the client at `address`; `now` is in seconds of any clock that goes forward."""
        client = _client(address)
        bucket = self._buckets.pop(client, None)
        if bucket is None:
            bucket = _Bucket(self._burst_count, now)
            if len(self._buckets) >= self._client_limit:
                del self._buckets[next(iter(self._buckets))]
        self._buckets[client] = bucket
        refill = (now - bucket.filled_at) * self._per_second
        bucket.tokens = min(bucket.tokens + refill, self._burst_count)
        bucket.filled_at = now
        if bucket.tokens - 1 < -self._burst_count:
            return Verdict.DROP
        bucket.tokens -= 1
        return Verdict.ANSWER if bucket.tokens >= 0 else Verdict.TRUNCATE


def _client(address: str) -> str:
    """Who counts as one client."""
    if ":" not in address:
        return address
    return str(ipaddress.ip_network((address.partition("%")[0], _IPV6_CLIENT_BITS), strict=False))
