"""The server's side of SMTP without I/O: octets in, events out; replies in, octets out (RFC 5321).

Nothing here reads a socket, a clock or a random number.  The client's side is in `client_session`; both walk the same
`SESSION_TABLE`, so they cannot disagree on what is allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from maillab.smtp.answers import Answer
from maillab.smtp.data import DataReader, LaxDataReader
from maillab.smtp.parsing import CommandError, parse_command
from maillab.smtp.replies import Reply, ReplyStyle, to_octets
from maillab.smtp.sasl import RESPONSE_LIMIT_OCTETS
from maillab.smtp.table import (
    NEED_DATA,
    SESSION_TABLE,
    EndOfChunk,
    EndOfData,
    Event,
    MessageChunk,
    NeedData,
    Session,
    expected_now,
    session_after,
)
from maillab.smtp.words import LOGIN_VERB, SECRET, USAGE, AuthResponse, Bdat, verb_of, without_secret

COMMAND_LINE_LIMIT_OCTETS: Final = 512  # RFC 5321 section 4.5.3.1.4, CRLF included
# What extensions add: SIZE 26 (RFC 1870), BODY 17 (RFC 6152), SMTPUTF8 10 (RFC 6531), AUTH= 500 (RFC 4954), RET 9 and
# ENVID 107 (RFC 3461); NOTIFY 28 and ORCPT 508 (RFC 3461); AUTH itself (RFC 4954 section 4).
_LINE_LIMITS_OCTETS: Final[Mapping[str, int]] = {
    "MAIL": COMMAND_LINE_LIMIT_OCTETS + 26 + 17 + 10 + 500 + 9 + 107,
    "RCPT": COMMAND_LINE_LIMIT_OCTETS + 28 + 508,
    "AUTH": RESPONSE_LIMIT_OCTETS,
}
_LONGEST_VERB_OCTETS: Final = 8  # STARTTLS
ENDLESS_LINE_LIMIT_OCTETS: Final = 1 << 20  # a line is swallowed up to here, then the connection ends


class ProtocolError(Exception):
    """The client broke SMTP; `reply` is what to answer."""

    def __init__(self, message: str, reply: Reply) -> None:
        super().__init__(message)
        self.reply = reply


class ServerSession:
    """The server's half of one SMTP conversation.

    For each event but `MessageChunk`, and for each ProtocolError, exactly one reply is owed: `send_reply` takes it.
    """

    def __init__(self, style: ReplyStyle, host: str, *, lax: bool = False) -> None:
        """`lax` takes LF alone for a line end within messages, which is wrong; see `LaxDataReader`."""
        self.state = Session.CONNECTED
        self.line = ""
        """The command line that the last event or ProtocolError came from, secrets taken out."""
        self._style = style
        self._host = host
        self._make_data_reader = LaxDataReader if lax else DataReader
        self._buffer = bytearray()
        self._swallowed_octets = 0  # of a line that is too long already
        self._line_limit_octets = COMMAND_LINE_LIMIT_OCTETS
        self._data: DataReader | None = None
        self._chunk = Bdat(0)
        self._chunk_octets_left = 0
        self._chunk_refusal: ProtocolError | None = None
        self._pending: Event | None = None
        self._login_failed = False  # then what comes next may be a password

    @property
    def verb(self) -> str:
        return verb_of(self.line)

    @property
    def has_unread_octets(self) -> bool:
        """True if the client said more than was looked at: after STARTTLS, an attack (RFC 3207 section 4.2)."""
        return bool(self._buffer)

    def receive_data(self, octets: bytes | bytearray) -> None:
        self._buffer += octets

    def next_event(self) -> Event | NeedData:
        """Return the next thing that the client said.

        Raises:
            ProtocolError: the octets are no command, or one out of turn; its reply is owed.
        """
        if self.state is Session.RECEIVING:
            return self._next_data()
        if self._chunk_refusal is not None:
            return self._swallow_chunk()
        if self.state is Session.CHUNK:
            return self._next_of_chunk()
        if self.state is Session.STARTING_TLS:
            return NEED_DATA
        if self.state is Session.CLOSED:  # pipelined behind QUIT
            self._buffer.clear()
            return NEED_DATA
        octets = self._next_line()
        if octets is None:
            return NEED_DATA
        return self._next_response(octets) if self.state is Session.AUTHENTICATING else self._next_command(octets)

    def send_reply(self, reply: Reply) -> bytes:
        """The octets of `reply` to the last event; the session moves on as the table says."""
        event, self._pending = self._pending, None
        if event is not None:
            self.state = session_after(self.state, type(event), reply.code)
            if self.state is Session.RECEIVING:
                self._data = self._make_data_reader()
        self._login_failed = not reply.accepts and (self.verb == LOGIN_VERB or self.line == SECRET)
        return to_octets(reply.wire_lines)

    def tls_started(self) -> None:
        """What was said before TLS is forgotten (RFC 3207 section 4.2)."""
        self.state = Session.CONNECTED

    def _next_response(self, octets: bytes) -> Event:
        """A line of a login; whatever is wrong with it, the login is over with its refusal."""
        self.line = SECRET
        self._pending = AuthResponse("")
        try:
            self._pending = AuthResponse(_as_line(octets))
        except CommandError as error:
            raise self._error(error.answer, **error.values) from None
        return self._pending

    def _next_command(self, octets: bytes) -> Event | NeedData:
        said = octets[:-1].removesuffix(b"\r").decode("utf-8", "backslashreplace")
        self.line = without_secret(said)
        try:
            command = parse_command(_as_line(octets))
        except CommandError as error:
            if self._login_failed and self.verb not in USAGE:
                self.line = SECRET  # a client that goes on as if AUTH had been answered with 334
            if SECRET in self.line and error.answer in (Answer.UNKNOWN_COMMAND, Answer.NO_COMMAND):
                error = CommandError(Answer.NO_COMMAND, problem="This is no SMTP command", verbs=" ".join(USAGE))
            raise self._error(error.answer, **error.values) from None
        allowed = type(command) in SESSION_TABLE[self.state]
        if not allowed:
            refusal = self._error(Answer.OUT_OF_ORDER, verb=self.verb, expected=expected_now(self.state))
            if type(command) is not Bdat:
                raise refusal
            self._chunk_refusal = refusal  # said when its octets have been swallowed
        if type(command) is Bdat:
            self._chunk = command
            self._chunk_octets_left = command.size_octets
            if allowed:
                self.state = SESSION_TABLE[self.state][Bdat]
            return self.next_event()
        self._pending = command
        return command

    def _next_of_chunk(self) -> Event | NeedData:
        """The octets of a chunk are of the message, whatever they look like; then its end."""
        if self._chunk_octets_left:
            octets = self._take(self._chunk_octets_left)
            self._chunk_octets_left -= len(octets)
            return MessageChunk(octets) if octets else NEED_DATA
        self._pending = EndOfData() if self._chunk.last else EndOfChunk()
        return self._pending

    def _swallow_chunk(self) -> NeedData:
        """Drop the octets of a chunk that was out of turn, and only then say so: the client sends them anyway."""
        self._chunk_octets_left -= len(self._take(self._chunk_octets_left))
        if self._chunk_octets_left:
            return NEED_DATA
        refusal, self._chunk_refusal = self._chunk_refusal, None
        assert refusal is not None  # it is why we are here
        raise refusal

    def _take(self, limit_octets: int) -> bytes:
        octets = bytes(self._buffer[:limit_octets])
        del self._buffer[:limit_octets]
        return octets

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

    def _next_line(self) -> bytes | None:
        """The next line with its end, or None while that is not there."""
        end = self._buffer.find(b"\n")
        line_octets = self._swallowed_octets + (end + 1 if end >= 0 else len(self._buffer))
        if line_octets > ENDLESS_LINE_LIMIT_OCTETS:
            self.line = "(a line without an end)"
            self.state = Session.CLOSED
            raise self._error(Answer.ENDLESS_LINE, host=self._host)
        if not self._swallowed_octets:
            self._line_limit_octets = self._limit_of_line()
        limit_octets = self._line_limit_octets
        if end < 0:
            if line_octets >= limit_octets:
                self._swallowed_octets = line_octets
                self._buffer.clear()
            return None
        octets = self._take(end + 1)
        self._swallowed_octets = 0
        if line_octets > limit_octets:
            self.line = f"(a line of {line_octets} octets)"
            if self.state is Session.AUTHENTICATING:
                self._pending = AuthResponse("")  # so that the refusal ends the login (RFC 4954 section 4)
            raise self._error(Answer.LINE_TOO_LONG, limit=limit_octets)
        return octets

    def _limit_of_line(self) -> int:
        """How long the line may be that the buffer begins with."""
        if self.state is Session.AUTHENTICATING:
            return RESPONSE_LIMIT_OCTETS
        verb = verb_of(self._buffer[:_LONGEST_VERB_OCTETS].decode("ascii", "replace"))
        return _LINE_LIMITS_OCTETS.get(verb, COMMAND_LINE_LIMIT_OCTETS)

    def _error(self, answer: Answer, **values: object) -> ProtocolError:
        return ProtocolError(answer.name, self._style.reply(answer, **values))


def _as_line(octets: bytes) -> str:
    """A command line without its end.

    Raises:
        CommandError: it is no text, or has no CRLF.
    """
    try:
        line = octets.decode()
    except UnicodeDecodeError:
        problem = "A command is ASCII, or UTF-8 with SMTPUTF8"
        raise CommandError(Answer.SYNTAX, status="5.5.2", problem=problem) from None
    if not line.endswith("\r\n"):
        raise CommandError(Answer.BARE_LF_COMMAND)
    return line[:-2]
