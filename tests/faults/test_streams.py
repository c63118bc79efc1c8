"""Streams that meet faults are streams: over TCP and in memory, well or in trouble."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, check_half_closeable_stream, wait_all_tasks_blocked

from maillab.faults.fault import CLIENTS, Fault, Places
from maillab.faults.line import Line
from maillab.faults.link import Lane, Link
from maillab.faults.network import FaultyNetwork
from maillab.faults.plan import FaultPlan
from maillab.faults.stream import FaultyStream
from maillab.network.caller import Caller
from maillab.network.endpoint import Endpoint
from maillab.network.memory import MemoryNetwork
from maillab.network.memory_stream import memory_streams
from maillab.network.network import Network, NetworkStream, TcpNetwork
from maillab.trace.recorder import Recorder
from tests.labs import NORD, SUED

ANY_PORT: Final = Endpoint("127.0.0.1", 0)
SLOW: Final = Fault("delay", from_=NORD, to=SUED, seconds=0.01)


@attrs.frozen
class Somewhere:
    """A map on which everything that listens is SUED."""

    def host_at(self, endpoint: Endpoint) -> str | None:
        return SUED

    def opener_at(self, address: str) -> str | None:
        return None

    def is_started(self, host: str) -> bool:
        return host in (NORD, SUED)


def new_plan() -> FaultPlan:
    places = Places({NORD: NORD, SUED: SUED}, frozenset({NORD, SUED}))
    return FaultPlan(places, lambda _: lambda: 0.5)


@asynccontextmanager
async def connected(
    inner: Network, plan: FaultPlan, caller: Caller | None = None
) -> AsyncIterator[tuple[NetworkStream, NetworkStream]]:
    """Both ends of a connection whose faults are met by the first one; with a client's, by the second."""
    recorder = Recorder("test", "run", lambda: 0.0)
    async with FaultyNetwork.open(inner, plan, Somewhere(), recorder.bind()) as network:
        listener = await network.listen(ANY_PORT)
        near = await network.connect(listener.local, None, caller)
        far = await listener.accept()
        await listener.aclose()
        yield near, far
        for end in (near, far):
            await trio.aclose_forcefully(end)


@pytest.mark.parametrize("make_network", [TcpNetwork, MemoryNetwork])
@pytest.mark.parametrize("caller", [Caller(NORD, "c1"), None])
async def test_a_stream_without_faults_keeps_trios_rules(
    make_network: Callable[[], Network], caller: Caller | None
) -> None:
    """Half-closeable as Trio defines it, at whichever end the faults would be met."""
    async with trio.open_nursery() as nursery:
        network = await nursery.start(held_open, make_network(), new_plan())

        async def make() -> tuple[NetworkStream, NetworkStream]:
            listener = await network.listen(ANY_PORT)
            near = await network.connect(listener.local, None, caller)
            far = await listener.accept()
            await listener.aclose()
            return near, far

        await check_half_closeable_stream(make, None)
        nursery.cancel_scope.cancel()


async def held_open(
    inner: Network, plan: FaultPlan, task_status: trio.TaskStatus[FaultyNetwork] = trio.TASK_STATUS_IGNORED
) -> None:
    recorder = Recorder("test", "run", lambda: 0.0)
    async with FaultyNetwork.open(inner, plan, Somewhere(), recorder.bind()) as network:
        task_status.started(network)
        await trio.sleep_forever()


@pytest.mark.parametrize("make_network", [TcpNetwork, MemoryNetwork])
async def test_what_was_sent_before_closing_arrives(make_network: Callable[[], Network]) -> None:
    """On a slow link too, whole and in order, and the end behind it."""
    plan = new_plan()
    plan.add(SLOW)
    async with connected(make_network(), plan, Caller(NORD, "c1")) as (near, far):
        octets = bytes(range(256)) * 2000
        async with trio.open_nursery() as nursery:

            async def send() -> None:
                await near.send_all(octets)
                await near.aclose()

            nursery.start_soon(send)
            received = b""
            while piece := await far.receive_some():
                received += piece
        assert received == octets


@pytest.mark.parametrize("make_network", [TcpNetwork, MemoryNetwork])
async def test_what_is_on_its_way_at_the_end_is_lost(make_network: Callable[[], Network]) -> None:
    """A network that ends resets what its owner had closed already, and leaves no socket behind."""
    plan = new_plan()
    plan.add(Fault("delay", seconds=1000))
    recorder = Recorder("test", "run", lambda: 0.0)
    async with FaultyNetwork.open(make_network(), plan, Somewhere(), recorder.bind()) as network:
        listener = await network.listen(ANY_PORT)
        near = await network.connect(listener.local, None, Caller(NORD, "c1"))
        far = await listener.accept()
        await listener.aclose()
        await near.send_all(b"never arrives")
        await near.aclose()
    with pytest.raises(trio.BrokenResourceError):
        await far.receive_some()
    await far.aclose()


async def test_a_half_close_waits_for_its_turn(autojump_clock: MockClock) -> None:
    """The end comes behind what was sent, and the other direction stays open."""
    plan = new_plan()
    plan.add(SLOW)
    async with connected(MemoryNetwork(), plan, Caller(NORD, "c1")) as (near, far):
        await near.send_all(b"one")
        await near.send_eof()
        assert (await far.receive_some(), await far.receive_some()) == (b"one", b"")
        await far.send_all(b"two")
        assert await near.receive_some(2) == b"tw"
        assert await near.receive_some() == b"o"


async def test_who_sends_too_much_waits(autojump_clock: MockClock) -> None:
    """A narrow link holds so much and no more, however long nobody reads."""
    plan = new_plan()
    plan.add(Fault("throttle", octets_per_second=1000))
    async with connected(MemoryNetwork(), plan, Caller(NORD, "c1")) as (near, far):
        with trio.move_on_after(1) as patience:
            await near.send_all(bytes(1_000_000))
        assert patience.cancelled_caught
        assert 900 <= len(await far.receive_some()) <= 1100


