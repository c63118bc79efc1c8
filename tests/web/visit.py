"""A lab with a page, and a visitor who speaks HTTP by hand: what clients never send must be tried too."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any, Final

import attrs
import orjson
import trio
import trio.testing

from maillab.lab.lab import Lab
from maillab.lab.start import open_lab
from maillab.network.endpoint import Endpoint
from maillab.network.memory import MemoryNetwork
from maillab.network.network import Network, NetworkStream, TcpNetwork
from maillab.web.site import Website

LAB: Final = "two-schools"
MEMORY_PAGE: Final = Endpoint("127.0.0.1", 8025)
ANY_PORT: Final = Endpoint("127.0.0.1", 0)


@attrs.frozen
class Answer:
    """A response as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


class Visitor:
    """One connection to the page."""

    def __init__(self, stream: trio.abc.HalfCloseableStream) -> None:
        self.stream = stream
        self._received = bytearray()

    async def say(self, octets: bytes | str) -> None:
        await self.stream.send_all(octets.encode() if isinstance(octets, str) else octets)

    async def ask(self, target: str, method: str = "GET", body: bytes = b"", /, **headers: str) -> Answer:
        """One plain request on a connection that is kept; a header's underscores are hyphens."""
        lines = {"Host": "127.0.0.1:8025"} | {name.replace("_", "-"): value for name, value in headers.items()}
        if body:
            lines["Content-Length"] = str(len(body))
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        await self.say(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + body)
        return await self.hear(without_body=method == "HEAD")

    async def hear(self, *, without_body: bool = False) -> Answer:
        """The next response.

        Raises:
            EOFError: the connection ended before.
        """
        first, *lines = (await self._through(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = b""
        if not without_body:
            if headers.get("transfer-encoding") == "chunked":
                while size := int(await self._through(b"\r\n"), 16):
                    body += await self._exactly(size)
                    await self._through(b"\r\n")
                await self._through(b"\r\n")
            else:
                body = await self._exactly(int(headers.get("content-length", "0")))
        return Answer(int(first.split()[1]), headers, body)

    async def hear_end(self) -> bytes:
        """All that still comes, until the page closes; a reset is an end too."""
        with contextlib.suppress(trio.BrokenResourceError):
            while octets := await self.stream.receive_some():
                self._received += octets
        rest = bytes(self._received)
        self._received.clear()
        return rest

    async def _through(self, mark: bytes) -> bytes:
        while (end := self._received.find(mark)) < 0:
            await self._receive()
        return (await self._exactly(end + len(mark)))[:end]

    async def _exactly(self, count: int) -> bytes:
        while len(self._received) < count:
            await self._receive()
        taken = bytes(self._received[:count])
        del self._received[:count]
        return taken

    async def _receive(self) -> None:
        octets = await self.stream.receive_some()
        if not octets:
            raise EOFError(bytes(self._received))
        self._received += octets


@attrs.frozen
class House:
    """A running lab and where its page is."""

    lab: Lab
    page: Endpoint
    network: Network

    @property
    def url(self) -> str:
        return f"http://{self.page}"

    async def connect(self) -> NetworkStream:
        return await self.network.connect(self.page, None, None)

    @contextlib.asynccontextmanager
    async def visitor(self) -> AsyncIterator[Visitor]:
        stream = await self.connect()
        try:
            yield Visitor(stream)
        finally:
            await trio.aclose_forcefully(stream)

    async def ask(self, target: str, method: str = "GET", body: bytes = b"", /, **headers: str) -> Answer:
        """One request on a connection of its own."""
        async with self.visitor() as visitor:
            return await visitor.ask(target, method, body, **headers)

    async def quiet(self) -> None:
        """Wait until everything that can happen now has happened."""
        await trio.testing.wait_all_tasks_blocked(0.05)


@contextlib.asynccontextmanager
async def open_house(
    *, password: str | None = None, allowed_hosts: tuple[str, ...] = (), tcp: bool = False, lab: str | Path = LAB
) -> AsyncIterator[House]:
    """A lab in memory with its page: in memory too, or on a free TCP port."""
    memory = MemoryNetwork()
    network: Network = TcpNetwork() if tcp else memory
    website = Website(
        ANY_PORT if tcp else MEMORY_PAGE,
        password=password,
        allowed_hosts=allowed_hosts,
        network=network,
        crash_ends_all=True,
    )
    async with open_lab(
        lab, addressing="hosts", network=memory, page=website, chance=Random(1), crash_ends_all=True
    ) as running:
        yield House(running, Endpoint.parse(website.url.removeprefix("http://").rstrip("/")), network)
