"""Whole labs in memory, and real peers for them: a server that is not ours, and a client that speaks by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

import attrs
import trio

from maillab import Lab, open_lab
from maillab.lab.clock import MOCK_EPOCH
from maillab.lab.load import load_lab, parse_lab
from maillab.lab.spec import SMTP_PORT, LabSpec
from maillab.mail.address import Address
from maillab.mail.envelope import Envelope
from maillab.network.endpoint import Endpoint
from maillab.network.memory import MemoryNetwork
from maillab.network.network import Network, NetworkStream
from maillab.smtp.client import SmtpClient
from maillab.smtp.outcome import Outcome
from maillab.storage.database import Database
from maillab.trace.record import Record

NORD: Final = "mail.nord.example"
SUED: Final = "mail.sued.example"
RELAY: Final = "relay.example"
FAR: Final = "mail.far.example"
FAR_ADDRESS: Final = "172.20.0.1"
TWO_SCHOOLS: Final = load_lab("two-schools")

WITH_FAR: Final = f"""
    [lab]
    name = "with-far"

    [[domain]]
    name = "nord.example"
    users = ["anna", "nils"]

    [[foreign]]
    host = "{FAR}"
    domains = ["far.example"]
    smtp = "{FAR_ADDRESS}:25"

    [retry]
    after_seconds = [5, 30, 120]
    give_up_after_seconds = 1000
"""
"""One server, and one that the lab does not start: nobody is there unless a test lets a `ForeignServer` listen."""


@asynccontextmanager
async def memory_lab(
    lab: LabSpec | str = TWO_SCHOOLS,
    *,
    network: Network | None = None,
    data: Path | None = None,
    only: Sequence[str] = (),
    crash_ends_all: bool = True,
) -> AsyncIterator[Lab]:
    """A lab that uses no port; `lab` is a spec or the text of a lab file."""
    spec = parse_lab(lab, "test") if isinstance(lab, str) else lab
    async with open_lab(
        spec,
        addressing="hosts",
        network=network or MemoryNetwork(),
        data=data,
        only=only,
        crash_ends_all=crash_ends_all,
    ) as running:
        yield running


def records_of(lab: Lab, event: str, **keys: object) -> list[Record]:
    """The records of `event` that say all of `keys`."""
    return [
        record
        for record in lab.recorder.records
        if record["event"] == event and all(record.get(key) == value for key, value in keys.items())
    ]


def lab_second(record: Record) -> float:
    """When a record was written, in seconds since the lab's start under MockClock."""
    return datetime.fromisoformat(record["at"]).timestamp() - MOCK_EPOCH


def subjects(lab: Lab, mailbox: str) -> list[str | None]:
    """What lies in a mailbox, oldest first."""
    return [message.subject for message in lab.mailbox(mailbox).messages()]


def row_count(database: Database, table: str) -> int:
    """How many rows a table has, of all servers together."""
    (count,) = database.read(lambda db: db.execute(f"SELECT count(*) FROM {table}").fetchone())
    return int(count)


async def hand_over(
    lab: Lab, host: str, octets: bytes, sender: str, *recipients: str, source: str | None = None
) -> dict[Address, Outcome]:
    """Give one message to `host` over a connection of its own, which leaves from the address `source`."""
    envelope = Envelope(Address.parse(sender) if sender else None, tuple(map(Address.parse, recipients)))
    target = lab.book.find(host, SMTP_PORT)
    assert target is not None
    async with await lab.network.connect(target, source, None) as stream:
        client = SmtpClient(stream, "a-peer")
        await client.open()
        outcomes = await client.send(envelope, octets)
        await client.quit()
    return outcomes


