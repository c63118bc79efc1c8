"""Websockets behind the same door: h11 has read the request, trio-websocket takes over (RFC 6455).

trio-websocket reads the request itself, so that one is written out again for it and replayed: only what the
handshake needs, checked before, and nothing else that the client may have put there.

What many are told is made once: a server's frames are not masked (section 5.1) and no extension is agreed to, so that
a frame is the same octets on every connection.  They go onto the stream that trio-websocket was lent, past its framing.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

import attrs
import h11
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream
from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage
from wsproto.utilities import LocalProtocolError

from maillab.network.network import NetworkStream
from maillab.web.messages import Request, refused

HANDSHAKE_SECONDS: Final = 5.0  # wrap_server_stream has no deadline of its own
CLOSE_SECONDS: Final = 1.0  # for the peer to answer our close frame (RFC 6455 section 7.1.1)
PING_SECONDS: Final = 60.0  # a peer that does not answer so long after a ping is gone, or never reads
MESSAGE_LIMIT_OCTETS: Final = 1 << 16  # from a client; a longer one is answered with close code 1009
NORMAL: Final = 1000  # RFC 6455 section 7.4.1
TRY_LATER: Final = 1013  # IANA: a condition that will pass
_KEY_OCTETS: Final = 16  # RFC 6455 section 4.1
_REASON_LIMIT_OCTETS: Final = 123  # RFC 6455 section 5.5, without the code


class Farewell(NamedTuple):
    """How a websocket is closed from this side."""

    code: int
    reason: str


class LentStream(trio.abc.HalfCloseableStream):
    """What trio-websocket has for its stream: gives back `replay` first and then reads from `stream`.

    Others may send too, each in its turn: nothing gets into the midst of a frame.
    """

    def __init__(self, stream: trio.abc.HalfCloseableStream, replay: bytes) -> None:
        self._stream = stream
        self._replay = replay
        self._turn = trio.Lock()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        if not self._replay:
            return await self._stream.receive_some(max_bytes)
        await trio.lowlevel.checkpoint()
        cut = len(self._replay) if max_bytes is None else max_bytes
        chunk, self._replay = self._replay[:cut], self._replay[cut:]
        return chunk

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        async with self._turn:
            await self._stream.send_all(data)

    async def send_if(self, is_in_time: Callable[[], bool], data: bytes) -> bool:
        """Send `data`, unless it is no longer in time when its turn has come; whether it was sent."""
        async with self._turn:
            if is_in_time():
                await self._stream.send_all(data)
                return True
        return False

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def aclose(self) -> None:
        await self._stream.aclose()


@attrs.frozen
class Websocket:
    """A websocket that is open: all that trio-websocket can do, and frames that were made before."""

    connection: WebSocketConnection
    _stream: LentStream

    async def send_frame(self, frame: bytes) -> None:
        """Send what `text_frame` has made.

        Raises:
            ConnectionClosed: the connection is closed, or about to be.
        """
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            # Nothing may follow a close frame (section 5.5.1), which may go while we wait for our turn.
            if await self._stream.send_if(lambda: self.connection.closed is None, frame):
                return
        raise ConnectionClosed(self.connection.closed)


@attrs.frozen
class Upgrade:
    """An answer that goes on as a websocket: `talk` has it until it returns."""

    talk: Callable[[Websocket], Awaitable[Farewell]]


def text_frame(text: str) -> bytes:
    """The octets of one whole message, for any number of websockets."""
    return Connection(ConnectionType.SERVER).send(TextMessage(data=text))


def check_handshake(request: Request) -> None:
    """Make sure that `request` asks for a websocket as RFC 6455 section 4.2.1 wants it.

    Raises:
        Refusal: it does not.
    """
    upgrade, connection = _tokens(request, "upgrade"), _tokens(request, "connection")
    headers = (("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"))
    if "websocket" not in upgrade or "upgrade" not in connection:
        raise refused(426, f"{request.path} is a websocket", "connect to it by ws://", headers)
    if request.header("sec-websocket-version") != "13":
        raise refused(426, "another version of websockets", "use version 13 (RFC 6455)", headers)
    try:
        key = base64.b64decode(request.header("sec-websocket-key") or "", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_OCTETS:
        raise refused(400, "no Sec-WebSocket-Key", f"give {_KEY_OCTETS} random octets in base64")


async def hand_over(stream: NetworkStream, request: Request, unread: bytes, upgrade: Upgrade) -> None:
    """Open the websocket that `request` asks for, and let `upgrade` talk until either side closes it.

    Args:
        stream: the connection; it is left to the caller to close.
        request: has passed `check_handshake`.
        unread: what has come after the request.
        upgrade: what to do with it.
    """
    head = h11.Request(
        method="GET",
        target="/",
        headers=[
            ("Host", "localhost"),
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", request.header("sec-websocket-key") or ""),
        ],
    )
    lent = LentStream(stream, h11.Connection(h11.CLIENT).send(head) + unread)
    try:
        async with trio.open_nursery() as nursery:
            with trio.move_on_after(HANDSHAKE_SECONDS) as patience:
                asked = await wrap_server_stream(
                    nursery, lent, message_queue_size=1, max_message_size=MESSAGE_LIMIT_OCTETS
                )
                websocket = await asked.accept()
            if not patience.cancelled_caught:
                nursery.start_soon(_keep_alive, websocket, nursery.cancel_scope)
                code, reason = await upgrade.talk(Websocket(websocket, lent))
                reason = reason.encode()[:_REASON_LIMIT_OCTETS].decode(errors="ignore")
                with trio.move_on_after(CLOSE_SECONDS):
                    await websocket.aclose(code, reason)
            nursery.cancel_scope.cancel()
    except* (ConnectionClosed, LocalProtocolError):
        pass  # closed by the peer, wherever we were; or the peer spoke on after a close frame, which ends it too


async def _keep_alive(websocket: WebSocketConnection, scope: trio.CancelScope) -> None:
    """Let a peer go that has vanished without a word, or holds its end open and never reads."""
    while True:
        await trio.sleep(PING_SECONDS)
        with trio.move_on_after(PING_SECONDS) as patience:
            await websocket.ping()
        if patience.cancelled_caught:
            scope.cancel()
            return


def _tokens(request: Request, name: str) -> set[str]:
    return {token.strip().lower() for token in (request.header(name) or "").split(",")}
