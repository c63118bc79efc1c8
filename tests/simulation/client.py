"""A client that is none of ours: it speaks by hand, believes what it is told, and sends again where it is in doubt."""

from __future__ import annotations

import enum
from typing import Final

import attrs
import trio

from maillab.network.endpoint import Endpoint
from tests.simulation.machine import Machine, MachineStream
from tests.simulation.plan import CLIENT_ADDRESS, Letter, Loss, Way

CONNECT_TIMEOUT_SECONDS: Final = 30.0
REPLY_TIMEOUT_SECONDS: Final = 200.0


class Verdict(enum.Enum):
    """What the client knows of one attempt."""

    ACCEPTED = "accepted"  # 250 for the message
    REFUSED = "refused"  # 4yz or 5yz, or it never came to the end of the message
    DOUBT = "doubt"  # the message was sent to its end, and no reply was read


@attrs.define(eq=False)
class Attempt:
    """One attempt to hand a letter over, as the client saw it.

    Attributes:
        replies: to RCPT, by recipient, as far as they were read.
        said: all reply lines, in order.
        wrong: what no server may do.
    """

    letter: Letter
    number: int
    at: float
    verdict: Verdict = Verdict.REFUSED
    replies: dict[str, int] = attrs.field(factory=dict)
    said: list[str] = attrs.field(factory=list)
    wrong: list[str] = attrs.field(factory=list)

    @property
    def name(self) -> str:
        """What it says with EHLO."""
        return f"client-{self.letter.number}-{self.number}.example"


class _GoneError(Exception):
    """The connection is of no use any more."""


@attrs.define(eq=False)
class _Line:
    """One connection."""

    stream: MachineStream
    attempt: Attempt
    heard: bytes = b""

    async def say(self, octets: bytes) -> None:
        try:
            with trio.fail_after(REPLY_TIMEOUT_SECONDS):
                await self.stream.send_all(octets)
        except (trio.BrokenResourceError, trio.TooSlowError):
            raise _GoneError from None

    async def hear(self) -> int:
        """The code of the next reply."""
        while True:
            line, end, rest = self.heard.partition(b"\r\n")
            if end:
                self.heard = rest
                self.attempt.said.append(line.decode())
                if line[3:4] == b" ":
                    if line.startswith(b"421"):
                        raise _GoneError
                    return int(line[:3])
                continue
            try:
                with trio.fail_after(REPLY_TIMEOUT_SECONDS):
                    octets = await self.stream.receive_some()
            except (trio.BrokenResourceError, trio.TooSlowError):
                raise _GoneError from None
            if not octets:
                raise _GoneError
            self.heard += octets

    async def ask(self, command: str) -> int:
        await self.say(command.encode() + b"\r\n")
        return await self.hear()


def stuffed(octets: bytes) -> bytes:
    """The message as DATA wants it (RFC 5321 section 4.5.2)."""
    lines = octets.split(b"\r\n")
    return b"\r\n".join(b"." + line if line.startswith(b".") else line for line in lines) + b".\r\n"


async def send(letter: Letter, machine: Machine, server_address: str, attempts: list[Attempt]) -> None:
    """Try to be rid of `letter`; `attempts` grows."""
    await trio.sleep(letter.at)
    for number, loss in enumerate(letter.losses, 1):
        attempt = Attempt(letter, number, trio.current_time())
        attempts.append(attempt)
        try:
            with trio.fail_after(CONNECT_TIMEOUT_SECONDS):
                stream = await machine.connect(Endpoint(server_address, 25), CLIENT_ADDRESS, None)
        except (OSError, trio.TooSlowError):
            await trio.sleep(letter.wait_seconds)
            continue
        try:
            await _try(_Line(stream, attempt), letter, loss)
        except _GoneError:
            pass
        finally:
            await stream.aclose()
        for_good = bool(attempt.replies) and min(attempt.replies.values()) >= 500
        if attempt.verdict is Verdict.ACCEPTED or for_good:
            return
        await trio.sleep(letter.wait_seconds)


async def _try(line: _Line, letter: Letter, loss: Loss) -> None:
    attempt = line.attempt
    if await line.hear() != 220 or await line.ask(f"EHLO {attempt.name}") != 250:
        return
    commands = [f"MAIL FROM:<{letter.sender}>{' BODY=8BITMIME' if not letter.octets.isascii() else ''}"]
    commands += [
        f"RCPT TO:<{rcpt.address}>{f' NOTIFY={rcpt.notify}' if rcpt.notify else ''}" for rcpt in letter.recipients
    ]
    has_data = letter.way is not Way.CHUNKED
    if letter.way is Way.LOCKSTEP:
        codes = [await line.ask(command) for command in commands]
    else:
        await line.say("".join(f"{command}\r\n" for command in commands).encode() + b"DATA\r\n" * has_data)
        codes = [await line.hear() for _ in commands]
    if odd := [code for code in codes if not (code == 250 or 400 <= code < 600)]:
        attempt.wrong.append(f"{odd} in answer to MAIL and RCPT")
    if codes[0] == 250:  # else RCPT was out of order, whoever it named
        attempt.replies = dict(zip((rcpt.address for rcpt in letter.recipients), codes[1:], strict=True))
    accepted = codes[0] == 250 and 250 in codes[1:]
    if has_data:
        if letter.way is Way.LOCKSTEP and not accepted:
            return
        code = await (line.ask("DATA") if letter.way is Way.LOCKSTEP else line.hear())
        if (code == 354) is not accepted and code < 400:
            attempt.wrong.append(f"{code} in answer to DATA, after {codes}")
        if code != 354:
            return
        octets = stuffed(letter.octets)
    else:
        if not accepted:
            return
        octets = f"BDAT {len(letter.octets)} LAST\r\n".encode() + letter.octets
    if loss is Loss.IN_DATA:
        await line.say(octets[: len(octets) // 2])
        return
    attempt.verdict = Verdict.DOUBT
    await line.say(octets)
    if loss is Loss.BEFORE_REPLY:
        return
    code = await line.hear()
    attempt.verdict = Verdict.ACCEPTED if code == 250 else Verdict.REFUSED
    if not (code == 250 or 400 <= code < 600):
        attempt.wrong.append(f"{code} in answer to a message")
    await line.ask("QUIT")
