"""The SMTP client's shell: one connection, kept for many messages, one outcome for each recipient.

Nothing here raises for what a server says: a refusal, a lost connection and a broken reply are outcomes.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from typing import Final

import trio

from maillab.mail.address import Address
from maillab.mail.envelope import NO_NOTICE, Envelope
from maillab.network.network import NetworkStream
from maillab.network.tls import TlsError, TlsStream, connect_tls
from maillab.smtp.client_session import ClientSession
from maillab.smtp.outcome import Deferred, Delivered, Failed, InjectionError, Outcome, UnusableError
from maillab.smtp.replies import Reply
from maillab.smtp.reply_reader import BadReplyError
from maillab.smtp.table import NEED_DATA, Session
from maillab.smtp.words import (
    Command,
    DataStart,
    Hello,
    MailFrom,
    Quit,
    RcptTo,
    Reset,
    StartTls,
    command_line,
    verb_of,
    without_secret,
)
from maillab.trace.recorder import RecordLog

REPLY_TIMEOUT_SECONDS: Final = 300.0  # RFC 5321 sections 4.5.3.2.1 to 4.5.3.2.3, the longest of them
END_OF_DATA_TIMEOUT_SECONDS: Final = 600.0  # RFC 5321 section 4.5.3.2.6
QUIT_TIMEOUT_SECONDS: Final = 3.0
EARLY_REPLY_TIMEOUT_SECONDS: Final = 3.0  # what was said before the connection broke is here, or never comes
_RECEIVE_OCTETS: Final = 1 << 16
_SIZE: Final = re.compile(r"[0-9]{1,20}")  # RFC 1870 section 4


class SmtpClient:
    """The client's end of one connection.

    `log` gets the dialogue; None where the server's own process writes it.
    """

    def __init__(self, stream: NetworkStream, client_name: str, log: RecordLog | None = None) -> None:
        self.transaction_count = 0
        self.extensions: Mapping[str, str] = {}
        self._stream = stream
        self._name = client_name
        self._log = log
        self._dialogue = log  # with `transaction`, while there is one
        self._session = ClientSession()
        self._usable = True

    @property
    def usable(self) -> bool:
        """True while another message may be sent over this connection.

        Not when the server has said what nobody asked for: what it says next would answer the wrong command.
        """
        return self._usable and self._session.state is Session.READY and not self._session.has_unread_octets

    async def open(self) -> None:
        """Read the greeting and say EHLO, or HELO to a server that knows no EHLO (RFC 5321 section 3.2).

        Raises:
            UnusableError: no greeting, or one that refuses us.
        """
        greeting = await self._read_reply()
        if greeting.code != 220:
            raise self._broken(f"greeted with {greeting.text}", greeting)
        await self._say_hello()

    async def _say_hello(self) -> None:
        self.extensions = {}
        reply = await self._ask(Hello(self._name))
        if reply.code >= 500:
            reply = await self._ask(Hello(self._name, extended=False))
        elif reply.accepts:
            self.extensions = _extensions(reply)
        if not reply.accepts:
            raise self._broken(f"refused our name: {reply.text}", reply)

    @property
    def offers_tls(self) -> bool:
        return "STARTTLS" in self.extensions

    async def start_tls(self, context: ssl.SSLContext, host: str) -> str:
        """Go on in TLS (RFC 3207); gives protocol version and cipher.

        Raises:
            UnusableError: the server refused, or the handshake failed.
            InjectionError: octets in clear came behind the 220: somebody is in between (RFC 3207 section 6).
        """
        reply = await self._ask(StartTls())
        if not reply.accepts:
            raise self._broken(f"refused STARTTLS: {reply.text}", reply)
        if self._session.has_unread_octets:
            self._usable = False
            raise InjectionError("octets in clear behind the reply to STARTTLS")
        try:
            self._stream = stream = await connect_tls(self._stream, context, host)
        except TlsError as error:
            raise self._broken(f"TLS: {error}") from None
        self._session.tls_started()
        await self._say_hello()
        return stream.description

    async def send(self, envelope: Envelope, octets: bytes) -> dict[Address, Outcome]:
        """Send one message; the outcome for each recipient.

        A connection that broke in the middle leaves every recipient without a final reply deferred: in doubt the
        message stays with the sender (RFC 5321 section 4.2.5).
        """
        unfit = self._unfit(envelope, octets)
        if unfit is not None:
            return dict.fromkeys(envelope.recipients, unfit)
        outcomes: dict[Address, Outcome] = {}
        self.transaction_count += 1
        if self._log is not None:
            self._dialogue = self._log.bind(transaction=self.transaction_count)
        try:
            await self._transaction(envelope, octets, outcomes)
        except UnusableError as error:
            for recipient in envelope.recipients:
                outcomes.setdefault(recipient, Deferred(str(error), error.reply))
        finally:
            self._dialogue = self._log
        return outcomes

    async def quit(self) -> None:
        """Say QUIT and wait a little for the answer; closing the stream that we were given is the caller's part."""
        if not self.usable:
            return
        with trio.move_on_after(QUIT_TIMEOUT_SECONDS):
            try:
                await self._ask(Quit())
            except UnusableError:
                return
            if isinstance(self._stream, TlsStream):
                await self._stream.aclose()  # TLS has an end of its own

    def _unfit(self, envelope: Envelope, octets: bytes) -> Failed | None:
        """What the message needs and this server does not offer.

        Not here: 8-bit content to a server without 8BITMIME is sent as it is, because octets are never changed.
        """
        if envelope.smtputf8 and "SMTPUTF8" not in self.extensions:
            return Failed("the next hop does not offer SMTPUTF8", status="5.6.7")
        limit = self.extensions.get("SIZE", "")
        if _SIZE.fullmatch(limit) and 0 < int(limit) < len(octets):
            return Failed(f"the message has {len(octets)} octets, the next hop takes {limit}", status="5.3.4")
        return None

    async def _transaction(self, envelope: Envelope, octets: bytes, outcomes: dict[Address, Outcome]) -> None:
        """MAIL, RCPT and DATA, ahead of their replies where the server allows it; `outcomes` grows with each reply."""
        pipelining = "PIPELINING" in self.extensions
        mail = MailFrom(
            envelope.reverse_path,
            size_octets=len(octets) if "SIZE" in self.extensions else None,
            eight_bit=envelope.eight_bit and "8BITMIME" in self.extensions,
            smtputf8=envelope.smtputf8,
            ret=envelope.ret if "DSN" in self.extensions else None,
            envid=envelope.envid if "DSN" in self.extensions else None,
        )
        notices = envelope.notices if "DSN" in self.extensions else {}
        rcpts = {recipient: RcptTo(recipient, notices.get(recipient, NO_NOTICE)) for recipient in envelope.recipients}
        if pipelining:
            await self._say(mail, *rcpts.values(), DataStart())
        reply = await (self._read_reply() if pipelining else self._ask(mail))
        if not reply.accepts:
            outcomes.update(dict.fromkeys(envelope.recipients, _refused(reply)))
            if not pipelining:
                return
        accepted = []
        for recipient in envelope.recipients:
            reply = await (self._read_reply() if pipelining else self._ask(rcpts[recipient]))
            if recipient in outcomes:  # refused already, with its sender
                continue
            if reply.accepts:
                accepted.append(recipient)
            else:
                outcomes[recipient] = _refused(reply, to_rcpt=True)
        if pipelining or accepted:
            reply = await (self._read_reply() if pipelining else self._ask(DataStart()))
            if reply.accepts:
                # RFC 2920 section 3.1: a 354 must be answered with an end of data, even where nobody is left.
                reply = await self._send_message(octets if accepted else b"")
            outcomes.update(dict.fromkeys(accepted, Delivered(reply) if reply.accepts else _refused(reply)))
        if self._session.state in (Session.MAIL_GIVEN, Session.RCPT_GIVEN):
            await self._ask(Reset())

    async def _send_message(self, octets: bytes) -> Reply:
        try:
            for chunk in self._session.send_message(octets):
                await self._send_all(chunk)
        except UnusableError as error:
            return await self._early_reply(f"{error} while the message was being sent")
        return await self._read_reply(END_OF_DATA_TIMEOUT_SECONDS)

    async def _early_reply(self, reason: str) -> Reply:
        """What a server said that would not hear the message to its end: a refusal, or nothing that counts."""
        try:
            reply = await self._read_reply(EARLY_REPLY_TIMEOUT_SECONDS)
        except UnusableError as error:
            if error.reply is not None:
                raise
            raise self._broken(reason) from None
        if reply.accepts:  # half a message cannot have been taken
            raise self._broken(reason)
        return reply

    async def _ask(self, command: Command) -> Reply:
        await self._say(command)
        return await self._read_reply()

    async def _say(self, *commands: Command) -> None:
        """Send commands in one write.

        Not here: reading replies meanwhile, because 100 recipients and their replies fit into the buffers of any
        connection (RFC 2920 section 3.1 asks to beware of this).
        """
        octets = b"".join(self._session.send(command) for command in commands)
        for command in commands:
            self._record_command(command)
        await self._send_all(octets)

    async def _send_all(self, octets: bytes) -> None:
        try:
            with trio.fail_after(REPLY_TIMEOUT_SECONDS):
                await self._stream.send_all(octets)
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
            raise self._broken("connection lost") from None

    async def _read_reply(self, timeout_seconds: float = REPLY_TIMEOUT_SECONDS) -> Reply:
        try:
            reply = self._session.next_reply()
            if reply is NEED_DATA:  # replies to a pipelined chunk come together: mostly there is nothing to wait for
                with trio.fail_after(timeout_seconds):
                    reply = await self._receive_reply()
        except BadReplyError as error:
            raise self._broken(f"the server broke SMTP: {error}") from None
        except trio.TooSlowError:
            raise self._broken(f"no answer for {timeout_seconds:.0f} seconds") from None
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise self._broken("connection lost") from None
        self._record_reply(reply)
        if reply.code == 421:  # RFC 5321 section 3.8: the server is closing
            raise self._broken(reply.text, reply)
        return reply

    async def _receive_reply(self) -> Reply:
        while (reply := self._session.next_reply()) is NEED_DATA:
            octets = await self._stream.receive_some(_RECEIVE_OCTETS)
            if not octets:
                raise self._broken("the server closed the connection")
            self._session.receive_data(octets)
        return reply

    def _broken(self, reason: str, reply: Reply | None = None) -> UnusableError:
        self._usable = False
        return UnusableError(reason, reply)

    def _record_command(self, command: Command) -> None:
        if self._dialogue is not None:
            line = without_secret(command_line(command))
            self._dialogue.record("smtp.command", verb=verb_of(line), line=line)

    def _record_reply(self, reply: Reply) -> None:
        if self._dialogue is not None:
            for line in reply.wire_lines:
                self._dialogue.record("smtp.reply", code=reply.code, enhanced=reply.enhanced, line=line)


def _refused(reply: Reply, *, to_rcpt: bool = False) -> Deferred | Failed:
    # RFC 5321 section 4.5.3.1.10: 552 to RCPT meant "too many recipients" once, and is taken as 452.
    if reply.code >= 500 and not (to_rcpt and reply.code == 552):
        return Failed(reply.text, reply, reply.enhanced or "5.0.0")
    return Deferred(reply.text, reply)


def _extensions(reply: Reply) -> dict[str, str]:
    """Keyword -> parameters from the reply to EHLO (RFC 5321 section 4.1.1.1)."""
    lines = (line.partition(" ") for line in reply.lines[1:])
    return {keyword.upper(): parameters for keyword, _, parameters in lines}
