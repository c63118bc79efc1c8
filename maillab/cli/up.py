"""`maillab up`: start a lab, and run it until Ctrl-C or SIGTERM."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import os
import secrets
import signal
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import click
import trio
from click.core import ParameterSource
from rich.console import Console
from rich.table import Table

from maillab.lab.lab import Lab
from maillab.lab.listening import LabStartError
from maillab.lab.load import load_lab
from maillab.lab.moving import read_net
from maillab.lab.spec import SMTP_PORT, Addressing, LabSpec
from maillab.lab.start import open_lab
from maillab.network.endpoint import Endpoint
from maillab.storage.errors import DataFolderInUse, StorageError
from maillab.trace.console import console_line
from maillab.trace.drain import JsonLines, Sink, TextLines
from maillab.web.access import is_local_name
from maillab.web.site import Website

DEFAULT_LAB = "gartenparty"
DEFAULT_WEB = "127.0.0.1:8025"
NO_WEB = "off"
PASSWORD_VARIABLE = "MAILLAB_PASSWORD"
ALLOWED_HOSTS_VARIABLE = "MAILLAB_ALLOWED_HOSTS"
PASSWORD_OCTETS = 12
STDOUT, STDERR = 1, 2
OPEN_FILES = 8192


def _read_web(_context: click.Context, _parameter: click.Parameter, value: str) -> Endpoint | None:
    """HOST:PORT, or "off" (None)."""
    if value == NO_WEB:
        return None
    try:
        return Endpoint.parse(value)
    except ValueError as error:
        raise click.BadParameter(f'{error}; or "{NO_WEB}"') from None


def _read_net(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    try:
        return None if value is None else read_net(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


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
    "--net",
    callback=_read_net,
    metavar="N.N",
    envvar="MAILLAB_NET",
    help="How the servers' addresses begin, instead of 172.16: another private network, where that one is in use.",
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
@click.option(
    "--web",
    callback=_read_web,
    default=DEFAULT_WEB,
    show_default=True,
    metavar="HOST:PORT|off",
    envvar="MAILLAB_WEB",
    help="Where the page and the API are; off for none. With --only, on one machine, the process that runs the lab's "
    "first server has them, and others where they are told to.",
)
@click.option(
    "--web-access",
    type=click.Choice(["open", "password"]),
    envvar="MAILLAB_WEB_ACCESS",
    help="Default: open on loopback, else password (MAILLAB_PASSWORD, or one that is made and printed).",
)
@click.pass_context
def up(
    context: click.Context,
    lab: str,
    data: Path | None,
    addressing: str | None,
    net: str | None,
    only: tuple[str, ...],
    log: str | None,
    log_file: Path | None,
    web: Endpoint | None,
    web_access: str | None,
) -> None:
    """Run LAB (a lab file, its folder, or the name of a lab that ships) until Ctrl-C."""
    log = log or ("console" if sys.stdout.isatty() else "json")
    hosts = [host for word in only for host in word.split(",") if host]
    spec = load_lab(lab, None if addressing is None else Addressing(addressing), net)
    if context.get_parameter_source("web") is ParameterSource.DEFAULT and not _has_usual_place(spec, hosts):
        web = None
    page = None if web is None else _page(web, web_access)
    settings = {"data": data, "addressing": addressing, "only": hosts, "page": page}
    _allow_open_files()
    try:
        with _log_sink(log_file) as in_addition:
            sinks = [JsonLines(STDOUT) if log == "json" else _console_sink(), *in_addition]
            trio.run(functools.partial(_run, spec, sinks, settings, show=log == "console"))
    except LabStartError as error:
        raise click.ClickException(str(error)) from None
    except (DataFolderInUse, StorageError) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or 'system'}: {error.strerror or error}") from None


def _allow_open_files() -> None:
    """As many as the system lets us have: 2,000 connections do not fit into the usual soft limit of 1,024."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _run(lab: LabSpec, sinks: list[Sink], settings: dict[str, Any], *, show: bool) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with open_lab(lab, sinks=sinks, **settings) as running:
            page: Website | None = settings["page"]
            if show:
                _show(running, settings["data"], page)
            elif page is not None and page.password is not None:
                click.echo(_password_line(page.password), err=True)
            async for _ in signals:
                break


def _has_usual_place(spec: LabSpec, hosts: Collection[str]) -> bool:
    """Of several processes on one machine only one can have it."""
    return not hosts or spec.addressing is not Addressing.PORTS or spec.servers[0].host in hosts


def _page(endpoint: Endpoint, access: str | None) -> Website:
    if access is None:
        access = "open" if _is_loopback(endpoint.host) else "password"
    password = None
    if access == "password":
        password = os.environ.get(PASSWORD_VARIABLE) or secrets.token_urlsafe(PASSWORD_OCTETS)
    allowed = [host for host in os.environ.get(ALLOWED_HOSTS_VARIABLE, "").replace(",", " ").split() if host]
    if not is_local_name(endpoint.host):
        allowed.append(endpoint.host)  # who is told to listen at a name goes by that name
    return Website(endpoint, password=password, allowed_hosts=allowed)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _password_line(password: str) -> str:
    if password == os.environ.get(PASSWORD_VARIABLE):
        return f"The page asks for the password in {PASSWORD_VARIABLE}."
    return f"The page's password is {password} (any user name)."


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


def _show(lab: Lab, data: Path | None, page: Website | None) -> None:
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
    if page is not None:
        console.print(f"The page is at {page.url}", highlight=False, soft_wrap=True)
        if page.password is not None:
            console.print(_password_line(page.password), highlight=False, markup=False, soft_wrap=True)
    kept = f"Mail is kept in {data}." if data else "Mail is kept in memory and gone at the end; --data DIR keeps it."
    console.print(f"{kept} Ctrl-C stops the lab.", highlight=False)