@pytest.mark.parametrize("end", ["eof", "reset"])
async def test_a_silence_hides_the_end(end: str, autojump_clock: MockClock) -> None:
    """That the other side has gone, in order or not, is learned when the line is back."""
    plan = new_plan()
    async with connected(MemoryNetwork(), plan, Caller(NORD, "c1")) as (near, far):
        plan.add(Fault("blackhole"))
        if end == "eof":
            await far.aclose()
        else:
            far.abort()
        assert not near.has_octets_waiting
        with trio.move_on_after(100) as patience:
            await near.receive_some()
        assert patience.cancelled_caught
        plan.clear()
        if end == "eof":
            assert await near.receive_some() == b""
            assert await near.receive_some() == b""
        else:
            with pytest.raises(trio.BrokenResourceError):
                await near.receive_some()


async def test_who_leaves_in_a_silence_is_missed_when_it_is_over(autojump_clock: MockClock) -> None:
    """The other side hears nothing of it meanwhile, and then that the connection is no more."""
    plan = new_plan()
    async with connected(MemoryNetwork(), plan, Caller(NORD, "c1")) as (near, far):
        plan.add(Fault("blackhole"))
        await near.send_all(b"nobody hears this")
        await near.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await near.receive_some()
        with trio.move_on_after(100) as patience:
            await far.receive_some()
        assert patience.cancelled_caught
        plan.clear()
        with pytest.raises(trio.BrokenResourceError):
            await far.receive_some()


async def test_closing_wakes_who_waits_for_what_is_late(autojump_clock: MockClock) -> None:
    """Nobody waits for a connection that another task has closed."""
    plan = new_plan()
    plan.add(Fault("delay", seconds=1000))
    async with connected(MemoryNetwork(), plan, Caller(NORD, "c1")) as (near, far):

        async def wait() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await near.receive_some()

        await far.send_all(b"late")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await trio.sleep(1)
            await near.aclose()
        assert trio.current_time() < 2


async def rest_of(stream: NetworkStream) -> bytes:
    rest = b""
    while octets := await stream.receive_some():
        rest += octets
    return rest


@pytest.mark.parametrize("make_network", [TcpNetwork, MemoryNetwork])
async def test_a_cut_is_a_reset_at_both_ends(make_network: Callable[[], Network]) -> None:
    """The first octets get through, the rest does not, and both are told."""
    plan = new_plan()
    plan.add(Fault("cut", after_octets=3))
    async with connected(make_network(), plan, Caller(NORD, "c1")) as (near, far):
        await near.send_all(b"ab")
        assert await far.receive_some() == b"ab"
        with pytest.raises(trio.BrokenResourceError):
            await near.send_all(b"cd")
        with pytest.raises(trio.BrokenResourceError):
            await near.receive_some()
        with pytest.raises(trio.BrokenResourceError):
            await rest_of(far)
    assert plan.fired_count("fault-1") == 1


async def test_a_waiting_reader_learns_of_a_cut(autojump_clock: MockClock) -> None:
    """Who reads while another task sends too much has a broken connection, not a closed one."""
    plan = new_plan()
    plan.add(Fault("cut", after_octets=3))
    async with connected(MemoryNetwork(), plan, Caller(NORD, "c1")) as (near, _):

        async def wait() -> None:
            with pytest.raises(trio.BrokenResourceError):
                await near.receive_some()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await wait_all_tasks_blocked()
            with pytest.raises(trio.BrokenResourceError):
                await near.send_all(b"abcdef")


@given(
    jitter=st.floats(0, 5),
    rolls=st.lists(st.floats(0, 1, exclude_max=True), min_size=1),
    pieces=st.lists(st.tuples(st.integers(0, 3000), st.floats(0, 10)), min_size=1),
    rate=st.none() | st.integers(1, 5000),
)
def test_nothing_overtakes(
    jitter: float, rolls: list[float], pieces: list[tuple[int, float]], rate: int | None
) -> None:
    """Whatever chance says, and however narrow it is: pieces arrive in order, none before its time."""
    chance = iter(rolls * len(pieces))
    places = Places({NORD: NORD, SUED: SUED}, frozenset({NORD, SUED}))
    plan = FaultPlan(places, lambda _: lambda: next(chance))
    plan.add(Fault("delay", seconds=1, jitter_seconds=jitter))
    if rate is not None:
        plan.add(Fault("throttle", octets_per_second=rate))
    link = Link(plan, NORD, SUED, lambda *_: None)
    assert link.is_slow
    lane, now, last = Lane(link), 0.0, 0.0
    for count, pause in pieces:
        now += pause
        due = lane.arrival(count, now)
        assert due >= max(last, now + 1 + (count / rate if rate else 0) - 1e-9)
        last = due


async def test_who_leaves_before_a_late_end_is_not_waited_for(autojump_clock: MockClock) -> None:
    """Late octets find nobody any more, and the end behind them is not forgotten: no connection stays open for ever."""
    plan = new_plan()
    plan.add(Fault("delay", seconds=10))
    client, accepted = memory_streams(Endpoint("10.0.0.1", 49152), Endpoint("10.0.0.2", 25), lambda: None)
    async with trio.open_nursery() as nursery:
        link = Link(plan, CLIENTS, SUED, lambda *_: None)
        stream = FaultyStream(accepted, link, Line(nursery), is_opener=False)
        await stream.send_all(b"220 Welcome\r\n")
        await client.aclose()
        await stream.aclose()
        await trio.sleep(60)
        with pytest.raises(trio.ClosedResourceError):
            await accepted.receive_some()
