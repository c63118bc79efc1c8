"""Golden dialogues: whole conversations with a running lab, to the letter.

Each `*.txt` beside this file is one.  At its top, behind `#`, stands its claim, and where they are not the usual
ones, the lab (`# lab: gartenparty`), the server (`# server: example.com`), its style (`# style: filius-en`), its
listener (`# role: submission`), lines for its table in the lab file (`# with: bare_newlines = "lax"`) and for
`[limits]` (`# limits: errors = 3`).  Then:

    C: NOOP                         the client says; lines that stand together leave in one write
    C= BDAT 5{CR}{LF}hello          the same without an end of line of its own
    S: 250 2.0.0 Ok                 the server answers, exactly so
    (TLS begins)                    behind the 220 to STARTTLS
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
A dialogue that would be another one inside TLS says so: `# only: in clear`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import attrs
import trio

from maillab import Lab
from maillab.lab.load import find_lab, parse_lab
from maillab.lab.spec import LabSpec
from maillab.mailserver.choices import Role
from maillab.network.network import NetworkStream
from maillab.network.tls import connect_tls
from maillab.smtp.replies import ReplyStyle

FOLDER: Final = Path(__file__).parent
PATHS: Final = sorted(FOLDER.glob("*.txt"))
_SETTING: Final = re.compile(r"# (lab|server|style|role|with|limits|only): (.+)")
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

    lab: str = "two-schools"
    server: str = "nord.example"
    style: str | None = None
    role: Role = Role.SMTP
    server_lines: tuple[str, ...] = ()
    limit_lines: tuple[str, ...] = ()
    in_clear: bool = False
    lines: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Dialogue:
        lines = path.read_text(encoding="utf-8").splitlines()
        assert lines[0].startswith("# "), "a dialogue begins with its claim"
        settings = [(match[1], match[2]) for line in lines if (match := _SETTING.fullmatch(line))]
        given = dict(settings)
        assert given.get("only", "in clear") == "in clear"
        return cls(
            lab=given.get("lab", "two-schools"),
            server=given.get("server", "nord.example"),
            style=given.get("style"),
            role=Role[given.get("role", "smtp").upper()],
            server_lines=tuple(text for key, text in settings if key == "with"),
            limit_lines=tuple(text for key, text in settings if key == "limits"),
            in_clear="only" in given,
            lines=tuple(line for line in lines if line and not line.startswith("#")),
        )

    @property
    def spec(self) -> LabSpec:
        """The lab as its file would say it."""
        text = find_lab(self.lab).read_text(encoding="utf-8")
        name = re.compile(rf'^(?:name|host) = "{re.escape(self.server)}".*$', re.MULTILINE)
        assert len(name.findall(text)) == 1
        text = name.sub(lambda match: "\n".join([match[0], *self.server_lines]), text)
        if self.limit_lines:
            text += "\n".join(["\n[limits]", *self.limit_lines, ""])
        spec = parse_lab(text, self.lab)
        return spec if self.style is None else attrs.evolve(spec, replies=ReplyStyle(self.style))

    @property
    def needs_clock(self) -> bool:
        """True if minutes pass."""
        return any(_PASS.fullmatch(line) for line in self.lines)

    def with_words(self, words: Mapping[str, str]) -> Dialogue:
        """The same dialogue with other words in what the server says, and in what it writes."""
        lines = []
        for line in self.lines:
            for old, new in words.items():
                line = re.sub(old, new, line) if line[:2] in ("S:", "M:") else line
            lines.append(line)
        return attrs.evolve(self, lines=tuple(lines))

    @property
    def in_tls(self) -> Dialogue:
        """As it is inside TLS: STARTTLS is not offered, and `Received` says that it was TLS (RFC 3848)."""
        said = "\n".join(self.lines).replace("250-DSN\nS: 250 STARTTLS", "250 DSN").replace("S: 250-STARTTLS\n", "")
        return attrs.evolve(self, lines=tuple(said.split("\n"))).with_words({r"( with \S*SMTP)( id )": r"\1S\2"})


class Player:
    """Plays a dialogue: says what the client says, and compares what the server answers.

    Args:
        patience_seconds: how long an answer that is due may take.
    """

    def __init__(self, lab: Lab, stream: NetworkStream, patience_seconds: float) -> None:
        self._lab = lab
        self._stream = stream
        self._patience_seconds = patience_seconds
        self._heard = b""
        self._message = b""

    async def play(self, lines: tuple[str, ...]) -> None:
        for kind, group in itertools.groupby(lines, lambda line: line[0] if line[1:2] in ":=" else "("):
            texts = [*group]
            # A message that somebody has got stands in the lines right behind; an empty one has none.
            message, self._message = self._message, b""
            expected = octet_lines(texts) if kind == "M" else []
            assert message.splitlines(keepends=True) == expected, f"got {message!r}, expected {expected}"
            if kind == "C":
                await self._say(b"".join(octet_lines(texts)))
            for text in texts:
                if kind == "S":
                    heard = await self.hear()
                    assert heard == text[3:], f"heard {heard!r}, expected {text[3:]!r}"
                elif kind == "(":
                    await self._follow(text)
        await self._stream.send_eof()
        assert await self.hear() is None, "the server said more"

    async def begin_tls(self) -> None:
        """Say STARTTLS at once behind the greeting, and go on inside TLS as if the greeting were still to be heard."""
        greeting = await self.hear()
        await self._say(b"STARTTLS\r\n")
        assert (await self.hear() or "").startswith("220 ")
        await self._follow("(TLS begins)")
        self._heard = f"{greeting}\r\n".encode()

    async def close(self) -> None:
        await trio.aclose_forcefully(self._stream)

    async def hear(self) -> str | None:
        """The next line of a reply; None when the server has closed."""
        while b"\r\n" not in self._heard:
            with trio.move_on_after(self._patience_seconds) as patience:
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

    async def _follow(self, direction: str) -> None:
        if direction == "(the server closes the connection)":
            assert await self.hear() is None
        elif direction == "(the client stops sending)":
            await self._stream.send_eof()
        elif direction == "(TLS begins)":
            assert not self._heard, "replies behind the one to STARTTLS"
            self._stream = await connect_tls(self._stream, self._lab.authority.client_context(), "server")
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


def octet_lines(lines: Iterable[str]) -> list[bytes]:
    return [octets_of(line[3:]) if line[1] == ":" else _unescaped(line[3:]) for line in lines]


def octets_of(text: str) -> bytes:
    """What a `C:` line sends, and an `M:` line shows."""
    octets = _unescaped(text)
    return octets if text.endswith("{LF}") else octets + b"\r\n"


def _unescaped(text: str) -> bytes:
    octets = b""
    rest = 0
    for match in _BRACES.finditer(text):
        name, number, repeated, count = match.groups()
        octets += text[rest : match.start()].encode()
        octets += _NAMED[name] if name else bytes([int(number, 16)]) if number else repeated.encode() * int(count)
        rest = match.end()
    return octets + text[rest:].encode()
