"""A small mail server: whatever it takes, it keeps in a list."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import trio

from maillab.mail.address import Address
from maillab.mail.envelope import Envelope
from maillab.network.endpoint import Endpoint
from maillab.network.memory_stream import MemoryStream, memory_streams
from maillab.smtp.replies import Answer, Reply, ReplyStyle
from maillab.smtp.reply_reader import ReplyReader
from maillab.smtp.server import converse
from maillab.smtp.words import Hello, MailFrom, RcptTo, Verify
from maillab.trace.recorder import Recorder, RecordLog

CLIENT = Endpoint("172.16.1.9", 49152)
SERVER = Endpoint("172.16.1.1", 25)


class ListHost:
    """Takes mail for everybody but nobody@; crash@ finds a fault in it, and busy@ makes it leave."""

    name = "mail.nord.example"
    style = ReplyStyle.REALISTIC
    message_limit_octets = 1000

    def __init__(self) -> None:
        self.messages: list[tuple[Envelope, bytes]] = []
        self._sender: Address | None = None
        self._recipients: list[Address] = []

    def greeting(self) -> Reply:
        return self.style.reply(Answer.GREETING, host=self.name)

    async def hello(self, hello: Hello) -> Reply:
        self.reset()
        return self.style.reply(Answer.HELLO, host=self.name, client=hello.client_name)

    async def mail(self, mail: MailFrom, log: RecordLog) -> Reply:
        self._sender = mail.reverse_path
        return self.style.reply(Answer.SENDER_OK)

    async def recipient(self, rcpt: RcptTo, log: RecordLog) -> Reply:
        match rcpt.forward_path.local_part:
            case "nobody":
                return self.style.reply(Answer.UNKNOWN_USER, address=rcpt.forward_path, domain="nord.example")
            case "crash":
                raise RuntimeError("a fault of our own")
            case "busy":
                return self.style.reply(Answer.STOPPING, host=self.name)
        self._recipients.append(rcpt.forward_path)
        return self.style.reply(Answer.RECIPIENT_OK)

    async def message(self, octets: bytes, log: RecordLog) -> Reply:
        await trio.lowlevel.checkpoint()
        self.messages.append((Envelope(self._sender, tuple(self._recipients)), octets))
        self.reset()
        return self.style.reply(Answer.QUEUED, queue_id=f"number {len(self.messages)}")

    def too_big(self, log: RecordLog) -> Reply:
        self.reset()
        return self.style.reply(Answer.TOO_BIG, limit=self.message_limit_octets)

    def reset(self) -> None:
        self._sender = None
        self._recipients = []

    def verify(self, verify: Verify) -> Reply:
        return self.style.reply(Answer.CANNOT_VERIFY, address=verify.who)


class Caller:
    """Somebody at the other end of a connection to a `ListHost`.

    Attributes:
        stream: the caller's end.
        chunks: what each read has brought.
        server: cancel it to stop the server.
        ended: why the server ended the conversation, or what it crashed with.
    """

    def __init__(self, stream: MemoryStream) -> None:
        self.stream = stream
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
            self.chunks.append(await self.stream.receive_some())
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
