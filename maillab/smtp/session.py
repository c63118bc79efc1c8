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

from maillab.mail.status import split_reply_text
from maillab.smtp.data import DataReader, on_the_wire
from maillab.smtp.replies import Answer, Reply, ReplyStyle, to_octets
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
REPLY_LIMIT_OCTETS: Final = 1 << 16  # what a next hop may say in one reply, all its lines together


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
    """What leads on from `session`, for people: "RCPT TO:<recipient@domain> or DATA"."""
    steps = [usage for event, usage in _STEPS.items() if event in SESSION_TABLE[session]]
    return " or ".join(steps) or f"{USAGE['HELO']} (or EHLO)"


class ProtocolError(Exception):
    """The client broke SMTP; `reply` is what to answer."""

    def __init__(self, message: str, reply: Reply) -> None:
        super().__init__(message)
        self.reply = reply


class BadReplyError(Exception):
    """What the server said is no SMTP reply; there is nothing to answer."""


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
        if end < 0:
            if len(self._buffer) >= COMMAND_LINE_LIMIT_OCTETS or self._swallowed_octets:
                self._swallowed_octets += len(self._buffer)
                self._buffer.clear()
                if self._swallowed_octets > ENDLESS_LINE_LIMIT_OCTETS:
                    self.line = "(a line without an end)"
                    self.state = Session.CLOSED
                    raise self._error(Answer.ENDLESS_LINE, host=self._host)
            return None
        octets = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        swallowed, self._swallowed_octets = self._swallowed_octets, 0
        if swallowed + len(octets) > COMMAND_LINE_LIMIT_OCTETS:
            self.line = f"(a line of {swallowed + len(octets)} octets)"
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


class ReplyReader:
    """Gathers reply lines, in any cutting, into replies (RFC 5321 section 4.2)."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._lines: list[str] = []
        self._reply_octets = 0

    def feed(self, octets: bytes | bytearray) -> None:
        self._buffer += octets

    def next_reply(self) -> Reply | NeedData:
        """The next whole reply.

        Raises:
            BadReplyError: what came is no reply, or is longer than `REPLY_LIMIT_OCTETS`.
        """
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end]).removesuffix(b"\r").decode("utf-8", "backslashreplace")
            del self._buffer[: end + 1]
            self._reply_octets += end + 1
            self._check_size(0)
            code = line[:3]
            if not (code.isascii() and code.isdigit() and "200" <= code < "600" and line[3:4] in ("", " ", "-")):
                raise BadReplyError(f"no SMTP reply: {line[:80]!r}")
            if self._lines and self._lines[0][:3] != code:
                raise BadReplyError(f"a reply whose code changes from {self._lines[0][:3]} to {code}")
            self._lines.append(line)
            if line[3:4] != "-":
                return self._take()
        self._check_size(len(self._buffer))
        return NEED_DATA

    def _check_size(self, waiting_octets: int) -> None:
        if self._reply_octets + waiting_octets > REPLY_LIMIT_OCTETS:
            raise BadReplyError(f"a reply of more than {REPLY_LIMIT_OCTETS} octets")

    def _take(self) -> Reply:
        code = int(self._lines[0][:3])
        texts = [line[4:] for line in self._lines]
        self._lines = []
        self._reply_octets = 0
        status, _ = split_reply_text(texts[0])
        if status is None or status.class_ != code // 100:  # RFC 2034 section 4: the classes agree
            return Reply(code, tuple(texts))
        return Reply(code, tuple(split_reply_text(text)[1] for text in texts), str(status))


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
            BadReplyError: what came is no reply.
        """
        reply = self._replies.next_reply()
        if isinstance(reply, Reply) and self._outstanding:
            event = self._outstanding.popleft()
            if type(event) is EndOfData or reply.accepts:
                # A server may say 354 although it refused every recipient (RFC 2920 section 3.1): it is RECEIVING.
                default = Session.RECEIVING if type(event) is DataStart else self.state
                self.state = SESSION_TABLE[self.state].get(type(event), default)
        return reply
