"""Replies: the textbook to the letter, today's servers with enhanced codes, and nothing that breaks a line."""

from __future__ import annotations

import string

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from maillab.mail.status import EnhancedStatus
from maillab.smtp.answers import Answer
from maillab.smtp.replies import REPLY_LINE_LIMIT_OCTETS, Reply, ReplyStyle, to_octets

FILIUS = [ReplyStyle.FILIUS_DE, ReplyStyle.FILIUS_EN]
HOSTILE = "a\r\n250 2.0.0 Ok\x00\x85\u2028ü\ud800{host}%s"


def placeholders(answer: Answer) -> set[str]:
    """What has to be filled in, in any style."""
    words = answer.value
    texts = (words.realistic, words.filius_de, words.filius_en)
    return {name for text in texts for _, name, _, _ in string.Formatter().parse(text) if name}


def filled(style: ReplyStyle, answer: Answer, value: object) -> Reply:
    """`answer` with `value` in every place."""
    return style.reply(answer, **dict.fromkeys(placeholders(answer), value))


@pytest.mark.parametrize("style", ReplyStyle)
@pytest.mark.parametrize("answer", Answer)
def test_every_answer_has_words_in_every_style(answer: Answer, style: ReplyStyle) -> None:
    """The code is the same in each; the text is never empty, and what is filled in shows."""
    reply = filled(style, answer, "value")
    assert reply.code == answer.value.code
    assert all(reply.lines)
    octets = to_octets(reply.wire_lines)
    assert octets.startswith(str(answer.value.code).encode())
    assert b"{" not in octets


@pytest.mark.parametrize("answer", Answer)
def test_the_enhanced_code_is_of_the_codes_class(answer: Answer) -> None:
    """RFC 2034 section 4: 2.y.z goes with 2yz; greeting, HELO and 3yz have none, all others have one."""
    reply = filled(ReplyStyle.REALISTIC, answer, "value")
    if answer in (Answer.GREETING, Answer.HELLO, Answer.START_DATA, Answer.AUTH_GOES_ON):
        assert reply.enhanced is None
    else:
        status = EnhancedStatus.parse(reply.enhanced or "")
        assert status is not None
        assert status.class_ == reply.code // 100
        assert all(line[4:].startswith(f"{status} ") for line in reply.wire_lines)


@pytest.mark.parametrize("style", FILIUS)
@pytest.mark.parametrize("answer", Answer)
def test_the_textbook_knows_no_enhanced_codes(answer: Answer, style: ReplyStyle) -> None:
    """Not even where a reply is given one of its own."""
    assert filled(style, answer, "value").enhanced is None
    assert style.reply(Answer.SYNTAX, status="5.1.3", problem="x").enhanced is None


def test_the_textbook_in_german() -> None:
    """The sentences of the lesson and of the simulator, to the letter."""
    say = ReplyStyle.FILIUS_DE.reply
    assert [
        *say(Answer.GREETING, host="mail.example.com", domain="example.com").wire_lines,
        *say(Answer.HELLO, host="mail.example.com", client="carol").wire_lines,
        *say(Answer.SENDER_OK).wire_lines,
        *say(Answer.RECIPIENT_OK).wire_lines,
        *say(Answer.START_DATA).wire_lines,
        *say(Answer.QUEUED, queue_id="1JD2V9XK3M4QZ-1-00").wire_lines,
        *say(Answer.OK).wire_lines,
        *say(Answer.BYE, host="mail.example.com").wire_lines,
        *say(Answer.SYNTAX, problem="no @").wire_lines,
    ] == [
        "220 Willkommen bei example.com",
        "250 Hello carol",
        "250 Sender OK",
        "250 Recipient OK",
        "354 End data with <CR><LF>.<CR><LF>",
        "250 Mail queued for delivery",
        "250 OK",
        "221 Server beendet Verbindung.",
        "501 Syntax-Fehler - Parameter oder Argument falsch.",
    ]
    first, second = say(Answer.OUT_OF_ORDER, verb="DATA", expected="MAIL").wire_lines
    assert first == "503-Falsche Reihenfolge der Kommandos."
    assert second == "503 Jetzt wird erwartet: MAIL"


