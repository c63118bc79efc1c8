"""Writes records as the servers of a lab would: what is known without a lab, to be gathered and drawn."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from maillab.trace.book import TraceBook
from maillab.trace.path import Trace
from maillab.trace.record import Record

START = datetime(2026, 11, 23, 13, 0, 0, tzinfo=UTC)
TRACE = "1JD2V9XK3M4QZ"
BOUNCE_TRACE = "1JD2V9XK3M4R0"
EXTENSIONS = ("PIPELINING", "SIZE 26214400", "8BITMIME", "ENHANCEDSTATUSCODES", "SMTPUTF8")


class Scribe:
    """The records of one process, in its order."""

    def __init__(self, run: str = "r1") -> None:
        self.run = run
        self.records: list[Record] = []
        self.now = 0.0

    def pause(self, seconds: float) -> None:
        self.now += seconds

    def write(self, event: str, **keys: Any) -> None:
        self.now += 0.001
        at = (START + timedelta(seconds=self.now)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        record = {"run": self.run, "seq": len(self.records) + 1, "at": at, "event": event, "lab": "test"}
        self.records.append(record | {key: value for key, value in keys.items() if value is not ...})

    def lab(self, **domains: Sequence[str]) -> None:
        servers = [{"host": host.replace("_", "."), "domains": list(names)} for host, names in domains.items()]
        self.write("lab.ready", web=None, servers=servers, dns=None)


class Line:
    """One SMTP connection, as one end of it writes it down."""

    def __init__(
        self,
        scribe: Scribe,
        connection: str,
        server: str,
        client: str | None = None,
        *,
        writer: str | None = None,
        opened: Sequence[str] = ("server",),
    ) -> None:
        """`server` receives; `client` is a server of the lab or None; `writer` writes the dialogue."""
        self.scribe, self.connection, self.server, self.client = scribe, connection, server, client
        self.writer = writer or server
        self.transaction: Any = ...
        self._opened = opened
        for side in opened:
            scribe.write("connection.opened", **self._end(side))

    def _end(self, side: str) -> dict[str, Any]:
        at_server = side == "server"
        return {
            "server": self.server if at_server else self.client,
            "connection": self.connection,
            "protocol": "smtp",
            "side": side,
            "peer": "127.0.0.1:50312" if at_server else "172.16.3.1:25",
            "peer_name": self.client if at_server else self.server,
        }

    def _write(self, event: str, **keys: Any) -> None:
        place = {"connection": self.connection, "transaction": self.transaction}
        self.scribe.write(event, **({"server": self.writer} | place | keys))

    def says(self, *lines: str) -> None:
        """The server answers."""
        for line in lines:
            self._write("smtp.reply", code=int(line[:3]), enhanced=None, line=line)

    def asks(self, command: str, *reply: str) -> None:
        """The client commands, the server answers."""
        verb = command[:4].upper()
        if verb == "MAIL":
            self.transaction = 1 if self.transaction is ... else self.transaction + 1
        self._write("smtp.command", verb=verb, line=command)
        self.says(*reply)

    def greet(self, name: str) -> None:
        self.says(f"220 {self.server} ESMTP maillab")
        first, *others = [f"{self.server} greets {name}", *EXTENSIONS]
        self.asks(f"EHLO {name}", *(f"250-{word}" for word in [first, *others[:-1]]), f"250 {others[-1]}")

    def accepted(self, hop: int, sender: str, recipients: Sequence[str], **keys: Any) -> None:
        """The server has the message on disk."""
        known: dict[str, Any] = {
            "server": self.server,
            "trace": TRACE,
            "hop": hop,
            "sender": sender,
            "recipients": list(recipients),
            "size_octets": 342 + 180 * hop,
            "sha256": "9f86d0",
            "subject": "Einladung zur Gartenparty",
            "received_from_queue_id": f"{TRACE}-{hop - 1}-00" if hop > 1 else None,
        } | keys
        known.setdefault("queue_id", f"{known['trace']}-{hop}-00")
        self._write("message.accepted", **known)

    def stored(self, hop: int, *mailboxes: str, uid: int = 1, **keys: Any) -> None:
        for mailbox in mailboxes:
            place = {"server": self.server, "trace": TRACE, "queue_id": f"{TRACE}-{hop}-00", "hop": hop}
            self._write("message.stored", **(place | {"mailbox": mailbox, "uid": uid} | keys))

    def mail(self, hop: int, sender: str, recipients: Sequence[str], stored: Sequence[str] = (), **keys: Any) -> None:
        """A whole transaction that goes well."""
        self.asks(f"MAIL FROM:<{sender}>", "250 2.1.0 Ok")
        for recipient in recipients:
            self.asks(f"RCPT TO:<{recipient}>", "250 2.1.5 Ok")
        self.data(hop, sender, recipients, stored, **keys)

    def data(self, hop: int, sender: str, recipients: Sequence[str], stored: Sequence[str] = (), **keys: Any) -> None:
        self.asks("DATA", "354 End data with <CR><LF>.<CR><LF>")
        self.scribe.pause(0.003)
        self.accepted(hop, sender, recipients, **keys)
        named = {key: keys[key] for key in ("trace", "queue_id") if key in keys}
        self.stored(hop, *stored, **named)
        queue_id = keys.get("queue_id", f"{keys.get('trace', TRACE)}-{hop}-00")
        self.says(f"250 2.0.0 Ok: queued as {queue_id}")

    def quit(self) -> None:
        place, self.transaction = self.transaction, ...
        self.asks("QUIT", "221 2.0.0 closing")
        self.transaction = place
        self.close()

    def close(self) -> None:
        for side in self._opened:
            self.scribe.write("connection.closed", **self._end(side), reason="quit")


def delivery(
    scribe: Scribe, outcome: str, server: str, hop: int, recipients: Sequence[str], next_hop: str, **keys: Any
) -> None:
    """A record of delivery.started, .deferred, .failed or .relayed."""
    known = {"trace": TRACE, "queue_id": f"{TRACE}-{hop}-00", "hop": hop, "attempt": 1}
    known |= {"recipients": list(recipients), "next_hop": next_hop}
    scribe.write(f"delivery.{outcome}", server=server, **(known | keys))


def forward(
    scribe: Scribe,
    connection: str,
    hops: tuple[str, str],
    hop: int,
    sender: str,
    to: Sequence[str],
    stored: Sequence[str] = (),
    **keys: Any,
) -> None:
    """One process: server `hops[0]`, at hop `hop` - 1, hands the message to `hops[1]`."""
    here, there = hops
    attempt = keys.pop("attempt", 1)
    delivery(scribe, "started", here, hop - 1, to, there, attempt=attempt)
    line = Line(scribe, connection, there, here, opened=("client", "server"))
    line.greet(here)
    line.mail(hop, sender, to, stored, **keys)
    queue_id = keys.get("queue_id", f"{TRACE}-{hop}-00")
    delivery(
        scribe,
        "relayed",
        here,
        hop - 1,
        to,
        there,
        attempt=attempt,
        connection=connection,
        transaction=1,
        code=250,
        reply=f"250 2.0.0 Ok: queued as {queue_id}",
        next_queue_id=queue_id,
    )


def book_of(*scribes: Scribe) -> TraceBook:
    """A book that has read the logs one after the other."""
    book = TraceBook()
    for scribe in scribes:
        for record in scribe.records:
            book.add(record)
    return book


def trace_of(*scribes: Scribe) -> Trace:
    trace = book_of(*scribes).get(TRACE)
    assert trace is not None
    return trace
