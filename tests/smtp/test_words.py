"""Command lines: what is typed becomes a command, or a reply that helps."""

from __future__ import annotations

import base64

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from maillab.mail.address import Address
from maillab.mail.envelope import Notice
from maillab.smtp.parsing import parse_command
from maillab.smtp.sasl import Credentials
from maillab.smtp.words import (
    USAGE,
    Auth,
    AuthResponse,
    Bdat,
    Command,
    DataStart,
    Expand,
    Hello,
    Help,
    MailFrom,
    Noop,
    Quit,
    RcptTo,
    Reset,
    StartTls,
    Verify,
    command_line,
    verb_of,
    without_secret,
)
from tests.mail.test_address import addresses

CAROL = Address("carol", "example.com")

words = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=30).filter(
    lambda text: text == text.strip(" ")
)


def mails(reverse_path: Address | None) -> st.SearchStrategy[MailFrom]:
    smtputf8 = st.booleans() if reverse_path is None or reverse_path.is_ascii else st.just(True)
    size_octets = st.none() | st.integers(0, 10**20 - 1)
    ret = st.none() | st.sampled_from(["FULL", "HDRS"])
    return st.builds(MailFrom, st.just(reverse_path), size_octets, st.booleans(), smtputf8, ret, st.none() | xtexts)


xtexts = st.lists(st.sampled_from([*"ab!*,-<>~/;:@.", "+2B", "+3D"]), min_size=1, max_size=20).map("".join)
notify = st.just(("NEVER",)) | st.permutations(["SUCCESS", "FAILURE", "DELAY"]).flatmap(
    lambda words: st.integers(0, 3).map(lambda count: tuple(words[:count]))
)
notices = st.builds(Notice, notify, st.none() | xtexts.map("rfc822;{}".format))
chunk_sizes = st.integers(0, 2**63 - 1)
responses = st.binary(max_size=40).map(lambda octets: base64.b64encode(octets).decode() or "=")


commands: st.SearchStrategy[Command] = st.one_of(
    st.builds(Hello, words, st.booleans()),
    st.none().flatmap(mails),
    addresses.flatmap(mails),
    st.builds(RcptTo, addresses, notices),
    st.builds(Bdat, chunk_sizes, st.booleans()),
    st.builds(Auth, st.sampled_from(["PLAIN", "LOGIN", "CRAM-MD5"]), st.none() | responses),
    st.builds(Verify, words),
    st.builds(Expand, words),
    st.builds(Help, words | st.just("")),
    st.sampled_from([DataStart(), StartTls(), Reset(), Noop(), Quit()]),
)


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
        ("bdat 10", Bdat(10)),
        ("BDAT 0 Last", Bdat(0, last=True)),
        ("BDAT 007   LAST ", Bdat(7, last=True)),
        ("starttls", StartTls()),
        ("auth plain", Auth("PLAIN")),
        ("AUTH PLAIN =", Auth("PLAIN", "=")),
        ("Auth Login YW5uYQ==", Auth("LOGIN", "YW5uYQ==")),
        ("MAIL FROM:<> ret=hdrs ENVID=a+2Bb auth=<>", MailFrom(None, ret="HDRS", envid="a+2Bb")),
        ("RCPT TO:<carol@example.com> notify=never", RcptTo(CAROL, Notice(("NEVER",)))),
        (
            "RCPT TO:<carol@example.com> NOTIFY=delay,Success ORCPT=rfc822;x@y",
            RcptTo(CAROL, Notice(("DELAY", "SUCCESS"), "rfc822;x@y")),
        ),
        ("EXPN team", Expand("team")),
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
    ("line", "verb"), [("mail FROM:<a@b>", "MAIL"), ("QUIT", "QUIT"), ("HELOcarol", "HELOCAROL"), ("", ""), ("(x", "")]
)
def test_the_verb_is_the_letters_in_front(line: str, verb: str) -> None:
    """What records call a line by, also one that is no command."""
    assert verb_of(line) == verb


def test_every_usage_line_is_of_its_verb() -> None:
    """What a learner is told to type begins with the command that it explains."""
    assert all(verb_of(usage) == verb for verb, usage in USAGE.items())


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("AUTH", "AUTH"),
        ("AUTH LOGIN", "AUTH LOGIN"),
        ("AUTH PLAIN AGFubmEAc2VjcmV0", "AUTH PLAIN ***"),
        ("auth  login  c2VjcmV0", "auth  login ***"),
        ("AUTH\tPLAIN\tc2VjcmV0", "AUTH ***"),
        ("AUTH c2VjcmV0", "AUTH ***"),
        ("AUTH PLAINc2VjcmV0", "AUTH ***"),
        ("AUTHPLAIN c2VjcmV0", "AUTH ***"),
        (" AUTH PLAIN c2VjcmV0", "***"),
        ("NOOP AUTH PLAIN", "NOOP AUTH PLAIN"),
        ("MAIL FROM:<a@b> AUTH=<>", "MAIL FROM:<a@b> AUTH=<>"),
    ],
)
def test_what_auth_says_is_not_shown(line: str, shown: str) -> None:
    """Records keep the mechanism of a login and nothing behind it, also where the line was mistyped."""
    assert without_secret(line) == shown


def test_secrets_have_no_repr() -> None:
    """A response or a password shows in no traceback."""
    values = (Auth("PLAIN", "c2VjcmV0"), AuthResponse("c2VjcmV0"), Credentials("anna", "c2VjcmV0"))
    assert not any("c2VjcmV0" in repr(value) for value in values)
