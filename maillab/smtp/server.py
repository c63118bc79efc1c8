"""The SMTP server's shell: a stream on one side, a `Host` that decides on the other, the session between them."""

from __future__ import annotations

import contextlib
import math
from typing import Final

import trio

from maillab.network.network import NetworkStream
from maillab.network.tls import TlsError, TlsStream, serve_tls
from maillab.smtp.answers import Answer
from maillab.smtp.data import IncomingMessage
from maillab.smtp.host import FallSilent, Host, Interceptor, NoReply
from maillab.smtp.login import LoginConversation
from maillab.smtp.replies import Reply
from maillab.smtp.session import ProtocolError, ServerSession
from maillab.smtp.table import NEED_DATA, EndOfChunk, EndOfData, Event, MessageChunk, Session
from maillab.smtp.words import (
    USAGE,
    Auth,
    AuthResponse,
    DataStart,
    Expand,
    Hello,
    Help,
    MailFrom,
    Quit,
    RcptTo,
    Reset,
    StartTls,
    Verify,
)
from maillab.trace.recorder import RecordLog

DEADLINE_SLACK_SECONDS: Final = 1.0  # a deadline is moved on when it is off by more: moving costs as much as a line
SILENCE_LIMIT_SECONDS: Final = 3600.0  # no client waits so long (RFC 5321 section 4.5.3.2), and a dead one never goes
FAREWELL_TIMEOUT_SECONDS: Final = 1.0  # how long a last word may take
CLOSING: Final = 421  # the one reply after which the server closes (RFC 5321 section 4.2.2)
_RECEIVE_OCTETS: Final = 1 << 16
_FLUSH_OCTETS: Final = 1 << 16  # replies gathered for one write
_TOWARDS_MAIL: Final = frozenset({MailFrom, RcptTo, DataStart, EndOfChunk, EndOfData})


