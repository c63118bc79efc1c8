"""What holds for every network, over TCP and in memory alike."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest
import trio
from trio.testing import check_half_closeable_stream, wait_all_tasks_blocked

from maillab.network.caller import Caller
from maillab.network.endpoint import Endpoint
from maillab.network.memory import MemoryNetwork
from maillab.network.network import Network, NetworkStream, TcpNetwork

ANY_PORT = Endpoint("127.0.0.1", 0)
CAROL = Caller("mail.nord.example", "c7")


@pytest.fixture(params=[TcpNetwork, MemoryNetwork])
def network(request: pytest.FixtureRequest) -> Network:
    make: Callable[[], Network] = request.param
    return make()


async def connected(network: Network) -> tuple[NetworkStream, NetworkStream]:
    """The client's and the server's end of a new connection."""
    listener = await network.listen(ANY_PORT)
    client = await network.connect(listener.local, None, CAROL)
    server = await listener.accept()
    await listener.aclose()
    return client, server


async def clogged(network: Network) -> tuple[NetworkStream, NetworkStream]:
    """Two ends, and both directions so full that nothing more goes in."""

    async def fill(stream: NetworkStream) -> None:
        while True:
            await stream.send_all(bytes(65536))

    ends = await connected(network)
    async with trio.open_nursery() as nursery:
        for end in ends:
            nursery.start_soon(fill, end)
        await wait_all_tasks_blocked(0.01)
        nursery.cancel_scope.cancel()
    return ends


async def test_streams_keep_trios_rules(network: Network) -> None:
    """A stream is half-closeable as Trio defines it: order, back-pressure, end, closing and conflicts."""

    async def make() -> tuple[NetworkStream, NetworkStream]:
        return await connected(network)

    async def make_clogged() -> tuple[NetworkStream, NetworkStream]:
        return await clogged(network)

    await check_half_closeable_stream(make, make_clogged)


async def test_both_ends_know_each_other(network: Network) -> None:
    """What is local here is the peer there."""
    client, server = await connected(network)
    async with client, server:
        assert client.local == server.peer
        assert client.peer == server.local
        assert client.local.host == "127.0.0.1"


async def test_a_connection_leaves_from_the_source_that_was_asked_for(network: Network) -> None:
    """The receiver sees the sending server's own address."""
    listener = await network.listen(ANY_PORT)
    client = await network.connect(listener.local, "127.0.0.3", CAROL)
    async with listener, client, await listener.accept() as server:
        assert client.local.host == server.peer.host == "127.0.0.3"


async def test_a_caller_is_known_from_accept_until_it_closes(network: Network) -> None:
    """The register names the other end of an accepted stream, and forgets it when it is closed."""
    client, server = await connected(network)
    async with server:
        assert network.caller(server.peer) == CAROL
        assert network.caller(client.peer) is None
        await client.aclose()
        assert network.caller(server.peer) is None


async def test_closing_twice_forgets_once(network: Network) -> None:
    """A second aclose does nothing, so that it cannot touch a later connection from the same port."""
    client, server = await connected(network)
    await client.aclose()
    await client.aclose()
    await server.aclose()
    assert network.caller(server.peer) is None


async def test_a_port_where_nobody_listens_refuses(network: Network) -> None:
    """Connecting to a closed port fails at once, and nothing stays in the register."""
    listener = await network.listen(ANY_PORT)
    await listener.aclose()
    with pytest.raises(ConnectionRefusedError):
        await network.connect(listener.local, "127.0.0.1", CAROL)
    client, server = await connected(network)
    async with client, server:
        assert network.caller(server.peer) == CAROL


async def test_a_taken_port_is_told(network: Network) -> None:
    """Two servers cannot listen at one endpoint; when the first has closed, another can."""
    first = await network.listen(ANY_PORT)
    with pytest.raises(OSError, match=r".") as caught:
        await network.listen(first.local)
    assert caught.value.errno == errno.EADDRINUSE
    await first.aclose()
    await first.aclose()
    second = await network.listen(first.local)
    assert second.local == first.local
    await second.aclose()


async def test_localhost_is_loopback(network: Network) -> None:
    """`localhost` can be listened at and connected to without any lookup."""
    async with await network.listen(Endpoint("localhost", 0)) as listener:
        assert listener.local.host == "127.0.0.1"
        target = Endpoint("localhost", listener.local.port)
        async with await network.connect(target, None, CAROL) as client, await listener.accept() as server:
            assert network.caller(server.peer) == CAROL
            assert client.peer == listener.local


async def test_a_listener_on_all_interfaces_tells_the_address_that_was_called(network: Network) -> None:
    """An accepted stream's local end is the address the caller connected to, not the wildcard."""
    async with await network.listen(Endpoint("0.0.0.0", 0)) as listener:
        target = Endpoint("127.0.0.1", listener.local.port)
        async with await network.connect(target, None, CAROL), await listener.accept() as server:
            assert server.local == target


async def test_a_listener_works_with_serve_listeners(network: Network) -> None:
    """Trio's own accept loop serves our listeners, and a closed one ends it with ClosedResourceError."""

    async def shout(stream: NetworkStream) -> None:
        await stream.send_all((await stream.receive_some()).upper())

    async with trio.open_nursery() as nursery:
        listener = await network.listen(ANY_PORT)
        await nursery.start(trio.serve_listeners, shout, [listener])
        for _ in range(3):
            async with await network.connect(listener.local, None, CAROL) as client:
                await client.send_all(b"helo")
                assert await client.receive_some() == b"HELO"
                assert await client.receive_some() == b""
        nursery.cancel_scope.cancel()
    with pytest.raises(trio.ClosedResourceError):
        await listener.accept()


async def test_connections_that_were_never_accepted_are_reset(network: Network) -> None:
    """Who waited in the backlog of a listener that closes gets an error, not silence."""
    listener = await network.listen(ANY_PORT)
    async with await network.connect(listener.local, None, CAROL) as client:
        await listener.aclose()
        with pytest.raises(trio.BrokenResourceError):
            await client.receive_some()


async def test_octets_sent_before_closing_arrive_although_the_peer_had_more_to_say(network: Network) -> None:
    """A server's last words are read before the reset that its early leaving causes."""
    client, server = await connected(network)
    async with client:
        await client.send_all(b"MAIL FROM:<anna@nord.example>\r\n")
        await server.send_all(b"421 4.3.2 closing\r\n")
        await server.aclose()
        assert await client.receive_some() == b"421 4.3.2 closing\r\n"
        with pytest.raises(trio.BrokenResourceError):
            await client.receive_some()


async def test_an_aborted_connection_is_broken_at_the_other_end(network: Network) -> None:
    """Nobody takes it for an orderly end; here it is closed, and the register has forgotten it."""
    client, server = await connected(network)
    client.abort()
    assert network.caller(client.local) is None
    with pytest.raises(trio.ClosedResourceError):
        await client.receive_some()
    with pytest.raises(trio.BrokenResourceError):
        await server.receive_some()
    client.abort()
    await client.aclose()
    await server.aclose()
