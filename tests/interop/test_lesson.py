"""The lesson's conversation, typed with `nc` against the garden party."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

import trio

from tests.interop.conftest import StartLab
from tests.interop.lab_process import WAIT_SECONDS, run
from tests.interop.stored_mail import as_sent, mails

HOST: Final = "mail.example.com"
GREETING: Final = b"220 Willkommen bei example.com\r\n"
TYPED: Final = """\
Subject: Einladung zur Gartenparty

Hallo Bob,

gerne komme ich zu deiner Gartenparty und bringe einen Nachtisch mit!

Viele Grüße,
Carol
"""
CONVERSATION: Final = (
    ("HELO carol\n", b"250 Hello carol\r\n"),
    ("MAIL FROM:<carol@example.com>\n", b"250 Sender OK\r\n"),
    ("RCPT TO:<bob@example.com>\n", b"250 Recipient OK\r\n"),
    ("DATA\n", b"354 End data with <CR><LF>.<CR><LF>\r\n"),
    (f"{TYPED}.\n", b"250 Mail queued for delivery\r\n"),
    ("QUIT\n", b"221 Server beendet Verbindung.\r\n"),
)


class Conversation:
    """`nc`, and somebody who types into it and reads what it shows."""

    def __init__(self, process: trio.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self._keyboard = process.stdin
        self._screen = process.stdout

    async def type(self, text: str) -> None:
        await self._keyboard.send_all(text.encode())

    async def read(self, count: int) -> bytes:
        """The next `count` octets, or all there are when it ends sooner."""
        shown = b""
        while len(shown) < count and (octets := await self._screen.receive_some(count - len(shown))):
            shown += octets
        return shown

    async def end(self) -> bytes:
        """Type no more; gives what is still shown."""
        await self._keyboard.aclose()
        rest = await self.read(1 << 16)
        await self.process.wait()
        return rest


async def test_the_lesson_is_answered_octet_for_octet(
    start_lab: StartLab, gartenparty: Path, nc: str, tmp_path: Path
) -> None:
    """Typed line by line, each command gets the lesson's reply, and Bob gets what Carol typed and nothing invented."""
    data = tmp_path / "data"
    lab = await start_lab(gartenparty, "--data", data)
    smtp = lab.smtp(HOST)
    with trio.fail_after(WAIT_SECONDS):
        process = await trio.lowlevel.open_process(
            [nc, "-C", smtp.host, str(smtp.port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        carol = Conversation(process)
        assert await carol.read(len(GREETING)) == GREETING
        for typed, reply in CONVERSATION:
            await carol.type(typed)
            assert await carol.read(len(reply)) == reply
        assert await carol.end() == b""
    assert process.returncode == 0
    await lab.stop()
    (received,) = mails(data, HOST, "bob@example.com")
    assert as_sent(received, received_count=1) == TYPED.replace("\n", "\r\n").encode()


async def test_the_lesson_pasted_in_one_piece_is_answered_alike(
    start_lab: StartLab, gartenparty: Path, nc: str
) -> None:
    """Whoever pastes all of it at once reads the same replies."""
    lab = await start_lab(gartenparty)
    smtp = lab.smtp(HOST)
    pasted = "".join(typed for typed, _ in CONVERSATION).encode()
    done = await run(nc, "-C", smtp.host, smtp.port, stdin=pasted)
    assert done.stdout == GREETING + b"".join(reply for _, reply in CONVERSATION)


async def test_nc_without_its_option_is_told_of_it(start_lab: StartLab, gartenparty: Path, nc: str) -> None:
    """Lines that end with LF alone get an answer that says how to mend it."""
    lab = await start_lab(gartenparty)
    smtp = lab.smtp(HOST)
    done = await run(nc, "-N", smtp.host, smtp.port, stdin=b"HELO carol\n")
    assert done.stdout.startswith(GREETING + b"500-")
    assert b"nc -C" in done.stdout
