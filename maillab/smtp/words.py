"""The commands of SMTP as values, and how a client writes them (RFC 5321 section 4.1.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

import attrs

from maillab.mail.address import Address, show_path
from maillab.mail.envelope import NO_NOTICE, Notice
from maillab.smtp.sasl import MECHANISMS


@attrs.frozen
class Hello:
    """HELO or EHLO: the client gives its name (RFC 5321 section 4.1.1.1)."""

    client_name: str
    extended: bool = True


@attrs.frozen
class MailFrom:
    """MAIL: a transaction begins (RFC 5321 section 4.1.1.2).

    `reverse_path` None is the null path `<>`.  `size_octets` is what SIZE= announces (RFC 1870), `eight_bit` is
    BODY=8BITMIME (RFC 6152), `smtputf8` the parameter of RFC 6531; `ret` and `envid` are those of RFC 3461.
    """

    reverse_path: Address | None
    size_octets: int | None = None
    eight_bit: bool = False
    smtputf8: bool = False
    ret: str | None = None
    envid: str | None = None


@attrs.frozen
class RcptTo:
    """RCPT: one more recipient (RFC 5321 section 4.1.1.3), and what its sender wants to be told (RFC 3461)."""

    forward_path: Address
    notice: Notice = NO_NOTICE


@attrs.frozen
class DataStart:
    """DATA: the client asks leave to send the message (RFC 5321 section 4.1.1.4)."""


@attrs.frozen
class Bdat:
    """BDAT: a chunk of so many octets follows, and the message is whole with the last one (RFC 3030 section 2)."""

    size_octets: int
    last: bool = False


@attrs.frozen
class StartTls:
    """STARTTLS: go on in TLS (RFC 3207)."""


@attrs.frozen
class Auth:
    """AUTH: log in, perhaps with the first response at once, still in base64 (RFC 4954 section 4)."""

    mechanism: str
    initial_response: str | None = attrs.field(default=None, repr=False)


@attrs.frozen
class AuthResponse:
    """A line of the exchange that AUTH began, still in base64; `*` gives up (RFC 4954 section 4)."""

    text: str = attrs.field(repr=False)


@attrs.frozen
class Expand:
    """EXPN: who is behind this list? (RFC 5321 section 4.1.1.7)."""

    list_name: str


@attrs.frozen
class Reset:
    """RSET: forget the transaction (RFC 5321 section 4.1.1.5)."""


@attrs.frozen
class Verify:
    """VRFY: is there such a user? (RFC 5321 section 4.1.1.6)."""

    who: str


@attrs.frozen
class Help:
    """HELP, with or without a topic (RFC 5321 section 4.1.1.8)."""

    topic: str = ""


@attrs.frozen
class Noop:
    """NOOP: say 250 (RFC 5321 section 4.1.1.9)."""


@attrs.frozen
class Quit:
    """QUIT (RFC 5321 section 4.1.1.10)."""


Command = Hello | MailFrom | RcptTo | DataStart | Bdat | StartTls | Auth | Reset | Verify | Expand | Help | Noop | Quit


USAGE: Final[Mapping[str, str]] = {
    "HELO": "HELO computername",
    "EHLO": "EHLO computername",
    "MAIL": "MAIL FROM:<sender@domain>",
    "RCPT": "RCPT TO:<recipient@domain>",
    "DATA": "DATA",
    "BDAT": "BDAT octets [LAST]",
    "STARTTLS": "STARTTLS",
    "AUTH": "AUTH PLAIN or AUTH LOGIN",
    "RSET": "RSET",
    "NOOP": "NOOP",
    "VRFY": "VRFY recipient@domain",
    "EXPN": "EXPN list@domain",
    "HELP": "HELP [command]",
    "QUIT": "QUIT",
}
"""Each verb that is served, and how it is typed, in words that German and English share."""

_LETTERS: Final = re.compile("[A-Za-z]*")
LOGIN_VERB: Final = "AUTH"
SECRET: Final = "***"  # what stands in records for what nobody is to read
_LOGIN: Final = re.compile(r"\W*AUTH", re.ASCII | re.IGNORECASE)  # with a slip of the finger too
_OPEN_PART: Final = re.compile(rf"AUTH(?: +(?:{'|'.join(MECHANISMS)})(?= |\Z))?", re.ASCII | re.IGNORECASE)


def without_secret(line: str) -> str:
    """`line` as it may be recorded: what AUTH says behind its mechanism is a password, or as good as one."""
    if not _LOGIN.match(line):
        return line
    open_part = _OPEN_PART.match(line)
    shown = open_part[0] if open_part else ""
    return line if shown == line.rstrip(" ") else f"{shown} {SECRET}".lstrip(" ")


def verb_of(line: str) -> str:
    """The letters that a command line begins with, in upper case; "" where it begins with something else."""
    letters = _LETTERS.match(line)
    return letters[0].upper() if letters else ""


def command_line(command: Command) -> str:
    """How a client writes `command`, without CRLF."""
    match command:
        case Hello(client_name, extended):
            return f"{'EHLO' if extended else 'HELO'} {client_name}"
        case MailFrom():
            return f"MAIL FROM:{show_path(command.reverse_path)}" + "".join(_mail_parameters(command))
        case RcptTo(forward_path, notice):
            line = f"RCPT TO:{show_path(forward_path)}"
            if notice.notify:
                line += f" NOTIFY={','.join(notice.notify)}"
            return f"{line} ORCPT={notice.orcpt}" if notice.orcpt else line
        case Bdat(size_octets, last):
            return f"BDAT {size_octets}{' LAST' if last else ''}"
        case Auth(mechanism, initial_response):
            return f"AUTH {mechanism}" + (f" {initial_response}" if initial_response else "")
        case Expand(list_name):
            return f"EXPN {list_name}"
        case Verify(who):
            return f"VRFY {who}"
        case Help(topic):
            return f"HELP {topic}".rstrip()
    return _BARE_LINES[type(command)]


def _mail_parameters(mail: MailFrom) -> Iterator[str]:
    if mail.size_octets is not None:
        yield f" SIZE={mail.size_octets}"
    if mail.eight_bit:
        yield " BODY=8BITMIME"
    if mail.smtputf8:
        yield " SMTPUTF8"
    if mail.ret is not None:
        yield f" RET={mail.ret}"
    if mail.envid is not None:
        yield f" ENVID={mail.envid}"


_BARE_LINES: Final[Mapping[type[Command], str]] = {
    DataStart: "DATA",
    StartTls: "STARTTLS",
    Reset: "RSET",
    Noop: "NOOP",
    Quit: "QUIT",
}
