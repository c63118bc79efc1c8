"""`maillab console`: the simple client in a terminal."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from functools import partial

import pytest
import trio

from maillab.cli.console import ENGLISH, GERMAN, Words, words_for
from tests.cli.page import WAIT_SECONDS, Asked, asked_lab

LESSON = """\
Verbindung hergestellt
Server: 220 Willkommen bei example.com
Client: HELO carol
Server: 250 Hello carol
Client: MAIL FROM:<carol@example.com>
Server: 250 Sender OK
Client: RCPT TO:<bob@example.com>
Server: 250 Recipient OK
Client: DATA
Server: 354 End data with <CR><LF>.<CR><LF>
Client: Subject: Einladung zur Gartenparty
Client: 
Client: Hallo Bob,
Client: viele Grüße
Client: .
Server: 250 Mail queued for delivery
Client: QUIT
Server: 221 Server beendet Verbindung.
Socket zu 172.16.1.1:25 getrennt
"""  # noqa: W291  an empty line of the mail is said by the client too


@pytest.fixture
async def party() -> AsyncIterator[Asked]:
    """The lab of the first lesson."""
    async with asked_lab("gartenparty") as running:
        yield running


async def test_the_lesson_is_spoken_through_a_pipe(party: Asked) -> None:
    """Each line waits for the answer to the one before; the sides are named in words, in the user's language."""
    said = [line.removeprefix("Client: ") for line in LESSON.splitlines() if line.startswith("Client:")]
    async with party.process("console", "example.com", LC_ALL="de_DE.UTF-8", PYTHONUTF8="1") as command:
        await command.typed.send_all("\n".join(said).encode())
        await command.typed.aclose()
        assert await command.output.rest() == LESSON
        assert await command.errors.rest() == ""
        assert await command.ended() == 0
    (message,) = party.lab.mailbox("bob@example.com").messages()
    assert message.subject == "Einladung zur Gartenparty"


async def test_the_end_of_input_ends_the_conversation(party: Asked) -> None:
    """Ctrl-D hangs up: the server learns of it, and the exit code is 0."""
    async with party.process("console", "172.16.1.1", LC_ALL="C.UTF-8") as command:
        await command.output.until("Server: 220")
        await command.typed.send_all(b"HELO carol\r\nNOOP \x1b[2J")
        await command.typed.aclose()
        printed = await command.output.rest()
        assert await command.ended() == 0
    assert printed.startswith("Connection established\n")
    assert "Client: HELO carol\nServer: 250 Hello carol\nClient: NOOP \\x1b[2J\nServer: " in printed
    assert printed.endswith("\nConnection closed\n")


async def test_ctrl_c_ends_it_well(party: Asked) -> None:
    """Nothing is wrong with leaving: exit code 0, no traceback."""
    async with party.process("console", "example.com") as command:
        await command.output.until("Server: 220")
        command.running.send_signal(signal.SIGINT)
        assert await command.ended() == 0
        assert (await command.errors.rest()).strip() == ""


async def test_a_lab_that_stops_is_told() -> None:
    """When the lab ends before the conversation does, that is an error of one line."""
    async with trio.open_nursery() as nursery:
        party, lab = await nursery.start(_a_party)
        async with party.process("console", "example.com") as command:
            await command.output.until("Server: 220")
            lab.cancel()
            assert await command.ended() == 1
            assert (await command.errors.rest()).strip() == f"maillab: the lab at {party.url} is gone"


async def _a_party(task_status: trio.TaskStatus[tuple[Asked, trio.CancelScope]]) -> None:
    with trio.CancelScope() as scope:
        async with asked_lab("gartenparty") as party:
            task_status.started((party, scope))
            await trio.sleep_forever()


async def test_on_a_terminal_the_client_is_prompted(party: Asked) -> None:
    """What is typed stands behind the name of its side, as it does when it comes from a pipe."""
    keyboard, terminal = pty.openpty()
    try:
        with trio.fail_after(WAIT_SECONDS):
            async with trio.open_nursery() as nursery:
                run = partial(
                    trio.run_process,
                    [sys.executable, "-m", "maillab", "console", "example.com"],
                    stdin=terminal,
                    stdout=terminal,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **party.environment, "LC_ALL": "C.UTF-8"},
                )
                running: trio.Process = await nursery.start(run)
                screen = await _until(keyboard, "Client: ")
                os.write(keyboard, b"HELO carol\n")
                screen += await _until(keyboard, "Client: ")
                os.write(keyboard, b"QUIT\n")
                screen += await _until(keyboard, "Socket to 172.16.1.1:25 closed")
                assert await running.wait() == 0
    finally:
        os.close(keyboard)
        os.close(terminal)
    assert screen.replace("\r\n", "\n").startswith(
        "Connection established\n"
        "Server: 220 Willkommen bei example.com\n"
        "Client: HELO carol\n"
        "Server: 250 Hello carol\n"
        "Client: QUIT\n"
        "Server: 221 Server beendet Verbindung.\n"
    )


async def _until(keyboard: int, text: str) -> str:
    """What the terminal shows, to `text`."""
    shown = b""
    while text.encode() not in shown:
        await trio.lowlevel.wait_readable(keyboard)
        shown += os.read(keyboard, 1024)
    return shown.decode()


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, ENGLISH),
        ({"LANG": "de_AT.UTF-8"}, GERMAN),
        ({"LANG": "de_DE.UTF-8", "LC_ALL": "C"}, ENGLISH),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "de"}, GERMAN),
        ({"LANG": "de_DE.UTF-8", "LC_ALL": ""}, GERMAN),
    ],
)
def test_the_frame_is_in_the_users_language(environment: dict[str, str], words: Words) -> None:
    """LC_ALL beats LC_MESSAGES beats LANG; who names none of ours gets English."""
    assert words_for(environment) == words
