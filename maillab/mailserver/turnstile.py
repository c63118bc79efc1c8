"""How many may be connected at a time, to all servers of the lab together, and from one address."""

from __future__ import annotations

from collections import Counter
from typing import Final

CONNECTIONS_LIMIT: Final = 2000


class Turnstile:
    """Counts connections; a limit of None is none."""

    def __init__(self, limit: int = CONNECTIONS_LIMIT, limit_per_peer: int | None = None) -> None:
        self._limit = limit
        self._limit_per_peer = limit_per_peer
        self._count = 0
        self._count_of: Counter[str] = Counter()

    def enter(self, peer: str) -> bool:
        """Let `peer` in, if there is room; who was let in must `leave`."""
        if self._count >= self._limit:
            return False
        if self._limit_per_peer is not None and self._count_of[peer] >= self._limit_per_peer:
            return False
        self._count += 1
        self._count_of[peer] += 1
        return True

    def leave(self, peer: str) -> None:
        self._count -= 1
        self._count_of[peer] -= 1
        if not self._count_of[peer]:
            del self._count_of[peer]
