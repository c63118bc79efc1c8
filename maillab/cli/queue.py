"""`maillab queue`: what waits for delivery in a running lab."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click
import httpx

from maillab.cli.ask import ask, segment
from maillab.cli.options import format_option, option, url_option
from maillab.cli.output import show_json, show_table, when


@click.command
@option("--retry", "queue_id", metavar="QUEUE_ID", help="Let this message be tried at once.")
@format_option
@url_option
def queue(queue_id: str | None, output_format: str, url: httpx.URL) -> None:
    """List what waits for delivery, or let one message be tried at once."""
    if queue_id is not None:
        retry = f"/api/lab/queue/{segment(queue_id)}/retry"
        retried = ask(url, lambda lab: lab.post(retry), if_missing="maillab queue lists what waits")
        if output_format == "json":
            show_json(retried)
        else:
            click.echo(f"{retried['queue_id']} is tried at once by {', '.join(retried['servers'])}")
        return
    waiting = ask(url, lambda lab: lab.list_at("/api/lab/queue"))
    if output_format == "json":
        show_json(waiting)
        return
    show_table(
        ("Queue id", "At", "From", "To", "Next hop", "Tries", "Next (UTC)", "Last reply"),
        (row for message in waiting for row in _rows(message)),
        nothing="nothing waits",
        whole="Queue id",
    )


def _rows(message: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    """A row for each recipient; what they have in common stands in the first."""
    common: tuple[object, ...] = (message["queue_id"], message["server"], f"<{message['sender']}>")
    for recipient in message["recipients"]:
        yield (
            *common,
            recipient["address"],
            recipient["next_hop"],
            recipient["attempts"],
            when(recipient["due_at"]),
            recipient["last_reply"],
        )
        common = ("", "", "")
