"""The line client: typed lines go to a server of the lab, its lines come back; nobody else is ever connected to."""

from __future__ import annotations

import codecs
import math
from typing import Final

import trio
from trio_websocket import WebSocketConnection

from maillab.lab.spec import SMTP_PORT
from maillab.network.endpoint import HIGHEST_PORT, Endpoint
from maillab.network.network import NetworkStream
from maillab.web.desk import Desk
from maillab.web.messages import Request, Response, refused
from maillab.web.websocket import NORMAL, TRY_LATER, Farewell, Upgrade

CONNECT_SECONDS: Final = 10.0
UNFINISHED_SECONDS: Final = 0.2  # so long the end of a line is waited for
_RECEIVE_OCTETS: Final = 1 << 15


async def console(desk: Desk, request: Request) -> Response | Upgrade:
    """A websocket to the server of the lab that goes by the name, domain or address `server`."""
    host = request.query.get("server", "")
    port = request.number("port", SMTP_PORT, 1, HIGHEST_PORT)
    lab = desk.lab
    target, shown = lab.book.find(host, port), lab.book.shown(host)
    if target is None or shown is None:
        servers = ", ".join(server.host for server in lab.spec.servers)
        raise refused(404, f"{host or 'no server'} port {port} is not in this lab", f"give server= one of {servers}")

    async def talk(websocket: WebSocketConnection) -> Farewell:
        name = Endpoint(shown, port)
        try:
            with trio.fail_after(CONNECT_SECONDS):
                stream = await lab.network.connect(target, None, None)
        except (OSError, trio.TooSlowError) as error:
            return Farewell(TRY_LATER, f"No connection to {name}: {error}")
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_to_server, websocket, stream)
                await _to_client(websocket, stream)
                nursery.cancel_scope.cancel()
        finally:
            await trio.aclose_forcefully(stream)
        return Farewell(NORMAL, f"Socket to {name} closed")

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


async def _to_client(websocket: WebSocketConnection, stream: NetworkStream) -> None:
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
            *lines, unfinished = (unfinished + decoder.decode(octets)).split("\n")
        if unfinished and (not octets or len(unfinished) > _RECEIVE_OCTETS):
            lines, unfinished = [*lines, unfinished], ""
        if lines:
            await websocket.send_message("\n".join(line.removesuffix("\r") for line in lines))
        if octets == b"":
            return