class _Closing(Exception):  # noqa: N818  not an error: how a conversation ends
    """The conversation is over, for `reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


async def converse(stream: NetworkStream, host: Host, log: RecordLog, interceptor: Interceptor | None = None) -> str:
    """Serve one connection until it ends; closing the stream is the caller's part.

    Returns:
        Why it ended, for `connection.closed`.
    """
    conversation = _Conversation(stream, host, log, interceptor)
    try:
        try:
            await conversation.run()
        except NoReply as ending:
            await conversation.end_without_reply(ending)
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

    def __init__(self, stream: NetworkStream, host: Host, log: RecordLog, interceptor: Interceptor | None) -> None:
        self._stream = stream
        self._host = host
        self._interceptor = interceptor
        self._log = log
        self._transaction_log = log  # with `transaction`, while there is one
        self._transaction_count = 0
        self._session = ServerSession(host.style, host.name, lax=host.lax)
        self._unsent = bytearray()
        self._login = LoginConversation(host)
        self._errors_left = host.limits.errors
        self._commands_left = host.limits.commands_without_mail
        self._message = IncomingMessage(host.limits.message_octets)
        # One deadline for the whole conversation, moved on when we wait for the client; none while a message is stored.
        self._idle = trio.CancelScope()

    async def run(self) -> None:
        instead = self._interceptor and self._interceptor.before(None, self._log)
        if instead:
            self._reply(instead)
            await self._close(f"greeted with {instead.text}")
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
        limits = self._host.limits
        receiving = self._session.state in (Session.RECEIVING, Session.CHUNK)
        return limits.data_timeout_seconds if receiving else limits.command_timeout_seconds

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
                self._message.add(event.octets)
                continue
            await self._answer(event)
            if len(self._unsent) > _FLUSH_OCTETS:  # a client that sends and sends and reads nothing is idle too
                self._move_deadline()
                await self._flush()

    async def _answer(self, event: Event) -> None:
        """One event, one reply; what a verb does besides is in its branch."""
        if type(event) is MailFrom:
            self._transaction_count += 1
            self._transaction_log = self._log.bind(transaction=self._transaction_count)
        if type(event) is not EndOfData or self._session.state is Session.CHUNK:
            self._record_command()
        reply = await (self._reply_to(event) if self._interceptor is None else self._intercepted(event))
        if type(event) not in _TOWARDS_MAIL or (type(event) is MailFrom and not reply.accepts):
            reply = self._counted(event, reply)
        self._reply(reply)
        if self._session.state in (Session.READY, Session.CONNECTED):
            self._transaction_log = self._log
        if type(event) is Quit:
            await self._close("quit")
        if reply.code == CLOSING:
            await self._close("too many errors" if self._errors_left <= 0 else "the server said 421")
        if self._session.state is Session.STARTING_TLS:
            await self._start_tls()

    async def _intercepted(self, event: Event) -> Reply:
        assert self._interceptor is not None
        reply = self._interceptor.before(event, self._transaction_log)
        if reply is not None:
            if type(event) is EndOfData:
                self._message.drop()
            return reply
        reply = await self._reply_to(event)
        self._interceptor.after(event, reply, self._transaction_log)
        return reply

    async def _reply_to(self, event: Event) -> Reply:
        host = self._host
        match event:
            case RcptTo():
                return await host.recipient(event, self._transaction_log)
            case MailFrom():
                return await host.mail(event, self._transaction_log)
            case DataStart():
                return host.style.reply(Answer.START_DATA)
            case EndOfData():
                self._commands_left = host.limits.commands_without_mail
                return await self._take_message()
            case EndOfChunk():
                return self._take_chunk()
            case Hello():
                self._message.drop()
                return await host.hello(event)
            case Reset():
                self._message.drop()
                host.reset()
            case StartTls():
                return self._may_start_tls()
            case Auth():
                return await self._login.begin(event, self._log)
            case AuthResponse(text):
                return await self._login.go_on(text, self._log)
            case Verify(who):
                return host.verify(who)
            case Expand(list_name):
                return host.expand(list_name)
            case Help(topic):
                return self._help(topic)
            case Quit():
                return host.style.reply(Answer.BYE, host=host.name)
        return host.style.reply(Answer.OK)

    async def _take_message(self) -> Reply:
        octets = self._message.take()
        if octets is None:
            return self._host.too_big(self._transaction_log)
        self._idle.deadline = math.inf
        return await self._host.message(octets, self._transaction_log)

    def _take_chunk(self) -> Reply:
        """RFC 3030 section 2: each chunk has its reply, and after a refusal the message is over."""
        if self._message.is_too_big:
            self._message.drop()
            return self._host.too_big(self._transaction_log)
        return self._host.style.reply(Answer.CHUNK_TAKEN, octets=self._message.size_octets)

    def _may_start_tls(self) -> Reply:
        reply = self._host.start_tls()
        if reply.accepts and self._session.has_unread_octets:
            return self._host.style.reply(Answer.OCTETS_BEHIND_STARTTLS, host=self._host.name)
        return reply

    async def _start_tls(self) -> None:
        await self._flush()
        self._idle.deadline = math.inf  # a handshake has its own
        try:
            stream = await serve_tls(self._stream, self._host.tls_context)
        except TlsError as error:
            raise _Closing(f"TLS: {error}") from None
        self._stream = stream
        self._session.tls_started()
        self._host.tls_started(stream.description)

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
        """Answer a line that was no command or out of turn."""
        reply = self._count_error(reply)
        self._reply(reply)
        if reply.code == CLOSING:
            await self._close("too many errors" if self._errors_left <= 0 else "a line without an end")

    def _counted(self, event: Event, reply: Reply) -> Reply:
        """`reply` to work that brings no mail on; there is an end to it, and a nearer one to what of it is refused."""
        limit = self._host.limits.commands_without_mail
        self._commands_left -= 1
        if self._commands_left <= 0 and type(event) is not Quit:
            return self._host.style.reply(Answer.TOO_MANY_COMMANDS, host=self._host.name, limit=limit)
        return reply if reply.accepts or type(event) is MailFrom else self._count_error(reply)

    def _count_error(self, reply: Reply) -> Reply:
        """`reply`, or what the last error that is borne is answered with."""
        self._errors_left -= 1
        if self._errors_left > 0:
            return reply
        return self._host.style.reply(Answer.TOO_MANY_ERRORS, host=self._host.name)

    async def _time_out(self) -> None:
        seconds = f"{self._timeout_seconds:g}"
        self._reply(self._host.style.reply(Answer.TIMEOUT, host=self._host.name, seconds=seconds))
        await self._close(f"silent for {seconds} seconds")

    async def _close(self, reason: str) -> None:
        with trio.move_on_after(FAREWELL_TIMEOUT_SECONDS):
            await self._flush()
            if isinstance(self._stream, TlsStream):
                await self._stream.aclose()  # TLS has an end of its own
        raise _Closing(reason)

    async def _flush(self) -> None:
        unsent = bytes(self._unsent)
        self._unsent.clear()
        await self._stream.send_all(unsent)

    async def end_without_reply(self, ending: NoReply) -> None:
        """Say what is still owed to earlier commands; then close, or let the client wait as long as it likes."""
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            if isinstance(ending, FallSilent):
                await self._flush()
                with trio.move_on_after(SILENCE_LIMIT_SECONDS):
                    while await self._stream.receive_some(_RECEIVE_OCTETS):
                        pass
            await self._close(str(ending))
        raise _Closing(str(ending))

    async def say_goodbye(self, reply: Reply) -> None:
        """Say a last word behind what is still unsent, although we are being cancelled; bounded."""
        if self._session.state is Session.STARTING_TLS:
            return  # in a handshake there are no words
        self._reply(reply)
        with trio.move_on_after(FAREWELL_TIMEOUT_SECONDS, shield=True):
            try:
                await self._flush()
            except (trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError):
                return
