"""When a deferred delivery is tried again, and when it is given up (RFC 5321 section 4.5.4.1)."""

from __future__ import annotations

from typing import Final

import attrs

JITTER: Final = 0.05  # of a wait, at most
JITTER_FROM_SECONDS: Final = 600.0  # shorter waits are for people to watch, and come as the lab file says


@attrs.frozen
class RetryPlan:
    """Waits between attempts, in seconds of lab time; the last one repeats."""

    after_seconds: tuple[float, ...]
    give_up_after_seconds: float
    warn_after_seconds: float = 0.0  # 0: the sender is not told that it takes long

    def next_attempt(self, attempt: int, accepted_at: float, now: float, *, jitter: float = 0.0) -> float | None:
        """When to try again after `attempt` (1 is the first) was deferred at `now`; None to give up.

        The last attempt is at the very end of the message's time, so that no time of it is wasted.  `jitter`, from 0
        to 1, spreads the longer waits, so that what was deferred together is not tried together for days.
        """
        end = accepted_at + self.give_up_after_seconds
        if now >= end:
            return None
        wait_seconds = self.after_seconds[min(attempt, len(self.after_seconds)) - 1]
        if wait_seconds >= JITTER_FROM_SECONDS:
            wait_seconds *= 1 + JITTER * jitter
        return min(now + wait_seconds, end)
