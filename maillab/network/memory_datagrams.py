"""Datagrams in memory: lost where a real network would lose them, and never late or out of order."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Final

import trio

from maillab.network.datagrams import DATAGRAM_LIMIT_OCTETS, DatagramSocket
from maillab.network.endpoint import Endpoint

WILDCARDS: Final = ("0.0.0.0", "::")  # bound there, a socket has every address
QUEUE_LIMIT: Final = 256  # datagrams that wait to be read; about what Linux keeps of small ones (rmem_default)


class MemoryDatagramSocket(DatagramSocket):
    """One end of no connection at all."""

    def __init__(
        self,
        local: Endpoint,
        route: Callable[[Endpoint], MemoryDatagramSocket | None],
        farewell: Callable[[Endpoint], object],
    ) -> None:
        """`route` finds who is at an endpoint; `farewell` is called once, when the socket is closed."""
        self.local = local
        self._route = route
        self._farewell = farewell
        self._arrive, self._arrivals = trio.open_memory_channel[tuple[bytes, Endpoint]](QUEUE_LIMIT)
        self._open = True

    async def receive_from(self) -> tuple[bytes, Endpoint]:
        return await self._arrivals.receive()

    async def send_to(self, octets: bytes, peer: Endpoint) -> None:
        await trio.lowlevel.checkpoint()
        if not self._open:
            raise trio.ClosedResourceError("this socket was already closed")
        if len(octets) > DATAGRAM_LIMIT_OCTETS:
            raise OSError(errno.EMSGSIZE, f"{len(octets)} octets are too long for a datagram")
        if (receiver := self._route(peer)) is not None:
            receiver.arrive(bytes(octets), self._source_toward(peer))

    async def aclose(self) -> None:
        if self._open:
            self._open = False
            self._arrivals.close()
            self._farewell(self.local)
        await trio.lowlevel.checkpoint()

    def arrive(self, octets: bytes, sender: Endpoint) -> None:
        """Keep a datagram until it is read; when too many wait, it is lost."""
        try:
            self._arrive.send_nowait((octets, sender))
        except trio.WouldBlock:
            return

    def _source_toward(self, peer: Endpoint) -> Endpoint:
        """A socket on all addresses sends from that of its peer, as connections in memory do without a source."""
        return Endpoint(peer.host, self.local.port) if self.local.host in WILDCARDS else self.local
