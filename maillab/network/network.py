"""All that servers know of sockets: listen, connect, datagrams, and who is calling; and the system's behind it."""

from __future__ import annotations

import abc
import errno
import functools
import ipaddress
import operator
import os
import socket
import struct
import sys
from collections.abc import Callable
from typing import Final

import trio

from maillab.network.caller import Caller
from maillab.network.datagrams import DatagramSocket, UdpSocket
from maillab.network.endpoint import Endpoint

LISTEN_BACKLOG: Final = 65535  # as trio.open_tcp_listeners: the system cuts it to what it can
RECEIVE_OCTETS: Final = 1 << 16
LOOPBACK: Final = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}  # RFC 6761 section 6.3: "localhost"


LINGER_NOT: Final = struct.pack("ii", 1, 0)  # SO_LINGER on, no seconds: closing is a reset (RFC 9293 section 3.10.5)


class NetworkStream(trio.abc.HalfCloseableStream):
    """A byte stream that knows both its ends."""

    local: Endpoint
    peer: Endpoint

    @property
    def has_octets_waiting(self) -> bool:
        """True if something could be received at once."""
        return False

    @abc.abstractmethod
    def abort(self) -> None:
        """Close at once, and let the other side see that this was no orderly end (RFC 9293 section 3.10.5)."""


class NetworkListener(trio.abc.Listener[NetworkStream]):
    """Accepts streams at `local`; made for `trio.serve_listeners`."""

    local: Endpoint


class Network(abc.ABC):
    """Where servers listen and what they connect through."""

    @abc.abstractmethod
    async def listen(self, endpoint: Endpoint) -> NetworkListener:
        """Listen at `endpoint`; port 0 means any free port, told by the listener's `local`.

        Raises:
            OSError: the address is taken (EADDRINUSE), not ours (EADDRNOTAVAIL) or not allowed (EACCES).
        """

    @abc.abstractmethod
    async def connect(self, target: Endpoint, source: str | None, caller: Caller | None) -> NetworkStream:
        """Connect to `target`, leaving from the address `source`; None lets the system choose.

        `caller` stands in the register of outgoing connections before the other side can accept, and until
        the stream is closed; None for a client that is nobody's server.

        Raises:
            OSError: nobody listens there, no way leads there, or `source` is no address of this machine.
        """

    @abc.abstractmethod
    async def datagrams(self, endpoint: Endpoint) -> DatagramSocket:
        """A socket for datagrams at `endpoint`; port 0 means any free port, told by the socket's `local`.

        Datagrams have ports of their own: a listener may have the same endpoint.

        Raises:
            OSError: as `listen`.
        """

    @abc.abstractmethod
    def caller(self, peer: Endpoint) -> Caller | None:
        """Who of this process is at `peer`, the other end of an accepted stream; None for somebody else."""


class TcpStream(NetworkStream):
    """A TCP connection.  Both ends are asked for once, while the system still knows them.

    Reading and writing go past Trio's sockets, which try first and wait then: who serves lines has nothing to read
    before it has waited, and hardly ever has to wait before it writes.  That takes a third off each line.
    """

    def __init__(
        self,
        stream: trio.SocketStream,
        local: Endpoint,
        peer: Endpoint,
        farewell: Callable[[], object] | None = None,
    ) -> None:
        """`farewell` is called once, when the stream is closed."""
        self.local = local
        self.peer = peer
        self._stream = stream
        self._fileno = stream.socket.fileno  # -1 from the moment that the socket is closed
        self._farewell = farewell
        self._is_sending = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_sending:
            raise trio.BusyResourceError("another task is using this stream to send")
        self._is_sending = True
        try:
            sent = self._send_at_once(data)
            if sent == len(data):
                await trio.lowlevel.checkpoint()
            else:
                await self._stream.send_all(memoryview(data)[sent:])
        finally:
            self._is_sending = False

    def _send_at_once(self, data: bytes | bytearray | memoryview) -> int:
        """How many octets the system takes now; none where Trio's stream has to wait, or to say what is wrong."""
        if not data or self._stream.socket.did_shutdown_SHUT_WR:
            return -1
        try:
            return os.write(self._fileno(), data)
        except OSError:
            return 0

    async def wait_send_all_might_not_block(self) -> None:
        if self._is_sending:
            raise trio.BusyResourceError("another task is using this stream to send")
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    @property
    def has_octets_waiting(self) -> bool:
        try:
            with socket.socket(fileno=os.dup(self._fileno())) as same:  # Trio's socket can only wait for octets
                return bool(same.recv(1, socket.MSG_PEEK))
        except OSError:
            return False  # nothing is there, or nobody

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if max_bytes is None:
            max_bytes = RECEIVE_OCTETS
        if operator.index(max_bytes) < 1:
            raise ValueError("max_bytes must be at least 1")
        while True:
            if self._fileno() < 0:
                raise trio.ClosedResourceError("this stream is closed")
            await trio.lowlevel.wait_readable(self._fileno())
            try:
                return os.read(self._fileno(), max_bytes)
            except BlockingIOError:
                continue  # what woke us was no octets after all
            except OSError as error:
                if self._fileno() < 0:
                    raise trio.ClosedResourceError("this stream was closed by another task") from None
                raise trio.BrokenResourceError(f"connection lost: {error.strerror}") from error

    async def aclose(self) -> None:
        self._say_farewell()
        await self._stream.aclose()

    def abort(self) -> None:
        self._say_farewell()
        if self._fileno() >= 0:
            self._stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
            self._stream.socket.close()

    def _say_farewell(self) -> None:
        # Once only, and before the socket is closed: afterwards the port may already be another connection's.
        farewell, self._farewell = self._farewell, None
        if farewell is not None:
            farewell()


