"""Byte streams in memory that behave like the two ends of a TCP connection."""

from __future__ import annotations

import enum
import operator
from collections.abc import Callable
from types import TracebackType
from typing import Final

import trio

from maillab.network.endpoint import Endpoint
from maillab.network.network import NetworkStream

BUFFER_LIMIT_OCTETS: Final = 65536  # per direction; about what Linux gives a loopback socket to start with


class _Flow(enum.Enum):
    """What may still come through one direction of a connection."""

    OPEN = enum.auto()
    ENDED = enum.auto()  # the writer has finished: the reader gets the rest, then b""
    RESET = enum.auto()  # the writer left without reading what it was sent: the reader gets the rest, then an error
    DESERTED = enum.auto()  # the reader has left: the writer gets an error


class _End(enum.Enum):
    """What the owner of a stream has done to it."""

    OPEN = enum.auto()
    EOF_SENT = enum.auto()
    CLOSED = enum.auto()


class _Pipe:
    """One direction of a connection: a bounded buffer, and who waits for octets or for room."""

    __slots__ = ("buffer", "flow", "readers", "writers")

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.flow = _Flow.OPEN
        self.readers = trio.lowlevel.ParkingLot()
        self.writers = trio.lowlevel.ParkingLot()

    def turn(self, flow: _Flow) -> None:
        self.flow = flow
        self.readers.unpark_all()
        self.writers.unpark_all()


class _OneAtATime:
    """Refuses a second task in the same operation, as sockets do."""

    __slots__ = ("_busy", "_operation")

    def __init__(self, operation: str) -> None:
        self._operation = operation
        self._busy = False

    def __enter__(self) -> None:
        if self._busy:
            raise trio.BusyResourceError(f"another task is already {self._operation} on this stream")
        self._busy = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._busy = False


class MemoryStream(NetworkStream):
    """One end of a connection in memory: half-close, back-pressure and reset as a socket stream has them."""

    def __init__(
        self,
        local: Endpoint,
        peer: Endpoint,
        incoming: _Pipe,
        outgoing: _Pipe,
        farewell: Callable[[], object] | None = None,
    ) -> None:
        self.local = local
        self.peer = peer
        self._incoming = incoming
        self._outgoing = outgoing
        self._farewell = farewell
        self._end = _End.OPEN
        self._sending = _OneAtATime("sending")
        self._receiving = _OneAtATime("receiving")

    @property
    def has_octets_waiting(self) -> bool:
        return bool(self._incoming.buffer)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        with self._sending:
            await trio.lowlevel.checkpoint()
            self._require_sendable()
            pipe = self._outgoing
            sent, total = 0, len(data)
            with memoryview(data) as octets:
                while sent < total:
                    room = BUFFER_LIMIT_OCTETS - len(pipe.buffer)
                    if room:
                        pipe.buffer += octets[sent : sent + room]
                        sent += room
                        pipe.readers.unpark_all()
                    else:
                        await pipe.writers.park()
                        self._require_sendable()

    async def wait_send_all_might_not_block(self) -> None:
        with self._sending:
            await trio.lowlevel.checkpoint()
            self._require_sendable()
            if len(self._outgoing.buffer) == BUFFER_LIMIT_OCTETS:
                await self._outgoing.writers.park()
                self._require_sendable()

    async def send_eof(self) -> None:
        with self._sending:
            await trio.lowlevel.checkpoint()
            if self._end is _End.CLOSED:
                raise trio.ClosedResourceError("this stream was already closed")
            self._end = _End.EOF_SENT
            if self._outgoing.flow is _Flow.OPEN:
                self._outgoing.turn(_Flow.ENDED)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if max_bytes is not None and operator.index(max_bytes) < 1:
            raise ValueError("max_bytes must be 1 or more")
        with self._receiving:
            pipe = self._incoming
            if pipe.buffer or pipe.flow is not _Flow.OPEN:
                await trio.lowlevel.checkpoint()
            else:
                await pipe.readers.park()
            if self._end is _End.CLOSED:
                raise trio.ClosedResourceError("this stream was already closed")
            if pipe.buffer:
                octets = bytes(pipe.buffer[:max_bytes])
                del pipe.buffer[:max_bytes]
                pipe.writers.unpark_all()
                return octets
            if pipe.flow is _Flow.RESET:
                raise trio.BrokenResourceError("connection reset by peer")
            return b""

    async def aclose(self) -> None:
        self.leave(reset=False)
        await trio.lowlevel.checkpoint()

    def abort(self) -> None:
        self.leave(reset=True)

    def leave(self, *, reset: bool) -> None:
        """Close this end.

        The peer reads to a clean end; or to an error with `reset`, and when it had sent what was never read
        (RFC 1122 section 4.2.2.13).
        """
        if self._end is _End.CLOSED:
            return
        self._end = _End.CLOSED
        reset = reset or bool(self._incoming.buffer)
        self._incoming.buffer.clear()
        self._incoming.turn(_Flow.DESERTED)
        if self._outgoing.flow is not _Flow.DESERTED:
            self._outgoing.turn(_Flow.RESET if reset else _Flow.ENDED)
        if self._farewell is not None:
            self._farewell()

    def _require_sendable(self) -> None:
        if self._end is not _End.OPEN:
            raise trio.ClosedResourceError("this stream was already closed, or its end was sent")
        if self._outgoing.flow is _Flow.DESERTED:
            raise trio.BrokenResourceError("the peer has closed this connection")


def memory_streams(
    client: Endpoint, server: Endpoint, farewell: Callable[[], object]
) -> tuple[MemoryStream, MemoryStream]:
    """The two ends of a new connection; `farewell` is called once, when the client closes its own."""
    to_server, to_client = _Pipe(), _Pipe()
    return (
        MemoryStream(client, server, to_client, to_server, farewell),
        MemoryStream(server, client, to_server, to_client),
    )
