"""`maillab traces`: every message that a running lab has seen, newest first."""

from __future__ import annotations

import click
import httpx

from maillab.cli.ask import ask
from maillab.cli.options import format_option, option, url_option
from maillab.cli.output import show_json, show_table, when


@click.command
@option("--limit", type=click.IntRange(min=1), metavar="N", help="The N newest; left out: all.")
@format_option
@url_option
def traces(limit: int | None, output_format: str, url: httpx.URL) -> None:
    """List the traces of a running lab, newest first."""
    found = ask(url, lambda lab: lab.list_at("/api/lab/traces", limit=limit))
    if output_format == "json":
        show_json(found)
        return
    show_table(
        ("Trace", "Time (UTC)", "From", "To", "Subject", "State"),
        (
            (
                trace["trace"],
                when(trace["at"]),
                f"<{trace['sender']}>",
                "\n".join(trace["recipients"]),
                trace["subject"],
                trace["state"],
            )
            for trace in found
        ),
        nothing="no mail yet; maillab send sends one",
        whole="Trace",
    )
