"""The live feed, watched by trio-websocket clients through streams in memory."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

import orjson
import pytest
import trio
import trio.testing
from trio_websocket import WebSocketConnection, wrap_client_stream

from maillab.trace.record import Record
from maillab.trace.recorder import Recorder
from maillab.web import feed, websocket
from maillab.web.feed import FRAME_SECONDS, FRAME_SECONDS_PER_VIEWER, LAG_LIMIT_RECORDS, TOLD_TOGETHER_COUNT

from .visit import House, open_house


class Viewer:
    """Somebody who watches, and notes when each frame came."""

    def __init__(self, connection: WebSocketConnection) -> None:
        self.connection = connection
        self.records: list[Record] = []
        self.frame_times: list[float] = []

    async def watch(self) -> None:
        while True:
            frame = await self.connection.get_message()
            assert isinstance(frame, str)
            self.records += orjson.loads(frame)
            self.frame_times.append(trio.current_time())

    async def frame(self) -> Any:
        return orjson.loads(await self.connection.get_message())


@asynccontextmanager
async def viewer(house: House, query: str = "", *, watching: bool = True) -> AsyncIterator[Viewer]:
    """A viewer of /live, who looks all the time or only when the test does."""
    stream = await house.connect()
    async with trio.open_nursery() as nursery:
        connection = await wrap_client_stream(nursery, cast(trio.SocketStream, stream), "localhost", f"/live{query}")
        made = Viewer(connection)
        if watching:
            nursery.start_soon(made.watch)
        await house.quiet()
        yield made
        nursery.cancel_scope.cancel()
    await trio.aclose_forcefully(stream)


def write(house: House, count: int) -> None:
    """That many records, at once."""
    log = house.lab.recorder.bind(server="mail.nord.example")
    for number in range(count):
        log.record("policy.checked", policy="size", result="pass", reason=str(number))


async def test_a_viewer_sees_what_happens_from_now_on(autojump_clock: trio.testing.MockClock) -> None:
    """Without a place the feed begins now, and then every record comes once and in order."""
    async with open_house() as house:
        write(house, 10)
        async with viewer(house) as watching:
            before = house.lab.recorder.seq
            await house.lab.send("anna@nord.example", ["ben@sued.example"], subject="x")
            await trio.sleep(1)
            assert watching.records == house.lab.recorder.after(before)
            assert len(watching.records) > 50


@pytest.mark.parametrize(
    ("query", "first"), [("?after=0", 1), ("?after=7&run={run}", 8), ("?after=7&run=other", 1), ("?run=other", 1)]
)
async def test_a_viewer_catches_up(query: str, first: int, autojump_clock: trio.testing.MockClock) -> None:
    """From a place on, all that memory has comes first, and then what is new, without a gap or a repetition."""
    async with open_house() as house:
        write(house, 6_000)
        async with viewer(house, query.format(run=house.lab.recorder.run)) as watching:
            write(house, 100)
            await trio.sleep(1)
            assert watching.records == [*house.lab.recorder.records][first - 1 :]


async def test_a_place_in_the_future_is_now(autojump_clock: trio.testing.MockClock) -> None:
    """Who asks for records behind the last one gets those that come."""
    async with open_house() as house, viewer(house, "?after=99999") as watching:
        write(house, 3)
        await trio.sleep(1)
        assert [record["reason"] for record in watching.records] == ["0", "1", "2"]


async def test_what_memory_has_forgotten_is_told(autojump_clock: trio.testing.MockClock) -> None:
    """Who asks for more than there is learns first how many are gone."""
    async with open_house() as house:
        house.lab.recorder.records = type(house.lab.recorder.records)(100)
        write(house, 250)
        seq = house.lab.recorder.seq
        async with viewer(house, "?after=5") as watching:
            await trio.sleep(1)
            lost, *records = watching.records
            assert (lost["event"], lost["count"]) == ("records.lost", seq - 100 - 5)
            assert (lost["run"], lost["lab"], lost["at"][-1]) == (house.lab.recorder.run, "two-schools", "Z")
            assert [record["seq"] for record in records] == [*range(seq - 99, seq + 1)]


async def test_frames_are_batches(autojump_clock: trio.testing.MockClock) -> None:
    """A first record is told at once; under load there is a frame each 20 ms, and not a record is missing."""
    async with open_house() as house, viewer(house) as watching:
        await trio.sleep(1)  # so that no frame was just sent
        started = trio.current_time()
        for _ in range(1000):
            write(house, 1)
            await trio.sleep(0.001)
        await trio.sleep(0.1)
        assert watching.frame_times[0] - started < FRAME_SECONDS / 2
        assert min(_pauses(watching)) > FRAME_SECONDS * 0.99
        assert len(watching.frame_times) == pytest.approx(1 / FRAME_SECONDS, abs=3)
        assert len(watching.records) == 1000


async def test_a_frame_is_rendered_once_for_all(autojump_clock: trio.testing.MockClock) -> None:
    """However many viewers stand at a place, they get the same frame, not merely an equal one."""
    recorder = Recorder("lab", "run", trio.current_time)
    told = feed.Feed(recorder, trio.current_time)
    recorder.add_listener(told.listen)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(told.run)
        for number in range(300):
            recorder.bind().record("policy.checked", policy="size", result="pass", reason=str(number))
        await trio.sleep(1)
        end, frame = told.frame(100)
        assert (end, frame.count(b'"event"')) == (300, 200)
        assert told.frame(100)[1] is frame
        assert told.frame(299)[1] is told.frame(299)[1]
        nursery.cancel_scope.cancel()


async def test_all_viewers_get_the_same_octets(autojump_clock: trio.testing.MockClock) -> None:
    """Not an octet of a frame depends on who gets it."""
    async with open_house() as house, AsyncExitStack() as stack:
        crowd = [await stack.enter_async_context(house.visitor()) for _ in range(3 * TOLD_TOGETHER_COUNT)]
        for visitor in crowd:
            await _ask_for_feed(visitor.stream)
            assert (await visitor.hear()).status == 101
        await house.quiet()
        for count in (1, 100, 2_000):
            write(house, count)
            await trio.sleep(1)
            (frame,) = {await _octets_of_a_frame(visitor.stream) for visitor in crowd}
            assert frame.count(b'"event"') == count


async def test_many_viewers_are_told_less_often(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    """Each viewer costs: with many of them the frames are further apart, and carry more."""
    monkeypatch.setattr(feed, "FRAME_SECONDS_PER_VIEWER", 0.1)
    async with open_house() as house, viewer(house) as one, viewer(house) as two:
        for _ in range(100):
            write(house, 1)
            await trio.sleep(0.01)
        await trio.sleep(1)
        assert len(one.frame_times) == len(two.frame_times) == pytest.approx(6, abs=1)
        assert len(one.records) == 100


async def test_a_crowd_is_told_a_few_at_a_time(autojump_clock: trio.testing.MockClock) -> None:
    """Between one handful of viewers and the next others have their turn; all are told before the next frame."""
    async with open_house() as house, AsyncExitStack() as stack:
        crowd = [await stack.enter_async_context(viewer(house)) for _ in range(4 * TOLD_TOGETHER_COUNT)]
        started = trio.current_time()
        write(house, 1)
        await trio.sleep(1)
        told = Counter(each.frame_times[0] - started for each in crowd)
        assert len(told) == 4
        assert set(told.values()) == {TOLD_TOGETHER_COUNT}
        assert max(told) - min(told) < max(FRAME_SECONDS, len(crowd) * FRAME_SECONDS_PER_VIEWER)


async def test_large_records_are_told_in_several_frames(autojump_clock: trio.testing.MockClock) -> None:
    """A frame stays below what clients take as one message; a record that is larger goes alone."""
    async with open_house() as house, viewer(house) as watching:
        log = house.lab.recorder.bind(server="mail.nord.example")
        for size in (300_000, 300_000, 600_000, 10):
            log.record("policy.checked", policy="size", result="pass", reason="x" * size)
        await trio.sleep(1)
        assert [len(record["reason"]) for record in watching.records] == [300_000, 300_000, 600_000, 10]
        assert len(watching.frame_times) == 4
        assert min(_pauses(watching)) > FRAME_SECONDS * 0.99


async def test_who_has_much_to_catch_up_is_told_in_steps(autojump_clock: trio.testing.MockClock) -> None:
    """Many large frames in a row are as far apart as others, so that nobody's old records hold up new mail."""
    async with open_house() as house:
        write(house, 20_000)
        async with viewer(house, "?after=0") as watching:
            await trio.sleep(1)
            assert len(watching.records) == house.lab.recorder.seq
            assert len(watching.frame_times) > 5
            assert min(_pauses(watching)) > FRAME_SECONDS * 0.99


