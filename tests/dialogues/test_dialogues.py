"""Golden dialogues: whole conversations with a running lab, to the letter.

Each `*.txt` beside this file is one.  At its top, behind `#`, stands its claim, and where they are not the usual
ones, the lab (`# lab: gartenparty`), the server (`# server: example.com`) and its style (`# style: filius-en`).  Then:

    C: NOOP                         the client says; lines that stand together leave in one write
    S: 250 2.0.0 Ok                 the server answers, exactly so
    (the server closes the connection)
    (the client stops sending)
    (300 seconds pass)
    (ben@sued.example has no mail)
    (ben@sued.example has got:)     his latest message, as it was sent
    M: Hello Ben,
    (ben@sued.example sees:)        the same with what the server has put on top of it
    M: Return-Path: <anna@nord.example>

In braces stands what cannot be typed, `{NUL}` `{CR}` `{LF}` `{TAB}` or an octet such as `{FF}`, what is repeated,
`{x*600}`, and what differs each time, `{queue_id}` and `{date}`.  A client's line ends with CR LF, or with its `{LF}`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import attrs
import pytest
import trio
from trio.testing import MockClock

from maillab import Lab, open_lab
from maillab.lab.load import load_lab
from maillab.lab.spec import SMTP_PORT
from maillab.network.memory import MemoryNetwork
from maillab.network.network import NetworkStream
from maillab.smtp.replies import ReplyStyle

FOLDER: Final = Path(__file__).parent
PATIENCE_SECONDS: Final = 1.0  # an answer that is due comes at once
_SETTING: Final = re.compile(r"# (lab|server|style): (\S+)")
_BRACES: Final = re.compile(r"\{(?:(NUL|CR|LF|TAB)|([0-9A-F]{2})|(.)\*([0-9]+))\}")
_NAMED: Final = {"NUL": b"\x00", "CR": b"\r", "LF": b"\n", "TAB": b"\t"}
_PASS: Final = re.compile(r"\(([0-9]+) seconds pass\)")
_MAILBOX: Final = re.compile(r"\((\S+) has (no mail|got:)\)|\((\S+) sees:\)")
_QUEUE_ID: Final = re.compile(rb"[0-9A-HJKMNP-TV-Z]{13}-1-[0-9]{2}")
_DATE: Final = re.compile(rb"[A-Z][a-z]{2}, [0-9]{1,2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} \+0000")
_ON_TOP: Final = re.compile(rb"Return-Path:.*\r\nReceived:.*\r\n(?:[ \t].*\r\n)*")


@attrs.frozen
class Dialogue:
    """One file: who talks, and what is said."""

    lab: str
    server: str
    style: ReplyStyle | None
    lines: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> Dialogue:
        lines = path.read_text(encoding="utf-8").splitlines()
        assert lines[0].startswith("# "), "a dialogue begins with its claim"
        settings = {match[1]: match[2] for line in lines if (match := _SETTING.fullmatch(line))}
        return cls(
            settings.get("lab", "two-schools"),
            settings.get("server", "nord.example"),
            ReplyStyle(settings["style"]) if "style" in settings else None,
            tuple(line for line in lines if line and not line.startswith("#")),
        )


class Player:
    """Plays a dialogue: says what the client says, and compares what the server answers."""

    def __init__(self, lab: Lab, stream: NetworkStream) -> None:
        self._lab = lab
        self._stream = stream
        self._heard = b""
        self._message = b""

    async def play(self, lines: tuple[str, ...]) -> None:
        for kind, group in itertools.groupby(lines, lambda line: line[:2] if line[1:2] == ":" else "("):
            texts = [line[3:] if kind != "(" else line for line in group]
            # A message that somebody has got stands in the lines right behind; an empty one has none.
            message, self._message = self._message, b""
            assert message.splitlines(keepends=True) == (octet_lines(texts) if kind == "M:" else [])
            if kind == "C:":
                await self._say(b"".join(octet_lines(texts)))
            for text in texts:
                if kind == "S:":
                    assert await self.hear() == text
                elif kind == "(":
                    await self._follow(text)
        await self._stop_sending()
        assert await self.hear() is None, "the server said more"

    async def hear(self) -> str | None:
        """The next line of a reply; None when the server has closed."""
        while b"\r\n" not in self._heard:
            with trio.move_on_after(PATIENCE_SECONDS) as patience:
                try:
                    octets = await self._stream.receive_some()
                except trio.BrokenResourceError:  # closed before it had read all that was sent
                    octets = b""
            assert not patience.cancelled_caught, "the server says nothing"
            if not octets:
                assert not self._heard, "a reply without its end"
                return None
            self._heard += octets
        line, self._heard = self._heard.split(b"\r\n", 1)
        return _QUEUE_ID.sub(b"{queue_id}", line).decode("ascii")

    async def _say(self, octets: bytes) -> None:
        try:
            await self._stream.send_all(octets)
        except trio.BrokenResourceError:
            return  # the server had enough of it; its last words are still to be read

    async def _stop_sending(self) -> None:
        await self._stream.send_eof()

    async def _follow(self, direction: str) -> None:
        if direction == "(the server closes the connection)":
            assert await self.hear() is None
        elif direction == "(the client stops sending)":
            await self._stop_sending()
        elif match := _PASS.fullmatch(direction):
            await trio.sleep(int(match[1]))
        elif match := _MAILBOX.fullmatch(direction):
            messages = self._lab.mailbox(match[1] or match[3]).messages()
            assert bool(messages) == (match[2] != "no mail")
            octets = messages[-1].octets if messages else b""
            if match[3]:
                self._message = _DATE.sub(b"{date}", _QUEUE_ID.sub(b"{queue_id}", octets))
            elif octets:
                on_top = _ON_TOP.match(octets)
                assert on_top, "the server has put nothing on top"
                self._message = octets[on_top.end() :]
        else:
            raise AssertionError(f"no such direction: {direction}")


def octet_lines(texts: Iterable[str]) -> list[bytes]:
    return [*map(octets_of, texts)]


def octets_of(text: str) -> bytes:
    """What a `C:` line sends, and an `M:` line shows."""
    octets = b""
    rest = 0
    for match in _BRACES.finditer(text):
        name, number, repeated, count = match.groups()
        octets += text[rest : match.start()].encode()
        octets += _NAMED[name] if name else bytes([int(number, 16)]) if number else repeated.encode() * int(count)
        rest = match.end()
    octets += text[rest:].encode()
    return octets if text.endswith("{LF}") else octets + b"\r\n"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
async def test_dialogue(path: Path, autojump_clock: MockClock) -> None:
    """The lab answers as the dialogue says."""
    dialogue = Dialogue.read(path)
    spec = load_lab(dialogue.lab)
    if dialogue.style is not None:
        spec = attrs.evolve(spec, replies=dialogue.style)
    async with open_lab(spec, addressing="hosts", network=MemoryNetwork(), crash_ends_all=True) as lab:
        endpoint = lab.book.find(dialogue.server, SMTP_PORT)
        assert endpoint is not None
        async with await lab.network.connect(endpoint, None, None) as stream:
            await Player(lab, stream).play(dialogue.lines)
