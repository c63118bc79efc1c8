"""The line client: typed lines go to a server of the lab, its lines come back; nobody else is ever connected to."""

from __future__ import annotations

import codecs
import difflib
import math
from collections.abc import Sequence
from typing import Final

import attrs
import orjson
import trio
from trio_websocket import WebSocketConnection

from maillab.lab.lab import Lab
from maillab.lab.spec import SMTP_PORT
from maillab.network.endpoint import HIGHEST_PORT, Endpoint
from maillab.network.network import NetworkStream
from maillab.trace.record import Record
from maillab.web.desk import Desk
from maillab.web.messages import Request, Response, refused
from maillab.web.websocket import NORMAL, TRY_LATER, Farewell, Upgrade, Websocket

CONNECT_SECONDS: Final = 10.0
UNFINISHED_SECONDS: Final = 0.2  # so long the end of a line is waited for
_RECEIVE_OCTETS: Final = 1 << 15


@attrs.frozen
class Typist:
    """Who types, at the other end of the websocket.

    A program gets the server's lines and nothing else, so that it may print what comes.  The page wants to know more,
    and a browser tells its scripts nothing about a handshake that was refused: with `told_events`, each frame is a
    JSON object that names its `event`.
    """

    websocket: WebSocketConnection
    told_events: bool

    async def hear(self, lines: Sequence[str]) -> None:
        """The server has said these."""
        if self.told_events:
            await self.tell("heard", lines=lines)
        else:
            await self.websocket.send_message("\n".join(lines))

    async def tell(self, event: str, **keys: object) -> None:
        """What stands beside the dialogue."""
        if self.told_events:
            await self.websocket.send_message(orjson.dumps({"event": event, **keys}).decode())


class Acceptances:
    """What the server took from one connection: a reply in a textbook's style names no queue id, but records do."""

    def __init__(self, lab: Lab, local: Endpoint, before_seq: int) -> None:
        """`local` is our end of a connection that was opened after the record `before_seq`."""
        self._recorder = lab.recorder
        self._local = str(local)
        self._before_seq: int | None = before_seq
        self._connection: str | None = None
        self._accepted: list[Record] = []

    def __enter__(self) -> Acceptances:
        self._recorder.add_listener(self._listen)
        return self

    def __exit__(self, *_: object) -> None:
        self._recorder.remove_listener(self._listen)

    def greeted(self) -> None:
        """The server has spoken, so that it has recorded who called, unless it is of another process."""
        if self._before_seq is not None:
            for record in self._recorder.after(self._before_seq):
                if record["event"] == "connection.opened" and record["peer"] == self._local:
                    self._connection = record["connection"]
            self._before_seq = None

    def take(self) -> list[Record]:
        """What was accepted since the last time."""
        taken, self._accepted = self._accepted, []
        return taken

    def _listen(self, record: Record) -> None:
        if (
            record["event"] == "message.accepted"
            and self._connection is not None
            and record.get("connection") == self._connection
        ):
            self._accepted.append(record)


async def console(desk: Desk, request: Request) -> Response | Upgrade:
    """A websocket to the server of the lab that goes by the name, domain or address `server`."""
    host = request.query.get("server", "")
    port = request.number("port", SMTP_PORT, 1, HIGHEST_PORT)
    told_events = request.query.get("events", "0") not in ("0", "")
    lab = desk.lab
    target, shown = lab.book.find(host, port), lab.book.shown(host)
    if target is None or shown is None:
        if told_events:
            return _nowhere(lab, host, port)
        servers = ", ".join(server.host for server in lab.spec.servers)
        raise refused(404, f"{host or 'no server'} port {port} is not in this lab", f"give server= one of {servers}")

    async def talk(websocket: Websocket) -> Farewell:
        name = Endpoint(shown, port)
        typist = Typist(websocket.connection, told_events)
        before_seq = lab.recorder.seq
        try:
            with trio.fail_after(CONNECT_SECONDS):
                stream = await lab.network.connect(target, None, None)
        except (OSError, trio.TooSlowError) as error:
            await typist.tell("refused", reason="no-answer", host=lab.book.host_of(host), address=shown, port=port)
            return Farewell(TRY_LATER, f"No connection to {name}: {error}")
        try:
            await typist.tell("opened", host=lab.book.host_of(host), address=shown, port=port)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_to_server, websocket.connection, stream)
                with Acceptances(lab, stream.local, before_seq) as acceptances:
                    await _to_client(typist, stream, acceptances)
                nursery.cancel_scope.cancel()
        finally:
            await trio.aclose_forcefully(stream)
        return Farewell(NORMAL, f"Socket to {name} closed")

    return Upgrade(talk)


def _nowhere(lab: Lab, host: str, port: int) -> Upgrade:
    """A websocket that only says why there is nobody to talk to: no such host, or none that listens there."""

    async def talk(websocket: Websocket) -> Farewell:
        typist, known = Typist(websocket.connection, told_events=True), lab.book.host_of(host)
        if known is None:
            nearest = difflib.get_close_matches(host.lower(), lab.book.names, n=1)
            await typist.tell("refused", reason="unknown-host", host=host, port=port, nearest=next(iter(nearest), None))
        else:
            address, ports = lab.book.shown(host), lab.book.ports(host)
            await typist.tell("refused", reason="closed-port", host=known, address=address, port=port, ports=ports)
        return Farewell(NORMAL, f"{host or 'no server'} port {port} is not in this lab")

    return Upgrade(talk)


async def _to_server(websocket: WebSocketConnection, stream: NetworkStream) -> None:
    """Each line of a frame with CRLF, an empty one too: it ends a mail's header."""
    while True:
        typed = await websocket.get_message()
        text = typed if isinstance(typed, str) else typed.decode("utf-8", "replace")
        octets = b"".join(line.removesuffix("\r").encode() + b"\r\n" for line in text.split("\n"))
        try:
            await stream.send_all(octets)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return  # the other task learns of it too, behind the server's last words


async def _to_client(typist: Typist, stream: NetworkStream, acceptances: Acceptances) -> None:
    """Whole lines as they come, until the server closes; one that stays unfinished is shown as far as it goes."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    unfinished = ""
    while True:
        octets: bytes | bytearray | None = None
        with trio.move_on_after(UNFINISHED_SECONDS if unfinished else math.inf):
            try:
                octets = await stream.receive_some(_RECEIVE_OCTETS)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                octets = b""
        lines = []
        if octets:
            acceptances.greeted()
            *lines, unfinished = (unfinished + decoder.decode(octets)).split("\n")
        if unfinished and (not octets or len(unfinished) > _RECEIVE_OCTETS):
            lines, unfinished = [*lines, unfinished], ""
        if lines:
            await typist.hear([line.removesuffix("\r") for line in lines])
        for accepted in acceptances.take():
            await typist.tell("accepted", trace=accepted["trace"], queue_id=accepted["queue_id"])
        if octets == b"":
            return
