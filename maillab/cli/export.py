"""`maillab export`: a lab as a file for other programs."""

from __future__ import annotations

import os

import click

from maillab.lab.compose import ComposeError, compose_file
from maillab.lab.load import find_lab, load_lab, shipped_labs


@click.group
def export() -> None:
    """Write a lab as a file for other programs."""


@export.command
@click.argument("lab")
def compose(lab: str) -> None:
    """Write a compose file that runs LAB with a container for each server, to standard output."""
    path = find_lab(lab)
    spec = load_lab(lab)
    ships = path in shipped_labs().values()
    try:
        text = compose_file(spec, path.parent.name if ships else os.path.relpath(path), ships=ships)
    except ComposeError as error:
        raise click.ClickException(str(error)) from None
    click.echo(text, nl=False)
