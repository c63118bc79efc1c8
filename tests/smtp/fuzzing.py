"""How long Hypothesis looks: `MAILLAB_FUZZ=100 pytest tests/smtp` looks a hundred times as long."""

from __future__ import annotations

import os

FACTOR = int(os.environ.get("MAILLAB_FUZZ", "1"))


def examples(count: int) -> int:
    """How many examples a test tries that in the suite tries `count`."""
    return count * FACTOR
