"""The line client, over streams in memory: typed lines go to a server of the lab, and its lines come back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import orjson
import pytest
import trio
import trio.testing
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from maillab.network.endpoint import Endpoint
from maillab.network.network import NetworkStream
from maillab.web import websocket
from maillab.web.console import UNFINISHED_SECONDS

from .test_access import HANDSHAKE
from .visit import House, open_house

SOMEWHERE: Final = Endpoint("10.0.0.1", 25)


@asynccontextmanager
async def console(house: House, server: str) -> AsyncIterator[WebSocketConnection]:
    """A websocket to a server of the lab; further fields of the query may stand behind its name."""
    stream = await house.connect()
    async with trio.open_nursery() as nursery:
        yield await wrap_client_stream(
            nursery, cast(trio.SocketStream, stream), "localhost", f"/console?server={server}"
        )
        nursery.cancel_scope.cancel()
    await trio.aclose_forcefully(stream)


@asynccontextmanager
async def by_hand(house: House) -> AsyncIterator[tuple[WebSocketConnection, NetworkStream]]:
    """A websocket to a server that the test plays itself."""
    async with await house.network.listen(SOMEWHERE) as listener:
        house.lab.book.moved("mail.nord.example", 25, SOMEWHERE)
        async with console(house, "nord.example") as connection, await listener.accept() as server:
            yield connection, server


async def lines(connection: WebSocketConnection, count: int) -> list[str]:
    """So many lines, in however many frames they come."""
    heard: list[str] = []
    while len(heard) < count:
        heard += cast(str, await connection.get_message()).split("\n")
    assert len(heard) == count
    return heard


async def event(connection: WebSocketConnection) -> dict[str, Any]:
    """The next frame of a console that tells events."""
    told: dict[str, Any] = orjson.loads(await connection.get_message())
    return told


@pytest.mark.parametrize("server", ["mail.nord.example", "nord.example", "172.16.1.1", "Mail.NORD.example"])
async def test_a_mail_is_sent_by_hand(server: str, autojump_clock: trio.testing.MockClock) -> None:
    """Each typed line is answered, an empty one ends the header, and the end names the socket."""
    async with open_house() as house, console(house, server) as typed:
        (greeting,) = await lines(typed, 1)
        assert greeting.startswith("220 mail.nord.example")
        for line, code in (
            ("HELO carol", "250"),
            ("MAIL FROM:<anna@nord.example>", "250"),
            ("RCPT TO:<ben@sued.example>", "250"),
            ("DATA", "354"),
        ):
            await typed.send_message(line)
            assert (await lines(typed, 1))[0].startswith(code)
        for line in ("Subject: Einladung zur Gartenparty", "", "Hallo Ben,\r\n\nViele Grüße\n"):
            await typed.send_message(line)
        await typed.send_message(".\nQUIT")
        queued, farewell = await lines(typed, 2)
        assert queued.startswith("250 2.0.0 Ok: queued as ")
        assert farewell.startswith("221 ")
        with pytest.raises(ConnectionClosed) as closed:
            await typed.get_message()
        assert closed.value.reason is not None
        assert (closed.value.reason.code, closed.value.reason.reason) == (1000, "Socket to 172.16.1.1:25 closed")
        message = await house.lab.mailbox("ben@sued.example").wait_for_message(subject="Einladung zur Gartenparty")
        assert message.octets.endswith("\r\n\r\nHallo Ben,\r\n\r\nViele Grüße\r\n\r\n".encode())


async def test_typed_lines_reach_the_server_as_they_are(autojump_clock: trio.testing.MockClock) -> None:
    """A line gets CRLF and nothing else; line breaks inside a frame divide lines."""
    async with open_house() as house, by_hand(house) as (typed, server):
        for frame in ("EHLO x", "", "a\nb", "c\r\nd\r", "\n", b"octets", "ü\tÿ"):
            await typed.send_message(frame)
        await house.quiet()
        assert await server.receive_some() == "EHLO x\r\n\r\na\r\nb\r\nc\r\nd\r\n\r\n\r\noctets\r\nü\tÿ\r\n".encode()


async def test_lines_come_whole(autojump_clock: trio.testing.MockClock) -> None:
    """Pieces of a line are put together, also in the middle of a character; many lines may share a frame."""
    async with open_house() as house, by_hand(house) as (typed, server):
        for piece in (b"250-Gr\xc3", b"\xbc\xc3\x9fe\r", b"\n250-two\r\n250 three\n"):
            await server.send_all(piece)
            await trio.sleep(0.01)
        assert await lines(typed, 3) == ["250-Grüße", "250-two", "250 three"]
        await server.send_all(b"\r\n\xff\xfe\r\n")
        assert await lines(typed, 2) == ["", "��"]


async def test_an_unfinished_line_is_shown_after_a_while(autojump_clock: trio.testing.MockClock) -> None:
    """A prompt without a line end is not kept back, and neither are the last words of a server that hangs up."""
    async with open_house() as house, by_hand(house) as (typed, server):
        started = trio.current_time()
        await server.send_all(b"login: ")
        assert await typed.get_message() == "login: "
        assert trio.current_time() - started == pytest.approx(UNFINISHED_SECONDS)
        await server.send_all(b"bye")
        await server.aclose()
        assert await typed.get_message() == "bye"
        with pytest.raises(ConnectionClosed, match="code=1000"):
            await typed.get_message()


async def test_an_endless_line_comes_in_pieces(autojump_clock: trio.testing.MockClock) -> None:
    """A server that never ends its line fills no memory."""
    async with open_house() as house, by_hand(house) as (typed, server), trio.open_nursery() as nursery:
        nursery.start_soon(server.send_all, b"x" * 1_000_000)
        count = 0
        while count < 1_000_000:
            count += len(await typed.get_message())


async def test_the_websockets_end_is_the_servers_end(autojump_clock: trio.testing.MockClock) -> None:
    """Who closes the page, or just vanishes, has hung up."""
    async with open_house() as house:
        async with by_hand(house) as (typed, server):
            await typed.aclose()
            assert await server.receive_some() == b""
        async with console(house, "relay.example") as typed:
            await lines(typed, 1)
        await house.quiet()
        assert house.lab.recorder.records[-1]["event"] == "connection.closed"


async def test_a_server_that_does_not_answer_is_told(autojump_clock: trio.testing.MockClock) -> None:
    """The websocket opens, and closes with the reason."""
    async with open_house() as house:
        house.lab.book.moved("mail.nord.example", 25, SOMEWHERE)
        async with console(house, "nord.example") as typed:
            with pytest.raises(ConnectionClosed, match=r"No connection to 172\.16\.1\.1:25"):
                await typed.get_message()


async def test_a_page_is_told_whom_it_speaks_to(autojump_clock: trio.testing.MockClock) -> None:
    """With events, the address that people see comes first, and the server's lines come as a list."""
    async with open_house() as house, console(house, "Nord.Example&events=1") as typed:
        assert await event(typed) == {
            "event": "opened",
            "host": "mail.nord.example",
            "address": "172.16.1.1",
            "port": 25,
        }
        assert await event(typed) == {"event": "heard", "lines": ["220 mail.nord.example ESMTP maillab"]}
        await typed.send_message("EHLO anna")
        assert (await event(typed))["lines"][0] == "250-mail.nord.example greets anna"
        await typed.send_message("QUIT")
        assert (await event(typed))["lines"][0].startswith("221 ")
        with pytest.raises(ConnectionClosed, match=r"Socket to 172\.16\.1\.1:25 closed"):
            await typed.get_message()


