"""A network without sockets: a whole lab in one process, without a port, deterministic under MockClock."""

from __future__ import annotations

import contextlib
import errno
import functools
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

import trio

from maillab.network.caller import Caller
from maillab.network.endpoint import HIGHEST_PORT, Endpoint
from maillab.network.memory_datagrams import WILDCARDS, MemoryDatagramSocket
from maillab.network.memory_stream import MemoryStream, memory_streams
from maillab.network.network import Network, NetworkListener

BACKLOG_LIMIT: Final = 128  # connections that wait to be accepted; SOMAXCONN of old
FIRST_EPHEMERAL_PORT: Final = 49152  # RFC 6335 section 6

Bound = TypeVar("Bound")


class MemoryListener(NetworkListener):
    """Connections to one endpoint, in the order in which they came."""

    def __init__(self, local: Endpoint, farewell: Callable[[MemoryListener], None]) -> None:
        self.local = local
        self._farewell = farewell
        self._arrive, self._arrivals = trio.open_memory_channel[MemoryStream](BACKLOG_LIMIT)

    async def accept(self) -> MemoryStream:
        return await self._arrivals.receive()

    async def offer(self, stream: MemoryStream) -> None:
        """Let `stream` wait to be accepted; waits itself while the backlog is full.

        Raises:
            ConnectionRefusedError: the listener was closed meanwhile.
        """
        try:
            await self._arrive.send(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise _refused(self.local) from None

    async def aclose(self) -> None:
        """Stop listening; connections that were never accepted are reset."""
        with contextlib.suppress(trio.WouldBlock, trio.ClosedResourceError):
            while True:
                self._arrivals.receive_nowait().leave(reset=True)
        self._arrivals.close()
        self._arrive.close()
        self._farewell(self)
        await trio.lowlevel.checkpoint()


class MemoryNetwork(Network):
    """Endpoints of one process; every address exists, and no name but `localhost` does.

    Ports that the network gives count up from 49152 for each address, so that equal runs have equal records.
    """

    def __init__(self) -> None:
        self._listeners: dict[Endpoint, MemoryListener] = {}
        self._callers: dict[Endpoint, Caller | None] = {}  # every outgoing connection, whoever's
        self._datagram_sockets: dict[Endpoint, MemoryDatagramSocket] = {}
        self._last_ports: dict[str, int] = {}
        self._last_datagram_ports: dict[str, int] = {}

    async def listen(self, endpoint: Endpoint) -> MemoryListener:
        await trio.lowlevel.checkpoint()
        host = _address(endpoint.host)
        local = Endpoint(host, endpoint.port or self._free_stream_port(host))
        if self._has_stream(local):
            raise _in_use(local)
        self._listeners[local] = listener = MemoryListener(local, self._forget_listener)
        return listener

    async def connect(self, target: Endpoint, source: str | None, caller: Caller | None) -> MemoryStream:
        """As `Network.connect`; without `source`, from the target's own address."""
        target = Endpoint(_address(target.host), target.port)
        listener = self._listener_at(target)
        if listener is None:
            await trio.lowlevel.checkpoint()
            raise _refused(target)
        host = _address(source or target.host)
        local = Endpoint(host, self._free_stream_port(host))
        stream, accepted = memory_streams(local, target, functools.partial(self._callers.pop, local, None))
        self._callers[local] = caller
        try:
            await listener.offer(accepted)
        except BaseException:
            stream.leave(reset=True)
            raise
        return stream

    async def datagrams(self, endpoint: Endpoint) -> MemoryDatagramSocket:
        await trio.lowlevel.checkpoint()
        host, sockets = _address(endpoint.host), self._datagram_sockets
        local = Endpoint(host, endpoint.port or _free_port(host, self._last_datagram_ports, self._has_datagrams))
        if self._has_datagrams(local):
            raise _in_use(local)
        sockets[local] = bound = MemoryDatagramSocket(local, self._datagram_socket_at, sockets.pop)
        return bound

    def caller(self, peer: Endpoint) -> Caller | None:
        return self._callers.get(peer)

    def _listener_at(self, target: Endpoint) -> MemoryListener | None:
        return _found_at(target, self._listeners)

    def _datagram_socket_at(self, target: Endpoint) -> MemoryDatagramSocket | None:
        return _found_at(Endpoint(_address(target.host), target.port), self._datagram_sockets)

    def _free_stream_port(self, host: str) -> int:
        return _free_port(host, self._last_ports, self._has_stream)

    def _has_stream(self, local: Endpoint) -> bool:
        return local in self._callers or local in self._listeners

    def _has_datagrams(self, local: Endpoint) -> bool:
        """True if a socket at `local` would take datagrams from another one, or lose them to it."""
        if local.host in WILDCARDS:
            return any(local.port == each.port for each in self._datagram_sockets)
        return self._datagram_socket_at(local) is not None

    def _forget_listener(self, listener: MemoryListener) -> None:
        # At a second aclose somebody new may listen there already.
        if self._listeners.get(listener.local) is listener:
            del self._listeners[listener.local]


def _found_at(target: Endpoint, bound: Mapping[Endpoint, Bound]) -> Bound | None:
    """Who is bound to `target`, or else to all addresses."""
    for host in (target.host, *WILDCARDS):
        if (found := bound.get(Endpoint(host, target.port))) is not None:
            return found
    return None


def _free_port(host: str, last_ports: dict[str, int], in_use: Callable[[Endpoint], bool]) -> int:
    """The next port of `host` that nothing uses; a closed port rests until all others had their turn."""
    port = last_ports.get(host, FIRST_EPHEMERAL_PORT - 1)
    for _ in range(FIRST_EPHEMERAL_PORT, HIGHEST_PORT + 1):
        port = port + 1 if port < HIGHEST_PORT else FIRST_EPHEMERAL_PORT
        local = Endpoint(host, port)
        if not in_use(local):
            last_ports[host] = port
            return port
    raise OSError(errno.EADDRNOTAVAIL, f"every port of {host} is in use")


def _address(host: str) -> str:
    return "127.0.0.1" if host == "localhost" else host


def _in_use(local: Endpoint) -> OSError:
    return OSError(errno.EADDRINUSE, f"{local} is already in use")


def _refused(target: Endpoint) -> ConnectionRefusedError:
    return ConnectionRefusedError(errno.ECONNREFUSED, f"nobody listens at {target}")