class TcpListener(NetworkListener):
    """A listening TCP socket."""

    def __init__(self, listener: trio.SocketListener) -> None:
        self.local = _endpoint(listener.socket.getsockname())
        self._listener = listener

    async def accept(self) -> TcpStream:
        while True:
            stream = await self._listener.accept()
            try:
                # Asked of each connection, since a listener on all interfaces has no one address of its own.
                local, peer = _endpoint(stream.socket.getsockname()), _endpoint(stream.socket.getpeername())
            except OSError:
                await trio.aclose_forcefully(stream)  # ENOTCONN: the peer has gone before it was accepted
            else:
                return TcpStream(stream, local, peer)

    async def aclose(self) -> None:
        await self._listener.aclose()


class TcpNetwork(Network):
    """Real TCP, and UDP beside it, over IPv4 and IPv6."""

    def __init__(self) -> None:
        self._callers: dict[Endpoint, Caller] = {}

    async def listen(self, endpoint: Endpoint) -> TcpListener:
        family, address = (await _addresses(endpoint, socket.AF_UNSPEC))[0]
        listening = trio.socket.socket(family, socket.SOCK_STREAM)
        try:
            if sys.platform != "win32":  # there it would let two servers share a port
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:  # so that an IPv4 peer never shows up as ::ffff:127.0.0.1
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            await listening.bind(address)
            listening.listen(LISTEN_BACKLOG)
            return TcpListener(trio.SocketListener(listening))
        except BaseException:
            listening.close()
            raise

    async def connect(self, target: Endpoint, source: str | None, caller: Caller | None) -> TcpStream:
        family = socket.AF_UNSPEC if source is None else _family(source)
        failure: OSError | None = None
        for each_family, address in await _addresses(target, family):
            try:
                return await self._connect(each_family, address, source, caller)
            except OSError as error:
                failure = failure or error
        raise failure or OSError(errno.EAFNOSUPPORT, f"{target} cannot be reached from {source}: one is IPv4, one IPv6")

    async def datagrams(self, endpoint: Endpoint) -> UdpSocket:
        family, address = (await _addresses(endpoint, socket.AF_UNSPEC))[0]
        bound = trio.socket.socket(family, socket.SOCK_DGRAM)
        try:
            if family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            await bound.bind(address)
            return UdpSocket(bound)
        except BaseException:
            bound.close()
            raise

    def caller(self, peer: Endpoint) -> Caller | None:
        return self._callers.get(peer)

    async def _connect(
        self, family: socket.AddressFamily, address: tuple[str, int], source: str | None, caller: Caller | None
    ) -> TcpStream:
        """Bind, register, connect: on loopback the other side accepts before `connect` returns here.

        Without SO_REUSEADDR the system gives every bound socket a port of its own, so that a local endpoint
        names one connection only, whatever its target.
        """
        outgoing = trio.socket.socket(family, socket.SOCK_STREAM)
        local: Endpoint | None = None
        try:
            await outgoing.bind((source or await _source_toward(family, address), 0))
            local = _endpoint(outgoing.getsockname())
            if local == address:
                # Nobody listens at a port that was free for us; TCP would connect the socket with itself
                # (RFC 9293 section 3.5, simultaneous open).
                raise ConnectionRefusedError(errno.ECONNREFUSED, f"nobody listens at {local}")
            if caller is not None:
                self._callers[local] = caller
            try:
                await outgoing.connect(address)
            except OSError as error:  # Trio's words name the address once more, as Python writes it
                raise OSError(error.errno, os.strerror(error.errno or 0)) from None
            peer = _endpoint(outgoing.getpeername())
        except BaseException:
            if local is not None:
                self._callers.pop(local, None)
            outgoing.close()
            raise
        return TcpStream(trio.SocketStream(outgoing), local, peer, functools.partial(self._callers.pop, local, None))


def _endpoint(address: tuple[str, int] | tuple[str, int, int, int]) -> Endpoint:
    return Endpoint(address[0], address[1])  # IPv6 brings flow label and scope as well


def _family(literal: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ipaddress.ip_address(literal).version == 6 else socket.AF_INET


async def _addresses(
    endpoint: Endpoint, family: socket.AddressFamily
) -> list[tuple[socket.AddressFamily, tuple[str, int]]]:
    """The addresses of `endpoint`, of one family or (AF_UNSPEC) of both; only a host name is looked up."""
    host, port = endpoint
    if host == "localhost":
        found = [(each, (address, port)) for each, address in LOOPBACK.items()]
    else:
        try:
            found = [(_family(host), (host, port))]
        except ValueError:
            found = await _looked_up(host, port)
    return [(each, address) for each, address in found if family in (socket.AF_UNSPEC, each)]


async def _looked_up(host: str, port: int) -> list[tuple[socket.AddressFamily, tuple[str, int]]]:
    """What the system's resolver says, in a thread that is left behind when the caller is cancelled."""
    try:
        rows = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # no name that DNS could carry: an empty label, or one over 63 octets
        raise socket.gaierror(socket.EAI_NONAME, f"{host!r} is no host name: {error}") from error
    return [(row[0], (str(row[4][0]), port)) for row in rows]


async def _source_toward(family: socket.AddressFamily, address: tuple[str, int]) -> str:
    """The address from which the system would go to `address`.

    Binding to the wildcard would leave the local address open until the other side has accepted: too late for
    the register.  Connecting a datagram socket sends nothing; it only asks the routing table.
    """
    with trio.socket.socket(family, socket.SOCK_DGRAM) as probe:
        await probe.connect(address)
        return str(probe.getsockname()[0])
