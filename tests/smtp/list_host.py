"""A small mail server: whatever it takes, it keeps in a list."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator

import attrs
import trio

from maillab.mail.address import Address
from maillab.mail.envelope import NO_NOTICE, Envelope, Notice
from maillab.network.endpoint import Endpoint
from maillab.network.memory_stream import memory_streams
from maillab.network.network import NetworkStream
from maillab.network.tls import connect_tls
from maillab.smtp.answers import Answer
from maillab.smtp.limits import Limits
from maillab.smtp.replies import Reply, ReplyStyle
from maillab.smtp.reply_reader import ReplyReader
from maillab.smtp.sasl import Credentials
from maillab.smtp.server import converse
from maillab.smtp.words import Hello, MailFrom, RcptTo
from maillab.trace.recorder import Recorder, RecordLog
from tests.smtp.certificates import client_context, server_context

CLIENT = Endpoint("172.16.1.9", 49152)
SERVER = Endpoint("172.16.1.1", 25)


class ListHost:
    """Takes mail for everybody but nobody@; crash@ finds a fault in it, and busy@ makes it leave.

    Offers TLS, and then a login for anna, whose password is secret.
    """

    name = "mail.nord.example"
    style = ReplyStyle.REALISTIC
    lax = False

    def __init__(self, limits: Limits | None = None, *, wants_tls: bool = True) -> None:
        self.limits = limits or Limits(message_octets=1000)
        self.messages: list[tuple[Envelope, bytes]] = []
        self.in_tls = False
        self.user = ""
        self._wants_tls = wants_tls
        self._mail = MailFrom(None)
        self._recipients: dict[Address, Notice] = {}

    def greeting(self) -> Reply:
        return self.style.reply(Answer.GREETING, host=self.name)

    async def hello(self, hello: Hello) -> Reply:
        self.reset()
        reply = self.style.reply(Answer.HELLO, host=self.name, client=hello.client_name)
        if not hello.extended:
            return reply
        keywords = ("PIPELINING", "CHUNKING", "DSN", *(() if self.in_tls else ("STARTTLS",)))
        return attrs.evolve(reply, lines=(*reply.lines, *keywords))

    async def mail(self, mail: MailFrom, log: RecordLog) -> Reply:
        self._mail = mail
        return self.style.reply(Answer.SENDER_OK)

    async def recipient(self, rcpt: RcptTo, log: RecordLog) -> Reply:
        match rcpt.forward_path.local_part:
            case "nobody":
                return self.style.reply(Answer.UNKNOWN_USER, address=rcpt.forward_path, domain="nord.example")
            case "crash":
                raise RuntimeError("a fault of our own")
            case "busy":
                return self.style.reply(Answer.STOPPING, host=self.name)
        self._recipients[rcpt.forward_path] = rcpt.notice
        return self.style.reply(Answer.RECIPIENT_OK)

    async def message(self, octets: bytes, log: RecordLog) -> Reply:
        await trio.lowlevel.checkpoint()
        notices = {recipient: notice for recipient, notice in self._recipients.items() if notice != NO_NOTICE}
        envelope = Envelope(self._mail.reverse_path, tuple(self._recipients), notices=notices)
        self.messages.append((attrs.evolve(envelope, ret=self._mail.ret, envid=self._mail.envid), octets))
        self.reset()
        return self.style.reply(Answer.QUEUED, queue_id=f"number {len(self.messages)}")

    def too_big(self, log: RecordLog) -> Reply:
        self.reset()
        return self.style.reply(Answer.TOO_BIG, limit=self.limits.message_octets)

    def reset(self) -> None:
        self._mail = MailFrom(None)
        self._recipients = {}

    def verify(self, who: str) -> Reply:
        return self.style.reply(Answer.CANNOT_VERIFY, address=who)

    def expand(self, list_name: str) -> Reply:
        return self.style.reply(Answer.NOT_IMPLEMENTED, verb="EXPN")

    def start_tls(self) -> Reply:
        return self.style.reply(Answer.TLS_IS_ON if self.in_tls else Answer.START_TLS)

    @property
    def tls_context(self) -> ssl.SSLContext:
        return server_context(self.name)

    def tls_started(self, description: str) -> None:
        self.in_tls = True
        self.reset()

    def may_log_in(self) -> Reply | None:
        if self.user:
            return self.style.reply(Answer.LOGGED_IN_BEFORE, user=self.user)
        return self.style.reply(Answer.LOGIN_NEEDS_TLS) if self._wants_tls and not self.in_tls else None

    async def log_in(self, credentials: Credentials, mechanism: str, log: RecordLog) -> Reply:
        await trio.lowlevel.checkpoint()
        if credentials != Credentials("anna", "secret"):
            return self.style.reply(Answer.WRONG_LOGIN)
        self.user = credentials.user
        return self.style.reply(Answer.LOGGED_IN, user=self.user)


class Caller:
    """Somebody at the other end of a connection to a `ListHost`.

    Attributes:
        stream: the caller's end, inside TLS once that has begun.
        chunks: what each read has brought.
        server: cancel it to stop the server.
        ended: why the server ended the conversation, or what it crashed with.
    """

    def __init__(self, stream: NetworkStream) -> None:
        self.stream: NetworkStream = stream
        self.chunks: list[bytes] = []
        self.server = trio.CancelScope()
        self.ended: str | Exception | None = None
        self._replies = ReplyReader()

    async def say(self, *lines: str) -> None:
        """Send lines in one write."""
        await self.stream.send_all("".join(f"{line}\r\n" for line in lines).encode())

    async def hear(self) -> str:
        """The next reply: "250 2.1.0 Ok"; "" when the server has closed."""
        while (reply := self._replies.next_reply()) is None:
            self.chunks.append(bytes(await self.stream.receive_some()))
            if not self.chunks[-1]:
                return ""
            self._replies.feed(self.chunks[-1])
        return reply.text

    async def ask(self, *lines: str) -> list[str]:
        """Send lines in one write; one reply for each."""
        await self.say(*lines)
        return [await self.hear() for _ in lines]

    async def enter_data(self) -> None:
        """Bring the conversation to where the message is sent."""
        await self.hear()
        replies = await self.ask("EHLO client.example", "MAIL FROM:<anna@nord.example>", "RCPT TO:<ben@x>", "DATA")
        assert replies[-1].startswith("354 ")

    async def start_tls(self) -> None:
        """Hear the greeting, and go on in TLS."""
        await self.hear()
        assert (await self.ask("STARTTLS"))[0].startswith("220 ")
        self.stream = await connect_tls(self.stream, client_context(), ListHost.name)


@contextlib.asynccontextmanager
async def called(host: ListHost, log: RecordLog | None = None) -> AsyncIterator[Caller]:
    """Call `host` and be served until the block ends, or the server has closed."""
    near, far = memory_streams(CLIENT, SERVER, lambda: None)
    caller = Caller(near)
    log = log or Recorder("test", "r1", trio.current_time).bind()

    async def serve() -> None:
        with caller.server:
            async with far:
                try:
                    caller.ended = await converse(far, host, log)
                except RuntimeError as error:
                    caller.ended = error

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        async with near:
            yield caller
