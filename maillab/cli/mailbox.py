"""`maillab mailbox`: what lies in a mailbox of a running lab."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import click
import httpx

from maillab.cli.ask import AskError, MissingError, RunningLab, ask, segment
from maillab.cli.options import format_option, option, url_option
from maillab.cli.output import harmless_text, show_json, show_table, when
from maillab.lab.mistakes import did_you_mean

Answer = TypeVar("Answer")


@click.command
@click.argument("address")
@option("--show", "shown_uid", type=click.IntRange(min=1), metavar="UID", help="Show this message: header and text.")
@option(
    "--raw",
    "raw_uid",
    type=click.IntRange(min=1),
    metavar="UID",
    help="Write this message octet by octet; on a terminal, control characters are written out.",
)
@format_option
@url_option
def mailbox(address: str, shown_uid: int | None, raw_uid: int | None, output_format: str, url: httpx.URL) -> None:
    """List the mailbox ADDRESS, or show one message in it."""
    if shown_uid is not None and raw_uid is not None:
        raise click.UsageError("give --show UID or --raw UID, not both")
    messages = f"/api/lab/mailboxes/{segment(address)}/messages"

    def asked(read: Callable[[RunningLab], Awaitable[Answer]]) -> Answer:
        return ask(url, lambda lab: _read(lab, address, read))

    if raw_uid is not None:
        _write_raw(asked(lambda lab: lab.octets_at(f"{messages}/{raw_uid}/raw")))
    elif shown_uid is not None:
        _show(asked(lambda lab: lab.object_at(f"{messages}/{shown_uid}")), output_format)
    else:
        _list(address, asked(lambda lab: lab.list_at(messages)), output_format)


async def _read(lab: RunningLab, address: str, read: Callable[[RunningLab], Awaitable[Answer]]) -> Answer:
    try:
        return await read(lab)
    except MissingError as missing:
        known = (await lab.object_at("/api/lab/lab"))["mailboxes"]
        if address.lower() in known:
            raise AskError(f"{missing.found}; maillab mailbox {address} lists them") from None
        raise AskError(f"{missing.found}; {did_you_mean(address, known)}") from None


def _list(address: str, messages: Sequence[Mapping[str, Any]], output_format: str) -> None:
    if output_format == "json":
        show_json(messages)
        return
    show_table(
        ("UID", "Stored (UTC)", "From", "Subject", "Octets", "Trace"),
        (
            (
                message["uid"],
                when(message["stored_at"]),
                message["from"],
                message["subject"],
                message["size_octets"],
                message["trace"],
            )
            for message in messages
        ),
        nothing=f"{address} has no mail",
        whole="Trace",
    )


def _show(message: Mapping[str, Any], output_format: str) -> None:
    if output_format == "json":
        show_json(message)
        return
    for name, text in message["headers"]:
        click.echo(harmless_text(f"{name}: {text}"))
    click.echo(f"\n{harmless_text(message['text'])}")


def _write_raw(octets: bytes) -> None:
    if sys.stdout.isatty():
        click.echo(harmless_text(octets.decode("utf-8", errors="backslashreplace")))
    else:
        sys.stdout.buffer.write(octets)
        sys.stdout.buffer.flush()
