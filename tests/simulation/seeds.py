"""Many seeds, over as many processes as one likes."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

import attrs

from tests.simulation.coverage import coverage
from tests.simulation.draw import draw
from tests.simulation.ledger import audit
from tests.simulation.violation import Violation
from tests.simulation.world import happen

SHOWN_CHARACTERS: Final = 300


@attrs.frozen
class Verdict:
    """What became of one seed."""

    seed: int
    violations: tuple[Violation, ...]
    counts: Counter[str]

    @property
    def line(self) -> str:
        """The command that replays it, and what was violated."""
        first, more = self.violations[0], len(self.violations) - 1
        what = " ".join(str(first).split()).replace(" | ", " ")
        return f"python -m tests.simulation --seed {self.seed}    # {_shortened(what)}" + (
            f" (and {more} more)" if more else ""
        )


def _shortened(text: str) -> str:
    """Of a traceback, the end is what counts."""
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:60]} ... {text[60 - SHOWN_CHARACTERS :]}"


def judge(seed: int, *, twice: bool = False) -> Verdict:
    """Run a seed; `twice` to see that it leads to the same records."""
    run = happen(draw(seed))
    violations = audit(run)
    if twice and happen(draw(seed)).digest != run.digest:
        violations.append(Violation("the same seed gives the same records", "a second run was another one"))
    return Verdict(seed, tuple(violations), coverage(run))


def judge_all(seeds: Iterable[int], *, jobs: int = 1, twice_every: int = 0) -> Iterator[Verdict]:
    """The verdicts on all seeds, in any order; each `twice_every`-th seed is run twice."""
    tasks = ((seed, bool(twice_every) and seed % twice_every == 0) for seed in seeds)
    if jobs == 1:
        yield from map(_judge, tasks)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap_unordered(_judge, tasks, chunksize=20)


def _judge(task: tuple[int, bool]) -> Verdict:
    seed, twice = task
    return judge(seed, twice=twice)
