from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator
from typing import Any

import dns.flags
import dns.message
import pytest
import trio
from dns.message import Message
from dns.rcode import Rcode
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from maillab.dns.rate import RateLimit
from maillab.dns.response import QUERY_LIMIT_OCTETS, Transport, respond
from maillab.dns.server import CONNECTION_LIMIT, IDLE_SECONDS, DnsListener, DnsServer, listen
from maillab.dns.zone import Zones
from maillab.network.datagrams import DatagramSocket
from maillab.network.endpoint import Endpoint
from maillab.network.memory import MemoryNetwork
from maillab.network.network import Network, NetworkStream
from maillab.trace.recorder import Recorder
from tests.dns.village import village

HERE = Endpoint("172.16.1.1", 53)
CLIENT = Endpoint("192.0.2.1", 0)


class Serving:
    """A name server over a network in memory, and a client of it."""

    def __init__(self, network: Network, listener: DnsListener, client: DatagramSocket) -> None:
        self.network = network
        self.listener = listener
        self.client = client

    async def by_datagram(self, message: Message) -> Message:
        await self.client.send_to(message.to_wire(), self.listener.local)
        octets, sender = await self.client.receive_from()
        assert sender == self.listener.local
        return dns.message.from_wire(octets)

    async def connect(self) -> NetworkStream:
        return await self.network.connect(self.listener.local, CLIENT.host, None)


