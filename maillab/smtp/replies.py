"""What a server says: replies, and the three styles of wording them (RFC 5321 section 4.2).

A style changes words only.  Code and enhanced code (RFC 3463) of an answer are the same in every style, but the
textbook's styles leave the enhanced code out, as they do not announce ENHANCEDSTATUSCODES (RFC 2034).
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Mapping
from typing import Final

import attrs

REPLY_LINE_LIMIT_OCTETS: Final = 512  # RFC 5321 section 4.5.3.1.5, code and CRLF included
_VALUE_LIMIT_CHARACTERS: Final = 160  # what a client said is quoted back up to here


@attrs.frozen
class Reply:
    """One reply of one or more lines (RFC 5321 section 4.2.1).

    `lines` are the texts behind the code, the enhanced code not included.
    """

    code: int
    lines: tuple[str, ...] = ("",)
    enhanced: str | None = None

    @property
    def accepts(self) -> bool:
        """True for 2yz and 3yz."""
        return self.code < 400

    @property
    def transient(self) -> bool:
        """True for 4yz: the same may be accepted later."""
        return 400 <= self.code < 500

    @functools.cached_property
    def wire_lines(self) -> tuple[str, ...]:
        """The lines as sent, without CRLF."""
        enhanced = f"{self.enhanced} " if self.enhanced else ""
        last = len(self.lines) - 1
        return tuple(f"{self.code}{' ' if n == last else '-'}{enhanced}{text}" for n, text in enumerate(self.lines))

    @property
    def text(self) -> str:
        """The reply as one line for people: "550 5.1.1 No such user"."""
        words = (str(self.code), self.enhanced, *self.lines)
        return " ".join(word for word in words if word)


@functools.lru_cache(maxsize=128)  # most replies are said again and again
def to_octets(wire_lines: tuple[str, ...]) -> bytes:
    """Reply lines as they travel; what is no ASCII is shown by its escape."""
    longest = REPLY_LINE_LIMIT_OCTETS - len(b"\r\n")
    return b"".join(line.encode("ascii", "backslashreplace")[:longest] + b"\r\n" for line in wire_lines)


class ReplyStyle(enum.Enum):
    """Who is imitated: a server of today, or the school simulator Filius in German or English."""

    REALISTIC = "realistic"
    FILIUS_DE = "filius-de"
    FILIUS_EN = "filius-en"

    @property
    def enhanced_codes(self) -> bool:
        return self is ReplyStyle.REALISTIC

    def reply(self, answer: Answer, **values: object) -> Reply:
        """`answer` in this style, with `values` quoted so that they cannot break the line."""
        return self._worded(answer, values) if values else _constant_reply(self, answer)

    def _worded(self, answer: Answer, values: Mapping[str, object]) -> Reply:
        words = answer.value
        text = {
            ReplyStyle.REALISTIC: words.realistic,
            ReplyStyle.FILIUS_DE: words.filius_de,
            ReplyStyle.FILIUS_EN: words.filius_en,
        }[self]
        if values:
            text = text.format_map({name: quoted(str(value)) for name, value in values.items()})
        status = values.get("status", words.enhanced)
        return Reply(
            words.code,
            tuple(text.split("\n")),
            str(status) if status and self.enhanced_codes else None,
        )


@functools.cache  # one for each style and answer: most of what a server says is one of these
def _constant_reply(style: ReplyStyle, answer: Answer) -> Reply:
    return style._worded(answer, {})


def quoted(text: str) -> str:
    """`text` as it may stand in a reply: printable ASCII, not too long."""
    if not (text.isascii() and text.isprintable()):
        text = text.encode("unicode_escape").decode("ascii")
    if len(text) > _VALUE_LIMIT_CHARACTERS:
        return text[: _VALUE_LIMIT_CHARACTERS - 3] + "..."
    return text


@attrs.frozen(eq=False)  # two answers may have the same words and are still two answers
class Words:
    """One answer: its codes, and its text in each style; a newline parts the lines of a reply."""

    code: int
    enhanced: str | None
    realistic: str
    filius_de: str
    filius_en: str


class Answer(enum.Enum):
    """Everything that a server can answer.

    The textbook's sentences (`filius_*` of greeting, HELO, MAIL, RCPT, DATA, end of data, QUIT, 501, the first line
    of 503, NOOP) stand to the letter; what its simulator leaves unanswered got words of the same kind, in ASCII.
    """

    GREETING = Words(220, None, "{host} ESMTP maillab", "Willkommen bei {domain}", "Welcome to {domain}")
    HELLO = Words(250, None, "{host} greets {client}", "Hello {client}", "Hello {client}")
    SENDER_OK = Words(250, "2.1.0", "Ok", "Sender OK", "Sender OK")
    RECIPIENT_OK = Words(250, "2.1.5", "Ok", "Recipient OK", "Recipient OK")
    START_DATA = Words(354, None, *["End data with <CR><LF>.<CR><LF>"] * 3)
    QUEUED = Words(250, "2.0.0", "Ok: queued as {queue_id}", *["Mail queued for delivery"] * 2)
    DUPLICATE = Words(250, "2.0.0", "Ok: {queue_id} was here before", *["Mail queued for delivery"] * 2)
    OK = Words(250, "2.0.0", "Ok", "OK", "OK")
    CANNOT_VERIFY = Words(
        252,
        "2.5.0",
        "Users are not listed here; try RCPT, it says whether {address} is known",
        "Hier werden keine Benutzer verraten; RCPT TO sagt, ob es {address} gibt.",
        "Users are not listed here; RCPT TO says whether {address} is known.",
    )
    HELP = Words(214, "2.0.0", "{help}", "{help}", "{help}")
    BYE = Words(
        221,
        "2.0.0",
        "{host} closes the connection",
        "Server beendet Verbindung.",
        "Server closes the connection.",
    )

    TIMEOUT = Words(
        421,
        "4.4.2",
        "{host} waited {seconds} seconds and heard nothing; closing",
        "Server hat {seconds} Sekunden lang nichts gehoert und beendet die Verbindung.",
        "Server heard nothing for {seconds} seconds and closes the connection.",
    )
    STOPPING = Words(
        421,
        "4.3.2",
        "{host} is being stopped; try again later",
        "Server wird angehalten; bitte spaeter noch einmal.",
        "Server is being stopped; try again later.",
    )
    TOO_MANY_ERRORS = Words(
        421,
        "4.7.0",
        "{host} met too many errors; closing",
        "Zu viele Fehler; Server beendet die Verbindung.",
        "Too many errors; server closes the connection.",
    )
    ENDLESS_LINE = Words(
        421,
        "4.7.0",
        "{host} met a line without an end; closing",
        "Zeile ohne Ende; Server beendet die Verbindung.",
        "A line without an end; server closes the connection.",
    )
    TRY_LATER = Words(
        451,
        "4.3.0",
        "Our fault: the message could not be taken; try again later",
        "Fehler im Server: Mail nicht angenommen; bitte spaeter noch einmal.",
        "A fault of the server: mail not taken; try again later.",
    )
    STORAGE = Words(
        452,
        "4.3.1",
        "The message could not be stored; try again later",
        "Mail konnte nicht gespeichert werden; bitte spaeter noch einmal.",
        "The mail could not be stored; try again later.",
    )
    TOO_MANY_RECIPIENTS = Words(
        452,
        "4.5.3",
        "Too many recipients; {limit} is the limit, send the rest in another transaction",
        "Zu viele Empfaenger; mehr als {limit} bitte mit einer weiteren Mail.",
        "Too many recipients; send more than {limit} with another mail.",
    )

    UNKNOWN_COMMAND = Words(
        500,
        "5.5.2",
        "{verb} is no SMTP command; did you mean {nearest}?",
        "Unbekanntes Kommando: {verb}\nMeinten Sie {nearest}?",
        "Unknown command: {verb}\nDid you mean {nearest}?",
    )
    NO_COMMAND = Words(
        500,
        "5.5.2",
        "{problem}; known commands: {verbs}",
        "Unbekanntes Kommando.\nBekannt sind: {verbs}",
        "Unknown command.\nKnown are: {verbs}",
    )
    BARE_LF_COMMAND = Words(
        500,
        "5.5.2",
        "This line ended with LF alone; SMTP lines end with CR LF (with nc: nc -C)",
        "Diese Zeile endet nur mit LF.\nSMTP-Zeilen enden mit CR LF (mit nc: nc -C).",
        "This line ended with LF alone.\nSMTP lines end with CR LF (with nc: nc -C).",
    )
    LINE_TOO_LONG = Words(
        500,
        "5.5.2",
        "Line too long; a command line has at most {limit} octets, CR LF included",
        "Zeile zu lang.\nEine Kommandozeile hat hoechstens {limit} Oktette samt CR LF.",
        "Line too long.\nA command line has at most {limit} octets, CR LF included.",
    )
    SYNTAX = Words(
        501,
        "5.5.4",
        "{problem}",
        "Syntax-Fehler - Parameter oder Argument falsch.",
        "Syntax error - parameter or argument wrong.",
    )
    NOT_IMPLEMENTED = Words(
        502,
        "5.5.1",
        "{verb} is not offered here",
        "{verb} wird hier nicht angeboten.",
        "{verb} is not offered here.",
    )
    OUT_OF_ORDER = Words(
        503,
        "5.5.1",
        "{verb} is out of order; expected now: {expected}",
        "Falsche Reihenfolge der Kommandos.\nJetzt wird erwartet: {expected}",
        "Bad sequence of commands.\nExpected now: {expected}",
    )
    UNKNOWN_USER = Words(
        550,
        "5.1.1",
        "<{address}>: no such user at {domain}",
        "Empfaenger unbekannt: <{address}>",
        "Recipient unknown: <{address}>",
    )
    UNKNOWN_DOMAIN = Words(
        550,
        "5.1.2",
        "<{address}>: no server of this lab takes mail for {domain}",
        "Domain unbekannt: kein Server dieses Labors nimmt Mail an <{address}> an.",
        "Domain unknown: no server of this lab takes mail for <{address}>.",
    )
    RELAY_DENIED = Words(
        550,
        "5.7.1",
        "<{address}>: relay denied; {reason}",
        "Weiterleitung an <{address}> verweigert.",
        "Relaying to <{address}> denied.",
    )
    BARE_NEWLINE = Words(
        550,
        "5.6.0",
        "Message has a CR or LF on its own; every line ends with CR LF",
        "Mail enthaelt CR oder LF allein; jede Zeile endet mit CR LF.",
        "The mail has a CR or LF on its own; every line ends with CR LF.",
    )
    TOO_BIG = Words(
        552,
        "5.3.4",
        "Message too big; {limit} octets is the limit",
        "Mail zu gross; erlaubt sind {limit} Oktette.",
        "Mail too big; {limit} octets are allowed.",
    )
    NEEDS_SMTPUTF8 = Words(
        553,
        "5.6.7",
        "<{address}> is not ASCII; announce it: MAIL FROM:<...> SMTPUTF8",
        "<{address}> ist kein ASCII; MAIL FROM:<...> SMTPUTF8 kuendigt das an.",
        "<{address}> is not ASCII; MAIL FROM:<...> SMTPUTF8 announces it.",
    )
    LOOP = Words(
        554,
        "5.4.6",
        "Mail loop: {hops} Received lines, {limit} is the limit",
        "Mail laeuft im Kreis: {hops} Received-Zeilen, {limit} sind erlaubt.",
        "Mail loop: {hops} Received lines, {limit} are allowed.",
    )
    UNKNOWN_PARAMETER = Words(
        555,
        "5.5.4",
        "{verb} has no parameter {parameter} here; known: {known}",
        "{verb}-Parameter {parameter} wird hier nicht angeboten.",
        "{verb} parameter {parameter} is not offered here.",
    )
