"""A connection that meets faults: octets that come late, or never, or only so many."""

from __future__ import annotations

import enum
from collections import deque
from typing import Final

import trio

from maillab.faults.link import Lane, Link
from maillab.network.network import NetworkStream

ON_THE_WAY_LIMIT_OCTETS: Final = 1 << 16  # per direction; about what a system keeps of what it sent


class _Ending(enum.Enum):
    """What comes behind the last octets."""

    EOF = enum.auto()
    CLOSE = enum.auto()
    ABORT = enum.auto()


class Line:
    """What all connections of a network share: where slow octets wait, and the news that the plan has changed."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.nursery: Final = nursery
        self.changed = trio.Event()
        self._deserted: dict[NetworkStream, Link] = {}

    def plan_changed(self) -> None:
        """Wake all who wait for something to pass, and tell the other side of who has left meanwhile."""
        changed, self.changed = self.changed, trio.Event()
        changed.set()
        for stream in [stream for stream, link in self._deserted.items() if not link.is_silent]:
            del self._deserted[stream]
            stream.abort()

    def desert(self, stream: NetworkStream, link: Link) -> None:
        """The owner of `stream` has closed it, and the other side cannot hear of it yet."""
        self._deserted[stream] = link

    def close(self) -> None:
        """Nobody waits any more."""
        for stream in self._deserted:
            stream.abort()
        self._deserted.clear()


class Outgoing:
    """Octets on their way out, and behind them perhaps an end: sent one by one when their time has come."""

    def __init__(self, inner: NetworkStream, link: Link, line: Line) -> None:
        self._inner = inner
        self._link = link
        self._line = line
        self._lane = Lane(link)
        self._waiting: deque[tuple[float, bytes | _Ending]] = deque()
        self._waiting_octets = 0
        self._moved = trio.Event()
        self._scope: trio.CancelScope | None = None  # of the task that sends, while there is something to send
        self.broken: trio.BrokenResourceError | None = None

    @property
    def is_empty(self) -> bool:
        return self._scope is None

    async def send(self, octets: bytes) -> None:
        """Take `octets` on the way; waits while too many are."""
        await trio.lowlevel.checkpoint()
        for piece in self._lane.pieces(octets):
            while self._waiting_octets >= ON_THE_WAY_LIMIT_OCTETS and self.broken is None:
                await self._moved.wait()
            if self.broken is not None:
                raise trio.BrokenResourceError("connection lost") from self.broken
            self._waiting_octets += len(piece)
            self._put(self._lane.arrival(len(piece), trio.current_time()), piece)

    def end(self, ending: _Ending) -> None:
        """Let `ending` follow what is on the way."""
        self._put(self._lane.arrival(0, trio.current_time()), ending)

    def drop(self) -> None:
        """What is on the way never arrives."""
        if self._scope is not None:
            self._scope.cancel()
            self.broken = trio.BrokenResourceError("this stream was closed")
            self._news()

    def _put(self, due: float, what: bytes | _Ending) -> None:
        self._waiting.append((due, what))
        if self._scope is None:
            self._scope = trio.CancelScope()
            self._line.nursery.start_soon(self._send_on, self._scope)

    async def _send_on(self, scope: trio.CancelScope) -> None:
        with scope:
            try:
                while self._waiting:
                    due, what = self._waiting[0]
                    await trio.sleep_until(due)
                    while self._link.is_silent:
                        await self._line.changed.wait()
                    await self._pass_on(what)
                    self._waiting.popleft()
                    self._news()
            except trio.Cancelled:
                if any(what in (_Ending.CLOSE, _Ending.ABORT) for _, what in self._waiting):
                    self._inner.abort()  # nobody else would close it
                raise
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                self.broken = trio.BrokenResourceError(str(error))
                self._news()
        self._scope = None

    async def _pass_on(self, what: bytes | _Ending) -> None:
        if isinstance(what, bytes):
            await self._inner.send_all(what)
            self._waiting_octets -= len(what)
        elif what is _Ending.EOF:
            await self._inner.send_eof()
        elif what is _Ending.CLOSE:
            await self._inner.aclose()
        else:
            self._inner.abort()

    def _news(self) -> None:
        moved, self._moved = self._moved, trio.Event()
        moved.set()


class Incoming:
    """Octets that are there already and have not arrived yet; behind them perhaps the end (b"") or an error."""

    def __init__(self, inner: NetworkStream, link: Link, line: Line) -> None:
        self._inner = inner
        self._link = link
        self._line = line
        self._lane = Lane(link)
        self._waiting: deque[tuple[float, bytes | trio.BrokenResourceError]] = deque()
        self._waiting_octets = 0
        self._has_ended = False

    @property
    def is_empty(self) -> bool:
        return not self._waiting

    @property
    def has_arrived(self) -> bool:
        """Could something be received at once?"""
        return bool(self._waiting) and self._waiting[0][0] <= trio.current_time()

    def hold(self, what: bytes | trio.BrokenResourceError) -> None:
        """This is there now, and arrives when its time has come."""
        now = trio.current_time()
        if isinstance(what, bytes) and what:
            for piece in self._lane.pieces(what):
                self._waiting.append((self._lane.arrival(len(piece), now), piece))
                self._waiting_octets += len(piece)
        else:
            self._waiting.append((self._lane.arrival(0, now), what))
            self._has_ended = True

    async def receive(self, max_bytes: int | None) -> bytes:
        """The next octets that arrive, once some have been held; what comes meanwhile is held too."""
        while True:
            due = self._waiting[0][0]
            if self._link.is_silent:
                await self._line.changed.wait()
            elif due <= trio.current_time():
                await trio.lowlevel.checkpoint()
                return self._taken(max_bytes)
            elif self._has_ended or self._waiting_octets >= ON_THE_WAY_LIMIT_OCTETS:
                await trio.sleep_until(due)
            else:
                with trio.CancelScope(deadline=due):
                    self.hold(await received(self._inner, max_bytes))

    def _taken(self, max_bytes: int | None) -> bytes:
        due, what = self._waiting[0]
        if not isinstance(what, bytes):
            raise what
        if not what:
            return what  # an end stays one
        self._waiting.popleft()
        octets = what[:max_bytes]
        self._waiting_octets -= len(octets)
        if len(octets) < len(what):
            self._waiting.appendleft((due, what[len(octets) :]))
        return octets


async def received(stream: NetworkStream, max_bytes: int | None) -> bytes | trio.BrokenResourceError:
    """What comes next: octets, the end, or that the connection is broken."""
    try:
        return bytes(await stream.receive_some(max_bytes))
    except trio.BrokenResourceError as error:
        return error


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
            self._outgoing.end(_Ending.EOF)
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
            self._outgoing.end(_Ending.CLOSE)
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
            self._outgoing.end(_Ending.ABORT)
