"""One table of what may come next in an SMTP conversation; both sides are judged by it (RFC 5321 section 4.1.4)."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

import attrs

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
)


class NeedData(enum.Enum):
    """What next_event() returns when it has to see more octets first."""

    NEED_DATA = enum.auto()


NEED_DATA: Final = NeedData.NEED_DATA


@attrs.frozen
class MessageChunk:
    """Some octets of the message, dots taken out."""

    octets: bytes


@attrs.frozen
class EndOfData:
    """CRLF.CRLF, or the last chunk: the message is whole, and a reply is due."""


@attrs.frozen
class EndOfChunk:
    """A chunk of BDAT is whole, and a reply is due; the message goes on."""


Event = Command | AuthResponse | MessageChunk | EndOfChunk | EndOfData


class Session(enum.Enum):
    """Where the conversation stands."""

    CONNECTED = enum.auto()
    READY = enum.auto()
    MAIL_GIVEN = enum.auto()
    RCPT_GIVEN = enum.auto()
    RECEIVING = enum.auto()
    CHUNK = enum.auto()  # in the octets of a chunk
    CHUNKS_GIVEN = enum.auto()  # between two chunks
    AUTHENTICATING = enum.auto()
    STARTING_TLS = enum.auto()
    CLOSED = enum.auto()


def _with_everyday(session: Session, after_reset: Session) -> dict[type[Event], Session]:
    """What is allowed between any two commands (RFC 5321 section 4.1.4)."""
    return {
        Hello: Session.READY,
        Reset: after_reset,
        Noop: session,
        Verify: session,
        Expand: session,
        Help: session,
        Quit: Session.CLOSED,
    }


# Session x event -> session once the event is through: accepted with 2yz, or with the 354 that DATA hopes for.  A pair
# that is not here is a bad sequence of commands (RFC 5321 section 4.1.4).
SESSION_TABLE: Final[Mapping[Session, Mapping[type[Event], Session]]] = {
    Session.CONNECTED: {
        **_with_everyday(Session.CONNECTED, Session.CONNECTED),
        StartTls: Session.STARTING_TLS,
    },
    Session.READY: {
        **_with_everyday(Session.READY, Session.READY),
        StartTls: Session.STARTING_TLS,
        Auth: Session.READY,
        MailFrom: Session.MAIL_GIVEN,
    },
    Session.MAIL_GIVEN: {
        **_with_everyday(Session.MAIL_GIVEN, Session.READY),
        RcptTo: Session.RCPT_GIVEN,
    },
    Session.RCPT_GIVEN: {
        **_with_everyday(Session.RCPT_GIVEN, Session.READY),
        RcptTo: Session.RCPT_GIVEN,
        DataStart: Session.RECEIVING,
        Bdat: Session.CHUNK,
    },
    Session.RECEIVING: {MessageChunk: Session.RECEIVING, EndOfData: Session.READY},
    Session.CHUNK: {MessageChunk: Session.CHUNK, EndOfChunk: Session.CHUNKS_GIVEN, EndOfData: Session.READY},
    Session.CHUNKS_GIVEN: {
        **_with_everyday(Session.CHUNKS_GIVEN, Session.READY),
        Bdat: Session.CHUNK,
    },
    Session.AUTHENTICATING: {AuthResponse: Session.READY},
    Session.STARTING_TLS: {},
    Session.CLOSED: {},
}

# 3yz asks for more: the message (RFC 5321 section 4.3.2), or the next line of a login (RFC 4954 section 4).
GOES_ON: Final[Mapping[type[Event], Session]] = {
    DataStart: Session.RECEIVING,
    Auth: Session.AUTHENTICATING,
    AuthResponse: Session.AUTHENTICATING,
}
# A refusal (4yz, 5yz) leaves the session where it was, but for these: the transaction is over with the end of a
# message (RFC 5321 section 4.1.1.4) or with a chunk (RFC 3030 section 2), and a login with its response.
AFTER_REFUSAL: Final[Mapping[type[Event], Session]] = {
    EndOfData: Session.READY,
    EndOfChunk: Session.READY,
    AuthResponse: Session.READY,
}

# The commands that lead on to a mail, and how they are typed: what a bad sequence is answered with.
_STEPS: Final[Mapping[type[Event], str]] = {
    MailFrom: USAGE["MAIL"],
    RcptTo: USAGE["RCPT"],
    DataStart: USAGE["DATA"],
}


def answers(event: type[Event], code: int) -> bool:
    """True if `code` may be the reply to `event` (RFC 5321 section 4.3.2): a 250 to DATA would be no acceptance."""
    if code >= 400:
        return True
    return event in GOES_ON if code >= 300 else event is not DataStart


def session_after(session: Session, event: type[Event], code: int) -> Session:
    """Where `session` leads when `event` was answered with `code`."""
    if code >= 400:
        return AFTER_REFUSAL.get(event, session)
    if code >= 300:
        # Whatever came before: a server may say 354 although it refused every recipient (RFC 2920 section 3.1).
        return GOES_ON[event]
    return SESSION_TABLE[session].get(event, session)


def expected_now(session: Session) -> str:
    """What leads on from `session`, for people of any language: "RCPT TO:<recipient@domain> / DATA"."""
    allowed = SESSION_TABLE[session]
    steps = [usage for event, usage in _STEPS.items() if event in allowed]
    if not steps:  # BDAT does what DATA does, and is named only where nothing else leads on
        steps = [USAGE["BDAT"]] if Bdat in allowed else [USAGE["HELO"], USAGE["EHLO"]]
    return " / ".join(steps)
