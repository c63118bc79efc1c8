"""SMTP without I/O: one table of what may come next, and the two sides that are judged by it (RFC 5321).

Octets in, events out; replies in, octets out.  Nothing here reads a socket, a clock or a random number.  The server's
side and the client's side walk the same `SESSION_TABLE`, so they cannot disagree on what is allowed.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Final

import attrs

from maillab.smtp.data import DataReader, on_the_wire
from maillab.smtp.replies import Answer, Reply, ReplyStyle, to_octets
from maillab.smtp.reply_reader import BadReplyError, ReplyReader
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

# RFC 5321 section 4.5.3.1.4: 512 octets, CRLF included; the extensions of MAIL add to it: SIZE 26 (RFC 1870),
# BODY 17 (RFC 6152), SMTPUTF8 10 (RFC 6531).  One limit for all commands: the longest.
COMMAND_LINE_LIMIT_OCTETS: Final = 512 + 26 + 17 + 10
ENDLESS_LINE_LIMIT_OCTETS: Final = 1 << 20  # a line is swallowed up to here, then the connection ends


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
    """CRLF.CRLF: the message is whole, and a reply is due."""


Event = Command | MessageChunk | EndOfData


class Session(enum.Enum):
    """Where the conversation stands."""

    CONNECTED = enum.auto()
    READY = enum.auto()
    MAIL_GIVEN = enum.auto()
    RCPT_GIVEN = enum.auto()
    RECEIVING = enum.auto()
    CLOSED = enum.auto()


def _with_everyday(session: Session, after_reset: Session) -> dict[type[Event], Session]:
    """What is allowed between any two commands (RFC 5321 section 4.1.4)."""
    return {
        Hello: Session.READY,
        Reset: after_reset,
        Noop: session,
        Verify: session,
        Help: session,
        Quit: Session.CLOSED,
    }


# Session x event -> session once the server has accepted the event.  A pair that is not here is a bad sequence of
# commands (RFC 5321 section 4.1.4).  A refused event (4yz, 5yz) leaves the session where it was, but for the end of
# data: whatever is said to it, the transaction is over.
SESSION_TABLE: Final[Mapping[Session, Mapping[type[Event], Session]]] = {
    Session.CONNECTED: _with_everyday(Session.CONNECTED, Session.CONNECTED),
    Session.READY: {
        **_with_everyday(Session.READY, Session.READY),
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
    },
    Session.RECEIVING: {MessageChunk: Session.RECEIVING, EndOfData: Session.READY},
    Session.CLOSED: {},
}

# The commands that lead on to a mail, and how they are typed: what a bad sequence is answered with.
_STEPS: Final[Mapping[type[Event], str]] = {
    MailFrom: USAGE["MAIL"],
    RcptTo: USAGE["RCPT"],
    DataStart: USAGE["DATA"],
}


def expected_now(session: Session) -> str:
    """What leads on from `session`, for people of any language: "RCPT TO:<recipient@domain> / DATA"."""
    steps = [usage for event, usage in _STEPS.items() if event in SESSION_TABLE[session]]
    return " / ".join(steps or (USAGE["HELO"], USAGE["EHLO"]))


class ProtocolError(Exception):
    """The client broke SMTP; `reply` is what to answer."""

    def __init__(self, message: str, reply: Reply) -> None:
        super().__init__(message)
        self.reply = reply


class ServerSession:
    """The server's half of one SMTP conversation.

    For each event but `MessageChunk`, and for each ProtocolError, exactly one reply is owed: `send_reply` takes it.
    """

    def __init__(self, style: ReplyStyle, host: str) -> None:
        self.state = Session.CONNECTED
        self.line = ""
        """The command line that the last event or ProtocolError came from."""
        self._style = style
        self._host = host
        self._buffer = bytearray()
        self._swallowed_octets = 0
        self._data: DataReader | None = None
        self._pending: Event | None = None

    @property
    def verb(self) -> str:
        return verb_of(self.line)

    def receive_data(self, octets: bytes | bytearray) -> None:
        self._buffer += octets

    def next_event(self) -> Event | NeedData:
        """Return the next thing that the client said.

        Raises:
            ProtocolError: the octets are no command, or one out of turn; its reply is owed.
        """
        if self.state is Session.RECEIVING:
            return self._next_data()
        if self.state is Session.CLOSED:  # pipelined behind QUIT
            self._buffer.clear()
            return NEED_DATA
        line = self._next_line()
        if line is None:
            return NEED_DATA
        self.line = line
        try:
            command = parse_command(line)
        except CommandError as error:
            raise self._error(error.answer, **error.values) from None
        if type(command) not in SESSION_TABLE[self.state]:
            raise self._error(Answer.OUT_OF_ORDER, verb=self.verb, expected=expected_now(self.state))
        self._pending = command
        return command

    def send_reply(self, reply: Reply) -> bytes:
        """The octets of `reply` to the last event; the session moves on as the table says."""
        event, self._pending = self._pending, None
        if event is not None and (reply.accepts or type(event) is EndOfData):
            self.state = SESSION_TABLE[self.state][type(event)]
            if self.state is Session.RECEIVING:
                self._data = DataReader()
        return to_octets(reply.wire_lines)

    def _next_data(self) -> Event | NeedData:
        if self._data is None:  # all of it was read; the reply to the end of data is owed
            self._pending = EndOfData()
            return self._pending
        if not self._buffer:
            return NEED_DATA
        octets, rest = self._data.feed(bytes(self._buffer))
        self._buffer.clear()
        if rest is not None:
            self._buffer += rest
            self._data = None
        if octets:
            return MessageChunk(octets)
        return self._next_data() if rest is not None else NEED_DATA

    def _next_line(self) -> str | None:
        """The next command line without its CRLF, or None while its end is not there."""
        end = self._buffer.find(b"\n")
        line_octets = self._swallowed_octets + (end + 1 if end >= 0 else len(self._buffer))
        if line_octets > ENDLESS_LINE_LIMIT_OCTETS:
            self.line = "(a line without an end)"
            self.state = Session.CLOSED
            raise self._error(Answer.ENDLESS_LINE, host=self._host)
        if end < 0:
            if line_octets >= COMMAND_LINE_LIMIT_OCTETS:
                self._swallowed_octets = line_octets
                self._buffer.clear()
            return None
        octets = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        self._swallowed_octets = 0
        if line_octets > COMMAND_LINE_LIMIT_OCTETS:
            self.line = f"(a line of {line_octets} octets)"
            raise self._error(Answer.LINE_TOO_LONG, limit=COMMAND_LINE_LIMIT_OCTETS)
        try:
            line = octets.decode()
        except UnicodeDecodeError:
            self.line = octets.rstrip(b"\r\n").decode("ascii", "backslashreplace")
            raise self._error(
                Answer.SYNTAX, status="5.5.2", problem="A command is ASCII, or UTF-8 with SMTPUTF8"
            ) from None
        if not line.endswith("\r\n"):
            self.line = line[:-1]
            raise self._error(Answer.BARE_LF_COMMAND)
        return line[:-2]

    def _error(self, answer: Answer, **values: object) -> ProtocolError:
        return ProtocolError(answer.name, self._style.reply(answer, **values))


class ClientSession:
    """The client's half of one SMTP conversation.

    Commands may be sent ahead of their replies where RFC 2920 section 3.1 allows it; the table then judges them as if
    all that is outstanding had been accepted.  What really was accepted moves `state`.
    """

    def __init__(self) -> None:
        self.state = Session.CONNECTED
        self._replies = ReplyReader()
        self._outstanding: deque[Event] = deque()

    @property
    def outstanding_count(self) -> int:
        """Replies that are still owed by the server."""
        return len(self._outstanding)

    def send(self, command: Command) -> bytes:
        """The octets of `command`.

        Raises:
            ValueError: the table does not allow it now: a fault of the caller's.
        """
        state = self.state
        for event in self._outstanding:
            state = SESSION_TABLE[state][type(event)]
        if type(command) not in SESSION_TABLE[state]:
            raise ValueError(f"{type(command).__name__} is not allowed in {state.name}")
        self._outstanding.append(command)
        return command_line(command).encode() + b"\r\n"

    def send_message(self, octets: bytes) -> Iterator[bytes]:
        """The chunks of the message and its end; a reply is owed then."""
        if self.state is not Session.RECEIVING:
            raise ValueError(f"a message is not allowed in {self.state.name}")
        self._outstanding.append(EndOfData())
        return on_the_wire(octets)

    def receive_data(self, octets: bytes | bytearray) -> None:
        self._replies.feed(octets)

    def next_reply(self) -> Reply | NeedData:
        """The next reply; the first one ever is the greeting, the others answer what was sent, in order.

        Raises:
            BadReplyError: what came is no reply, or cannot be the one to what was sent.
        """
        reply = self._replies.next_reply()
        if reply is None:
            return NEED_DATA
        if self._outstanding:
            event = self._outstanding.popleft()
            if reply.accepts and (reply.code >= 300) != (type(event) is DataStart):
                # RFC 5321 section 4.3.2.  A 250 to DATA, or a 354 to the end of data, must never pass for success.
                raise BadReplyError(f"{reply.code} in answer to {type(event).__name__}")
            if type(event) is EndOfData or reply.accepts:
                # A server may say 354 although it refused every recipient (RFC 2920 section 3.1): it is RECEIVING.
                default = Session.RECEIVING if type(event) is DataStart else self.state
                self.state = SESSION_TABLE[self.state].get(type(event), default)
        return reply
