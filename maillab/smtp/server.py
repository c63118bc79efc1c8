"""The SMTP server's shell: a stream on one side, a `Host` that decides on the other, the session between them."""

from __future__ import annotations

import math
from typing import Final, Protocol

import trio

from maillab.network.network import NetworkStream
from maillab.smtp.replies import Answer, Reply, ReplyStyle
from maillab.smtp.session import (
    NEED_DATA,
    EndOfData,
    Event,
    MessageChunk,
    ProtocolError,
    ServerSession,
    Session,
)
from maillab.smtp.words import USAGE, DataStart, Hello, Help, MailFrom, Noop, Quit, RcptTo, Reset, Verify
from maillab.trace.recorder import RecordLog

COMMAND_TIMEOUT_SECONDS: Final = 300.0  # RFC 5321 section 4.5.3.2.7
DATA_TIMEOUT_SECONDS: Final = 180.0  # RFC 5321 section 4.5.3.2.5
DEADLINE_SLACK_SECONDS: Final = 1.0  # a deadline is moved on when it is off by more: moving costs as much as a line
FAREWELL_TIMEOUT_SECONDS: Final = 1.0  # how long a last word may take
ERROR_LIMIT: Final = 10  # refused lines in one session, then 421
CLOSING: Final = 421  # the one reply after which the server closes (RFC 5321 section 4.2.2)
_RECEIVE_OCTETS: Final = 1 << 16
_FLUSH_OCTETS: Final = 1 << 16  # replies gathered for one write


class Host(Protocol):
    """What a server shell asks of those above it, for one connection.

    Each method answers one event; a reply that accepts moves the session on.  `log` carries the connection and the
    transaction.
    """

    name: str
    """The server's host name."""

    style: ReplyStyle
    message_limit_octets: int

    def greeting(self) -> Reply:
        """The first line of the server (RFC 5321 section 3.1)."""

    async def hello(self, hello: Hello) -> Reply:
        """HELO or EHLO; a transaction that was open is forgotten (RFC 5321 section 4.1.4)."""

    async def mail(self, mail: MailFrom, log: RecordLog) -> Reply:
        """MAIL: a transaction begins."""

    async def recipient(self, rcpt: RcptTo, log: RecordLog) -> Reply:
        """RCPT: is this recipient taken?"""

    async def message(self, octets: bytes, log: RecordLog) -> Reply:
        """The end of the data: 250 only when the message is safe."""

    def too_big(self, log: RecordLog) -> Reply:
        """The message was longer than `message_limit_octets`, and was dropped on the way in."""

    def reset(self) -> None:
        """The transaction is forgotten."""

    def verify(self, verify: Verify) -> Reply:
        """VRFY."""


