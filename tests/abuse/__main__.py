"""`python -m tests.abuse`: every attack at full strength against one lab, one after the other, with its figures.

Linux only.  Exit code 1 when the lab grew by more than it may, or somebody else had to wait.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Final

import click
import trio

from tests.abuse.attacks import ATTACKS, Strength
from tests.abuse.lab_under_attack import Figures, lab_under_attack

GROWTH_LIMIT_OCTETS: Final = 60_000_000
GREETING_LIMIT_SECONDS: Final = 2.0  # on two cores, one of which is the attacker's; mostly it is milliseconds


async def main() -> int:
    """Run all attacks; gives the exit code."""
    click.echo(f"{'attack':32}{'took':>8}{'grew':>10}{'greeted':>9}{'slowest':>10}  heard last")
    all_well = True
    with tempfile.TemporaryDirectory() as folder:
        async with lab_under_attack(Path(folder)) as lab:
            for attack in ATTACKS:
                figures = await lab.suffer(attack, Strength())
                click.echo(_row(figures))
                all_well &= figures.growth_octets < GROWTH_LIMIT_OCTETS
                all_well &= figures.heard == attack.ends_with
                all_well &= figures.slowest_seconds < GREETING_LIMIT_SECONDS
    click.echo("all is well" if all_well else "NOT WELL")
    return 0 if all_well else 1


def _row(figures: Figures) -> str:
    return (
        f"{figures.name:32}{figures.seconds:6.1f} s{figures.growth_octets / 1e6:7.1f} MB{figures.greetings:9}"
        f"{figures.slowest_seconds * 1000:7.0f} ms  {figures.heard}"
    )


if __name__ == "__main__":
    sys.exit(trio.run(main))
