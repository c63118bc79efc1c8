"""What a command says when no lab answers as it should: one line, and exit code 1."""

from __future__ import annotations

import contextlib
from functools import partial

import pytest
import trio

from tests.cli.page import Asked, asked_lab, maillab, process

ASKING = [
    ("send", "--from", "anna@nord.example", "--to", "ben@sued.example"),
    ("trace",),
    ("traces",),
    ("watch",),
    ("mailbox", "ben@sued.example"),
    ("mailbox", "ben@sued.example", "--raw", "1"),
    ("queue",),
    ("queue", "--retry", "1JD2V9XK3M4QZ-1-00"),
    ("console", "nord.example"),
]

HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"
OTHER_PAGE = b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nnone"
OTHER_API = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 6\r\n\r\n"\x1b[2J'
MAIL_SERVER = b"220 mail.example.com ESMTP\r\n"


async def an_unused_port() -> int:
    """A port where nobody listens."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        return int(listener.socket.getsockname()[1])


@pytest.mark.parametrize("command", ASKING, ids=" ".join)
async def test_nobody_answers(command: tuple[str, ...]) -> None:
    """The address is told, and how to start a lab."""
    url = f"http://127.0.0.1:{await an_unused_port()}"
    result = await maillab(*command, "--url", url)
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: no lab answers at {url} (connection refused); start one with maillab up, or give --url\n"
    )
    assert result.stdout == ""


async def test_the_line_begins_with_the_name_of_the_program() -> None:
    """As people run it, a mistake is one line of maillab's on stderr."""
    async with process("traces", MAILLAB_URL=f"127.0.0.1:{await an_unused_port()}") as command:
        assert await command.ended() == 1
        assert (await command.errors.rest()).startswith("maillab: no lab answers at http://127.0.0.1:")
        assert await command.output.rest() == ""


@pytest.mark.parametrize(
    ("password", "said"), [("", "wants a password; give it as MAILLAB_PASSWORD"), ("geheim", "wrong password")]
)
@pytest.mark.parametrize("command", [("traces",), ("console", "nord.example")], ids=" ".join)
async def test_the_password_has_to_be_right(command: tuple[str, ...], password: str, said: str) -> None:
    """Without one, or with a wrong one, nothing is told but that."""
    async with asked_lab(password="Schlüssel") as asked:
        asked.environment["MAILLAB_PASSWORD"] = password
        result = await asked.maillab(*command)
        assert result.exit_code == 1
        assert said in result.stderr
        assert result.stderr.count("\n") == 1


async def test_with_the_password_everything_is_told() -> None:
    """Requests and websockets carry it."""
    async with asked_lab(password="Schlüssel") as asked:
        assert (await asked.maillab("traces")).exit_code == 0
        result = await asked.maillab("console", "nobody.example")
        assert "nobody.example port 25 is not in this lab" in result.stderr


@pytest.mark.parametrize("answer", [HTML, OTHER_PAGE, OTHER_API, MAIL_SERVER], ids=["html", "404", "json", "smtp"])
@pytest.mark.parametrize("command", ASKING[:-1], ids=" ".join)
async def test_somebody_else_answers(command: tuple[str, ...], answer: bytes) -> None:
    """What is no maillab is told apart, and nothing of what it says reaches the terminal."""

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            await stream.send_all(answer)
            await stream.send_eof()
            with contextlib.suppress(trio.BrokenResourceError):
                async for _ in stream:  # closing with octets unread would reset the connection, and the answer with it
                    pass

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        result = await maillab(*command, "--url", f"127.0.0.1:{listener.socket.getsockname()[1]}")
        nursery.cancel_scope.cancel()
    assert result.exit_code == 1
    assert "is no maillab (" in result.stderr
    assert result.stderr.count("\n") == 1
    assert "\x1b" not in result.output


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("trace",), "there is no trace; no message was accepted yet"),
        (("trace", "1JD2V9XK3M4QZ"), "no trace 1JD2V9XK3M4QZ; maillab traces lists them"),
        (("trace", "a/b?c#d"), "no trace a/b?c#d; maillab traces lists them"),
        (("mailbox", "bne@sued.example"), 'no mailbox bne@sued.example; did you mean "ben@sued.example"?'),
        (("mailbox", "ben@sued.example", "--show", "7"), "no message 7 in ben@sued.example; maillab mailbox ben@"),
        (("mailbox", "ben@sued.example", "--raw", "7"), "no message 7 in ben@sued.example"),
        (("queue", "--retry", "x"), "nothing with queue id x waits here; maillab queue lists what waits"),
        (("console", "nrod.example"), 'nrod.example port 25 is not in this lab; did you mean "nord.example"?'),
        (("console", "Nord.example", "--port", "26"), "port 26 is not in this lab; Nord.example does not listen there"),
    ],
)
async def test_what_is_not_there_is_told_with_what_is(asked: Asked, command: tuple[str, ...], said: str) -> None:
    """The hint is a command, or the name that was meant."""
    result = await asked.maillab(*command)
    assert result.exit_code == 1
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
