"""BDAT (RFC 3030): octets are counted and never looked at, each chunk has its reply, and nothing loses the step."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence

import pytest
from hypothesis import given, settings

from maillab.mail.address import Address
from maillab.mail.envelope import Envelope
from maillab.smtp.limits import Limits
from maillab.smtp.replies import Reply
from maillab.smtp.session import ProtocolError, ServerSession
from maillab.smtp.table import NEED_DATA, EndOfChunk, EndOfData, Event, MessageChunk, NeedData, Session
from tests.smtp.cutting import cut, piece_sizes
from tests.smtp.list_host import ListHost, called
from tests.smtp.test_session import in_sync, octets_of, refusals, server_in

HELLO = "EHLO client.example"
MAIL = "MAIL FROM:<anna@nord.example>"
RCPT = "RCPT TO:<ben@x>"
ENVELOPE = Envelope(Address("anna", "nord.example"), (Address("ben", "x"),))


async def answers(octets: str, host: ListHost) -> list[str]:
    """The codes of all replies to `octets`, said in one write behind a greeting."""
    async with called(host) as caller:
        await caller.hear()
        await caller.stream.send_all(octets.encode())
        await caller.stream.send_eof()
        replies = []
        while reply := await caller.hear():
            replies.append(reply)
    return replies


def codes(replies: Sequence[str]) -> str:
    return " ".join(reply[:3] for reply in replies)


@pytest.mark.parametrize(
    "chunks",
    [
        "BDAT 13 LAST\r\nhello\r\nworld!",
        "BDAT 7\r\nhello\r\nBDAT 6 LAST\r\nworld!",
        "BDAT 13\r\nhello\r\nworld!BDAT 0 LAST\r\n",
        "bdat 0\r\nBdat 6\r\nhello\rbDAT 7  last \r\n\nworld!",
    ],
)
async def test_a_message_in_chunks(chunks: str) -> None:
    """In one or several, with an empty last one, cut anywhere: the same message."""
    host = ListHost()
    replies = await answers(f"{HELLO}\r\n{MAIL}\r\n{RCPT}\r\n{chunks}QUIT\r\n", host)
    assert host.messages == [(ENVELOPE, b"hello\r\nworld!")]
    assert replies[-2:] == [
        "250 2.0.0 Ok: queued as number 1",
        "221 2.0.0 mail.nord.example closes the connection",
    ]
    assert len(replies) == 4 + chunks.upper().count("BDAT")


async def test_what_is_in_a_chunk_is_never_looked_at() -> None:
    """Dots, an end of data, commands and NUL are content."""
    host = ListHost()
    content = ".\r\n..\r\n\r\n.\r\nQUIT\r\n\0"
    await answers(f"{HELLO}\r\n{MAIL}\r\n{RCPT}\r\nBDAT {len(content)} LAST\r\n{content}", host)
    assert host.messages == [(ENVELOPE, content.encode())]


async def test_two_mails_in_one_write() -> None:
    """RFC 3030 section 4.2: BDAT may be pipelined with everything; each command and chunk has one reply, in order."""
    host = ListHost()
    mail = f"{MAIL}\r\n{RCPT}\r\nBDAT 3\r\none BDAT 4 LAST\r\n two".replace("one BDAT", "oneBDAT")
    replies = await answers(f"{HELLO}\r\n{mail}{mail}NOOP\r\nQUIT\r\n", host)
    assert codes(replies) == "250 " + "250 250 250 250 " * 2 + "250 221"
    assert [octets for _, octets in host.messages] == [b"one two"] * 2


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("BDAT 6 LAST\r\nQUIT\r\n", "503"),  # before EHLO
        (f"{HELLO}\r\nBDAT 6 LAST\r\nQUIT\r\n", "250 503"),
        (f"{HELLO}\r\n{MAIL}\r\nBDAT 6 LAST\r\nQUIT\r\n", "250 250 503"),
        (f"{HELLO}\r\n{MAIL}\r\nRCPT TO:<nobody@x>\r\nBDAT 6\r\nQUIT\r\nBDAT 0 LAST\r\n", "250 250 550 503 503"),
        (f"{HELLO}\r\n{MAIL}\r\n{RCPT}\r\nBDAT 2\r\nhiDATA\r\n", "250 250 250 250 503"),
        (f"{HELLO}\r\n{MAIL}\r\n{RCPT}\r\nBDAT 2\r\nhi{RCPT}\r\n{MAIL}\r\n", "250 250 250 250 503 503"),
        (f"{HELLO}\r\n{MAIL}\r\n{RCPT}\r\nBDAT 2\r\nhiRSET\r\nBDAT 6\r\nQUIT\r\n", "250 250 250 250 250 503"),
        (f"{HELLO}\r\n{MAIL}\r\n{RCPT}\r\nBDAT 2\r\nhi{HELLO}\r\nBDAT 6\r\nQUIT\r\n", "250 250 250 250 250 503"),
        (f"{HELLO}\r\n{MAIL}\r\n{RCPT}\r\nBDAT 2\r\nhiBDAT x\r\nBDAT 0 LAST\r\n", "250 250 250 250 501 250"),
        (f"{HELLO}\r\n{MAIL}\r\n{RCPT}\r\nBDAT\r\nBDAT -1\r\nBDAT {2**64}\r\n", "250 250 250 501 501 501"),
        (f"{HELLO}\r\n{MAIL}\r\n{RCPT}\r\nBDAT 2 LAST\r\nhiBDAT 6\r\nQUIT\r\n", "250 250 250 250 503"),
    ],
)
async def test_chunks_out_of_turn_are_swallowed(said: str, expected: str) -> None:
    """The octets go first, then comes 503; a chunk without a size has none, and the next command is a command."""
    assert codes(await answers(f"{said}NOOP\r\n", ListHost())) == f"{expected} 250"


@pytest.mark.parametrize("forget", ["RSET", HELLO])
async def test_chunks_before_a_reset_are_forgotten(forget: str) -> None:
    """What came of a message that was given up is in no later one."""
    host = ListHost()
    first, second = f"{MAIL}\r\n{RCPT}\r\nBDAT 5\r\nfirst", f"{MAIL}\r\n{RCPT}\r\nBDAT 6 LAST\r\nsecond"
    assert codes(await answers(f"{HELLO}\r\n{first}{forget}\r\n{second}", host)) == "250 250 250 250 250 250 250 250"
    assert [octets for _, octets in host.messages] == [b"second"]


async def test_a_message_of_chunks_over_the_limit() -> None:
    """552 to the chunk that is too much, what was pipelined behind it is swallowed, and the next mail is taken."""
    host = ListHost(Limits(message_octets=10))
    chunk = "BDAT 6\r\n123456"
    mail = f"{MAIL}\r\n{RCPT}\r\n{chunk}{chunk}{chunk}BDAT 1 LAST\r\nx{MAIL}\r\n{RCPT}\r\nBDAT 2 LAST\r\nhi"
    replies = await answers(f"{HELLO}\r\n{mail}", host)
    assert codes(replies) == "250 250 250 250 552 503 503 250 250 250"
    assert [octets for _, octets in host.messages] == [b"hi"]


async def test_a_huge_chunk_is_not_gathered() -> None:
    """A chunk over the limit is read and dropped while it comes."""
    host = ListHost()
    async with called(host) as caller:
        await caller.hear()
        await caller.ask(HELLO, MAIL, RCPT)
        await caller.say("BDAT 5000000 LAST")
        tracemalloc.start()
        try:
            for _ in range(5000):
                await caller.stream.send_all(b"x" * 1000)
            peak_octets = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak_octets < 1_000_000
        assert await caller.hear() == "552 5.3.4 Message too big; 1000 octets is the limit"
        assert await caller.ask("NOOP") == ["250 2.0.0 Ok"]
    assert host.messages == []


async def test_half_a_chunk_is_no_message() -> None:
    """A client that goes away inside its last chunk has sent nothing."""
    host = ListHost()
    await answers(f"{HELLO}\r\n{MAIL}\r\n{RCPT}\r\nBDAT 10 LAST\r\nhello", host)
    assert host.messages == []


def events(session: ServerSession, octets: bytes, sizes: Sequence[int]) -> list[Event]:
    """What a server hears, pieces of a chunk put together; everything is accepted."""
    heard: list[Event] = []
    for piece in cut(octets, sizes):
        session.receive_data(piece)
        while not isinstance(event := session.next_event(), NeedData):
            if type(event) is MessageChunk and heard and type(heard[-1]) is MessageChunk:
                heard[-1] = MessageChunk(heard[-1].octets + event.octets)
                continue
            heard.append(event)
            if type(event) is not MessageChunk:
                session.send_reply(Reply(250))
    return heard


@given(piece_sizes)
@settings(deadline=None)
def test_the_cutting_of_chunks_makes_no_difference(sizes: Sequence[int]) -> None:
    """A command line, its octets and the next line may come in one piece or octet by octet."""
    octets = b"BDAT 9\r\n\r\n.\r\nQUITBDAT 0\r\nBDAT 2 LAST\r\n\r\n"
    assert events(server_in(Session.RCPT_GIVEN), octets, sizes) == [
        MessageChunk(b"\r\n.\r\nQUIT"),
        EndOfChunk(),
        EndOfChunk(),
        MessageChunk(b"\r\n"),
        EndOfData(),
    ]


@pytest.mark.parametrize("code", [250, 451, 552])
@pytest.mark.parametrize(("last", "then"), [("", Session.CHUNKS_GIVEN), (" LAST", Session.READY)])
def test_a_refused_chunk_ends_the_transaction(last: str, then: Session, code: int) -> None:
    """RFC 3030 section 2: after 4yz or 5yz the message has failed, whether or not more was to come."""
    session = server_in(Session.RCPT_GIVEN)
    session.receive_data(f"BDAT 0{last}\r\n".encode())
    session.next_event()
    session.send_reply(Reply(code))
    assert session.state is (then if code == 250 else Session.READY)


@pytest.mark.parametrize("state", [Session.CONNECTED, Session.READY, Session.MAIL_GIVEN])
def test_a_chunk_out_of_turn_waits_for_its_octets(state: Session) -> None:
    """503 is not said before the last of them is there, and it changes nothing."""
    session = server_in(state)
    assert refusals(session, b"BDAT 7\r\nNOOP\r") == []
    assert [text[:9] for text in refusals(session, b"\nXNOOP\r\n")] == ["503 5.5.1"]
    assert session.state is state
    assert in_sync(session)


def test_a_chunk_of_a_wrong_size_is_refused_at_once() -> None:
    """501 without waiting for a single octet."""
    session = server_in(Session.RCPT_GIVEN)
    session.receive_data(b"BDAT abc\r\n")
    with pytest.raises(ProtocolError) as caught:
        session.next_event()
    session.send_reply(caught.value.reply)
    assert caught.value.reply.code == 501
    assert session.state is Session.RCPT_GIVEN
    session.receive_data(octets_of("BDAT"))
    assert session.next_event() == EndOfChunk()


def test_the_largest_chunk_is_waited_for() -> None:
    """Nothing is allocated for what was only announced."""
    session = server_in(Session.RCPT_GIVEN)
    session.receive_data(b"BDAT %d\r\nab" % (2**63 - 1))
    assert session.next_event() == MessageChunk(b"ab")
    assert session.next_event() is NEED_DATA