async def test_a_page_is_told_what_was_accepted(autojump_clock: trio.testing.MockClock) -> None:
    """Each mail of this connection, and no other, is named by its trace, though the textbook's reply names none."""
    async with (
        open_house(lab="gartenparty") as house,
        console(house, "example.com&events=1") as carols,
        console(house, "172.16.1.1&events=1") as bobs,
    ):
        told: list[tuple[str, str, str]] = []
        for typed, name in ((carols, "carol"), (bobs, "bob"), (carols, "carol")):
            for line in ("HELO x", f"MAIL FROM:<{name}@example.com>", "RCPT TO:<alice@example.com>", "DATA"):
                await typed.send_message(line)
            await typed.send_message(f"Subject: {name}\n\nHallo\n.")
            while (happened := await event(typed))["event"] != "accepted":
                pass
            told.append((name, happened["trace"], happened["queue_id"]))
        stored = house.lab.mailbox("alice@example.com").messages()
        assert told == [(each.subject, each.trace, each.entry.queue_id) for each in stored]


async def test_a_page_is_told_why_there_is_nobody(autojump_clock: trio.testing.MockClock) -> None:
    """With events, the websocket opens to say it: no such host, no such port, or nobody answers."""
    async with open_house() as house:
        house.lab.book.moved("mail.sued.example", 25, SOMEWHERE)
        for query, refusal in (
            ("nrod.example", {"reason": "unknown-host", "host": "nrod.example", "port": 25, "nearest": "nord.example"}),
            ("zzz", {"reason": "unknown-host", "host": "zzz", "port": 25, "nearest": None}),
            ("", {"reason": "unknown-host", "host": "", "port": 25, "nearest": None}),
            (
                "relay.example&port=26",
                {
                    "reason": "closed-port",
                    "host": "relay.example",
                    "address": "172.16.3.1",
                    "port": 26,
                    "ports": [25],
                },
            ),
            (
                "sued.example",
                {"reason": "no-answer", "host": "mail.sued.example", "address": "172.16.2.1", "port": 25},
            ),
        ):
            async with console(house, f"{query}&events=1") as typed:
                assert await event(typed) == {"event": "refused", **refusal}
                with pytest.raises(ConnectionClosed):
                    await typed.get_message()


