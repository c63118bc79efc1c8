"""`maillab labs`: the labs that ship."""

from __future__ import annotations

import click

from maillab.cli.options import format_option
from maillab.cli.output import show_json, show_table
from maillab.lab.load import load_lab, shipped_labs
from maillab.lab.spec import LabSpec


@click.command
@format_option
def labs(output_format: str) -> None:
    """List the labs that ship; each name works wherever a LAB is asked for."""
    specs = [load_lab(path) for path in shipped_labs().values()]
    if output_format == "json":
        show_json([_as_object(spec) for spec in specs])
        return
    show_table(
        ("Lab", "Title", "Servers", "Users"),
        ((spec.name, spec.title_in("en"), "\n".join(_servers(spec)), "\n".join(_users(spec))) for spec in specs),
        nothing="no labs ship with this maillab",
    )


def _as_object(spec: LabSpec) -> dict[str, object]:
    return {
        "name": spec.name,
        "title": dict(spec.title),
        "domains": [domain.name for domain in spec.domains],
        "servers": _servers(spec),
        "users": _users(spec),
    }


def _servers(spec: LabSpec) -> list[str]:
    return [server.host for server in spec.servers]


def _users(spec: LabSpec) -> list[str]:
    return [f"{user.key}@{domain.name}" for domain in spec.domains for user in domain.users]
