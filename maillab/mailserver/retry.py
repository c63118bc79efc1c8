"""When a deferred delivery is tried again, and when it is given up (RFC 5321 section 4.5.4.1)."""

from __future__ import annotations

import attrs


@attrs.frozen
class RetryPlan:
    """Waits between attempts, in seconds of lab time; the last one repeats."""

    after_seconds: tuple[float, ...]
    give_up_after_seconds: float

    def next_attempt(self, attempt: int, accepted_at: float, now: float) -> float | None:
        """When to try again after `attempt` (1 is the first) was deferred at `now`; None to give up.

        The last attempt is at the very end of the message's time, so that no time of it is wasted.
        """
        end = accepted_at + self.give_up_after_seconds
        if now >= end:
            return None
        wait_seconds = self.after_seconds[min(attempt, len(self.after_seconds)) - 1]
        return min(now + wait_seconds, end)
