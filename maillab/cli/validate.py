"""`maillab validate`: is this lab file right, and if not, what is wrong with it?"""

from __future__ import annotations

import click

from maillab.lab.load import load_lab
from maillab.lab.mistakes import LabFileError

EXIT_WRONG_USE = 2


@click.command
@click.argument("lab")
@click.pass_context
def validate(context: click.Context, lab: str) -> None:
    """Check LAB (a lab file, its folder, or the name of a lab that ships) and list every mistake in it."""
    try:
        spec = load_lab(lab)
    except LabFileError as error:
        for mistake in error.mistakes:
            click.echo(str(mistake), err=True)
        context.exit(EXIT_WRONG_USE)
    servers = len(spec.servers)
    users = sum(len(domain.users) for domain in spec.domains)
    click.echo(f"{lab}: ok, {_counted(servers, 'server')}, {_counted(users, 'user')}")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