async def test_who_is_too_slow_learns_what_was_lost(autojump_clock: trio.testing.MockClock) -> None:
    """A viewer that does not look falls back so far, is told how many it missed, and goes on with what is new."""
    async with open_house() as house, viewer(house, watching=False) as slow, viewer(house) as quick:
        count = 0
        for _ in range(200):
            write(house, 100)
            count += 100
            await trio.sleep(FRAME_SECONDS)
        seen: list[Record] = []
        with trio.move_on_after(5):
            while True:
                seen += await slow.frame()
        (lost,) = (record for record in seen if record["event"] == "records.lost")
        assert lost["count"] > LAG_LIMIT_RECORDS
        assert len(seen) - 1 + lost["count"] == count
        write(house, 1)
        assert (await slow.frame())[0]["seq"] == house.lab.recorder.seq
        await trio.sleep(1)
        assert len(quick.records) == count + 1


async def test_a_viewer_that_never_reads_is_let_go(autojump_clock: trio.testing.MockClock) -> None:
    """It holds a connection until it misses a ping; nobody else notices."""
    async with open_house() as house, house.visitor() as silent, viewer(house) as quick:
        await _ask_for_feed(silent.stream)
        with trio.fail_after(3 * websocket.PING_SECONDS):
            while True:
                write(house, 1000)
                await trio.sleep(1)
                try:
                    await silent.say(b"\x8a\x80\0\0\0\0")  # a pong that answers no ping
                except trio.BrokenResourceError:
                    break
        await trio.sleep(1)
        assert len(quick.records) == house.lab.recorder.seq - quick.records[0]["seq"] + 1
        assert "records.lost" not in {record["event"] for record in quick.records}


