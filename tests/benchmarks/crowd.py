"""A crowd at the live feed: is mail slower because many watch it?"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Final

import attrs

from tests.benchmarks.feed import RECORDS_PER_MESSAGE, RECORDS_PER_SECOND, watched
from tests.benchmarks.load import Load, Task
from tests.benchmarks.report import Scale, columns, part_of, spread

HEADINGS: Final = ("viewers", "messages/s", "CPU of the lab", "MAIL to reply: mean ms", "p50 ms", "p99 ms", "losses")
PACE: Final = Task(0, 0, sessions=1, messages_per_second=RECORDS_PER_SECOND / RECORDS_PER_MESSAGE)


@attrs.frozen
class Run:
    """Mail while so many looked on: what came of it, the part of a CPU that the lab took, and who lost records."""

    load: Load
    cpu: float
    loss_count: int

    @property
    def messages_per_second(self) -> float:
        return len(self.load.spans) / self.load.seconds

    @property
    def mean(self) -> float:
        return statistics.fmean(self.load.spans)


@attrs.frozen
class CrowdScenario:
    """Mail at the pace of the feed's measurement, with nobody and with a crowd by turns."""

    viewer_count: int = 300

    def run(self, scale: Scale) -> str:
        """Measure both in each round; gives the table, and the ratios of the runs that stood side by side."""
        pairs = [(self._measure(0, scale), self._measure(self.viewer_count, scale)) for _ in range(scale.rounds)]
        alone, crowded = ([pair[place] for pair in pairs] for place in (0, 1))
        rates = [crowd.messages_per_second / nobody.messages_per_second for nobody, crowd in pairs]
        times = [crowd.mean / nobody.mean for nobody, crowd in pairs]
        return "\n".join(
            [
                f"Mail at {RECORDS_PER_SECOND} records/s, with nobody and with a crowd of viewers by turns",
                *columns([HEADINGS, _row(0, alone), _row(self.viewer_count, crowded)]),
                f"  watched : alone = {spread(rates)} in rate, {spread(times)} in mean time of a mail",
            ]
        )

    def _measure(self, viewer_count: int, scale: Scale) -> Run:
        load, cpu_seconds, seen = watched(viewer_count, attrs.evolve(PACE, messages=scale.messages))
        return Run(load, cpu_seconds / load.seconds, seen.losses)


def _row(viewer_count: int, runs: Sequence[Run]) -> tuple[str, ...]:
    def median(of: Callable[[Run], float]) -> float:
        return statistics.median(map(of, runs))

    return (
        str(viewer_count),
        f"{median(lambda run: run.messages_per_second):.1f}",
        f"{median(lambda run: run.cpu):.0%}",
        f"{median(lambda run: run.mean) * 1e3:.2f}",
        f"{median(lambda run: part_of(run.load.spans, 0.50)) * 1e3:.2f}",
        f"{median(lambda run: part_of(run.load.spans, 0.99)) * 1e3:.2f}",
        str(sum(run.loss_count for run in runs)),
    )