async def test_every_port_that_listens_is_reached(autojump_clock: trio.testing.MockClock) -> None:
    """Submission is spoken to by its own port, and named with it."""
    async with open_house() as house, console(house, "nord.example&port=587&events=1") as typed:
        assert (await event(typed))["port"] == 587
        assert (await event(typed))["lines"][0].startswith("220 ")


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?server=",
        "?server=elsewhere.example",
        "?server=127.0.0.1",
        "?server=localhost&port=8025",
        "?server=mail.nord.example:25",
        "?server=172.16.1.1&port=22",
        "?server=169.254.169.254&port=80",
        "?server=..%2f..",
        "?server=mail.nord.example%00",
    ],
)
async def test_nobody_else_is_connected_to(query: str, autojump_clock: trio.testing.MockClock) -> None:
    """A host or port that is not in the address book is 404 before the upgrade, with what there is."""
    async with open_house() as house:
        answer = await house.ask(f"/console{query}", **HANDSHAKE)
    assert answer.status == 404
    assert answer.json["mend"] == "give server= one of mail.nord.example, mail.sued.example, relay.example"


async def test_a_port_is_a_number(autojump_clock: trio.testing.MockClock) -> None:
    """What is no port at all is 400."""
    async with open_house() as house:
        for port in ("smtp", "0", "65536", "-25", ""):
            assert (await house.ask(f"/console?server=nord.example&port={port}", **HANDSHAKE)).status == 400


async def test_a_console_that_never_reads_is_let_go(autojump_clock: trio.testing.MockClock) -> None:
    """A server that says a lot to nobody is hung up on at the latest when a ping stays unanswered."""
    async with open_house() as house, await house.network.listen(SOMEWHERE) as listener, house.visitor() as silent:
        house.lab.book.moved("mail.nord.example", 25, SOMEWHERE)
        headers = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in HANDSHAKE.items())
        await silent.say(f"GET /console?server=nord.example HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")
        async with await listener.accept() as server:
            with trio.fail_after(3 * websocket.PING_SECONDS):
                try:
                    while True:
                        await server.send_all(b"250-more\r\n" * 1000)
                except trio.BrokenResourceError:
                    pass
            assert trio.current_time() > websocket.PING_SECONDS
