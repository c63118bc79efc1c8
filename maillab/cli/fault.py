"""`maillab fault`: what goes wrong on purpose in a running lab."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import click
import httpx
import orjson

from maillab.cli.ask import RunningLab, ask, segment
from maillab.cli.options import format_option, option, url_option
from maillab.cli.output import harmless_text, show_json, show_table
from maillab.faults.fault import COMMANDS, Kind

PATH: Final = "/api/lab/faults"
_COLUMNS: Final = ("name", "kind", "fired_count", "spent")  # the other keys of a fault share a column

Command = Callable[..., None]

_KEYS: Final = (
    option("--name", metavar="NAME", help="By which it is recorded and cleared."),
    option("--times", type=int, metavar="N", help="Strike so often, then be spent."),
    option("--after", type=int, metavar="N", help="Let so many occasions pass first."),
    option("--chance", type=float, metavar="0..1", help="Of striking at each occasion."),
    option("--from", "from_", metavar="HOST", help='Who connects: a host, a domain, or "clients".'),
    option("--to", metavar="HOST", help="Who is connected to."),
    option("--hosts", "hosts", metavar="HOST", multiple=True, help="One side of a partition; repeatable."),
    option("--seconds", type=float, metavar="S", help="How late octets arrive, or how slow the disk is."),
    option("--jitter-seconds", type=float, metavar="S", help="Up to so much later still."),
    option("--octets-per-second", type=int, metavar="N", help="What a throttled link lets through."),
    option("--after-octets", type=int, metavar="N", help="What gets through before the cut."),
    option("--server", metavar="HOST", help="Which server, by host or domain."),
    option("--command", metavar="VERB", help=f"To what it answers so: {COMMANDS[0]}, a verb, or {COMMANDS[-1]}."),
    option("--address", metavar="ADDRESS", help='Only to this path: ben@sued.example, @sued.example, or "".'),
    option("--reply", metavar="REPLY", help='What it answers: "450 4.2.0 Mailbox busy".'),
    option("--late", is_flag=True, default=None, help="Accept the message first, and lose only the 250."),
    option("--domain", metavar="NAME", help="Which name in DNS, and all below it."),
)


def _keys(command: Command) -> Command:
    for each in reversed(_KEYS):
        command = each(command)
    return command


@click.group
def fault() -> None:
    """Let something go wrong on purpose in a running lab, and mend it again."""


@fault.command("list")
@format_option
@url_option
def list_faults(output_format: str, url: httpx.URL) -> None:
    """List the faults that are planned, and how often each has struck."""
    faults = ask(url, lambda lab: lab.list_at(PATH))
    if output_format == "json":
        show_json(faults)
        return
    rows = (
        (each["name"], each["kind"], _rest(each), f"{each['fired_count']}{', spent' if each['spent'] else ''}")
        for each in faults
    )
    show_table(("Name", "Kind", "Keys", "Struck"), rows, nothing="no faults", whole="Name")


@fault.command("add")
@click.argument("kind", type=click.Choice([kind.value for kind in Kind]), metavar="KIND")
@_keys
@url_option
def add_fault(kind: str, url: httpx.URL, **keys: Any) -> None:
    """Add a fault of KIND, with the keys that a [[fault]] of a lab file has; it holds at once.

    \b
    Links:   refuse delay throttle cut blackhole partition
    Servers: reply timeout disconnect
    Disks:   disk-full disk-fails disk-slow
    DNS:     dns-servfail dns-timeout
    """  # noqa: D301  the mark is click's, for lines that stay as they are
    table = {key.rstrip("_"): value for key, value in keys.items() if value not in (None, ())}
    added = ask(url, lambda lab: lab.post(PATH, {"kind": kind} | table))
    click.echo(harmless_text(f"{added['name']}: {added['kind']} {_rest(added)}".rstrip()))


@fault.command
@click.argument("names", metavar="[NAME]...", nargs=-1)
@url_option
def clear(names: tuple[str, ...], url: httpx.URL) -> None:
    """Clear the faults called NAME, or all; what they held up goes on."""

    async def clear_all(lab: RunningLab) -> list[str]:
        paths = [f"{PATH}/{segment(name)}" for name in names] or [PATH]
        return [name for path in paths for name in (await lab.delete(path))["cleared"]]

    cleared = ask(url, clear_all)
    click.echo(harmless_text(f"cleared: {', '.join(cleared) or 'nothing was planned'}"))


def _rest(fault: Mapping[str, Any]) -> str:
    """The keys that have no column of their own, as a lab file writes them."""
    return ", ".join(f"{key} = {orjson.dumps(value).decode()}" for key, value in fault.items() if key not in _COLUMNS)
