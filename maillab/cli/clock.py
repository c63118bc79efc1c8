"""`maillab clock`: the lab's time, and how it is moved on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import click
import httpx

from maillab.cli.ask import ask
from maillab.cli.options import url_option
from maillab.cli.output import when

UNITS_SECONDS: Final[Mapping[str, float]] = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_SPAN: Final = re.compile(r"\+([0-9]{1,9}(?:\.[0-9]{1,3})?)(s|m|min|h|d)")


@click.command
@click.argument("span", metavar="+TIME")
@url_option
def clock(span: str, url: httpx.URL) -> None:
    """Move the lab's time on by +TIME (+90s, +10min, +1h, +5d); mail that is due then is tried at once."""
    match = _SPAN.fullmatch(span)
    if match is None:
        raise click.BadParameter(f'"{span}" is no time to move on by; give one like +90s, +10min, +1h or +5d')
    seconds = float(match[1]) * UNITS_SECONDS[match[2]]
    moved = ask(url, lambda lab: lab.post("/api/lab/clock/advance", {"seconds": seconds}))
    click.echo(f"the lab's time is {when(moved['lab_at'])} UTC, {moved['ahead_seconds']:g} s ahead of the real one")
