"""The ledger holds, seed after seed; `python -m tests.simulation` runs as many more as one likes."""

from __future__ import annotations

from collections import Counter
from typing import Final

from tests.simulation.seeds import judge_all

SEEDS: Final = range(300)
JOBS: Final = 2
EXERCISED: Final = (
    "crashes at COMMIT, after it",
    "crashes at COMMIT, before it",
    "crashes at record",
    "crashes at second",
    "crashes at send",
    "crashes with a COMMIT untold",
    "clock jumps",
    "connections reset by the network",
    "faults fired",
    "given up at the end of all retries",
    "loops stopped",
    "reports made",
    "second comings dropped",
)
"""What these seeds must lead to: without it the ledger would hold, and prove nothing."""


def test_the_ledger_holds() -> None:
    """Every recipient of every accepted message is accounted for, whatever breaks, and a seed leads to one run only."""
    counts: Counter[str] = Counter()
    failed = []
    for verdict in judge_all(SEEDS, jobs=JOBS, twice_every=20):
        counts += verdict.counts
        if verdict.violations:
            failed.append(verdict.line)
    assert not failed, "\n".join(failed)
    assert [name for name in EXERCISED if not counts[name]] == []
