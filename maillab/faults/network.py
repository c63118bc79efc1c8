"""A network whose links have faults; it wraps any other."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import AsyncIterator, Callable
from typing import Final, Protocol

import trio

from maillab.faults.fault import CLIENTS, LINK_KINDS, Kind
from maillab.faults.injection import record
from maillab.faults.line import Line
from maillab.faults.link import Link
from maillab.faults.plan import FaultPlan, Planned
from maillab.faults.stream import FaultyStream
from maillab.network.caller import Caller
from maillab.network.datagrams import DatagramSocket
from maillab.network.endpoint import Endpoint
from maillab.network.network import Network, NetworkListener, NetworkStream
from maillab.trace.recorder import RecordLog

Accepted = Callable[[NetworkStream, Endpoint], NetworkStream | None]

_REFUSALS: Final = frozenset({Kind.REFUSE})


class Map(Protocol):
    """Who is where."""

    def host_at(self, endpoint: Endpoint) -> str | None:
        """The host whose mail listener that is; None where something else listens."""

    def opener_at(self, address: str) -> str | None:
        """The host outside this process whose connections leave from `address`, if one is known."""

    def is_started(self, host: str) -> bool:
        """True for a host that some process of the lab runs, and False for one that is not ours."""


class FaultyNetwork(Network):
    """Listens and connects through `inner`, with the faults of a plan on the links.

    Every connection has its faults at one of its ends.  Servers of this process meet them where they connect; who
    comes from outside meets them where he is accepted.  Another process of the lab has a plan of its own, so that
    its connections are left alone here.
    """

    def __init__(self, inner: Network, plan: FaultPlan, where: Map, log: RecordLog, line: Line) -> None:
        """Made by `open`."""
        self._inner = inner
        self._plan = plan
        self._where = where
        self._log = log
        self._line = line

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, inner: Network, plan: FaultPlan, where: Map, log: RecordLog) -> AsyncIterator[FaultyNetwork]:
        """The network while the context lasts; what is on its way at the end never arrives."""
        async with trio.open_nursery() as nursery:
            line = Line(nursery)
            plan.add_listener(line.plan_changed)
            try:
                yield cls(inner, plan, where, log, line)
            finally:
                line.close()
                nursery.cancel_scope.cancel()

    async def listen(self, endpoint: Endpoint) -> FaultyListener:
        return FaultyListener(await self._inner.listen(endpoint), self._accepted)

    async def connect(self, target: Endpoint, source: str | None, caller: Caller | None) -> NetworkStream:
        if caller is None:  # a client: its faults are met where it is accepted, whoever's client it is
            return await self._inner.connect(target, source, caller)
        host = self._where.host_at(target)
        if host is None:
            return await self._inner.connect(target, source, caller)
        link = self._link(caller.host, host, caller)
        if self._plan.has(LINK_KINDS):
            await self._find_a_way(link, target)
        stream = await self._inner.connect(target, source, caller)
        return FaultyStream(stream, link, self._line, is_opener=True)

    async def datagrams(self, endpoint: Endpoint) -> DatagramSocket:
        """Not here: faults of datagrams, because the lab's own lookups send none; `dns-timeout` is theirs."""
        return await self._inner.datagrams(endpoint)

    def caller(self, peer: Endpoint) -> Caller | None:
        return self._inner.caller(peer)

    async def _find_a_way(self, link: Link, target: Endpoint) -> None:
        """Wait until nothing stands in the way, as far as waiting helps.

        Raises:
            OSError: refused, or parted.
        """
        while (obstacle := link.obstacle()) is not None:
            if obstacle is Kind.REFUSE:
                raise ConnectionRefusedError(errno.ECONNREFUSED, f"nobody listens at {target}")
            if obstacle is Kind.PARTITION:
                raise OSError(errno.EHOSTUNREACH, "No route to host")
            await self._line.changed.wait()

    def _accepted(self, stream: NetworkStream, listening: Endpoint) -> NetworkStream | None:
        """What the server gets of a connection; None where it never hears of it."""
        if self._inner.caller(stream.peer) is not None:
            return stream
        host = self._where.host_at(listening) or self._where.host_at(stream.local)
        opener = self._where.opener_at(stream.peer.host) or CLIENTS
        if host is None or self._where.is_started(opener):  # the page, or a server of another process
            return stream
        link = self._link(opener, host, None)
        if self._plan.has(_REFUSALS) and link.obstacle() is Kind.REFUSE:
            stream.abort()
            return None
        return FaultyStream(stream, link, self._line, is_opener=False)

    def _link(self, opener: str, target: str, caller: Caller | None) -> Link:
        def report(planned: Planned, reason: str) -> None:
            log = self._log.bind(server=target)
            if caller is not None:
                log = log.bind(server=caller.host, connection=caller.connection, **caller.about)
            record(log, planned, reason)

        return Link(self._plan, opener, target, report)


class FaultyListener(NetworkListener):
    """Accepts what the plan lets through."""

    def __init__(
        self, inner: NetworkListener, accepted: Callable[[NetworkStream, Endpoint], NetworkStream | None]
    ) -> None:
        self.local = inner.local
        self._inner = inner
        self._accepted = accepted

    async def accept(self) -> NetworkStream:
        while True:
            stream = self._accepted(await self._inner.accept(), self.local)
            if stream is not None:
                return stream

    async def aclose(self) -> None:
        await self._inner.aclose()
