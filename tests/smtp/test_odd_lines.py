"""Lines that are no commands: one reply each, and the session is in step afterwards."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence

import pytest
from hypothesis import given, settings

from maillab.smtp.answers import Answer
from maillab.smtp.replies import ReplyStyle
from maillab.smtp.session import COMMAND_LINE_LIMIT_OCTETS, ENDLESS_LINE_LIMIT_OCTETS
from maillab.smtp.table import Session
from maillab.smtp.words import Noop
from tests.smtp.cutting import cut, piece_sizes
from tests.smtp.test_session import in_sync, refusals, server_in

ODD_LINES = {
    "empty": (b"\r\n", "500 5.5.2 A line begins with its command"),
    "only spaces": (b"   \r\n", "500 5.5.2 A line begins with its command"),
    "bare LF": (b"NOOP\n", "500 5.5.2 This line ended with LF alone"),
    "bare CR": (b"NOOP\rNOOP\r\n", "501 5.5.2 A command has no control characters in it"),
    "CR CR LF": (b"NOOP\r\r\n", "501 5.5.2 A command has no control characters in it"),
    "NUL": (b"NO\0OP\r\n", "501 5.5.2 A command has no control characters in it"),
    "Latin-1": (b"MAIL FROM:<j\xfcrg@nord.example>\r\n", "501 5.5.2 A command is ASCII, or UTF-8 with SMTPUTF8"),
    "surrogate": (b"VRFY \xed\xa0\x80\r\n", "501 5.5.2 A command is ASCII, or UTF-8 with SMTPUTF8"),
    "UTF-8 verb": ("ПОЧТА\r\n".encode(), r"500 5.5.2 \u041f\u041e\u0427\u0422\u0410 is no SMTP command"),
    "one octet too long": (
        b"NOOP ".ljust(COMMAND_LINE_LIMIT_OCTETS - 1, b"x") + b"\r\n",
        f"500 5.5.2 Line too long; a command line has at most {COMMAND_LINE_LIMIT_OCTETS} octets",
    ),
    "much too long": (b"x" * 100_000 + b"\r\n", "500 5.5.2 Line too long"),
}


@pytest.mark.parametrize("state", [Session.CONNECTED, Session.READY, Session.MAIL_GIVEN, Session.RCPT_GIVEN])
@pytest.mark.parametrize("name", ODD_LINES)
@given(sizes=piece_sizes)
@settings(deadline=None, max_examples=5)
def test_an_odd_line_gets_one_reply(name: str, state: Session, sizes: Sequence[int]) -> None:
    """Refused once, in any state and any cutting, and the session goes on as if it had not been said."""
    octets, expected = ODD_LINES[name]
    session = server_in(state)
    texts = [text for piece in cut(octets, sizes) for text in refusals(session, piece)]
    assert len(texts) == 1
    assert texts[0].startswith(expected)
    assert session.state is state
    assert in_sync(session)


def test_the_longest_line_is_taken() -> None:
    """RFC 5321 section 4.5.3.1.4: the limit counts CRLF, and is itself allowed."""
    session = server_in(Session.READY)
    session.receive_data(b"NOOP ".ljust(COMMAND_LINE_LIMIT_OCTETS - 2, b"x") + b"\r\n")
    assert session.next_event() == Noop()


def test_a_line_without_an_end_ends_the_connection() -> None:
    """It is swallowed in bounded memory, answered with 421, and nothing behind it is listened to."""
    session = server_in(Session.READY)
    piece = b"x" * 4096
    tracemalloc.start()
    try:
        for _ in range(ENDLESS_LINE_LIMIT_OCTETS // len(piece)):
            assert refusals(session, piece) == []
        peak_octets = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_octets < 100_000
    (text,) = refusals(session, piece)
    assert text.startswith("421 4.7.0 ")
    assert session.state is Session.CLOSED
    assert refusals(session, b"\r\nNOOP\r\n") == []


def test_the_line_that_was_refused_is_known() -> None:
    """Records show what was said, an over-long line by its length."""
    session = server_in(Session.READY)
    lines = []
    for octets in (b"MAIL FROM:<\xff>\r\n", b"x" * 1000 + b"\r\n", b"Noob\r\n", b"NOOP\n"):
        refusals(session, octets)
        lines.append((session.verb, session.line))
    assert lines == [
        ("MAIL", r"MAIL FROM:<\xff>"),
        ("", "(a line of 1002 octets)"),
        ("NOOB", "Noob"),
        ("NOOP", "NOOP"),
    ]


@pytest.mark.parametrize("style", [ReplyStyle.FILIUS_DE, ReplyStyle.FILIUS_EN])
def test_errors_are_said_in_the_labs_style(style: ReplyStyle) -> None:
    """The textbook's words, without an enhanced code."""
    (text,) = refusals(server_in(Session.READY, style), b"DATA\r\n")
    words = style.reply(Answer.OUT_OF_ORDER, verb="DATA", expected="MAIL FROM:<sender@domain>")
    assert text == words.text


@pytest.mark.parametrize("command", [b"MAIL FROM:<>", b"AUTH PLAIN", b"RCPT TO:<a@b>", b"NOOP"])
def test_the_end_of_a_line_that_is_too_long_is_no_command(command: bytes) -> None:
    """What follows a part that was swallowed already belongs to it, also where such commands may be longer."""
    session = server_in(Session.READY)
    assert refusals(session, b"x" * COMMAND_LINE_LIMIT_OCTETS) == []
    (text,) = refusals(session, command + b"\r\n")
    assert text.startswith("500 5.5.2 Line too long")
    assert in_sync(session)


@pytest.mark.parametrize(
    ("line", "limit"),
    [
        (b"MAIL FROM:<a@b> ENVID=" + b"x" * 100 + b" AUTH=", 512 + 26 + 17 + 10 + 500 + 9 + 107),
        (b"rcpt TO:<a@b> ORCPT=rfc822;", 512 + 28 + 508),
        (b"STARTTLS", COMMAND_LINE_LIMIT_OCTETS),
        (b"EHLO ", COMMAND_LINE_LIMIT_OCTETS),
    ],
)
def test_extensions_make_some_lines_longer(line: bytes, limit: int) -> None:
    """RFC 5321 section 4.5.3.1.4: each parameter adds what its own RFC says; the other commands gain nothing."""
    for octets, too_long in ((limit, False), (limit + 1, True)):
        (text, *_) = [*refusals(server_in(Session.MAIL_GIVEN), line.ljust(octets - 2, b"x") + b"\r\n"), ""]
        assert text.startswith("500 5.5.2 Line too long") == too_long
