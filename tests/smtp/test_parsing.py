"""Command lines that are none: each is told what was wrong and what would be right."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maillab.smtp.answers import Answer
from maillab.smtp.parsing import ENVID_LIMIT_CHARACTERS, ORCPT_LIMIT_CHARACTERS, CommandError, parse_command
from maillab.smtp.replies import ReplyStyle
from maillab.smtp.words import USAGE, command_line

MAIL_PARAMETERS = "SIZE BODY SMTPUTF8 RET ENVID AUTH"


def refusal(line: str) -> CommandError:
    with pytest.raises(CommandError) as caught:
        parse_command(line)
    return caught.value


def reply_to(line: str) -> str:
    """What today's server says to a line that is no command."""
    error = refusal(line)
    return ReplyStyle.REALISTIC.reply(error.answer, **error.values).text


@pytest.mark.parametrize(
    ("line", "nearest"),
    [
        ("HELLO carol", "HELO"),
        ("HELOcarol", "HELO"),
        ("EHLOcomputername.school.example", "EHLO"),
        ("MIAL FROM:<a@b>", "MAIL"),
        ("MAILFROM:<a@b>", "MAIL"),
        ("RCTP TO:<a@b>", "RCPT"),
        ("RCPTTO:<a@b>", "RCPT"),
        ("rcpt:<a@b>", "RCPT"),
        ("QIUT", "QUIT"),
        ("QUIT.", "QUIT"),
        ("DAT", "DATA"),
        ("data:", "DATA"),
        ("RESET", "RSET"),
        ("noob", "NOOP"),
    ],
)
def test_a_typo_gets_the_nearest_command(line: str, nearest: str) -> None:
    """500 with a question: did you mean HELO?"""
    error = refusal(line)
    assert error.answer is Answer.UNKNOWN_COMMAND
    assert error.values == {"verb": line.split(" ")[0], "nearest": nearest}


