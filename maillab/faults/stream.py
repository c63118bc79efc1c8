"""A connection that meets faults: octets that come late, or never, or only so many."""

from __future__ import annotations

import trio

from maillab.faults.line import Ending, Incoming, Line, Outgoing, received
from maillab.faults.link import Link
from maillab.network.network import NetworkStream


class FaultyStream(NetworkStream):
    """One end of a connection whose faults are met here, for both directions.

    Where no fault is, octets cost one question more than without.
    """

    def __init__(self, inner: NetworkStream, link: Link, line: Line, *, is_opener: bool) -> None:
        self.local, self.peer = inner.local, inner.peer
        self._inner = inner
        self._link = link
        self._line = line
        self._is_opener = is_opener
        self._outgoing = Outgoing(inner, link, line)
        self._incoming = Incoming(inner, link, line)
        self._carried_octets = 0  # from the opener
        self._is_cut = False
        self._is_closed = False
        self._patience = trio.CancelScope()  # of who waits for what is late

    @property
    def has_octets_waiting(self) -> bool:
        if self._link.is_silent:
            return False
        return self._incoming.has_arrived or (self._incoming.is_empty and self._inner.has_octets_waiting)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if not self._link.is_troubled and self._outgoing.is_empty:
            if self._is_opener:
                self._carried_octets += len(data)
            await self._inner.send_all(data)
            return
        left = self._octets_left(len(data)) if self._is_opener else None
        if left is None:
            await self._send(bytes(data))
            return
        if not self._is_cut:
            await self._send(bytes(data[:left]))
            self._cut()
        raise trio.BrokenResourceError("connection reset")

    async def _send(self, octets: bytes) -> None:
        if self._is_closed:
            await trio.lowlevel.checkpoint()
            raise trio.ClosedResourceError("this stream was already closed")
        if self._outgoing.is_empty and not self._link.is_slow:
            await self._inner.send_all(octets)
        else:
            await self._outgoing.send(octets)

    async def wait_send_all_might_not_block(self) -> None:
        await self._inner.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        if self._outgoing.is_empty and not self._link.is_slow:
            await self._inner.send_eof()
        else:
            self._outgoing.end(Ending.EOF)
            await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self._incoming.is_empty:
            came = await self._received(max_bytes)
            if not self._link.is_troubled:
                if isinstance(came, trio.BrokenResourceError):
                    raise came
                if not self._is_opener:
                    self._carried_octets += len(came)
                return came
            self._incoming.hold(came)
        octets = b""
        with trio.CancelScope() as self._patience:
            octets = await self._incoming.receive(max_bytes)
        if self._patience.cancelled_caught:
            raise trio.ClosedResourceError("this stream was closed by another task")
        left = None if self._is_opener else self._octets_left(len(octets))
        if left is None:
            return octets
        self._cut()
        if not left:
            raise trio.BrokenResourceError("connection reset")
        return octets[:left]

    async def _received(self, max_bytes: int | None) -> bytes | trio.BrokenResourceError:
        if self._is_closed:
            await trio.lowlevel.checkpoint()
            raise trio.ClosedResourceError("this stream was already closed")
        try:
            return await received(self._inner, max_bytes)
        except trio.ClosedResourceError:
            if self._is_cut:  # perhaps by another task, which was sending
                return trio.BrokenResourceError("connection reset")
            raise

    def _octets_left(self, more_octets: int) -> int | None:
        """How many of the opener's octets still pass; None when all do, and they count from then on."""
        if self._is_cut:
            return 0
        left = self._link.octets_left(self._carried_octets, more_octets)
        if left is None:
            self._carried_octets += more_octets
        return left

    async def aclose(self) -> None:
        if self._is_closed:
            await trio.lowlevel.checkpoint()
            return
        self._is_closed = True
        self._patience.cancel()
        if self._link.is_silent and not self._is_cut:
            self._outgoing.drop()
            self._line.desert(self._inner, self._link)
        elif not self._outgoing.is_empty:
            self._outgoing.end(Ending.CLOSE)
        else:
            await self._inner.aclose()
            return
        await trio.lowlevel.checkpoint()

    def abort(self) -> None:
        self._is_closed = True
        self._patience.cancel()
        self._outgoing.drop()
        self._inner.abort()

    def _cut(self) -> None:
        self._is_cut = True
        if self._outgoing.is_empty:
            self._inner.abort()
        else:
            self._outgoing.end(Ending.ABORT)
