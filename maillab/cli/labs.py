"""`maillab labs`: the labs that ship."""

from __future__ import annotations

import click
import orjson
from rich.console import Console
from rich.table import Table

from maillab.lab.load import load_lab, shipped_labs
from maillab.lab.spec import LabSpec


@click.command
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    envvar="MAILLAB_FORMAT",
    show_envvar=True,
    help="A table for people, or a JSON list of objects.",
)
def labs(output_format: str) -> None:
    """List the labs that ship; each name works wherever a LAB is asked for."""
    specs = [load_lab(path) for path in shipped_labs().values()]
    if output_format == "json":
        click.echo(orjson.dumps([_as_object(spec) for spec in specs], option=orjson.OPT_INDENT_2))
    else:
        Console().print(_as_table(specs))


def _as_object(spec: LabSpec) -> dict[str, object]:
    return {
        "name": spec.name,
        "title": dict(spec.title),
        "domains": [domain.name for domain in spec.domains],
        "servers": [server.host for server in spec.servers],
        "users": [f"{user.key}@{domain.name}" for domain in spec.domains for user in domain.users],
    }


def _as_table(specs: list[LabSpec]) -> Table:
    table = Table("Lab", "Title", "Servers", "Users")
    for spec in specs:
        table.add_row(
            spec.name,
            spec.title_in("en"),
            "\n".join(server.host for server in spec.servers),
            "\n".join(f"{user.key}@{domain.name}" for domain in spec.domains for user in domain.users),
        )
    return table