@pytest.mark.parametrize(
    "line", ["", " ", " NOOP", "XYZZY", "Liebe Alice,", "250 OK", "\u0131\u0131\u0131\u0131", ".", "GET / HTTP/1.1"]
)
def test_what_resembles_nothing_gets_the_list(line: str) -> None:
    """500 with all commands there are."""
    text = reply_to(line)
    assert text.startswith("500 5.5.2 ")
    assert text.endswith("known commands: HELO EHLO MAIL RCPT DATA BDAT STARTTLS AUTH RSET NOOP VRFY EXPN HELP QUIT")


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("HELO", "501 5.5.4 HELO is used like this: HELO computername"),
        ("EHLO ", "501 5.5.4 EHLO is used like this: EHLO computername"),
        ("MAIL", "501 5.5.4 MAIL is used like this: MAIL FROM:<sender@domain>"),
        ("MAIL carol@example.com", "501 5.5.4 MAIL is used like this: MAIL FROM:<sender@domain>"),
        ("MAIL TO:<carol@example.com>", "501 5.5.4 MAIL is used like this: MAIL FROM:<sender@domain>"),
        ("RCPT FROM:<carol@example.com>", "501 5.5.4 RCPT is used like this: RCPT TO:<recipient@domain>"),
        ("DATA x", "501 5.5.4 DATA stands alone on its line"),
        ("RSET x", "501 5.5.4 RSET stands alone on its line"),
        ("QUIT x", "501 5.5.4 QUIT stands alone on its line"),
        ("VRFY", "501 5.5.4 VRFY is used like this: VRFY recipient@domain"),
        ("EXPN", "501 5.5.4 EXPN is used like this: EXPN list@domain"),
        ("STARTTLS x", "501 5.5.4 STARTTLS stands alone on its line"),
        ("AUTH", "501 5.5.4 AUTH is used like this: AUTH PLAIN or AUTH LOGIN"),
        ("AUTH PLAIN\x00c2VjcmV0", "501 5.5.2 A command has no control characters in it"),
        ("AUTH PL=IN", "501 5.5.4 AUTH is used like this: AUTH PLAIN or AUTH LOGIN"),
        ("TURN", "502 5.5.1 TURN is not offered here"),
        ("send FROM:<a@b>", "502 5.5.1 SEND is not offered here"),
        ("NO\0OP", "501 5.5.2 A command has no control characters in it"),
        ("MAIL\tFROM:<a@b>", "501 5.5.2 A command has no control characters in it"),
        ("NOOP\r", "501 5.5.2 A command has no control characters in it"),
    ],
)
def test_a_command_that_is_used_wrongly_is_explained(line: str, reply: str) -> None:
    """501 says how the command is typed, 502 that it exists elsewhere."""
    assert reply_to(line) == reply


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("MAIL FROM:carol@example.com", "5.1.7"),
        ("MAIL FROM:<carol@example.com", "5.1.7"),
        ("MAIL FROM:<carol@example.com>x", "5.1.7"),
        ("MAIL FROM:<carol@example.com> <bob@example.com>", "5.1.7"),
        ("MAIL FROM:<.carol@example.com>", "5.1.7"),
        ("RCPT TO:carol@example.com", "5.1.3"),
        ("RCPT TO:<>", "5.1.3"),
        ("RCPT TO:<a..b@example.com>", "5.1.3"),
        ("RCPT TO:<@example.com>", "5.1.3"),
        ('RCPT TO:<"a@example.com>', "5.1.3"),
        (f"RCPT TO:<{'a' * 65}@example.com>", "5.1.3"),
        (f"RCPT TO:<a@{'a.' * 128}example.com>", "5.1.3"),
        ("RCPT TO:<ben@sued.example@nord.example>", "5.1.3"),
    ],
)
def test_a_wrong_path_has_its_own_code(line: str, status: str) -> None:
    """501 with 5.1.7 for the sender and 5.1.3 for a recipient (RFC 3463 section 3.2), in words that fit a reply."""
    error = refusal(line)
    assert error.answer is Answer.SYNTAX
    reply = ReplyStyle.REALISTIC.reply(error.answer, **error.values)
    assert (reply.code, reply.enhanced) == (501, status)
    assert reply.lines[0].isascii()


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("MAIL FROM:<> SIZE=abc", "501 5.5.4 SIZE=abc is wrong; right is SIZE=number of octets"),
        ("MAIL FROM:<> SIZE=-1", "501 5.5.4 SIZE=-1 is wrong; right is SIZE=number of octets"),
        ("MAIL FROM:<> SIZE=1_0", "501 5.5.4 SIZE=1_0 is wrong; right is SIZE=number of octets"),
        ("MAIL FROM:<> SIZE=\u0661\u0660", r"501 5.5.4 SIZE=\u0661\u0660 is wrong; right is SIZE=number of octets"),
        ("MAIL FROM:<> SIZE=" + "9" * 21, f"501 5.5.4 SIZE={'9' * 21} is wrong; right is SIZE=number of octets"),
        ("MAIL FROM:<> SIZE", "501 5.5.4 SIZE is wrong; right is SIZE=number of octets"),
        ("MAIL FROM:<> SIZE=", "501 5.5.4 SIZE= is no parameter; behind the path stands NAME or NAME=VALUE"),
        ("MAIL FROM:<> SIZE=1 size=2", "501 5.5.4 SIZE is given twice"),
        ("MAIL FROM:<> BODY=BINARYMIME", "501 5.5.4 BODY=BINARYMIME is wrong; right is BODY=7BIT or BODY=8BITMIME"),
        (
            "MAIL FROM:<> BODY=8B\u0131TMIME",
            r"501 5.5.4 BODY=8B\u0131TMIME is wrong; right is BODY=7BIT or BODY=8BITMIME",
        ),
        ("MAIL FROM:<> BODY", "501 5.5.4 BODY is wrong; right is BODY=7BIT or BODY=8BITMIME"),
        ("MAIL FROM:<> SMTPUTF8=yes", "501 5.5.4 SMTPUTF8=yes is wrong; right is SMTPUTF8, without a value"),
        ("MAIL FROM:<> MT-PRIORITY=3", f"555 5.5.4 MAIL has no parameter MT-PRIORITY here; known: {MAIL_PARAMETERS}"),
        ("MAIL FROM:<> hello", f"555 5.5.4 MAIL has no parameter HELLO here; known: {MAIL_PARAMETERS}"),
        ("MAIL FROM:<> -x", "501 5.5.4 -x is no parameter; behind the path stands NAME or NAME=VALUE"),
        (
            "MAIL FROM:<> S\u0131ZE=1",
            r"501 5.5.4 S\u0131ZE=1 is no parameter; behind the path stands NAME or NAME=VALUE",
        ),
        ("MAIL FROM:<> A=B=C", "501 5.5.4 A=B=C is no parameter; behind the path stands NAME or NAME=VALUE"),
        ("RCPT TO:<a@b> SIZE=1", "555 5.5.4 RCPT has no parameter SIZE here; known: NOTIFY ORCPT"),
        (
            "MAIL FROM:<jürg@example.com>",
            r"553 5.6.7 <j\xfcrg@example.com> is not ASCII; announce it: MAIL FROM:<...> SMTPUTF8",
        ),
    ],
)
def test_parameters_are_read_strictly(line: str, reply: str) -> None:
    """A value that is wrong or given twice is 501, a parameter nobody knows 555 (RFC 5321 section 4.1.1.11)."""
    assert reply_to(line) == reply