@contextlib.asynccontextmanager
async def serving(
    zones: Zones, recorder: Recorder, *, rate_limit: RateLimit | None = None, crash_ends_all: bool = True
) -> AsyncIterator[Serving]:
    network = MemoryNetwork()
    server = DnsServer(zones, recorder.bind(), rate_limit=rate_limit, crash_ends_all=crash_ends_all)
    async with (
        await listen(network, HERE) as listener,
        await network.datagrams(CLIENT) as client,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(server.serve, listener)
        yield Serving(network, listener, client)
        nursery.cancel_scope.cancel()


def query(question: str, **options: Any) -> Message:
    type_, name = question.split()
    return dns.message.make_query(name, type_, **options)


def framed(*messages: bytes) -> bytes:
    return b"".join(len(message).to_bytes(2) + message for message in messages)


async def receive_framed(stream: NetworkStream, count: int) -> list[bytes]:
    """The next `count` messages of a TCP connection."""
    buffer = bytearray()
    messages: list[bytes] = []
    while len(messages) < count:
        chunk = await stream.receive_some()
        assert chunk, f"the server closed after {len(messages)} messages"
        buffer += chunk
        while len(buffer) >= 2 and len(buffer) >= (end := 2 + int.from_bytes(buffer[:2])):
            messages.append(bytes(buffer[2:end]))
            del buffer[:end]
    assert not buffer
    return messages


async def test_a_question_is_answered_over_both_transports(recorder: Recorder, autojump_clock: MockClock) -> None:
    """Datagrams and connections come to the same zones, and see what was changed meanwhile."""
    zones = village()
    async with serving(zones, recorder) as here, await here.connect() as stream:
        message = query("MX sued.example")
        assert message.is_response(response := await here.by_datagram(message))
        assert [str(rdata) for rdata in response.answer[0]] == ["10 mail.sued.example.", "20 relay.example."]
        zones.set("sued.example", "MX", ["5 relay.example"])
        await stream.send_all(framed(message.to_wire()))
        (octets,) = await receive_framed(stream, 1)
        assert [str(rdata) for rdata in dns.message.from_wire(octets).answer[0]] == ["5 relay.example."]


async def test_a_long_answer_is_fetched_over_tcp(recorder: Recorder, autojump_clock: MockClock) -> None:
    """TC is the sign to come again by connection, where there is room."""
    zones = village("\n".join(f"big.west.example A 10.0.{n // 256}.{n % 256}" for n in range(600)))
    async with serving(zones, recorder) as here, await here.connect() as stream:
        message = query("A big.west.example", use_edns=0)
        assert (await here.by_datagram(message)).flags & dns.flags.TC
        await stream.send_all(framed(message.to_wire()))
        (octets,) = await receive_framed(stream, 1)
        assert len(dns.message.from_wire(octets).answer[0]) == 600


@given(cuts=st.lists(st.integers(0, 200), max_size=8))
async def test_pipelined_queries_are_answered_in_any_cutting(cuts: list[int]) -> None:
    """However the octets are cut, the same answers come in the order of the questions; garbage is answered too."""
    recorder = Recorder("village", "r", lambda: 0.0)
    messages = [
        query("MX sued.example", id=1).to_wire(),
        query("A nowhere.sued.example", id=2).to_wire(),
        b"\x00\x03" + bytes(10),
        b"no header",
        b"",
        query("A elsewhere.example", id=4, use_edns=0).to_wire(),
    ]
    zones = village()
    expected = [octets for message in messages if (octets := respond(zones, message, Transport.TCP)) is not None]
    octets = framed(*messages)
    async with serving(zones, recorder) as here, await here.connect() as stream:
        places = sorted({0, len(octets), *(cut % len(octets) for cut in cuts)})
        for start, end in itertools.pairwise(places):
            await stream.send_all(octets[start:end])
            await wait_all_tasks_blocked()
        assert await receive_framed(stream, 4) == expected
        await stream.send_eof()
        assert await stream.receive_some() == b""


async def test_a_long_row_of_queries_is_answered_in_pieces(recorder: Recorder, autojump_clock: MockClock) -> None:
    """More answers than one write holds come all the same, while the client is still asking."""
    zones = village("\n".join(f"big.west.example A 10.0.0.{n}" for n in range(50)))
    async with serving(zones, recorder) as here, await here.connect() as stream, trio.open_nursery() as nursery:
        message = query("A big.west.example").to_wire()
        nursery.start_soon(stream.send_all, framed(*[message] * 500))
        assert len(await receive_framed(stream, 500)) == 500


@pytest.mark.parametrize("octets", [b"", b"\x00", b"\x00\x20" + bytes(5)])
async def test_an_idle_connection_is_closed(octets: bytes, recorder: Recorder, autojump_clock: MockClock) -> None:
    """Who says nothing, or not all of it, is let go after some seconds."""
    async with serving(village(), recorder) as here, await here.connect() as stream:
        await stream.send_all(octets)
        assert await stream.receive_some() == b""
        assert trio.current_time() == pytest.approx(IDLE_SECONDS)


async def test_single_octets_do_not_keep_a_connection(recorder: Recorder, autojump_clock: MockClock) -> None:
    """Only a query that was answered counts as a sign of life."""
    async with serving(village(), recorder) as here, await here.connect() as stream:
        await trio.sleep(IDLE_SECONDS - 1)
        await stream.send_all(framed(query("MX sued.example").to_wire()))
        await receive_framed(stream, 1)
        answered_at = trio.current_time()

        async def trickle() -> None:
            for octet in framed(query("MX sued.example").to_wire()):
                await stream.send_all(bytes([octet]))
                await trio.sleep(1)

        with pytest.raises(trio.BrokenResourceError):
            await trickle()
        assert trio.current_time() - answered_at == pytest.approx(IDLE_SECONDS, abs=1.5)


async def test_a_client_that_does_not_read_is_let_go(recorder: Recorder, autojump_clock: MockClock) -> None:
    """Answers that nobody takes end the connection like silence."""
    zones = village("\n".join(f"big.west.example A 10.0.0.{n}" for n in range(200)))
    async with serving(zones, recorder) as here, await here.connect() as stream:
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(framed(*[query("A big.west.example").to_wire()] * 5000))
        assert trio.current_time() == pytest.approx(IDLE_SECONDS)


async def test_a_query_that_is_too_long_ends_its_connection(recorder: Recorder, autojump_clock: MockClock) -> None:
    """The server does not wait for octets that it would not read."""
    async with serving(village(), recorder) as here, await here.connect() as stream:
        await stream.send_all((QUERY_LIMIT_OCTETS + 1).to_bytes(2))
        assert await stream.receive_some() == b""
        assert trio.current_time() == 0


async def test_connections_are_bounded(recorder: Recorder, autojump_clock: MockClock) -> None:
    """One too many is closed at once, the others are served, and a place that is left is taken again."""
    async with serving(village(), recorder) as here, contextlib.AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(await here.connect()) for _ in range(CONNECTION_LIMIT)]
        await wait_all_tasks_blocked()
        async with await here.connect() as one_too_many:
            assert await one_too_many.receive_some() == b""
        await streams[0].aclose()
        await wait_all_tasks_blocked()
        for stream in (streams[-1], await stack.enter_async_context(await here.connect())):
            await stream.send_all(framed(query("MX sued.example").to_wire()))
            assert len(await receive_framed(stream, 1)) == 1


