"""`maillab dns`: the lab's DNS records, and how they are changed while it runs."""

from __future__ import annotations

import click
import httpx

from maillab.cli.ask import ask
from maillab.cli.options import format_option, url_option
from maillab.cli.output import show_json, show_table

PATH = "/api/lab/dns"


@click.group
def dns() -> None:
    """List or change the DNS records of a running lab."""


@dns.command("list")
@format_option
@url_option
def list_records(output_format: str, url: httpx.URL) -> None:
    """List all records, zone by zone."""
    records = ask(url, lambda lab: lab.list_at(PATH))
    if output_format == "json":
        show_json(records)
        return
    rows = ((record["name"], record["ttl"], record["type"], record["value"]) for record in records)
    show_table(("Name", "TTL", "Type", "Value"), rows, nothing="no records", whole="Name")


@dns.command("set")
@click.argument("name")
@click.argument("type_", metavar="TYPE")
@click.argument("values", metavar="[VALUE]...", nargs=-1)
@url_option
def set_records(name: str, type_: str, values: tuple[str, ...], url: httpx.URL) -> None:
    """Put VALUEs in the place of all records of NAME and TYPE; without a VALUE they are taken away.

    The next attempt to deliver sees it.
    """
    order = {"name": name, "type": type_, "values": [*values]}
    ask(url, lambda lab: lab.post(PATH, order))
    click.echo(f"{name} {type_.upper()}: {', '.join(values) or 'no records any more'}")