def test_the_textbook_in_english() -> None:
    """The same sentences as the simulator says them in English."""
    say = ReplyStyle.FILIUS_EN.reply
    assert say(Answer.GREETING, host="mail.example.com", domain="example.com").text == "220 Welcome to example.com"
    assert say(Answer.HELLO, host="mail.example.com", client="carol").text == "250 Hello carol"
    assert say(Answer.SENDER_OK).text == "250 Sender OK"
    assert say(Answer.RECIPIENT_OK).text == "250 Recipient OK"
    assert say(Answer.QUEUED, queue_id="x").text == "250 Mail queued for delivery"


def test_a_second_line_teaches() -> None:
    """A typo gets a hint of its own line, all lines but the last with a hyphen (RFC 5321 section 4.2.1)."""
    reply = ReplyStyle.FILIUS_DE.reply(Answer.UNKNOWN_COMMAND, verb="HELLO", nearest="HELO")
    assert to_octets(reply.wire_lines) == b"500-Unbekanntes Kommando: HELLO\r\n500 Meinten Sie HELO?\r\n"


@given(st.text() | st.text(st.sampled_from("\r\n\x00{}ü\U0001f4ea\ud800\\a "), max_size=800))
@example(HOSTILE)
@example("ü" * 800)
@example("a" * 100_000)
@settings(deadline=None, max_examples=40)
def test_nothing_that_is_quoted_breaks_a_reply(value: str) -> None:
    """Whatever a client says: as many lines as the words have, printable ASCII, none over 512 octets."""
    for answer in Answer:
        for style in ReplyStyle:
            reply = filled(style, answer, value)
            octets = to_octets(reply.wire_lines)
            assert octets.endswith(b"\r\n")
            lines = octets.removesuffix(b"\r\n").split(b"\r\n")
            assert len(lines) == len(filled(style, answer, "value").lines)
            for line in lines:
                assert len(line) + len(b"\r\n") <= REPLY_LINE_LIMIT_OCTETS
                assert line.isascii()
                assert line.decode().isprintable()


def test_what_is_quoted_is_recognisable() -> None:
    """A short value stands as it is, letters beyond ASCII as escapes, a long one is cut with dots."""
    hello = ReplyStyle.FILIUS_DE.reply
    assert hello(Answer.HELLO, client="carol{x}").lines == ("Hello carol{x}",)
    assert hello(Answer.HELLO, client="jürg\n").lines == (r"Hello j\xfcrg\n",)
    assert hello(Answer.HELLO, client="c" * 300).lines[0].endswith("ccc...")


def test_a_long_line_is_cut_after_it_was_escaped() -> None:
    """A reply made by hand keeps the limit too, CRLF included."""
    octets = to_octets(Reply(250, ("ü" * 300,)).wire_lines)
    assert len(octets) == REPLY_LINE_LIMIT_OCTETS
    assert octets.endswith(b"\r\n")


@pytest.mark.parametrize(
    ("code", "accepts", "transient"), [(220, True, False), (354, True, False), (451, False, True), (550, False, False)]
)
def test_the_first_digit_says_it_all(code: int, accepts: bool, transient: bool) -> None:
    """RFC 5321 section 4.2.1: 2yz and 3yz go on, 4yz may go on later, 5yz never."""
    reply = Reply(code)
    assert (reply.accepts, reply.transient) == (accepts, transient)


def test_a_reply_is_shown_on_one_line() -> None:
    """Code, enhanced code once, and all lines."""
    assert Reply(550, ("No such user", "here"), "5.1.1").text == "550 5.1.1 No such user here"
    assert Reply(250).text == "250"
