"""Websockets whose frames are made once for many, read octet by octet at the other end of a stream in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from trio_websocket import ConnectionClosed
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import CloseConnection, Event, Ping, Pong, TextMessage

from maillab.network.endpoint import Endpoint
from maillab.network.memory import MemoryNetwork
from maillab.network.memory_stream import BUFFER_LIMIT_OCTETS
from maillab.web.messages import Request
from maillab.web.websocket import NORMAL, Farewell, Upgrade, Websocket, hand_over, text_frame

Say = Callable[[Websocket], Awaitable[None]]

PAGE = Endpoint("127.0.0.1", 8025)
LONG = "x" * (4 * BUFFER_LIMIT_OCTETS)  # does not leave before the other side reads


class Browser:
    """The client's end: wsproto without trio-websocket, so that each octet is judged."""

    def __init__(self, stream: trio.abc.HalfCloseableStream) -> None:
        self.stream = stream
        self.protocol = Connection(ConnectionType.CLIENT)

    async def say(self, event: Event) -> None:
        await self.stream.send_all(self.protocol.send(event))

    async def hear(self, octets: int = 1000) -> list[Event]:
        """All events until the stream ends; answered as they must be, and nonsense would be a close with code 1002."""
        events: list[Event] = []
        while data := await self.stream.receive_some(octets):
            self.protocol.receive_data(bytes(data))
            for event in self.protocol.events():
                events.append(event)
                closing = self.protocol.state is ConnectionState.REMOTE_CLOSING
                if isinstance(event, Ping) or (isinstance(event, CloseConnection) and closing):
                    await self.say(event.response())
        return events


@asynccontextmanager
async def browser(say: Say) -> AsyncIterator[Browser]:
    """A browser whose handshake is done, and a page that closes when `say` returns."""

    async def talk(websocket: Websocket) -> Farewell:
        await say(websocket)
        return Farewell(NORMAL, "that was all")

    network = MemoryNetwork()
    async with await network.listen(PAGE) as listener, await network.connect(PAGE, None, None) as stream:
        accepted = await listener.accept()
        headers = (("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="),)
        request = Request("GET", "/live", ("live",), {}, "localhost", headers, accepted.peer)
        async with accepted, trio.open_nursery() as nursery:
            nursery.start_soon(hand_over, accepted, request, b"", Upgrade(talk))
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += await stream.receive_some(1)
            yield Browser(stream)


def texts(events: list[Event]) -> list[str]:
    """The messages among `events`; parts of one are put together."""
    whole, part = [], ""
    for event in events:
        if isinstance(event, TextMessage):
            part += event.data
            if event.message_finished:
                whole.append(part)
                part = ""
    assert not part
    return whole


@pytest.mark.parametrize("text", ["", "ä", "x" * 125, "x" * 126, "x" * 65535, "x" * 65536, "€" * 300_000])
async def test_a_frame_made_once_is_what_trio_websocket_makes(
    text: str, autojump_clock: trio.testing.MockClock
) -> None:
    """Each form of length is right, and a client cannot tell who made the frame."""

    async def say(websocket: Websocket) -> None:
        await websocket.connection.send_message(text)
        await websocket.send_frame(text_frame(text))

    frame = text_frame(text)
    async with browser(say) as reader:
        for _ in range(2):
            octets = b""
            while len(octets) < len(frame):
                octets += await reader.stream.receive_some(len(frame) - len(octets))
            assert octets == frame
            reader.protocol.receive_data(octets)
            assert texts([*reader.protocol.events()]) == [text]


@pytest.mark.parametrize("octets", [1000, 100_000])
async def test_nothing_gets_into_the_midst_of_a_frame(octets: int, autojump_clock: trio.testing.MockClock) -> None:
    """Frames made before, messages, pings and pongs of one connection come whole, however slowly they are read."""
    messages = [f"{number} {LONG}" for number in range(6)]
    asked: list[None] = []

    async def send_frames(websocket: Websocket) -> None:
        for message in messages[:3]:
            await websocket.send_frame(text_frame(message))

    async def send_messages(websocket: Websocket) -> None:
        for message in messages[3:]:
            await websocket.connection.send_message(message)

    async def ask(websocket: Websocket) -> None:
        await websocket.connection.ping(b"there?")
        asked.append(None)

    async def say(websocket: Websocket) -> None:
        async with trio.open_nursery() as nursery:
            for part in (send_frames, send_messages, ask):
                nursery.start_soon(part, websocket)

    async with browser(say) as reader:
        await reader.say(Ping(b"and you?"))
        events = await reader.hear(octets)
        assert sorted(texts(events)) == messages
        assert [bytes(event.payload) for event in events if isinstance(event, Ping)] == [b"there?"]
        assert [bytes(event.payload) for event in events if isinstance(event, Pong)] == [b"and you?"]
        assert asked
        last = events[-1]
        assert isinstance(last, CloseConnection)
        assert (last.code, last.reason) == (NORMAL, "that was all")


async def test_a_close_frame_is_the_last_one(autojump_clock: trio.testing.MockClock) -> None:
    """Who says goodbye in the midst of a frame gets the rest of it, then the answer, and no frame that waited."""
    goodbye_heard, refused = trio.Event(), trio.Event()

    async def say(websocket: Websocket) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(websocket.send_frame, text_frame(LONG))
            await goodbye_heard.wait()
            with pytest.raises(ConnectionClosed, match="NORMAL_CLOSURE"):
                await websocket.send_frame(text_frame("one more thing"))
            refused.set()

    async with browser(say) as reader:
        await trio.testing.wait_all_tasks_blocked()
        await reader.say(CloseConnection(NORMAL, "seen enough"))
        await trio.testing.wait_all_tasks_blocked()
        goodbye_heard.set()
        await trio.testing.wait_all_tasks_blocked()
        *_, goodbye = events = await reader.hear()
        assert texts(events) == [LONG]
        assert isinstance(goodbye, CloseConnection)
        assert (goodbye.code, goodbye.reason) == (NORMAL, "seen enough")
        await refused.wait()


async def test_no_frame_follows_our_goodbye(autojump_clock: trio.testing.MockClock) -> None:
    """While the other side has not answered our close frame, its stream is open, and nothing goes out on it."""
    refused = trio.Event()

    async def say(websocket: Websocket) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(websocket.connection.aclose, NORMAL, "enough")
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(ConnectionClosed):
                await websocket.send_frame(text_frame("one more thing"))
            refused.set()

    goodbye = Connection(ConnectionType.SERVER).send(CloseConnection(NORMAL, "enough"))
    async with browser(say) as reader:
        await refused.wait()
        assert await reader.stream.receive_some() == goodbye
        await reader.say(CloseConnection(NORMAL, "enough"))
        assert await reader.stream.receive_some() == b""


async def test_a_frame_for_somebody_who_has_gone_says_so(autojump_clock: trio.testing.MockClock) -> None:
    """A connection that ends in the midst of a frame is a closed one, as for any other message."""
    ended: list[type[Exception]] = []

    async def say(websocket: Websocket) -> None:
        for _ in range(2):
            try:
                await websocket.send_frame(text_frame(LONG))
            except ConnectionClosed as closed:
                ended.append(type(closed))

    async with browser(say) as leaving:
        await trio.testing.wait_all_tasks_blocked()
        await trio.aclose_forcefully(leaving.stream)
    assert ended == [ConnectionClosed, ConnectionClosed]
