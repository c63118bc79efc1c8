from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, assert_checkpoints, wait_all_tasks_blocked

from maillab.network.caller import Caller
from maillab.network.endpoint import Endpoint
from maillab.network.memory import BACKLOG_LIMIT, FIRST_EPHEMERAL_PORT, MemoryNetwork
from maillab.network.memory_stream import BUFFER_LIMIT_OCTETS
from maillab.network.network import NetworkStream

NORD, SUED = "172.16.1.1", "172.16.2.1"
CALLER = Caller("mail.nord.example", "c1")


async def test_ports_count_up_for_each_address() -> None:
    """Two equal runs get equal ports, and a closed port is not given again at once."""
    network = MemoryNetwork()
    listener = await network.listen(Endpoint(SUED, 25))
    locals_ = []
    for source in (NORD, NORD, SUED, NORD):
        async with await network.connect(listener.local, source, CALLER) as stream:
            locals_.append(stream.local)
    assert locals_ == [
        (NORD, FIRST_EPHEMERAL_PORT),
        (NORD, FIRST_EPHEMERAL_PORT + 1),
        (SUED, FIRST_EPHEMERAL_PORT),
        (NORD, FIRST_EPHEMERAL_PORT + 2),
    ]
    await listener.aclose()


async def test_a_given_port_is_never_one_in_use() -> None:
    """Port 0 passes over what listens or is connected already."""
    network = MemoryNetwork()
    first = await network.listen(Endpoint(NORD, FIRST_EPHEMERAL_PORT))
    second = await network.listen(Endpoint(NORD, 0))
    stream = await network.connect(first.local, NORD, CALLER)
    async with first, second, stream:
        assert second.local.port == FIRST_EPHEMERAL_PORT + 1
        assert stream.local.port == FIRST_EPHEMERAL_PORT + 2
        with pytest.raises(OSError, match="already in use"):
            await network.listen(stream.local)


async def test_a_sender_waits_for_its_reader() -> None:
    """No more than the buffer goes in before the peer reads, and every octet arrives in order."""
    network = MemoryNetwork()
    octets = bytes(range(256)) * (BUFFER_LIMIT_OCTETS // 64)  # four buffers full
    received = bytearray()
    async with await network.listen(Endpoint(SUED, 25)) as listener:
        client = await network.connect(listener.local, NORD, CALLER)
        server = await listener.accept()

        async def send() -> None:
            async with client:
                await client.send_all(octets)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            await wait_all_tasks_blocked()
            assert len(await server.receive_some()) == BUFFER_LIMIT_OCTETS
            await wait_all_tasks_blocked()
            received += octets[:BUFFER_LIMIT_OCTETS]
            async for chunk in server:
                assert len(chunk) <= BUFFER_LIMIT_OCTETS
                received += chunk
        await server.aclose()
    assert received == octets


async def test_a_full_backlog_makes_the_next_caller_wait() -> None:
    """One connection more than the backlog holds is made when another was accepted."""
    network = MemoryNetwork()
    connected = 0

    async def connect() -> None:
        nonlocal connected
        async with await network.connect(listener.local, NORD, CALLER):
            connected += 1
            await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        listener = await network.listen(Endpoint(SUED, 25))
        for _ in range(BACKLOG_LIMIT + 1):
            nursery.start_soon(connect)
        await wait_all_tasks_blocked()
        assert connected == BACKLOG_LIMIT
        async with await listener.accept():
            await wait_all_tasks_blocked()
            assert connected == BACKLOG_LIMIT + 1
        nursery.cancel_scope.cancel()
    await listener.aclose()


async def test_a_caller_that_gives_up_in_the_backlog_is_forgotten() -> None:
    """A cancelled connect leaves neither a stream to accept nor a line in the register."""
    network = MemoryNetwork()
    async with await network.listen(Endpoint(SUED, 25)) as listener:
        with trio.CancelScope() as scope:
            scope.cancel()
            await network.connect(listener.local, NORD, CALLER)
        assert network.caller(Endpoint(NORD, FIRST_EPHEMERAL_PORT)) is None
        async with await network.connect(listener.local, NORD, CALLER) as client, await listener.accept() as server:
            assert server.peer == client.local


async def test_refusing_is_a_checkpoint() -> None:
    """A delivery that is refused again and again does not keep the others from running."""
    with pytest.raises(ConnectionRefusedError, match=r"nobody listens at 172\.16\.2\.1:25"), assert_checkpoints():
        await MemoryNetwork().connect(Endpoint(SUED, 25), NORD, CALLER)


async def test_a_night_of_waiting_passes_at_once(autojump_clock: MockClock) -> None:
    """Streams in memory let MockClock jump: a reply that takes eight hours is there in no time."""
    network = MemoryNetwork()

    async def slow(stream: NetworkStream) -> None:
        await trio.sleep(8 * 3600)
        await stream.send_all(b"250 Ok\r\n")

    async with trio.open_nursery() as nursery:
        listener = await network.listen(Endpoint(SUED, 25))
        await nursery.start(trio.serve_listeners, slow, [listener])
        began = trio.current_time()
        async with await network.connect(listener.local, NORD, CALLER) as stream:
            assert await stream.receive_some() == b"250 Ok\r\n"
        assert trio.current_time() - began == pytest.approx(8 * 3600)
        nursery.cancel_scope.cancel()
