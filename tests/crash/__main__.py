"""`python -m tests.crash kill|disk|memory`: at full length, with figures.  Linux only.

Exit code 1 when anything was lost, stored twice or grew too large.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
from collections import Counter
from pathlib import Path

import click

from tests.crash.failing_disk import FailingDisk, each_fault
from tests.crash.growing import grow, starts
from tests.crash.killing import kill_again_and_again


@click.group
def main() -> None:
    """Kill the real process, let its disk fail, let its queue grow; and see that nothing is lost."""


@main.command
@click.option("--rounds", default=50, show_default=True, help="How often to kill, in each of the two ways.")
@click.option("--seed", default=1, show_default=True)
def kill(rounds: int, seed: int) -> None:
    """SIGKILL at random moments under load: all servers in one process, then each in its own."""
    all_well = True
    for apart in (False, True):
        click.echo("each server in a process of its own" if apart else "all servers in one process")
        with tempfile.TemporaryDirectory() as folder:
            done = kill_again_and_again(Path(folder), rounds, apart=apart, seed=seed, tell=click.echo)
        for line in done.verdict.lines():
            click.echo(line)
        click.echo(f"{'killed':>18} {done.kills:8,}, {done.young_kills} of them while starting")
        click.echo(f"{'slowest start':>18} {done.slowest_start_seconds:8.2f} s")
        click.echo(f"{'open traces':>18} {len(done.open_traces):8,}")
        click.echo(f"{'said on stderr':>18} {done.complaints!r}")
        all_well &= done.verdict.is_well
    _end(all_well)


@main.command
@click.option("--every", default=1, show_default=True, help="Let only every so manieth call fail.")
def disk(every: int) -> None:
    """Each write and each sync of the data folder fails in turn, with EIO and with ENOSPC."""
    outcomes: Counter[bool] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        failing = FailingDisk(Path(folder))
        for faults in each_fault():
            for fault in itertools.islice(faults, 0, None, every):
                failed = failing.run(fault)
                if not failed.struck:
                    break
                click.echo(failed.line())
                outcomes[failed.is_well] += 1
    click.echo(f"{outcomes.total()} faults, {outcomes[True]} of them borne well")
    _end(not outcomes[False])


@main.command
@click.option("--messages", default=100_000, show_default=True)
def memory(messages: int) -> None:
    """Many messages for a dead host: memory, and the time that a start takes with them in the queue."""
    all_well = True
    for durable in (True, False):
        click.echo("on disk" if durable else "in memory")
        with tempfile.TemporaryDirectory() as folder:
            grown = grow(Path(folder), messages, durable=durable)
        click.echo(grown.line())
        all_well &= grown.is_well
    click.echo("started again")
    with tempfile.TemporaryDirectory() as folder:
        for start in starts(Path(folder), (messages // 10, messages)):
            click.echo(start.line())
            all_well &= start.is_well
    _end(all_well)


def _end(all_well: bool) -> None:
    click.echo("all is well" if all_well else "NOT WELL")
    sys.exit(0 if all_well else 1)


if __name__ == "__main__":
    main()
