"""How a command line becomes a command, or is told what is wrong with it (RFC 5321 section 4.1)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from typing import Final

import attrs

from maillab.mail.address import AddressError, read_forward_path, read_reverse_path
from maillab.mail.envelope import Notice
from maillab.smtp.answers import Answer
from maillab.smtp.words import (
    USAGE,
    Auth,
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
    verb_of,
)


class CommandError(Exception):
    """A line that is no command of ours; `answer` with `values` is what to say about it."""

    def __init__(self, answer: Answer, **values: object) -> None:
        super().__init__(answer.name)
        self.answer = answer
        self.values = values


# RFC 5321 appendix F and RFC 1985: verbs that exist and are not offered, 502 rather than 500.
_KNOWN_BUT_NOT_OFFERED: Final = frozenset({"TURN", "SEND", "SOML", "SAML", "ETRN"})

_KEYWORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")  # esmtp-keyword
_VALUE: Final = re.compile(r"[^\x00-\x20=\x7f]+")  # esmtp-value, and UTF-8 (RFC 6531 section 3.3)
_SIZE: Final = re.compile(r"[0-9]{1,20}")  # RFC 1870 section 5
_BDAT: Final = re.compile(r"([0-9]{1,19})(?: +(LAST))?", re.ASCII | re.IGNORECASE)  # RFC 3030 section 2
_BODY: Final = re.compile("7BIT|8BITMIME", re.ASCII | re.IGNORECASE)  # RFC 6152 section 2
_RET: Final = re.compile("FULL|HDRS", re.ASCII | re.IGNORECASE)  # RFC 3461 section 4.3
_MECHANISM: Final = re.compile(r"[A-Za-z0-9_-]{1,20}")  # RFC 4422 section 3.1
CHUNK_LIMIT_OCTETS: Final = 2**63 - 1  # more is no chunk of anybody's
ENVID_LIMIT_CHARACTERS: Final = 100  # RFC 3461 section 4.4
ORCPT_LIMIT_CHARACTERS: Final = 500  # RFC 3461 section 4.2
# xtext: ASCII from "!" to "~" but "+" and "=", or "+" and two hexadecimal digits (RFC 3461 section 4); RFC 6533
# section 3 adds UTF-8 to an original recipient.
_XTEXT: Final = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})+")
_ORCPT: Final = re.compile(r"[A-Za-z0-9-]+;(?:[!-*,-<>-~\x80-\U0010ffff]|\+[0-9A-F]{2})+")


# What no command may hold: C0, DEL, C1, and what somebody may take for a line end. Format characters (a joiner in a
# Persian name) may stand in UTF-8 (RFC 6531 section 3.3).
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


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
    found = _parameters("MAIL", rest, _MAIL_PARAMETERS)
    mail = MailFrom(
        reverse_path,
        size_octets=int(found["SIZE"]) if "SIZE" in found else None,
        eight_bit=found.get("BODY", "").lower() == "8bitmime",
        smtputf8="SMTPUTF8" in found,
        ret=found["RET"].upper() if "RET" in found else None,
        envid=found.get("ENVID"),
    )
    if reverse_path is not None and not reverse_path.is_ascii and not mail.smtputf8:
        raise CommandError(Answer.NEEDS_SMTPUTF8, address=reverse_path)
    return mail


def _rcpt(argument: str) -> Command:
    if argument[:3].upper() != "TO:":
        raise _misused("RCPT")
    try:
        forward_path, rest = read_forward_path(argument[3:])
    except AddressError as error:
        raise CommandError(Answer.SYNTAX, status=error.status, problem=error) from None
    if not rest:
        return RcptTo(forward_path)
    found = _parameters("RCPT", rest, _RCPT_PARAMETERS)
    notify = tuple(found["NOTIFY"].upper().split(",")) if "NOTIFY" in found else ()
    return RcptTo(forward_path, Notice(notify, found.get("ORCPT")))


def _is_notify(value: str) -> bool:
    """NEVER alone, or some of the others, each once (RFC 3461 section 4.1)."""
    words = value.upper().split(",") if value.isascii() else []
    return words == ["NEVER"] or (
        len(set(words)) == len(words) > 0 and {"SUCCESS", "FAILURE", "DELAY"}.issuperset(words)
    )


@attrs.frozen
class _Parameter:
    """What a parameter's value must be; `usage` says it to people."""

    fits: Callable[[str], object]
    usage: str