class Visitor:
    """A client that speaks SMTP by hand."""

    def __init__(self, stream: NetworkStream) -> None:
        self._stream = stream
        self._heard = b""

    async def say(self, line: str) -> str:
        """The reply to one line."""
        (reply,) = await self.say_all([line])
        return reply

    async def say_all(self, lines: Sequence[str]) -> list[str]:
        """The replies to lines that are sent in one go."""
        await self._stream.send_all("".join(f"{line}\r\n" for line in lines).encode())
        return [await self.hear() for _ in lines]

    async def give(self, octets: bytes) -> str:
        """The reply to octets that end a message."""
        await self._stream.send_all(octets)
        return await self.hear()

    async def hear(self) -> str:
        """The last line of the next reply; "" when the server has closed."""
        while True:
            line, end, rest = self._heard.partition(b"\r\n")
            if end:
                self._heard = rest
                if line[3:4] == b" ":
                    return line.decode()
            else:
                octets = await self._stream.receive_some()
                if not octets:
                    return ""
                self._heard += octets


@asynccontextmanager
async def visit(lab: Lab, host: str, source: str | None = None) -> AsyncIterator[Visitor]:
    """A connection to `host`, greeted and with EHLO said."""
    target = lab.book.find(host, SMTP_PORT)
    assert target is not None
    async with await lab.network.connect(target, source, None) as stream:
        visitor = Visitor(stream)
        assert (await visitor.hear()).startswith("220 ")
        assert (await visitor.say("EHLO visitor")).startswith("250 ")
        yield visitor


HANG_UP: Final = ""


@attrs.define
class ForeignServer:
    """An SMTP server that is not ours.

    Attributes:
        script: what it answers to a line that begins so, in turn; afterwards what any server says.  "." is the end
            of a message, "" is the greeting; `HANG_UP` closes the connection without a word.
        thinks_seconds: how long it thinks about a message.
        heard: every line but those of messages.
        mails: what it has taken, with the dots as they came; an empty message, which ends a transaction without
            recipients (RFC 2920 section 3.1), is no mail.
        connection_count: how many connections there were.
        open_count: how many there are.
        most_open_count: how many there were at a time.
    """

    script: dict[str, list[str]]
    thinks_seconds: float = 0
    heard: list[str] = attrs.field(factory=list)
    mails: list[bytes] = attrs.field(factory=list)
    connection_count: int = 0
    open_count: int = 0
    most_open_count: int = 0

    async def serve(self, stream: NetworkStream) -> None:
        self.connection_count += 1
        self.open_count += 1
        self.most_open_count = max(self.most_open_count, self.open_count)
        try:
            async with stream:
                await self._converse(stream)
        except trio.BrokenResourceError:
            pass  # who hangs up on us may do so
        finally:
            self.open_count -= 1

    async def _converse(self, stream: NetworkStream) -> None:
        reply = self._answer("")
        octets = b""
        while reply != HANG_UP:
            await stream.send_all(f"{reply}\r\n".encode())
            ending = b"\r\n"
            if reply.startswith("354"):
                ending, octets = b"\r\n.\r\n", b"\r\n" + octets  # an empty message is its last line alone
            while ending not in octets:
                received = await stream.receive_some()
                if not received:
                    return
                octets += received
            said, _, octets = octets.partition(ending)
            if reply.startswith("354"):
                await trio.sleep(self.thinks_seconds)
                reply = self._answer(".")
                if reply.startswith("250") and len(said) > 2:
                    self.mails.append(said[2:] + b"\r\n")
            else:
                self.heard.append(said.decode())
                reply = self._answer(said.decode())

    def _answer(self, line: str) -> str:
        for beginning, replies in self.script.items():
            if replies and (line.startswith(beginning) if beginning else not line):
                return replies.pop(0)
        if line.startswith("EHLO"):
            return "250-far\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES"
        if line == "DATA":
            return "354 go on"
        return "250 2.0.0 far says yes" if line else "220 far"


@asynccontextmanager
async def foreign_server(
    lab: Lab,
    script: Mapping[str, Sequence[str]] | None = None,
    *,
    at: str = FAR_ADDRESS,
    thinks_seconds: float = 0,
) -> AsyncIterator[ForeignServer]:
    """A server that is not ours, while the context lasts."""
    server = ForeignServer({line: [*replies] for line, replies in (script or {}).items()}, thinks_seconds)
    listener = await lab.network.listen(Endpoint(at, SMTP_PORT))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, server.serve, [listener])
        yield server
        nursery.cancel_scope.cancel()
