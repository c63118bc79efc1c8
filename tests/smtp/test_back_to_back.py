"""Whole shells under random talk: one reply for each command, in order, no message twice, nobody stuck."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from maillab.mail.address import Address
from maillab.mail.envelope import Envelope
from maillab.network.endpoint import Endpoint
from maillab.network.memory_stream import MemoryStream, memory_streams
from maillab.network.network import NetworkStream
from maillab.smtp.answers import Answer
from maillab.smtp.client import SmtpClient
from maillab.smtp.outcome import Delivered, Outcome, UnusableError
from maillab.smtp.replies import Reply
from maillab.smtp.reply_reader import ReplyReader
from maillab.smtp.server import converse
from maillab.smtp.words import RcptTo
from maillab.trace.recorder import Recorder, RecordLog
from tests.smtp.cutting import cut, piece_sizes
from tests.smtp.fuzzing import examples
from tests.smtp.list_host import ListHost
from tests.smtp.oracle import MOSTLY_LEGAL, PATIENT, WORDS, Oracle

CLIENT, SERVER = Endpoint("172.16.1.9", 49152), Endpoint("172.16.1.1", 25)


class RefusingTls(ListHost):
    """Has no TLS to give just now."""

    def start_tls(self) -> Reply:
        return self.style.reply(Answer.TLS_NOT_NOW)


async def conversation(oracle: Oracle, sizes: Sequence[int], silence_at: int | None) -> tuple[list[int], ListHost]:
    """All codes that a server says to what the oracle wants said; at one step the client falls silent for good."""
    host = RefusingTls(PATIENT, wants_tls=False)
    near, far = memory_streams(CLIENT, SERVER, lambda: None)
    log = Recorder("test", "r1", trio.current_time).bind()
    codes: list[int] = []

    async def serve() -> None:
        async with far:
            await converse(far, host, log)

    async def listen() -> None:
        reader = ReplyReader()
        while octets := await near.receive_some():
            reader.feed(octets)
            while reply := reader.next_reply():
                codes.append(reply.code)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        nursery.start_soon(listen)
        said = b"".join(octets for octets, _ in oracle.steps[:silence_at])
        for piece in cut(said, sizes):
            try:
                await near.send_all(piece)
            except trio.BrokenResourceError:  # behind QUIT
                break
        if silence_at is None:
            await near.send_eof()
    return codes, host


@given(
    st.lists(st.sampled_from(WORDS) | st.sampled_from(MOSTLY_LEGAL), max_size=25),
    piece_sizes,
    st.none() | st.integers(0, 40),
)
@settings(deadline=None, max_examples=examples(100))
def test_the_server_answers_as_the_oracle_says(words: list[str], sizes: Sequence[int], silence_at: int | None) -> None:
    """Legal or not, pipelined and cut: the codes in their order, and the messages, each once; silence ends in 421."""
    oracle = Oracle()
    for word in ["EHLO client.example", *words]:
        oracle.say(word)
    if silence_at is not None and silence_at >= len(oracle.steps):
        silence_at = None
    codes, host = trio.run(conversation, oracle, sizes, silence_at, clock=MockClock(autojump_threshold=0))
    expected = [220, *(code for _, codes in oracle.steps[:silence_at] for code in codes)]
    if silence_at is None:
        assert [octets for _, octets in host.messages] == oracle.messages
    else:
        expected.append(421)
    assert codes == expected


class CutStream(NetworkStream):
    """Gives what comes in pieces of these sizes."""

    def __init__(self, inner: MemoryStream, sizes: Sequence[int]) -> None:
        self.local, self.peer = inner.local, inner.peer
        self._inner = inner
        self._sizes = itertools.cycle(sizes)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return await self._inner.receive_some(next(self._sizes))

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._inner.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        await self._inner.send_eof()

    async def aclose(self) -> None:
        await self._inner.aclose()

    def abort(self) -> None:
        self._inner.abort()


class MoodyHost(ListHost):
    """Answers recipients and messages as its moods go; a mood of 0 is a long silence."""

    def __init__(self, moods: Sequence[int]) -> None:
        super().__init__()
        self._moods = itertools.cycle(moods)

    async def recipient(self, rcpt: RcptTo, log: RecordLog) -> Reply:
        reply = await super().recipient(rcpt, log)
        return await self._in_a_mood(reply)

    async def message(self, octets: bytes, log: RecordLog) -> Reply:
        mood = next(self._moods)
        if mood >= 400:
            self.reset()
            return Reply(mood, ("not in the mood",))
        reply = await super().message(octets, log)
        if mood == 0:
            await trio.sleep(1000)
        return reply

    async def _in_a_mood(self, reply: Reply) -> Reply:
        mood = next(self._moods)
        if mood == 0:
            await trio.sleep(400)
        return Reply(mood, ("not in the mood",)) if mood >= 400 else reply


async def deliveries(
    messages: Sequence[int], moods: Sequence[int], sizes: Sequence[int]
) -> tuple[list[dict[Address, Outcome]], ListHost]:
    """The outcomes of messages to so many recipients each, sent one after the other while the connection lasts."""
    host = MoodyHost(moods)
    near, far = memory_streams(CLIENT, SERVER, lambda: None)
    log = Recorder("test", "r1", trio.current_time).bind()
    outcomes = []

    async def serve() -> None:
        async with far:
            await converse(CutStream(far, sizes), host, log)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        async with near:
            client = SmtpClient(CutStream(near, sizes), "mail.nord.example")
            try:
                await client.open()
            except UnusableError:
                return [], host
            for number, count in enumerate(messages):
                if not client.usable:
                    break
                recipients = tuple(Address(f"r{number}-{each}", "x") for each in range(count))
                outcomes.append(await client.send(Envelope(None, recipients), b"..%d\r\n.\r\n" % number))
            await client.quit()
    return outcomes, host


@given(
    st.lists(st.integers(1, 4), max_size=5),
    st.lists(st.sampled_from([250, 250, 250, 450, 550, 421, 0]), min_size=1, max_size=9),
    piece_sizes,
)
@settings(deadline=None, max_examples=examples(60))
def test_client_and_server_agree_on_every_message(
    messages: Sequence[int], moods: Sequence[int], sizes: Sequence[int]
) -> None:
    """Refused, hung up on or kept waiting: each recipient one outcome; who was delivered has it once, no one twice."""
    outcomes, host = trio.run(deliveries, messages, moods, sizes, clock=MockClock(autojump_threshold=0))
    arrived = [recipient for envelope, _ in host.messages for recipient in envelope.recipients]
    assert len(arrived) == len(set(arrived))
    for number, by_recipient in enumerate(outcomes):
        assert set(by_recipient) == {Address(f"r{number}-{each}", "x") for each in range(messages[number])}
        for recipient, outcome in by_recipient.items():
            if isinstance(outcome, Delivered):
                assert recipient in arrived
    texts = [octets for _, octets in host.messages]
    assert len(texts) == len(set(texts))