_MAIL_PARAMETERS: Final[Mapping[str, _Parameter]] = {
    "SIZE": _Parameter(_SIZE.fullmatch, "SIZE=number of octets"),
    "BODY": _Parameter(_BODY.fullmatch, "BODY=7BIT or BODY=8BITMIME"),
    "SMTPUTF8": _Parameter(lambda value: not value, "SMTPUTF8, without a value"),
    "RET": _Parameter(_RET.fullmatch, "RET=FULL or RET=HDRS"),
    "ENVID": _Parameter(
        lambda value: len(value) <= ENVID_LIMIT_CHARACTERS and _XTEXT.fullmatch(value),
        f"ENVID=xtext of at most {ENVID_LIMIT_CHARACTERS} characters",
    ),
    # RFC 4954 section 5: who the sender says has written it. Nobody here is trusted with that, so it is read only.
    "AUTH": _Parameter(_XTEXT.fullmatch, "AUTH=<> or AUTH=xtext"),
}
_RCPT_PARAMETERS: Final[Mapping[str, _Parameter]] = {
    "NOTIFY": _Parameter(_is_notify, "NOTIFY=NEVER, or some of SUCCESS,FAILURE,DELAY"),
    "ORCPT": _Parameter(
        lambda value: len(value) <= ORCPT_LIMIT_CHARACTERS and _ORCPT.fullmatch(value), "ORCPT=rfc822;xtext"
    ),
}


def _parameters(verb: str, text: str, known: Mapping[str, _Parameter]) -> dict[str, str]:
    """The ESMTP parameters behind a path, names in upper case (RFC 5321 section 4.1.2)."""
    found: dict[str, str] = {}
    for parameter in filter(None, text.split(" ")):
        name, equals, value = parameter.partition("=")
        if not _KEYWORD.fullmatch(name) or (equals and not _VALUE.fullmatch(value)):
            raise CommandError(
                Answer.SYNTAX, problem=f"{parameter} is no parameter; behind the path stands NAME or NAME=VALUE"
            )
        name = name.upper()
        if name not in known:
            raise CommandError(Answer.UNKNOWN_PARAMETER, verb=verb, parameter=name, known=" ".join(known))
        if name in found:
            raise CommandError(Answer.SYNTAX, problem=f"{name} is given twice")
        if not known[name].fits(value):
            raise CommandError(Answer.SYNTAX, problem=f"{parameter} is wrong; right is {known[name].usage}")
        found[name] = value
    return found


def _alone(verb: str, command: Command) -> Callable[[str], Command]:
    def read(argument: str) -> Command:
        if argument:
            raise CommandError(Answer.SYNTAX, problem=f"{verb} stands alone on its line")
        return command

    return read


def _bdat(argument: str) -> Command:
    match = _BDAT.fullmatch(argument)
    if match is None or int(match[1]) > CHUNK_LIMIT_OCTETS:
        raise _misused("BDAT")
    return Bdat(int(match[1]), last=match[2] is not None)


def _auth(argument: str) -> Command:
    mechanism, _, initial_response = argument.partition(" ")
    if not _MECHANISM.fullmatch(mechanism):
        raise _misused("AUTH")
    return Auth(mechanism.upper(), initial_response.strip(" ") or None)


def _expn(argument: str) -> Command:
    if not argument:
        raise _misused("EXPN")
    return Expand(argument)


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
    "BDAT": _bdat,
    "STARTTLS": _alone("STARTTLS", StartTls()),
    "AUTH": _auth,
    "RSET": _alone("RSET", Reset()),
    "NOOP": lambda _: Noop(),
    "VRFY": _vrfy,
    "EXPN": _expn,
    "HELP": Help,
    "QUIT": _alone("QUIT", Quit()),
}
