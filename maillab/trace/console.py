"""One record as one line for people."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Final

from maillab.trace.cells import visible
from maillab.trace.record import CONTEXT_KEYS, Record

_ALWAYS: Final = frozenset({"run", "seq", "at", "event", "lab", *CONTEXT_KEYS})


class Colour(enum.StrEnum):
    """SGR sequences (ECMA-48 section 8.3.117); the sixteen colours that every terminal shows in its own theme."""

    NONE = ""
    DIM = "\x1b[2m"
    RED = "\x1b[31m"
    GREEN = "\x1b[32m"
    YELLOW = "\x1b[33m"
    CYAN = "\x1b[36m"
    RESET = "\x1b[0m"


_COLOURS: Final[Mapping[str, Colour]] = {
    "smtp.command": Colour.CYAN,
    "pop3.command": Colour.CYAN,
    "imap.command": Colour.CYAN,
    "message.accepted": Colour.GREEN,
    "message.stored": Colour.GREEN,
    "delivery.relayed": Colour.GREEN,
    "lab.ready": Colour.GREEN,
    "delivery.deferred": Colour.YELLOW,
    "records.lost": Colour.YELLOW,
    "fault.injected": Colour.YELLOW,
    "message.refused": Colour.RED,
    "delivery.failed": Colour.RED,
    "bounce.created": Colour.RED,
    "connection.crashed": Colour.RED,
    "storage.failed": Colour.RED,
    "auth.failed": Colour.RED,
    "connection.opened": Colour.DIM,
    "connection.closed": Colour.DIM,
    "delivery.started": Colour.DIM,
}
_REPLY_COLOURS: Final = {"4": Colour.YELLOW, "5": Colour.RED}


def console_line(record: Record, colour: bool) -> str:
    """`record` in one line: time (UTC), server, connection, and what happened in words.

    Control characters are written out, so nobody's mail can move the cursor; colours are ours alone.
    """
    time = record["at"][11:23]
    place = f"{record.get('server', '')}  {record.get('connection') or record.get('trace') or ''}".strip()
    text = visible(_words(record))
    if not colour:
        return "  ".join(part for part in (time, visible(place), text) if part)
    shade = _colour_of(record)
    painted = f"{shade}{text}{Colour.RESET}" if shade else text
    grey = "  ".join(part for part in (time, visible(place)) if part)
    return f"{Colour.DIM}{grey}{Colour.RESET}  {painted}"


def _colour_of(record: Record) -> Colour:
    if record["event"].endswith(".reply"):
        return _REPLY_COLOURS.get(record["line"][:1], Colour.NONE)
    return _COLOURS.get(record["event"], Colour.NONE)


def _words(record: Record) -> str:
    """What happened, in words; a record may lack any key of its own."""
    event = record["event"]
    if event.endswith(".command"):
        return f"Client: {record['line']}"
    if event.endswith(".reply"):
        return f"Server: {record['line']}"
    match event:
        case "message.accepted":
            hop, size = record.get("hop"), record.get("size_octets")
            about = f'"{record["subject"]}"' if record.get("subject") else "no subject"
            route = f"from <{record.get('sender', '')}> to {_names(record)}"
            return f"accepted as {record.get('queue_id')}, hop {hop}: {route}, {size} octets, {about}"
        case "message.stored":
            return f"stored for {record.get('mailbox')}, uid {record.get('uid')}"
        case "message.refused":
            return f"refused: {record.get('code')} {record.get('reason') or ''}".rstrip()
        case "delivery.started":
            return f"attempt {record.get('attempt')} to {record.get('next_hop')} for {_names(record)}"
        case "delivery.relayed":
            return f"relayed to {record.get('next_hop')} for {_names(record)}: {record.get('reply')}"
        case "delivery.deferred":
            again = f"again in {record.get('retry_in_seconds')} s"
            return f"deferred, {again}, for {_names(record)}: {record.get('reply')}"
        case "delivery.failed":
            return f"failed for {_names(record)}: {record.get('reply')}"
        case "bounce.created":
            return f"bounce for {_names(record)} of trace {record.get('for_trace')}"
        case "storage.failed":
            return f"nothing was stored: {record.get('error')}"
        case "fault.injected":
            return f"fault {record.get('fault')} ({record.get('kind')}): {record.get('reason')}"
        case "connection.opened":
            peer = record.get("peer_name") or record.get("peer")
            return f"connected {_DIRECTION.get(record.get('side'), 'with')} {peer} ({record.get('protocol')})"
        case "connection.closed":
            reason = record.get("reason")
            return f"connection closed: {reason}" if reason else "connection closed"
        case "lab.ready":
            servers = record.get("servers") or ()
            return f"lab {record['lab']} is ready: " + ", ".join(_address(server) for server in servers)
        case "lab.stopped":
            return f"lab {record['lab']} has stopped"
    said = (f"{key}={_value(value)}" for key, value in record.items() if key not in _ALWAYS and value is not None)
    return " ".join((event, *said))


_DIRECTION: Final[Mapping[Any, str]] = {"server": "from", "client": "to"}


def _names(record: Record) -> str:
    return ", ".join(record.get("recipients") or ()) or "nobody"


def _address(server: Mapping[str, Any]) -> str:
    return f"{server['host']} at {server['smtp']}" if server.get("smtp") else str(server["host"])


def _value(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
