"""`python -m tests.simulation --seeds N`: many seeds, one line for each that fails; `--seed S` tells one as a story.

Exit code 1 when a seed fails.
"""

from __future__ import annotations

import sys
import time
from collections import Counter

import click

from tests.simulation.coverage import coverage, table
from tests.simulation.draw import draw
from tests.simulation.ledger import audit
from tests.simulation.seeds import judge_all
from tests.simulation.story import story
from tests.simulation.world import happen


@click.command(help=__doc__)
@click.option("--seeds", "seed_count", type=click.IntRange(1), default=1000, show_default=True, help="How many seeds.")
@click.option("--start", type=click.IntRange(0), default=0, show_default=True, help="The first of them.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes to run them in.")
@click.option("--twice-every", type=click.IntRange(0), default=20, show_default=True, help="Run each N-th seed twice.")
@click.option("--seed", type=click.IntRange(0), help="Replay this one, and tell its story.")
def main(seed_count: int, start: int, jobs: int, twice_every: int, seed: int | None) -> None:
    """Run seeds."""
    if seed is not None:
        sys.exit(replay(seed))
    counts: Counter[str] = Counter()
    failed_count, began = 0, time.monotonic()
    for verdict in judge_all(range(start, start + seed_count), jobs=jobs, twice_every=twice_every):
        counts += verdict.counts
        if verdict.violations:
            failed_count += 1
            click.echo(verdict.line)
    seconds = time.monotonic() - began
    click.echo(table(counts))
    click.echo(f"{seed_count} seeds in {seconds:.0f} s, {seed_count / seconds:.1f} a second; {failed_count} failed")
    sys.exit(failed_count > 0)


def replay(seed: int) -> int:
    """Tell the story of a seed; gives the exit code."""
    run = happen(draw(seed))
    violations = audit(run)
    click.echo(story(run, violations))
    click.echo(table(coverage(run)))
    return bool(violations)


if __name__ == "__main__":
    main()
