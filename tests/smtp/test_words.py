"""Command lines: what is typed becomes a command, or a reply that helps."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from maillab.mail.address import Address
from maillab.smtp.replies import Answer, ReplyStyle
from maillab.smtp.words import (
    USAGE,
    Command,
    CommandError,
    DataStart,
    Hello,
    Help,
    MailFrom,
    Noop,
    Quit,
    RcptTo,
    Reset,
    Verify,
    command_line,
    parse_command,
    verb_of,
)
from tests.mail.test_address import addresses

CAROL = Address("carol", "example.com")

words = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=30).filter(
    lambda text: text == text.strip(" ")
)


def mails(reverse_path: Address | None) -> st.SearchStrategy[MailFrom]:
    smtputf8 = st.booleans() if reverse_path is None or reverse_path.is_ascii else st.just(True)
    size_octets = st.none() | st.integers(0, 10**20 - 1)
    return st.builds(MailFrom, st.just(reverse_path), size_octets, st.booleans(), smtputf8)


commands: st.SearchStrategy[Command] = st.one_of(
    st.builds(Hello, words, st.booleans()),
    st.none().flatmap(mails),
    addresses.flatmap(mails),
    st.builds(RcptTo, addresses),
    st.builds(Verify, words),
    st.builds(Help, words | st.just("")),
    st.sampled_from([DataStart(), Reset(), Noop(), Quit()]),
)


def refusal(line: str) -> CommandError:
    with pytest.raises(CommandError) as caught:
        parse_command(line)
    return caught.value


def reply_to(line: str) -> str:
    """What today's server says to a line that is no command."""
    error = refusal(line)
    return ReplyStyle.REALISTIC.reply(error.answer, **error.values).text


@given(commands)
@example(RcptTo(Address("postmaster", "")))
@example(MailFrom(Address("a\u200db", "example.com"), smtputf8=True))  # a joiner, as Persian names have
@settings(deadline=None)
def test_what_a_client_writes_a_server_reads(command: Command) -> None:
    """`command_line` and `parse_command` are each other's inverse."""
    assert parse_command(command_line(command)) == command


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("helo carol", Hello("carol", extended=False)),
        ("HELO  carol ", Hello("carol", extended=False)),
        ("eHlO _odd!name[%]", Hello("_odd!name[%]")),
        ("EHLO two words", Hello("two words")),
        ("MAIL FROM:<carol@example.com>", MailFrom(CAROL)),
        ("mail from:<carol@example.com>", MailFrom(CAROL)),
        ("MAIL FROM: <carol@example.com>", MailFrom(CAROL)),
        ("MAIL   From:<carol@example.com>   ", MailFrom(CAROL)),
        ("MAIL FROM:<>", MailFrom(None)),
        ("MAIL FROM:<> SIZE=0", MailFrom(None, size_octets=0)),
        ("MAIL FROM:<> size=500 body=7bit", MailFrom(None, size_octets=500)),
        ("MAIL FROM:<>  Body=8bitMIME   SmtpUtf8", MailFrom(None, eight_bit=True, smtputf8=True)),
        ("MAIL FROM:<@a.example,@b.example:carol@example.com>", MailFrom(CAROL)),
        ("RCPT TO:<carol@example.com>", RcptTo(CAROL)),
        ("rcpt to: <carol@example.com> ", RcptTo(CAROL)),
        ("RCPT TO:<PostMaster>", RcptTo(Address("PostMaster", ""))),
        ("data", DataStart()),
        ("DATA ", DataStart()),
        ("RSET", Reset()),
        ("NOOP", Noop()),
        ("NOOP whatever", Noop()),
        ("VRFY carol", Verify("carol")),
        ("VRFY <carol@example.com>", Verify("<carol@example.com>")),
        ("HELP", Help()),
        ("help mail", Help("mail")),
        ("Quit", Quit()),
    ],
)
def test_a_command_may_be_typed_like_this(line: str, command: Command) -> None:
    """Verbs, FROM:, TO: and parameter names in any case, spaces where people put them (RFC 5321 section 2.4)."""
    assert parse_command(line) == command


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
    assert text.endswith("known commands: HELO EHLO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT")


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
        ("EXPN team", "502 5.5.1 EXPN is not offered here"),
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
        ("MAIL FROM:<> SIZE=abc", "501 5.5.4 SIZE=abc is no number of octets"),
        ("MAIL FROM:<> SIZE=-1", "501 5.5.4 SIZE=-1 is no number of octets"),
        ("MAIL FROM:<> SIZE=1_0", "501 5.5.4 SIZE=1_0 is no number of octets"),
        ("MAIL FROM:<> SIZE=\u0661\u0660", r"501 5.5.4 SIZE=\u0661\u0660 is no number of octets"),
        ("MAIL FROM:<> SIZE=" + "9" * 21, f"501 5.5.4 SIZE={'9' * 21} is no number of octets"),
        ("MAIL FROM:<> SIZE", "501 5.5.4 SIZE= is no number of octets"),
        ("MAIL FROM:<> SIZE=", "501 5.5.4 SIZE= is no parameter; behind the path stands NAME or NAME=VALUE"),
        ("MAIL FROM:<> SIZE=1 size=2", "501 5.5.4 SIZE is given twice"),
        ("MAIL FROM:<> BODY=BINARYMIME", "501 5.5.4 BODY=BINARYMIME: it is 7BIT or 8BITMIME here"),
        ("MAIL FROM:<> BODY=8B\u0131TMIME", r"501 5.5.4 BODY=8B\u0131TMIME: it is 7BIT or 8BITMIME here"),
        ("MAIL FROM:<> BODY", "501 5.5.4 BODY=: it is 7BIT or 8BITMIME here"),
        ("MAIL FROM:<> SMTPUTF8=yes", "501 5.5.4 SMTPUTF8 has no value"),
        ("MAIL FROM:<> RET=FULL", "555 5.5.4 MAIL has no parameter RET here; known: SIZE BODY SMTPUTF8"),
        ("MAIL FROM:<> hello", "555 5.5.4 MAIL has no parameter HELLO here; known: SIZE BODY SMTPUTF8"),
        ("MAIL FROM:<> -x", "501 5.5.4 -x is no parameter; behind the path stands NAME or NAME=VALUE"),
        (
            "MAIL FROM:<> S\u0131ZE=1",
            r"501 5.5.4 S\u0131ZE=1 is no parameter; behind the path stands NAME or NAME=VALUE",
        ),
        ("MAIL FROM:<> A=B=C", "501 5.5.4 A=B=C is no parameter; behind the path stands NAME or NAME=VALUE"),
        ("RCPT TO:<a@b> NOTIFY=NEVER", "555 5.5.4 RCPT has no parameter NOTIFY here; known: none"),
        ("RCPT TO:<a@b> SIZE=1", "555 5.5.4 RCPT has no parameter SIZE here; known: none"),
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


@pytest.mark.parametrize(
    ("line", "verb"), [("mail FROM:<a@b>", "MAIL"), ("QUIT", "QUIT"), ("HELOcarol", "HELOCAROL"), ("", ""), ("(x", "")]
)
def test_the_verb_is_the_letters_in_front(line: str, verb: str) -> None:
    """What records call a line by, also one that is no command."""
    assert verb_of(line) == verb


def test_every_usage_line_is_of_its_verb() -> None:
    """What a learner is told to type begins with the command that it explains."""
    assert all(verb_of(usage) == verb for verb, usage in USAGE.items())
