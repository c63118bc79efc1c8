from __future__ import annotations

import errno
import socket

import pytest
import trio

from maillab.network.caller import Caller
from maillab.network.endpoint import Endpoint
from maillab.network.network import NetworkStream, TcpNetwork

CONNECTION_COUNT = 1_000
CLIENT_COUNT = 40
NOBODY = Caller("nobody.example", "c0")


def has_ipv6_loopback() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


ipv6 = pytest.mark.skipif(not has_ipv6_loopback(), reason="this machine has no IPv6 loopback address")


@pytest.mark.parametrize("source", [None, "127.0.0.1", "127.0.0.9"])
async def test_every_accepted_connection_knows_its_caller_at_once(source: str | None) -> None:
    """However fast the other side accepts, the register was written before."""
    network = TcpNetwork()
    at_accept: dict[Endpoint, Caller | None] = {}
    callers: dict[Endpoint, Caller] = {}

    async def server(stream: NetworkStream) -> None:
        at_accept[stream.peer] = network.caller(stream.peer)
        await stream.send_all(b"220\r\n")
        assert await stream.receive_some() == b""

    async def client(number: int, listening: Endpoint) -> None:
        for turn in range(CONNECTION_COUNT // CLIENT_COUNT):
            caller = Caller("mail.nord.example", f"c{number}.{turn}")
            async with await network.connect(listening, source, caller) as stream:
                callers[stream.local] = caller
                assert await stream.receive_some() == b"220\r\n"

    async with trio.open_nursery() as nursery:
        listener = await network.listen(Endpoint("127.0.0.1", 0))
        await nursery.start(trio.serve_listeners, server, [listener])
        async with trio.open_nursery() as clients:
            for number in range(CLIENT_COUNT):
                clients.start_soon(client, number, listener.local)
        nursery.cancel_scope.cancel()
    assert len(callers) == CONNECTION_COUNT
    assert at_accept == callers


@ipv6
async def test_ipv6_connects_like_ipv4() -> None:
    """An IPv6 literal is listened at, connected to and found in the register."""
    network = TcpNetwork()
    async with await network.listen(Endpoint("::1", 0)) as listener:
        for source in ("::1", None):
            async with await network.connect(listener.local, source, NOBODY), await listener.accept() as stream:
                assert network.caller(stream.peer) == NOBODY
                assert stream.peer.host == "::1"


async def test_source_and_target_of_different_families_do_not_meet() -> None:
    """IPv4 cannot leave for IPv6, and the error says so."""
    with pytest.raises(OSError, match="one is IPv4, one IPv6") as caught:
        await TcpNetwork().connect(Endpoint("::1", 25), "127.0.0.1", NOBODY)
    assert caught.value.errno == errno.EAFNOSUPPORT


async def test_a_source_that_is_not_ours_is_an_error() -> None:
    """Leaving from an address that this machine does not have fails, and leaves nothing in the register."""
    network = TcpNetwork()
    async with await network.listen(Endpoint("127.0.0.1", 0)) as listener:
        with pytest.raises(OSError, match=r".") as caught:
            await network.connect(listener.local, "192.0.2.1", NOBODY)  # RFC 5737: documentation only
    assert caught.value.errno == errno.EADDRNOTAVAIL


@pytest.mark.parametrize("host", ["a..example", f"{'a' * 64}.example"])
async def test_a_host_name_that_dns_cannot_carry_is_an_error_of_the_lookup(host: str) -> None:
    """An empty label or one over 63 octets is an OSError like any failed lookup."""
    with pytest.raises(socket.gaierror):
        await TcpNetwork().connect(Endpoint(host, 25), None, NOBODY)


async def test_a_cancelled_connect_leaves_nothing_behind() -> None:
    """Giving up while the other side is silent closes the socket and clears the register."""
    network = TcpNetwork()
    async with await network.listen(Endpoint("127.0.0.1", 0)) as listener:
        with trio.CancelScope() as scope:
            scope.cancel()
            await network.connect(listener.local, "127.0.0.1", NOBODY)
        assert scope.cancelled_caught
        async with await network.connect(listener.local, None, NOBODY), await listener.accept() as stream:
            assert network.caller(stream.peer) == NOBODY
