"""Datagrams, over UDP and in memory alike."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock, assert_checkpoints, wait_all_tasks_blocked

from maillab.network.datagrams import DATAGRAM_LIMIT_OCTETS
from maillab.network.endpoint import Endpoint
from maillab.network.memory import FIRST_EPHEMERAL_PORT, MemoryNetwork
from maillab.network.memory_datagrams import QUEUE_LIMIT
from maillab.network.network import Network, TcpNetwork
from tests.network.test_tcp import ipv6

ANY_PORT = Endpoint("127.0.0.1", 0)
NORD, SUED = "172.16.1.1", "172.16.2.1"


@pytest.fixture(params=[TcpNetwork, MemoryNetwork])
def network(request: pytest.FixtureRequest) -> Network:
    make: Callable[[], Network] = request.param
    return make()


async def test_a_datagram_arrives_whole_and_names_its_sender(network: Network) -> None:
    """Two datagrams are never one, an empty one is one too, and the answer finds its way back."""
    async with await network.datagrams(ANY_PORT) as server, await network.datagrams(ANY_PORT) as client:
        for octets in (b"first", b"", b"second"):
            await client.send_to(octets, server.local)
        for octets in (b"first", b"", b"second"):
            assert await server.receive_from() == (octets, client.local)
        await server.send_to(b"answer", client.local)
        assert await client.receive_from() == (b"answer", server.local)


async def test_a_datagram_to_nobody_is_lost_without_a_word(network: Network) -> None:
    """Sending to a closed port is no error, and the socket goes on."""
    async with await network.datagrams(ANY_PORT) as gone:
        pass
    async with await network.datagrams(ANY_PORT) as client:
        await client.send_to(b"hello", gone.local)
        await client.send_to(b"myself", client.local)
        assert await client.receive_from() == (b"myself", client.local)


async def test_a_taken_port_is_told(network: Network) -> None:
    """Two sockets cannot have one endpoint; when the first has closed, another can."""
    first = await network.datagrams(ANY_PORT)
    with pytest.raises(OSError, match=r".") as caught:
        await network.datagrams(first.local)
    assert caught.value.errno == errno.EADDRINUSE
    await first.aclose()
    await first.aclose()
    async with await network.datagrams(first.local) as second:
        assert second.local == first.local


async def test_streams_and_datagrams_have_ports_of_their_own(network: Network) -> None:
    """A name server listens for both at one endpoint."""
    async with await network.datagrams(ANY_PORT) as datagrams, await network.listen(datagrams.local) as listener:
        assert listener.local == datagrams.local


async def test_a_closed_socket_is_closed(network: Network) -> None:
    """Closing wakes who waits for a datagram, and later calls fail in the same way."""
    socket = await network.datagrams(ANY_PORT)

    async def receive() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await socket.receive_from()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        await wait_all_tasks_blocked()
        await socket.aclose()
    await receive()
    with pytest.raises(trio.ClosedResourceError):
        await socket.send_to(b"late", socket.local)


async def test_what_is_too_long_is_not_sent(network: Network) -> None:
    """A datagram has an end to its length, and the sender is told."""
    async with await network.datagrams(ANY_PORT) as socket:
        with pytest.raises(OSError, match=r".") as caught:
            await socket.send_to(bytes(DATAGRAM_LIMIT_OCTETS + 1), socket.local)
        assert caught.value.errno == errno.EMSGSIZE


async def test_a_socket_on_all_interfaces_is_reached_at_each_address(network: Network) -> None:
    """Bound to the wildcard, it hears what is sent to any address of the machine, and can answer."""
    async with (
        await network.datagrams(Endpoint("0.0.0.0", 0)) as server,
        await network.datagrams(ANY_PORT) as client,
    ):
        target = Endpoint("127.0.0.1", server.local.port)
        await client.send_to(b"hello", target)
        assert await server.receive_from() == (b"hello", client.local)
        await server.send_to(b"answer", client.local)
        assert await client.receive_from() == (b"answer", target)


@ipv6
async def test_ipv6_literals_work() -> None:
    """An IPv6 socket speaks with another, and its peer is shown without a scope."""
    network, any_port = TcpNetwork(), Endpoint("::1", 0)
    async with await network.datagrams(any_port) as server, await network.datagrams(any_port) as client:
        await client.send_to(b"hello", server.local)
        assert await server.receive_from() == (b"hello", client.local)


async def test_a_reader_that_is_too_slow_loses_datagrams() -> None:
    """In memory as everywhere: what does not fit into the queue is gone, and the sender does not wait."""
    network = MemoryNetwork()
    async with await network.datagrams(Endpoint(SUED, 53)) as server:
        async with await network.datagrams(Endpoint(NORD, 0)) as client:
            for number in range(QUEUE_LIMIT + 10):
                await client.send_to(str(number).encode(), server.local)
        received = [int((await server.receive_from())[0]) for _ in range(QUEUE_LIMIT)]
        assert received == [*range(QUEUE_LIMIT)]
        with trio.move_on_after(0) as nothing_left:
            await server.receive_from()
        assert nothing_left.cancelled_caught


async def test_ports_count_up_beside_those_of_streams() -> None:
    """Two equal runs get equal ports, and asking by UDP changes nothing for connections."""
    network = MemoryNetwork()
    async with (
        await network.datagrams(Endpoint(NORD, 0)) as first,
        await network.datagrams(Endpoint(NORD, 0)) as second,
    ):
        assert (first.local.port, second.local.port) == (FIRST_EPHEMERAL_PORT, FIRST_EPHEMERAL_PORT + 1)
    async with await network.listen(Endpoint(NORD, 0)) as listener:
        assert listener.local.port == FIRST_EPHEMERAL_PORT


async def test_a_silent_hour_passes_at_once(autojump_clock: MockClock) -> None:
    """Datagrams in memory let MockClock jump, and every operation is a checkpoint."""
    network = MemoryNetwork()
    async with await network.datagrams(ANY_PORT) as socket:
        with trio.move_on_after(3600):
            await socket.receive_from()
        assert trio.current_time() == pytest.approx(3600)
        with assert_checkpoints():
            await socket.send_to(b"x", socket.local)
        with assert_checkpoints():
            await socket.receive_from()
