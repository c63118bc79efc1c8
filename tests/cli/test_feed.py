"""Following a lab: no record is missed and none comes twice, whatever happens to the connection."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import httpx
import trio

from maillab import Lab
from maillab.cli.ask import running_lab
from maillab.cli.feed import Feed
from maillab.network.endpoint import Endpoint
from maillab.trace.record import Record
from tests.cli.page import WAIT_SECONDS, Asked, asked_lab


class Viewer:
    """Somebody who watches, and keeps what was shown."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.told: list[str] = []
        self._places: set[tuple[str, int | None]] = set()
        self._came = trio.Event()
        self.may_read = trio.Event()
        self.may_read.set()

    async def take(self, record: Record) -> None:
        await self.may_read.wait()
        self.records.append(record)
        self._places.add((record["run"], record.get("seq")))
        self._came.set()

    def tell(self, line: str) -> None:
        self.told.append(line)
        self._came.set()

    async def until_told(self, text: str) -> None:
        with trio.fail_after(WAIT_SECONDS):
            while not any(text in line for line in self.told):
                await self._next()

    async def until(self, lab: Lab) -> list[int]:
        """The numbers of this run's records, once the latest that `lab` has was seen."""
        run, seq = lab.recorder.run, lab.recorder.seq
        with trio.fail_after(WAIT_SECONDS):
            while (run, seq) not in self._places:
                await self._next()
        return [record["seq"] for record in self.records if record["run"] == run and "seq" in record]

    async def _next(self) -> None:
        await self._came.wait()
        self._came = trio.Event()


@asynccontextmanager
async def following(url: str) -> AsyncIterator[Viewer]:
    """Somebody who watches the lab at `url`, from now on."""
    viewer = Viewer()
    async with running_lab(httpx.URL(url)) as lab, trio.open_nursery() as nursery:
        nursery.start_soon(Feed(lab, viewer.take, viewer.tell).follow)
        await viewer.until_told("watching")
        yield viewer
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def wire_to(url: str) -> AsyncIterator[Wire]:
    """A wire to the page at `url`, which can be cut."""
    page = Endpoint.parse(url.removeprefix("http://"))
    wire = Wire(page)
    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, wire.carry, 0, host="127.0.0.1"))
        wire.url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        yield wire
        nursery.cancel_scope.cancel()


class Wire:
    """Carries octets between a viewer and a page."""

    url = ""

    def __init__(self, page: Endpoint) -> None:
        self._page = page
        self._scopes: list[trio.CancelScope] = []

    async def carry(self, stream: trio.SocketStream) -> None:
        with trio.CancelScope() as scope:
            self._scopes.append(scope)
            async with stream, await trio.open_tcp_stream(*self._page) as page, trio.open_nursery() as nursery:
                nursery.start_soon(_copy, stream, page)
                await _copy(page, stream)

    def cut(self) -> None:
        """Cut every connection that there is."""
        for scope in self._scopes:
            scope.cancel()


async def _copy(source: trio.abc.ReceiveStream, target: trio.abc.SendStream) -> None:
    async for octets in source:
        await target.send_all(octets)


def say(lab: Lab, count: int, reason: str = "over quota") -> None:
    """Let `count` things happen in `lab`."""
    log = lab.recorder.bind(server="mail.nord.example")
    for _ in range(count):
        log.record("message.refused", code=552, reason=reason)


async def test_it_begins_now(asked: Asked) -> None:
    """What happened before is not told; what happens after is, and in order."""
    say(asked.lab, 10)
    before = asked.lab.recorder.seq
    async with following(asked.url) as viewer:
        say(asked.lab, 10)
        assert await viewer.until(asked.lab) == [*range(before + 1, before + 11)]


async def test_a_cut_connection_leaves_no_gap(asked: Asked) -> None:
    """What happened meanwhile is told when the lab answers again, and nothing twice."""
    before = asked.lab.recorder.seq
    async with wire_to(asked.url) as wire, following(wire.url) as viewer:
        say(asked.lab, 10)
        await viewer.until(asked.lab)
        wire.cut()
        await viewer.until_told("lost; trying again")
        say(asked.lab, 10)
        assert await viewer.until(asked.lab) == [*range(before + 1, before + 21)]
    assert [line.split()[-1] for line in viewer.told] == ["ends", "again", "again"]


async def test_a_lab_that_starts_anew_is_followed_from_its_first_record() -> None:
    """Its records count from 1 again, under another run."""
    async with trio.open_nursery() as nursery:
        first, stop = await nursery.start(partial(_a_lab, Endpoint("127.0.0.1", 0)))
        async with following(first.url) as viewer:
            say(first.lab, 3)
            await viewer.until(first.lab)
            stop.cancel()
            await viewer.until_told("lost; trying again")
            async with asked_lab(at=Endpoint.parse(first.url.removeprefix("http://"))) as second:
                assert await viewer.until(second.lab) == [*range(1, second.lab.recorder.seq + 1)]


async def _a_lab(at: Endpoint, task_status: trio.TaskStatus[tuple[Asked, trio.CancelScope]]) -> None:
    with trio.CancelScope() as scope:
        async with asked_lab(at=at) as running:
            task_status.started((running, scope))
            await trio.sleep_forever()


async def test_what_a_slow_viewer_missed_is_fetched(asked: Asked) -> None:
    """The loss is told, and then mended: every record comes, once and in order."""
    before = asked.lab.recorder.seq
    async with following(asked.url) as viewer:
        viewer.may_read = trio.Event()
        for _ in range(40):  # more than the buffers between lab and viewer take, and more than the lab waits for
            say(asked.lab, 400, reason="x" * 2_000)
            await trio.sleep(0.001)
        viewer.may_read.set()
        assert await viewer.until(asked.lab) == [*range(before + 1, before + 16_001)]
    assert any(record["event"] == "records.lost" for record in viewer.records)
