"""`maillab up`: start a lab, and run it until Ctrl-C or SIGTERM."""

from __future__ import annotations

import contextlib
import functools
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import click
import trio
from rich.console import Console
from rich.table import Table

from maillab.lab.lab import Lab
from maillab.lab.spec import SMTP_PORT, Addressing
from maillab.lab.start import LabStartError, open_lab
from maillab.storage.errors import DataFolderInUse, StorageError
from maillab.trace.console import console_line
from maillab.trace.drain import JsonLines, Sink, TextLines

DEFAULT_LAB = "gartenparty"
STDOUT, STDERR = 1, 2


@click.command
@click.argument("lab", default=DEFAULT_LAB, envvar="MAILLAB_LAB")
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="MAILLAB_DATA",
    help="Keep mail, queues and records in this folder; left out, they are gone at the end.",
)
@click.option(
    "--addressing",
    type=click.Choice([each.value for each in Addressing]),
    envvar="MAILLAB_ADDRESSING",
    help="ports: all on 127.0.0.1; hosts: each server on its own address, standard ports.",
)
@click.option(
    "--only", multiple=True, metavar="HOST", envvar="MAILLAB_ONLY", help="Run only this server of the lab; repeatable."
)
@click.option(
    "--log",
    type=click.Choice(["console", "json"]),
    envvar="MAILLAB_LOG",
    help="console: lines for people, on stderr; json: JSON lines, on stdout. Default: console on a terminal.",
)
@click.option(
    "--log-file",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="MAILLAB_LOG_FILE",
    help="Append JSON lines to this file as well.",
)
def up(
    lab: str,
    data: Path | None,
    addressing: str | None,
    only: tuple[str, ...],
    log: str | None,
    log_file: Path | None,
) -> None:
    """Run LAB (a lab file, its folder, or the name of a lab that ships) until Ctrl-C."""
    log = log or ("console" if sys.stdout.isatty() else "json")
    hosts = [host for word in only for host in word.split(",") if host]
    settings = {"data": data, "addressing": addressing, "only": hosts}
    try:
        with _log_sink(log_file) as in_addition:
            sinks = [JsonLines(STDOUT) if log == "json" else _console_sink(), *in_addition]
            trio.run(functools.partial(_run, lab, sinks, settings, show=log == "console"))
    except LabStartError as error:
        raise click.ClickException(str(error)) from None
    except (DataFolderInUse, StorageError) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or 'system'}: {error.strerror or error}") from None


async def _run(lab: str, sinks: list[Sink], settings: dict[str, Any], *, show: bool) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with open_lab(lab, sinks=sinks, **settings) as running:
            if show:
                _show(running, settings["data"])
            async for _ in signals:
                break


def _console_sink() -> Sink:
    colour = sys.stderr.isatty()
    return TextLines(STDERR, lambda record: console_line(record, colour), name="stderr")


@contextlib.contextmanager
def _log_sink(log_file: Path | None) -> Iterator[list[Sink]]:
    if log_file is None:
        yield []
        return
    file: BinaryIO
    with log_file.open("ab", buffering=0) as file:
        yield [JsonLines(file.fileno(), name=str(log_file))]


def _show(lab: Lab, data: Path | None) -> None:
    """The table of the lab's servers, for people."""
    console = Console()
    table = Table("Server", "Domains", "Address", "SMTP", "Users", title=lab.spec.title_in("en"))
    users = {domain.host: ", ".join(user.name for user in domain.users) for domain in lab.spec.domains}
    for server in lab.spec.servers:
        if server.host in lab.servers:
            listener = lab.book.find(server.host, SMTP_PORT)
            table.add_row(
                server.host,
                ", ".join(server.domains) or "(relay)",
                server.address,
                str(listener),
                users.get(server.host, ""),
            )
    console.print(table)
    kept = f"Mail is kept in {data}." if data else "Mail is kept in memory and gone at the end; --data DIR keeps it."
    console.print(f"{kept} Ctrl-C stops the lab.", highlight=False)