async def test_what_a_viewer_says_is_not_listened_to(autojump_clock: trio.testing.MockClock) -> None:
    """Frames of a viewer are passed over; one that is too long, or no frame at all, ends its connection alone."""
    async with open_house() as house:
        async with viewer(house) as watching:
            for _ in range(100):
                await watching.connection.send_message("hello")
            write(house, 1)
            await trio.sleep(1)
            assert len(watching.records) == 1
        for nonsense in (
            b"\xff" * 100,
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x81\xff" + (1 << 40).to_bytes(8, "big") + b"x" * 99999,
        ):
            async with house.visitor() as rude:
                await _ask_for_feed(rude.stream)
                assert (await rude.hear()).status == 101
                with trio.fail_after(5):
                    await rude.say(nonsense)
                    await rude.hear_end()
        assert (await house.ask("/livez")).status == 200


async def test_a_closed_feed_is_closed_politely(autojump_clock: trio.testing.MockClock) -> None:
    """A viewer that says goodbye is answered, and forgotten."""
    async with open_house() as house, viewer(house, watching=False) as leaving:
        await leaving.connection.aclose(1000, "seen enough")
        assert leaving.connection.closed is not None
        await house.quiet()
        write(house, 100)
        await trio.sleep(1)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ("", 426),
        ("Upgrade: websocket\r\n", 426),
        ("Upgrade: h2c\r\nConnection: upgrade\r\n", 426),
        ("Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 8\r\n", 426),
        ("Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n", 400),
        ("Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n", 400),
    ],
)
async def test_half_a_handshake_is_explained(headers: str, status: int, autojump_clock: trio.testing.MockClock) -> None:
    """Who asks for a websocket in another way is told how, at once, and may ask again."""
    async with open_house() as house, house.visitor() as visitor:
        await visitor.say(f"GET /live HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")
        answer = await visitor.hear()
        assert answer.status == status
        assert answer.json["mend"]
        assert (await visitor.ask("/livez")).status == 200


async def test_a_feed_of_nonsense_is_refused(autojump_clock: trio.testing.MockClock) -> None:
    """A place that is no number gets 400 before the upgrade."""
    async with open_house() as house, house.visitor() as visitor:
        await _ask_for_feed(visitor.stream, "?after=x")
        assert (await visitor.hear()).status == 400


async def _octets_of_a_frame(stream: trio.abc.ReceiveStream) -> bytes:
    octets = b""
    while not octets.endswith(b"}]"):
        octets += await stream.receive_some()
    return octets


def _pauses(viewer: Viewer) -> list[float]:
    return [later - earlier for earlier, later in itertools.pairwise(viewer.frame_times)]


async def _ask_for_feed(stream: trio.abc.SendStream, query: str = "") -> None:
    await stream.send_all(
        f"GET /live{query} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
