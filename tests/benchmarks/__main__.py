"""`python -m tests.benchmarks [--quick] [NAMES]`: measure, and print the tables."""

from __future__ import annotations

import click

from tests.benchmarks import postfix
from tests.benchmarks.scenarios import FULL, QUICK, SCENARIOS


@click.command
@click.option("--quick", is_flag=True, help="Fewer messages and rounds: minutes become a minute, and ratios rough.")
@click.argument("names", nargs=-1, type=click.Choice([*SCENARIOS]))
def main(quick: bool, names: tuple[str, ...]) -> None:
    """Measure NAMES, or everything."""
    if reason := postfix.why_not():
        click.echo(f"Without Postfix beside it: {reason}.\n")
    for name in names or SCENARIOS:
        click.echo(SCENARIOS[name].run(QUICK if quick else FULL) + "\n")


if __name__ == "__main__":
    main()