class _Closing(Exception):  # noqa: N818  not an error: how a conversation ends
    """The conversation is over, for `reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


async def converse(stream: NetworkStream, host: Host, log: RecordLog) -> str:
    """Serve one connection until it ends; the stream is left open.

    Returns:
        Why it ended, for `connection.closed`.
    """
    conversation = _Conversation(stream, host, log)
    try:
        await conversation.run()
    except _Closing as closing:
        return closing.reason
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return "connection lost"
    except trio.Cancelled:
        await conversation.say_goodbye(host.style.reply(Answer.STOPPING, host=host.name))
        raise
    except Exception:
        await conversation.say_goodbye(host.style.reply(Answer.TRY_LATER))
        raise
    return "closed by the client"


class _Conversation:
    """One connection: events are answered in order, the replies to one chunk leave in one write."""

    def __init__(self, stream: NetworkStream, host: Host, log: RecordLog) -> None:
        self._stream = stream
        self._host = host
        self._log = log
        self._transaction_log = log  # with `transaction`, while there is one
        self._transaction_count = 0
        self._session = ServerSession(host.style, host.name)
        self._unsent = bytearray()
        self._errors_left = ERROR_LIMIT
        self._message = bytearray()  # one piece, however small the segments are that it comes in
        self._message_octets = 0
        # One deadline for the whole conversation, moved on when we wait for the client; none while a message is stored.
        self._idle = trio.CancelScope()

    async def run(self) -> None:
        self._reply(self._host.greeting())
        with self._idle:
            while octets := await self._receive():
                self._session.receive_data(octets)
                await self._answer_all()
            return
        await self._time_out()

    async def _receive(self) -> bytes | bytearray:
        self._move_deadline()
        if self._unsent:
            await self._flush()
        return await self._stream.receive_some(_RECEIVE_OCTETS)

    def _move_deadline(self) -> None:
        deadline = trio.current_time() + self._timeout_seconds
        if not 0 <= deadline - self._idle.deadline < DEADLINE_SLACK_SECONDS:
            self._idle.deadline = deadline

    @property
    def _timeout_seconds(self) -> float:
        receiving = self._session.state is Session.RECEIVING
        return DATA_TIMEOUT_SECONDS if receiving else COMMAND_TIMEOUT_SECONDS

    async def _answer_all(self) -> None:
        while True:
            try:
                event = self._session.next_event()
            except ProtocolError as error:
                self._record_command()
                await self._refuse(error.reply)
                continue
            if event is NEED_DATA:
                return
            if type(event) is MessageChunk:
                self._gather(event.octets)
                continue
            await self._answer(event)
            if len(self._unsent) > _FLUSH_OCTETS:  # a client that sends and sends and reads nothing is idle too
                self._move_deadline()
                await self._flush()

    async def _answer(self, event: Event) -> None:
        """One event, one reply; what a verb does besides is in its branch."""
        host = self._host
        if type(event) is MailFrom:
            self._transaction_count += 1
            self._transaction_log = self._log.bind(transaction=self._transaction_count)
        if type(event) is not EndOfData:
            self._record_command()
        match event:
            case RcptTo():
                reply = await host.recipient(event, self._transaction_log)
            case MailFrom():
                reply = await host.mail(event, self._transaction_log)
            case DataStart():
                reply = host.style.reply(Answer.START_DATA)
            case EndOfData():
                reply = await self._take_message()
            case Hello():
                reply = await host.hello(event)
            case Reset():
                host.reset()
                reply = host.style.reply(Answer.OK)
            case Noop():
                reply = host.style.reply(Answer.OK)
            case Verify():
                reply = host.verify(event)
            case Help():
                reply = self._help(event.topic)
            case Quit():
                reply = host.style.reply(Answer.BYE, host=host.name)
        self._reply(reply)
        if self._session.state in (Session.READY, Session.CONNECTED):
            self._transaction_log = self._log
        if type(event) is Quit:
            await self._close("quit")
        if reply.code == CLOSING:
            await self._close("the server said 421")

    def _gather(self, octets: bytes) -> None:
        """Keep message octets up to the limit; beyond it they are read and dropped."""
        self._message_octets += len(octets)
        if self._message_octets <= self._host.message_limit_octets:
            self._message += octets
        else:
            self._message.clear()

    async def _take_message(self) -> Reply:
        octets = bytes(self._message)
        self._message = bytearray()
        size_octets, self._message_octets = self._message_octets, 0
        if size_octets > self._host.message_limit_octets:
            return self._host.too_big(self._transaction_log)
        self._idle.deadline = math.inf
        return await self._host.message(octets, self._transaction_log)

    def _help(self, topic: str) -> Reply:
        return self._host.style.reply(Answer.HELP, help=USAGE.get(topic.upper()) or " ".join(USAGE))

    def _record_command(self) -> None:
        line = self._session.line
        self._transaction_log.record("smtp.command", verb=self._session.verb, line=line)

    def _reply(self, reply: Reply) -> None:
        self._unsent += self._session.send_reply(reply)
        for line in reply.wire_lines:
            self._transaction_log.record("smtp.reply", code=reply.code, enhanced=reply.enhanced, line=line)

    async def _refuse(self, reply: Reply) -> None:
        """Answer a line that was no command or out of turn; the last that is borne is answered with 421."""
        self._errors_left -= 1
        if not self._errors_left:
            reply = self._host.style.reply(Answer.TOO_MANY_ERRORS, host=self._host.name)
        self._reply(reply)
        if reply.code == CLOSING:
            await self._close("too many errors" if not self._errors_left else "a line without an end")

    async def _time_out(self) -> None:
        seconds = int(self._timeout_seconds)
        self._reply(self._host.style.reply(Answer.TIMEOUT, host=self._host.name, seconds=seconds))
        await self._close(f"silent for {seconds} seconds")

    async def _close(self, reason: str) -> None:
        with trio.move_on_after(FAREWELL_TIMEOUT_SECONDS):
            await self._flush()
        raise _Closing(reason)

    async def _flush(self) -> None:
        unsent = bytes(self._unsent)
        self._unsent.clear()
        await self._stream.send_all(unsent)

    async def say_goodbye(self, reply: Reply) -> None:
        """Say a last word behind what is still unsent, although we are being cancelled; bounded."""
        self._reply(reply)
        with trio.move_on_after(FAREWELL_TIMEOUT_SECONDS, shield=True):
            try:
                await self._flush()
            except (trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError):
                return
