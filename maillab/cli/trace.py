"""`maillab trace`: the way of one message, drawn from records."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import BinaryIO

import click
import httpx
import orjson

from maillab.cli.ask import RunningLab, ask, segment
from maillab.cli.options import option, url_option
from maillab.cli.output import show_json
from maillab.trace.book import TraceBook
from maillab.trace.ladder import LEAST_WIDTH, draw_ladder
from maillab.trace.mermaid import draw_mermaid
from maillab.trace.path import Trace, in_order
from maillab.trace.record import Record
from maillab.web.traces import LATEST, WIDEST_LADDER


@click.command
@click.argument("trace_id", metavar="[ID]", required=False)
@option(
    "--from-log",
    "logs",
    type=click.File("rb"),
    multiple=True,
    metavar="FILE",
    help="Read the records from this file (- is standard input) instead of asking a lab; repeatable, what was "
    "logged apart is merged.",
)
@option(
    "--format",
    "output_format",
    type=click.Choice(["ladder", "json", "mermaid"]),
    default="ladder",
    show_default=True,
    help="A ladder for people, JSON, or Mermaid for web pages.",
)
@option("--brief", is_flag=True, help="One arrow for each hop, without its dialogue.")
@option("--width", type=click.IntRange(LEAST_WIDTH), help="Columns; default: the terminal's.")
@url_option
def trace(
    trace_id: str | None,
    logs: tuple[BinaryIO, ...],
    output_format: str,
    brief: bool,
    width: int | None,
    url: httpx.URL,
) -> None:
    """Draw the trace ID, or the latest one, of a running lab or from logs."""
    width = width or shutil.get_terminal_size().columns
    if not logs:
        _ask_for(url, trace_id, output_format, brief, width)
        return
    found = _find(_logged(logs), trace_id)
    if output_format == "json":
        show_json(found.document())
    elif output_format == "mermaid":
        click.echo(draw_mermaid(found, brief), nl=False)
    else:
        click.echo(draw_ladder(found, width, brief), nl=False)


def _ask_for(url: httpx.URL, trace_id: str | None, output_format: str, brief: bool, width: int) -> None:
    """The lab draws: it knows more than the trace's own records, as which server has which domain."""
    path = f"/api/lab/traces/{segment(trace_id or LATEST)}"
    only_hops = 1 if brief else None
    if_missing = "maillab traces lists them" if trace_id else "no message was accepted yet"

    if output_format == "json":
        show_json(ask(url, lambda lab: lab.object_at(path), if_missing=if_missing))
        return

    async def draw(lab: RunningLab) -> str:
        if output_format == "mermaid":
            return await lab.text_at(f"{path}/ladder.mmd", brief=only_hops)
        columns = max(LEAST_WIDTH, min(width, WIDEST_LADDER))
        return await lab.text_at(f"{path}/ladder.txt", brief=only_hops, width=columns)

    click.echo(ask(url, draw, if_missing=if_missing), nl=False)


def _logged(logs: Sequence[BinaryIO]) -> list[Record]:
    records = [record for log in logs for record in _records(log)]
    if not records:
        raise click.ClickException(
            f"no records in {', '.join(log.name for log in logs)}; maillab up --log json writes them"
        )
    return records


def _records(log: BinaryIO) -> list[Record]:
    """The records in `log`, to its end or to the first Ctrl-C; what is no record is passed over.

    A prefix as other programs put before a line ("lab-1  | {...") does no harm.
    """
    records: list[Record] = []
    try:
        for line in log:
            start = line.find(b"{")
            try:
                record = orjson.loads(line[start:]) if start >= 0 else None
            except orjson.JSONDecodeError:
                continue
            if isinstance(record, dict) and {"run", "seq", "at", "event"} <= record.keys():
                records.append(record)
    except KeyboardInterrupt:
        click.echo(file=sys.stderr)
    return records


def _find(records: Iterable[Record], trace_id: str | None) -> Trace:
    book = TraceBook()
    for record in in_order(records):
        book.add(record)
    found = book.get(trace_id.upper()) if trace_id else book.latest
    if found is not None:
        return found
    known = ", ".join(trace.id for trace in book.traces()[:5])
    if not known:
        raise click.ClickException("no message was accepted yet, so there is no trace")
    raise click.ClickException(f"no trace {trace_id}; the latest are {known}")
