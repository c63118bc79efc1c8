"""A server that plays a script: it says what stands there, and insists on hearing what stands there.

`S:` lines are said, those that stand together in one write.  `C:` lines are awaited, to the letter.  In parentheses:
`(closes)`, `(says nothing)` until the client has gone, `(waits)` without reading, `(never stops talking)`.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator

import trio

from maillab.network.endpoint import Endpoint
from maillab.network.memory_stream import MemoryStream, memory_streams
from maillab.smtp.client import SmtpClient
from maillab.trace.recorder import RecordLog

CLIENT = Endpoint("172.16.1.1", 49152)
SERVER = Endpoint("172.16.2.1", 25)
WAIT_SECONDS = 10_000.0


class ScriptedServer:
    """The server's end of one connection.

    Attributes:
        chunks: what each read has brought.
    """

    def __init__(self, script: str, stream: MemoryStream) -> None:
        self.chunks: list[bytes] = []
        self._script = [line.strip() for line in script.splitlines() if line.strip()]
        self._stream = stream
        self._heard = b""

    async def play(self) -> None:
        async with self._stream:
            for side, lines in itertools.groupby(self._script, lambda line: line[:2]):
                if side == "S:":
                    octets = "".join(f"{line[3:]}\r\n" for line in lines).encode()
                    await self._stream.send_all(octets)
                else:
                    for line in lines:
                        await self._act(line)

    async def _act(self, line: str) -> None:
        match line:
            case "(closes)":
                await self._stream.aclose()
            case "(waits)":
                await trio.sleep(WAIT_SECONDS)
            case "(says nothing)":
                while await self._stream.receive_some():
                    pass
            case "(never stops talking)":
                with contextlib.suppress(trio.BrokenResourceError):
                    while True:
                        await self._stream.send_all(b"250-and another thing\r\n" * 100)
            case _:
                expected = line.removeprefix("C:").removeprefix(" ")
                assert (heard := await self._hear()) == expected, f"heard {heard!r}, expected {expected!r}"

    async def _hear(self) -> str:
        while b"\r\n" not in self._heard:
            self.chunks.append(await self._stream.receive_some())
            if not self.chunks[-1]:
                return "(nothing more)"
            self._heard += self.chunks[-1]
        line, self._heard = self._heard.split(b"\r\n", 1)
        return line.decode()


@contextlib.asynccontextmanager
async def scripted(script: str, log: RecordLog | None = None) -> AsyncIterator[tuple[SmtpClient, ScriptedServer]]:
    """A client that is connected to a server with `script`; at the end the whole script has been played."""
    near, far = memory_streams(CLIENT, SERVER, lambda: None)
    server = ScriptedServer(script, far)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.play)
        async with near:
            yield SmtpClient(near, "mail.nord.example", log), server
