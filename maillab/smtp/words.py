"""The commands of SMTP as values, and how a command line becomes one (RFC 5321 section 4.1.1)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from typing import Final

import attrs

from maillab.mail.address import Address, AddressError, read_forward_path, read_reverse_path
from maillab.smtp.replies import Answer


@attrs.frozen
class Hello:
    """HELO or EHLO: the client gives its name (RFC 5321 section 4.1.1.1)."""

    client_name: str
    extended: bool = True


@attrs.frozen
class MailFrom:
    """MAIL: a transaction begins (RFC 5321 section 4.1.1.2).

    `reverse_path` None is the null path `<>`.  `size_octets` is what SIZE= announces (RFC 1870), `eight_bit` is
    BODY=8BITMIME (RFC 6152), `smtputf8` the parameter of RFC 6531.
    """

    reverse_path: Address | None
    size_octets: int | None = None
    eight_bit: bool = False
    smtputf8: bool = False


@attrs.frozen
class RcptTo:
    """RCPT: one more recipient (RFC 5321 section 4.1.1.3)."""

    forward_path: Address


@attrs.frozen
class DataStart:
    """DATA: the client asks leave to send the message (RFC 5321 section 4.1.1.4)."""


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


Command = Hello | MailFrom | RcptTo | DataStart | Reset | Verify | Help | Noop | Quit


class CommandError(Exception):
    """A line that is no command of ours; `answer` with `values` is what to say about it."""

    def __init__(self, answer: Answer, **values: object) -> None:
        super().__init__(answer.name)
        self.answer = answer
        self.values = values


USAGE: Final[Mapping[str, str]] = {
    "HELO": "HELO computername",
    "EHLO": "EHLO computername",
    "MAIL": "MAIL FROM:<sender@domain>",
    "RCPT": "RCPT TO:<recipient@domain>",
    "DATA": "DATA",
    "RSET": "RSET",
    "NOOP": "NOOP",
    "VRFY": "VRFY recipient@domain",
    "HELP": "HELP [command]",
    "QUIT": "QUIT",
}
"""Each verb that is served, and how it is typed, in words that German and English share."""

# RFC 5321 sections 4.1.1.7 and appendix F: verbs that exist and are not offered, 502 rather than 500.
_KNOWN_BUT_NOT_OFFERED: Final = frozenset({"EXPN", "TURN", "SEND", "SOML", "SAML"})

_KEYWORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")  # esmtp-keyword
_VALUE: Final = re.compile(r"[^\x00-\x20=\x7f]+")  # esmtp-value, and UTF-8 (RFC 6531 section 3.3)
_SIZE: Final = re.compile(r"[0-9]{1,20}")  # RFC 1870 section 5
# What no command may hold: C0, DEL, C1, and what somebody may take for a line end. Format characters (a joiner in a
# Persian name) may stand in UTF-8 (RFC 6531 section 3.3).
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LETTERS: Final = re.compile("[A-Za-z]*")


def verb_of(line: str) -> str:
    """The letters that a command line begins with, in upper case; "" where it begins with something else."""
    letters = _LETTERS.match(line)
    return letters[0].upper() if letters else ""


def parse_command(line: str) -> Command:
    """The command that `line` (without CRLF) says.

    Raises:
        CommandError: it says none, or says it wrongly.
    """
    if not line.isprintable() and _CONTROL.search(line):
        raise CommandError(Answer.SYNTAX, status="5.5.2", problem="A command has no control characters in it")
    word, _, argument = line.partition(" ")
    verb = verb_of(line)
    if len(verb) == len(word):
        reader = _READERS.get(verb)
        if reader is not None:
            return reader(argument.strip(" "))
        if verb in _KNOWN_BUT_NOT_OFFERED:
            raise CommandError(Answer.NOT_IMPLEMENTED, verb=verb)
    # A forgotten space (HELOcarol) first: the longer the second word, the less alike are the two.
    nearest = [known for known in USAGE if verb.startswith(known)] or difflib.get_close_matches(verb, USAGE, n=1)
    if nearest:
        raise CommandError(Answer.UNKNOWN_COMMAND, verb=word, nearest=nearest[0])
    problem = f"{word} is no SMTP command" if word else "A line begins with its command"
    raise CommandError(Answer.NO_COMMAND, problem=problem, verbs=" ".join(USAGE))


def _misused(verb: str) -> CommandError:
    return CommandError(Answer.SYNTAX, problem=f"{verb} is used like this: {USAGE[verb]}")


def _helo(argument: str) -> Command:
    if not argument:
        raise _misused("HELO")
    return Hello(argument, extended=False)


def _ehlo(argument: str) -> Command:
    if not argument:
        raise _misused("EHLO")
    return Hello(argument)


def _mail(argument: str) -> Command:
    if argument[:5].upper() != "FROM:":
        raise _misused("MAIL")
    try:
        reverse_path, rest = read_reverse_path(argument[5:])
    except AddressError as error:
        raise CommandError(Answer.SYNTAX, status=error.status, problem=error) from None
    size_octets: int | None = None
    eight_bit = smtputf8 = False
    for name, value in _parameters("MAIL", rest, ("SIZE", "BODY", "SMTPUTF8")).items():
        if name == "SIZE":
            if value is None or not _SIZE.fullmatch(value):
                raise CommandError(Answer.SYNTAX, problem=f"SIZE={value or ''} is no number of octets")
            size_octets = int(value)
        elif name == "BODY":
            if value is None or value.lower() not in ("7bit", "8bitmime"):
                raise CommandError(Answer.SYNTAX, problem=f"BODY={value or ''}: it is 7BIT or 8BITMIME here")
            eight_bit = value.lower() == "8bitmime"
        else:
            if value is not None:
                raise CommandError(Answer.SYNTAX, problem="SMTPUTF8 has no value")
            smtputf8 = True
    if reverse_path is not None and not reverse_path.is_ascii and not smtputf8:
        raise CommandError(Answer.NEEDS_SMTPUTF8, address=reverse_path)
    return MailFrom(reverse_path, size_octets, eight_bit, smtputf8)


def _rcpt(argument: str) -> Command:
    if argument[:3].upper() != "TO:":
        raise _misused("RCPT")
    try:
        forward_path, rest = read_forward_path(argument[3:])
    except AddressError as error:
        raise CommandError(Answer.SYNTAX, status=error.status, problem=error) from None
    _parameters("RCPT", rest, ())
    return RcptTo(forward_path)


def _parameters(verb: str, text: str, known: tuple[str, ...]) -> dict[str, str | None]:
    """The ESMTP parameters behind a path, names in upper case (RFC 5321 section 4.1.2)."""
    found: dict[str, str | None] = {}
    for parameter in filter(None, text.split(" ")):
        name, equals, value = parameter.partition("=")
        if not _KEYWORD.fullmatch(name) or (equals and not _VALUE.fullmatch(value)):
            raise CommandError(
                Answer.SYNTAX, problem=f"{parameter} is no parameter; behind the path stands NAME or NAME=VALUE"
            )
        name = name.upper()
        if name not in known:
            raise CommandError(Answer.UNKNOWN_PARAMETER, verb=verb, parameter=name, known=" ".join(known) or "none")
        if name in found:
            raise CommandError(Answer.SYNTAX, problem=f"{name} is given twice")
        found[name] = value if equals else None
    return found


def _alone(verb: str, command: Command) -> Callable[[str], Command]:
    def read(argument: str) -> Command:
        if argument:
            raise CommandError(Answer.SYNTAX, problem=f"{verb} stands alone on its line")
        return command

    return read


def _vrfy(argument: str) -> Command:
    if not argument:
        raise _misused("VRFY")
    return Verify(argument)


_READERS: Final[Mapping[str, Callable[[str], Command]]] = {
    "HELO": _helo,
    "EHLO": _ehlo,
    "MAIL": _mail,
    "RCPT": _rcpt,
    "DATA": _alone("DATA", DataStart()),
    "RSET": _alone("RSET", Reset()),
    "NOOP": lambda _: Noop(),
    "VRFY": _vrfy,
    "HELP": Help,
    "QUIT": _alone("QUIT", Quit()),
}


def command_line(command: Command) -> str:
    """How a client writes `command`, without CRLF."""
    match command:
        case Hello(client_name, extended):
            return f"{'EHLO' if extended else 'HELO'} {client_name}"
        case MailFrom(reverse_path, size_octets, eight_bit, smtputf8):
            line = f"MAIL FROM:<{'' if reverse_path is None else reverse_path}>"
            if size_octets is not None:
                line += f" SIZE={size_octets}"
            if eight_bit:
                line += " BODY=8BITMIME"
            return f"{line} SMTPUTF8" if smtputf8 else line
        case RcptTo(forward_path):
            return f"RCPT TO:<{forward_path}>"
        case Verify(who):
            return f"VRFY {who}"
        case Help(topic):
            return f"HELP {topic}".rstrip()
    return _BARE_LINES[type(command)]


_BARE_LINES: Final[Mapping[type[Command], str]] = {
    DataStart: "DATA",
    Reset: "RSET",
    Noop: "NOOP",
    Quit: "QUIT",
}
