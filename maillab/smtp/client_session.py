"""The client's side of SMTP without I/O: commands in, octets out; octets in, replies out (RFC 5321)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from maillab.smtp.data import on_the_wire
from maillab.smtp.replies import Reply
from maillab.smtp.reply_reader import BadReplyError, ReplyReader
from maillab.smtp.table import NEED_DATA, SESSION_TABLE, EndOfData, Event, NeedData, Session, answers, session_after
from maillab.smtp.words import Command, command_line


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
    def has_unread_octets(self) -> bool:
        """True if the server said more than was looked at: after STARTTLS, an attack (RFC 3207 section 4.2)."""
        return self._replies.has_unread_octets

    def tls_started(self) -> None:
        """What was said before TLS is forgotten (RFC 3207 section 4.2)."""
        self.state = Session.CONNECTED

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
            event = type(self._outstanding.popleft())
            if not answers(event, reply.code):  # it must never pass for success
                raise BadReplyError(f"{reply.code} in answer to {event.__name__}")
            self.state = session_after(self.state, event, reply.code)
        return reply
