"""Datagrams: each one whole or not at all, and nobody promises that it arrives."""

from __future__ import annotations

import abc
from typing import Final

import trio

from maillab.network.endpoint import Endpoint

DATAGRAM_LIMIT_OCTETS: Final = 65535  # RFC 768: the length has 16 bits; IPv4 carries 28 octets less


class DatagramSocket(trio.abc.AsyncResource):
    """Receives datagrams at `local`, and sends them from there; one task at a time receives."""

    local: Endpoint

    @abc.abstractmethod
    async def receive_from(self) -> tuple[bytes, Endpoint]:
        """The next datagram, and who sent it.

        Raises:
            trio.ClosedResourceError: the socket was closed, before or meanwhile.
        """

    @abc.abstractmethod
    async def send_to(self, octets: bytes, peer: Endpoint) -> None:
        """Send one datagram to `peer`, an address and a port; whether it arrives is not told.

        Raises:
            OSError: it is too long (EMSGSIZE), or no way leads there.
            trio.ClosedResourceError: the socket was closed.
        """


class UdpSocket(DatagramSocket):
    """A bound UDP socket.

    Not here: answering from the address that was asked where the socket listens on all interfaces of a machine
    with several addresses (IP_PKTINFO), because every server of a lab has an address of its own.
    """

    def __init__(self, socket: trio.socket.SocketType) -> None:
        self.local = _endpoint(socket.getsockname())
        self._socket = socket

    async def receive_from(self) -> tuple[bytes, Endpoint]:
        while True:
            try:
                octets, sender = await self._socket.recvfrom(DATAGRAM_LIMIT_OCTETS)
            except ConnectionResetError:
                continue  # Windows tells here that an earlier datagram of ours found nobody
            except OSError:
                self._require_open()
                raise
            else:
                return octets, _endpoint(sender)

    async def send_to(self, octets: bytes, peer: Endpoint) -> None:
        try:
            await self._socket.sendto(octets, peer)
        except OSError:
            self._require_open()
            raise

    async def aclose(self) -> None:
        self._socket.close()
        await trio.lowlevel.checkpoint()

    def _require_open(self) -> None:
        if self._socket.fileno() < 0:
            raise trio.ClosedResourceError("this socket was already closed")


def _endpoint(address: tuple[str, int] | tuple[str, int, int, int]) -> Endpoint:
    return Endpoint(address[0], address[1])  # IPv6 brings flow label and scope as well
