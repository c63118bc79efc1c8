"""`maillab trace`: the way of one message, drawn from records."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable
from typing import BinaryIO

import click
import orjson

from maillab.trace.ladder import draw_ladder
from maillab.trace.mermaid import draw_mermaid
from maillab.trace.path import Trace, TraceBook, in_order
from maillab.trace.record import Record


@click.command
@click.argument("trace_id", metavar="[ID]", required=False)
@click.option(
    "--from-log",
    "logs",
    type=click.File("rb"),
    multiple=True,
    metavar="FILE",
    envvar="MAILLAB_FROM_LOG",
    help="Read the records from this file (- is standard input); repeatable, what was logged apart is merged.",
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["ladder", "json", "mermaid"]),
    default="ladder",
    show_default=True,
    envvar="MAILLAB_FORMAT",
    help="A ladder for people, JSON, or Mermaid for web pages.",
)
@click.option("--brief", is_flag=True, envvar="MAILLAB_BRIEF", help="One arrow for each hop, without its dialogue.")
@click.option("--width", type=click.IntRange(40), envvar="MAILLAB_WIDTH", help="Columns; default: the terminal's.")
def trace(trace_id: str | None, logs: tuple[BinaryIO, ...], output_format: str, brief: bool, width: int | None) -> None:
    """Draw the trace ID, or the latest one."""
    if not logs:
        raise click.UsageError("give --from-log FILE, or --from-log - for standard input")
    records: list[Record] = []
    for log in logs:
        records += _records(log)
    if not records:
        raise click.ClickException(
            f"no records in {', '.join(log.name for log in logs)}; maillab up --log json writes them"
        )
    found = _find(records, trace_id)
    if output_format == "json":
        document = found.summary() | {"records": found.records}
        click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    elif output_format == "mermaid":
        click.echo(draw_mermaid(found, brief), nl=False)
    else:
        click.echo(draw_ladder(found, width or shutil.get_terminal_size().columns, brief), nl=False)


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