async def test_a_flood_of_datagrams_is_truncated_then_dropped(recorder: Recorder, autojump_clock: MockClock) -> None:
    """Who asks too often is sent to TCP, then left alone, and nobody else is concerned; later all is well."""
    limit = RateLimit(per_second=1, burst_count=2)
    async with serving(village(), recorder, rate_limit=limit) as here:
        message = query("MX sued.example")
        flags = [(await here.by_datagram(message)).flags & dns.flags.TC for _ in range(4)]
        assert flags == [0, 0, dns.flags.TC, dns.flags.TC]
        with trio.move_on_after(0.5) as silence:
            await here.by_datagram(message)
        assert silence.cancelled_caught
        async with await here.network.datagrams(Endpoint("192.0.2.2", 0)) as other:
            await other.send_to(message.to_wire(), HERE)
            octets, _ = await other.receive_from()
            assert not dns.message.from_wire(octets).flags & dns.flags.TC
        async with await here.connect() as stream:
            await stream.send_all(framed(message.to_wire()))
            assert await receive_framed(stream, 1)
        await trio.sleep(60)
        assert not (await here.by_datagram(message)).flags & dns.flags.TC


async def test_garbage_harms_nobody(recorder: Recorder, autojump_clock: MockClock) -> None:
    """FORMERR or silence, and the next query is answered."""
    async with serving(village(), recorder) as here:
        for octets in (b"", b"\xff" * 11, b"\x80" * 40):
            await here.client.send_to(octets, HERE)
        await here.client.send_to(b"\x12\x34" + bytes(10), HERE)
        assert (await here.client.receive_from())[0] == b"\x12\x34\x80\x01" + bytes(8)
        assert (await here.by_datagram(query("MX sued.example"))).rcode() == Rcode.NOERROR


class BrokenZones(Zones):
    """Zones with a fault of our own: one name makes them fail."""

    def answer(self, name: Any, type_: Any) -> Any:
        if str(name).startswith("crash."):
            raise RuntimeError("a fault of our own")
        return super().answer(name, type_)


async def test_a_crash_in_one_query_is_a_record(recorder: Recorder, autojump_clock: MockClock) -> None:
    """Its client gets SERVFAIL, the traceback is written down, and the server goes on."""
    zones = BrokenZones(village().records())
    async with serving(zones, recorder, crash_ends_all=False) as here, await here.connect() as stream:
        assert (await here.by_datagram(query("A crash.sued.example"))).rcode() == Rcode.SERVFAIL
        await stream.send_all(framed(query("A crash.sued.example").to_wire(), query("A relay.example").to_wire()))
        rcodes = [dns.message.from_wire(octets).rcode() for octets in await receive_framed(stream, 2)]
        assert rcodes == [Rcode.SERVFAIL, Rcode.NOERROR]
    assert [record["event"] for record in recorder.records] == ["connection.crashed"] * 2
    assert "RuntimeError: a fault of our own" in recorder.records[0]["error"]


async def test_tests_see_a_crash(recorder: Recorder, autojump_clock: MockClock) -> None:
    """With `crash_ends_all` a fault of our own comes out."""
    with pytest.RaisesGroup(RuntimeError, flatten_subgroups=True):
        async with serving(BrokenZones(village().records()), recorder) as here:
            await here.client.send_to(query("A crash.sued.example").to_wire(), HERE)
            await trio.sleep(1)


async def test_both_doors_have_one_number(autojump_clock: MockClock) -> None:
    """With port 0 a port is found that is free for both; a given one that is taken by one of them is told."""
    network = MemoryNetwork()
    async with contextlib.AsyncExitStack() as stack:
        taken = [await stack.enter_async_context(await network.datagrams(Endpoint(HERE.host, 0))) for _ in range(3)]
        listener = await stack.enter_async_context(await listen(network, Endpoint(HERE.host, 0)))
        assert listener.local == listener.datagrams.local
        with pytest.raises(OSError, match="already in use"):
            await listen(network, taken[0].local)
        async with await network.listen(taken[0].local):
            pass  # nothing was left listening there


async def test_one_server_has_many_addresses(recorder: Recorder, autojump_clock: MockClock) -> None:
    """One name server listens at the address of each host of a lab, and answers from the one that was asked."""
    server = DnsServer(village(), recorder.bind(), crash_ends_all=True)
    network = MemoryNetwork()
    async with (
        await listen(network, HERE) as first,
        await listen(network, Endpoint("172.16.2.1", 53)) as second,
        await network.datagrams(CLIENT) as client,
        trio.open_nursery() as nursery,
    ):
        for listener in (first, second):
            nursery.start_soon(server.serve, listener)
        for listener in (first, second):
            await client.send_to(query("MX sued.example").to_wire(), listener.local)
            assert (await client.receive_from())[1] == listener.local
        nursery.cancel_scope.cancel()
