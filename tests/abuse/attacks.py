"""The attacks.  Each is bounded in what it sends, on loopback only, and ends well whatever the server does."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import attrs
import trio

from maillab.network.endpoint import Endpoint

RECIPIENT: Final = "anna@nord.example"
ENVELOPE: Final = f"MAIL FROM:<eve@elsewhere.example>\r\nRCPT TO:<{RECIPIENT}>\r\n".encode()
SENDING_SECONDS: Final = 300.0  # only bounds an attack that hangs
_SEND_OCTETS: Final = 1 << 18
_COMMANDS_PER_SEND: Final = 500
_CODES_SHOWN: Final = 3


@attrs.frozen
class Strength:
    """How hard the attacks are."""

    connections: int = 300
    line_octets: int = 200_000_000
    recipients: int = 200_000
    message_octets: int = 120_000_000
    chunk_octets: int = 1_000_000


@attrs.frozen
class Attack:
    """One attack: `launch` sends all of it; the server is to be served by others until `launch` returns.

    Attributes:
        name: for people.
        launch: sends it; gives the codes of the last replies.
        ends_with: the codes that they are, of a server that holds.
    """

    name: str
    launch: Callable[[Endpoint, Strength], Awaitable[str]]
    ends_with: str


async def stay_silent(server: Endpoint, strength: Strength) -> str:
    """Many connections that never say a word, all open at a time."""
    async with contextlib.AsyncExitStack() as stack:
        lines = []
        for _ in range(strength.connections):
            stream = await stack.enter_async_context(await trio.open_tcp_stream(*server))
            lines.append(await stream.receive_some())
        return _codes(lines[-1])


async def send_endless_line(server: Endpoint, strength: Strength) -> str:
    """One line without an end."""
    return await _pour(server, b"EHLO x\r\n", b"x", strength.line_octets, b"\r\n")


async def name_strangers(server: Endpoint, strength: Strength) -> str:
    """As many recipients as can be, and nobody has such a name."""
    return await _name(server, strength, b"RCPT TO:<user%d@nord.example>\r\n")


async def name_one_again_and_again(server: Endpoint, strength: Strength) -> str:
    """The same with one who is known, written in as many ways."""
    return await _name(server, strength, b"RCPT TO:<@x%d.example:anna@nord.example>\r\n")


async def _name(server: Endpoint, strength: Strength, command: bytes) -> str:
    async with await trio.open_tcp_stream(*server) as stream:

        async def name() -> None:
            await stream.send_all(b"EHLO x\r\n" + ENVELOPE)
            for first in range(0, strength.recipients, _COMMANDS_PER_SEND):
                numbers = range(first, min(first + _COMMANDS_PER_SEND, strength.recipients))
                await stream.send_all(b"".join(command % number for number in numbers))
            await stream.send_all(b"QUIT\r\n")

        return await _while_listening(stream, name)


async def send_huge_data(server: Endpoint, strength: Strength) -> str:
    """A message far beyond the limit, by DATA."""
    line = b"x" * 98 + b"\r\n"
    return await _pour(server, b"EHLO x\r\n" + ENVELOPE + b"DATA\r\n", line, strength.message_octets, b".\r\nQUIT\r\n")


async def send_huge_chunk(server: Endpoint, strength: Strength) -> str:
    """The same in one chunk of BDAT."""
    size = strength.message_octets
    beginning = b"EHLO x\r\n" + ENVELOPE + b"BDAT %d LAST\r\n" % size
    return await _pour(server, beginning, b"x", size, b"QUIT\r\n")


async def send_many_chunks(server: Endpoint, strength: Strength) -> str:
    """The same in many chunks, none of them the last."""
    chunk = b"BDAT %d\r\n" % strength.chunk_octets + b"x" * strength.chunk_octets
    size = strength.message_octets // strength.chunk_octets * len(chunk)
    return await _pour(server, b"EHLO x\r\n" + ENVELOPE, chunk, size, b"QUIT\r\n")


async def send_many_fields(server: Endpoint, strength: Strength) -> str:
    """A message just within the limit that is nothing but header fields, a million of them."""
    field = b"Received: x\r\nX: y\r\n"
    size = min(strength.message_octets, 24_000_000) // len(field) * len(field)
    return await _pour(server, b"EHLO x\r\n" + ENVELOPE + b"DATA\r\n", field, size, b".\r\nQUIT\r\n")


ATTACKS: Final = (
    Attack("silent connections", stay_silent, "220"),
    Attack("a line without an end", send_endless_line, "220 250 421"),
    Attack("recipients nobody knows", name_strangers, "550 550 421"),
    Attack("one recipient, again and again", name_one_again_and_again, "452 452 421"),
    Attack("DATA beyond the limit", send_huge_data, "354 552 221"),
    Attack("one chunk beyond the limit", send_huge_chunk, "250 552 221"),
    Attack("many chunks beyond the limit", send_many_chunks, "503 503 421"),
    Attack("a message of header fields", send_many_fields, "354 554 221"),
)


async def _pour(server: Endpoint, beginning: bytes, piece: bytes, size_octets: int, ending: bytes) -> str:
    """Send `beginning`, `size_octets` of `piece` after `piece`, and `ending`; gives the last line heard."""
    async with await trio.open_tcp_stream(*server) as stream:

        async def send() -> None:
            await stream.send_all(beginning)
            for octets in _pieces(piece, size_octets):
                await stream.send_all(octets)
            await stream.send_all(ending)

        return await _while_listening(stream, send)


def _pieces(piece: bytes, size_octets: int) -> Iterator[bytes]:
    block = piece * max(1, _SEND_OCTETS // len(piece))
    for start in range(0, size_octets, len(block)):
        yield block[: size_octets - start]


async def _while_listening(stream: trio.SocketStream, send: Callable[[], Awaitable[None]]) -> str:
    """Send, and read what is answered until the server closes; it may do so at any time."""
    heard = b""

    async def listen() -> None:
        nonlocal heard
        with contextlib.suppress(trio.BrokenResourceError):
            async for octets in stream:
                heard = (heard + octets)[-4096:]
        nursery.cancel_scope.cancel()

    with trio.fail_after(SENDING_SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            with contextlib.suppress(trio.BrokenResourceError):
                await send()
    return _codes(heard)


def _codes(heard: bytes | bytearray) -> str:
    """The codes of the last replies: "354 552 221"."""
    lines = bytes(heard).decode("ascii", "replace").splitlines()
    return " ".join([line[:3] for line in lines if line[3:4] == " "][-_CODES_SHOWN:])