@pytest.mark.parametrize("line", ["MA\u0131L FROM:<a@b>", "R\u017fET", "NOOP\u3000x", "\uff2e\uff2f\uff2f\uff30"])
def test_only_ascii_letters_make_a_verb(line: str) -> None:
    """Letters that merely turn into ASCII in upper case are other letters."""
    assert refusal(line).answer in (Answer.UNKNOWN_COMMAND, Answer.NO_COMMAND)


@pytest.mark.parametrize(
    "parameters",
    [
        "RET=BOTH",
        "RET=HDR\u017f",
        "RET",
        "RET=FULL RET=FULL",
        "ENVID=",
        "ENVID=a+b",
        "ENVID=a+2b",
        "ENVID=\u00fc",
        f"ENVID={'x' * (ENVID_LIMIT_CHARACTERS + 1)}",
        "AUTH=",
        "AUTH=a+b",
    ],
)
def test_wrong_parameters_of_mail_are_501(parameters: str) -> None:
    """RFC 3461 sections 4.3 and 4.4, RFC 4954 section 5: what is offered is read strictly."""
    assert reply_to(f"MAIL FROM:<a@b> {parameters}").startswith("501 5.5.4 ")


@pytest.mark.parametrize(
    "parameters",
    [
        "NOTIFY",
        "NOTIFY=",
        "NOTIFY=ALWAYS",
        "NOTIFY=NEVER,SUCCESS",
        "NOTIFY=SUCCESS,SUCCESS",
        "NOTIFY=SUCCESS,,DELAY",
        "NOTIFY=\u017fUCCESS",
        "NOTIFY=DELAY NOTIFY=DELAY",
        "ORCPT=ben@sued.example",
        "ORCPT=;ben",
        "ORCPT=rfc822;",
        "ORCPT=rfc822;a+b",
        "ORCPT=rfc822;a=b",
        f"ORCPT=rfc822;{'x' * ORCPT_LIMIT_CHARACTERS}",
    ],
)
def test_wrong_parameters_of_rcpt_are_501(parameters: str) -> None:
    """RFC 3461 sections 4.1 and 4.2: NEVER stands alone, the original recipient has a type and is xtext."""
    assert reply_to(f"RCPT TO:<a@b> {parameters}").startswith("501 5.5.4 ")


@pytest.mark.parametrize(
    "size",
    [
        *("", "abc", "-1", "+1", "1.5", "0x10", "1_0", "\u0661", "18446744073709551616", "9223372036854775808"),
        *("LAST", "1LAST", "1,LAST", "1 FIRST", "1 LA\u017fT", "1 LAST LAST"),
    ],
)
def test_a_chunk_without_a_size_is_501(size: str) -> None:
    """RFC 3030 section 2: digits, and LAST or nothing; no octet is waited for then."""
    assert reply_to(f"BDAT {size}") == "501 5.5.4 BDAT is used like this: BDAT octets [LAST]"


@given(
    st.sampled_from(["", *USAGE, "MAIL FROM:", "MAIL FROM:<> ", "RCPT TO:", "RCPT TO:<a@b> "]),
    st.text(st.sampled_from(' <>@:="a.1\t\x00üSIZEBODY') | st.characters(), max_size=40),
    st.sampled_from(ReplyStyle),
)
@settings(deadline=None)
def test_any_line_is_a_command_or_has_an_answer(start: str, rest: str, style: ReplyStyle) -> None:
    """Nothing that is typed breaks the reader, and each refusal has all that its words need, in every style."""
    try:
        command = parse_command(start + rest)
    except CommandError as error:
        reply = style.reply(error.answer, **error.values)
    else:
        assert parse_command(command_line(command)) == command
        return
    assert reply.code >= 500
