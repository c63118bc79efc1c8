"""A mail server that is not ours: aiosmtpd, at an address of its own on the loopback interface."""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import socket
from collections.abc import AsyncIterator
from email.utils import formatdate
from typing import Final

import attrs
import trio
from aiosmtpd.smtp import SMTP, Envelope, Session

from maillab.network.endpoint import Endpoint

ADDRESS: Final = "127.0.0.2"  # not the lab's own, so that a server of the lab tells it by its address
QUEUED: Final = "250 OK: not ours, but taken"


@attrs.frozen
class Taken:
    """A mail that it took, as it came."""

    sender: str
    recipients: list[str]
    octets: bytes


class ForeignHost:
    """Takes every mail; passes it on as well, once it is told where to."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.taken: list[Taken] = []
        self.passes_on_to: Endpoint | None = None
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((ADDRESS, 0))  # the port is ours from here on, though nobody listens yet
        self.smtp = Endpoint(*self._socket.getsockname())

    def close(self) -> None:
        self._socket.close()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Serve while the context lasts: asyncio, in a thread."""
        ended = asyncio.Event()
        loop: asyncio.AbstractEventLoop | None = None
        listens = trio.Event()
        token = trio.lowlevel.current_trio_token()

        async def serve() -> None:
            nonlocal loop
            loop = asyncio.get_running_loop()
            server = await loop.create_server(lambda: SMTP(self, hostname=self.name, loop=loop), sock=self._socket)
            token.run_sync_soon(listens.set)
            await ended.wait()
            server.close()

        def run() -> None:
            asyncio.run(serve())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, run)
            await listens.wait()
            try:
                yield
            finally:
                assert loop is not None
                loop.call_soon_threadsafe(ended.set)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  aiosmtpd's
        assert isinstance(envelope.original_content, bytes)
        mail = Taken(envelope.mail_from or "", [*envelope.rcpt_tos], envelope.original_content)
        self.taken.append(mail)
        if self.passes_on_to is not None:
            await asyncio.to_thread(self._pass_on, mail, str(session.host_name), self.passes_on_to)
        return QUEUED

    def _pass_on(self, mail: Taken, came_from: str, target: Endpoint) -> None:
        """Put the line on top that RFC 5321 section 4.4 asks for, with an id of its own kind, and send."""
        received = (
            f"Received: from {came_from} (unknown [127.0.0.1])\r\n"
            f"\tby {self.name} (Other Mail Server 1.0) with ESMTPS id 4F2k9x0Qz1\r\n"
            f"\t(using TLSv1.3); {formatdate()}\r\n"
        )
        with smtplib.SMTP(*target, local_hostname=self.name, source_address=(ADDRESS, 0)) as client:
            client.sendmail(mail.sender, mail.recipients, received.encode() + mail.octets)
