"""What is known of a destination: whether it was reached, and when it is worth asking again.  Values in, values out."""

from __future__ import annotations

from maillab.mailserver.result import Result
from maillab.mailserver.retry import RetryPlan


class Standing:
    """How things stand with one destination; all times are lab time.

    A destination that nobody reached has waits of its own, longer from failure to failure, whichever message it was.
    """

    def __init__(self, plan: RetryPlan) -> None:
        self._plan = plan
        self.failure_count = 0
        """Attempts in a row that reached nobody there; those that were made side by side count once."""
        self.failed_at = 0.0
        self.ask_again_at = 0.0
        self.failure: Result | None = None
        """What the last of them was told."""

    def is_left_alone(self, now: float) -> bool:
        """Nobody is there, and it is not yet time to ask again."""
        return now < self.ask_again_at

    def was_reached(self) -> None:
        self.failure_count = 0
        self.ask_again_at = 0.0

    def ask_again(self) -> None:
        """Somebody wants to know whether it is there now."""
        self.ask_again_at = 0.0

    def was_in_vain(self, failure: Result, now: float, *, attempt: int, failures_before: int, jitter: float) -> None:
        """Nobody was reached.

        Args:
            failure: what an attempt came to.
            now: lab time.
            attempt: its number, for the message; after a restart that is all that is known.
            failures_before: `failure_count` when it began.
            jitter: from 0 to 1.
        """
        self.failure_count = max(self.failure_count, failures_before + 1, attempt)
        self.failure = failure
        self.failed_at = now
        self.ask_again_at = self._plan.next_attempt(self.failure_count, now, now, jitter=jitter) or now
