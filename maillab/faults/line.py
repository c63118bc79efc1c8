"""Octets on their way: one direction of a connection each, and what all connections of a network share."""

from __future__ import annotations

import enum
from collections import deque
from typing import Final

import trio

from maillab.faults.link import Lane, Link
from maillab.network.network import NetworkStream

ON_THE_WAY_LIMIT_OCTETS: Final = 1 << 16  # per direction; about what a system keeps of what it sent


class Ending(enum.Enum):
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
        self._waiting: deque[tuple[float, bytes | Ending]] = deque()
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

    def end(self, ending: Ending) -> None:
        """Let `ending` follow what is on the way."""
        self._put(self._lane.arrival(0, trio.current_time()), ending)

    def drop(self) -> None:
        """What is on the way never arrives."""
        if self._scope is not None:
            self._scope.cancel()
            self.broken = trio.BrokenResourceError("this stream was closed")
            self._news()

    def _put(self, due: float, what: bytes | Ending) -> None:
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
                self._give_up()
                raise
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                self.broken = trio.BrokenResourceError(str(error))
                self._give_up()
                self._news()
        self._scope = None

    def _give_up(self) -> None:
        """Nothing more arrives; who has left already and wanted it closed behind him finds it closed."""
        if any(what in (Ending.CLOSE, Ending.ABORT) for _, what in self._waiting):
            self._inner.abort()
        self._waiting.clear()

    async def _pass_on(self, what: bytes | Ending) -> None:
        if isinstance(what, bytes):
            await self._inner.send_all(what)
            self._waiting_octets -= len(what)
        elif what is Ending.EOF:
            await self._inner.send_eof()
        elif what is Ending.CLOSE:
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
