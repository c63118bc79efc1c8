"""A client that speaks by hand at any listener of a lab, in clear or in TLS."""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from maillab import Lab
from maillab.mailserver.choices import Role
from maillab.network.network import NetworkStream
from maillab.network.tls import connect_tls
from tests.labs import NORD, Visitor

ADDRESS: Final = "192.0.2.7"  # RFC 5737: nobody of the lab's


class Guest(Visitor):
    """A visitor who knows extensions."""

    def __init__(self, stream: NetworkStream, host: str) -> None:
        super().__init__(stream)
        self._host = host
        self._network_stream = stream

    async def hello(self) -> set[str]:
        """Say EHLO; the keywords that are offered, with their parameters."""
        await self._stream.send_all(b"EHLO guest\r\n")
        while (end := self._heard.find(b"\r\n250 ")) < 0 or b"\r\n" not in self._heard[end + 2 :]:
            octets = await self._stream.receive_some()
            assert octets
            self._heard += octets
        _greeting, *lines = self._heard.decode().splitlines()
        self._heard = b""
        return {line[4:] for line in lines}

    async def encrypt(self, context: ssl.SSLContext, name: str | None = None) -> None:
        """A handshake with the host, in which its certificate is checked; `name` is what it is called."""
        self._stream = await connect_tls(self._network_stream, context, name or self._host)

    async def start_tls(self, lab: Lab) -> None:
        """STARTTLS, and EHLO again."""
        assert (await self.say("STARTTLS")).startswith("220 ")
        await self.encrypt(trusting(lab))
        await self.hello()

    async def log_in(self, user: str, password: str) -> str:
        """The reply to AUTH PLAIN."""
        return await self.say(f"AUTH PLAIN {plain(user, password)}")

    async def send(self, sender: str, recipient: str, octets: bytes) -> str:
        """The reply to a message, or to what was refused before it."""
        for line in (f"MAIL FROM:<{sender}>", f"RCPT TO:<{recipient}>", "DATA"):
            reply = await self.say(line)
            if reply[0] not in "23":
                return reply
        return await self.give(octets + b".\r\n")


def trusting(lab: Lab) -> ssl.SSLContext:
    """What trusts the lab's authority and nobody else, and checks names."""
    return ssl.create_default_context(cadata=lab.authority.certificate.decode())


def plain(user: str, password: str) -> str:
    """The response of PLAIN (RFC 4616)."""
    return encoded(f"\0{user}\0{password}")


def encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


@asynccontextmanager
async def guest(
    lab: Lab, host: str = NORD, role: Role = Role.SMTP, *, in_tls: bool = False, source: str = ADDRESS
) -> AsyncIterator[Guest]:
    """A connection to `host`, greeted and with EHLO said; by STARTTLS in TLS, if that is wanted."""
    target = lab.book.find(host, role.value)
    assert target is not None
    async with await lab.network.connect(target, source, None) as stream:
        caller = Guest(stream, host)
        if role is Role.SUBMISSIONS:
            await caller.encrypt(trusting(lab))
        assert (await caller.hear()).startswith("220 ")
        await caller.hello()
        if in_tls:
            await caller.start_tls(lab)
        yield caller
