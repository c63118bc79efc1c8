"""Both sides of a session back to back: never out of step, whatever is said and however it is cut."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

from hypothesis import example, given, settings
from hypothesis import strategies as st

from maillab.mail.address import Address
from maillab.smtp.client_session import ClientSession
from maillab.smtp.replies import Reply, ReplyStyle
from maillab.smtp.session import ProtocolError, ServerSession
from maillab.smtp.table import NEED_DATA, EndOfData, MessageChunk, Session
from maillab.smtp.words import Command, DataStart, Hello, MailFrom, Quit, RcptTo
from tests.smtp.cutting import cut, piece_sizes
from tests.smtp.test_session import ANNA, COMMANDS, accepting, in_sync

LINES = [
    b"EHLO client.example\r\n",
    b"HELO carol\r\n",
    b"MAIL FROM:<anna@nord.example>\r\n",
    b"RCPT TO:<ben@sued.example>\r\n",
    b"DATA\r\n",
    b"Subject: x\r\n\r\n..\r\n.\r\n",
    b"RSET\r\n",
    b"NOOP\r\n",
    b"HELLO\r\n",
    b"DATA x\r\n",
    b"\r\n",
    b"NOOP\n",
    b"\xff\r\n",
    b"y" * 700 + b"\r\n",
    b"QUIT\r\n",
]
WHOLE_MAIL = b"".join(LINES[:1] + LINES[2:6] + LINES[2:6] + LINES[-1:])


def played(pieces: Iterable[bytes]) -> list[object]:
    """The events and refusals of a whole conversation in which everything legal is accepted."""
    session = ServerSession(ReplyStyle.REALISTIC, "mail.nord.example")
    heard: list[object] = []
    for piece in pieces:
        session.receive_data(piece)
        while True:
            try:
                event = session.next_event()
            except ProtocolError as error:
                heard.append(session.send_reply(error.reply))
                continue
            if event is NEED_DATA:
                break
            if type(event) is MessageChunk and heard and type(heard[-1]) is MessageChunk:
                heard[-1] = MessageChunk(heard[-1].octets + event.octets)
                continue
            heard.append(event)
            if type(event) is not MessageChunk:
                session.send_reply(accepting(event))
    return heard


@given(st.lists(st.sampled_from(LINES), max_size=20).map(b"".join), piece_sizes)
@example(WHOLE_MAIL, [1])
@example(WHOLE_MAIL, [2])
@settings(deadline=None)
def test_the_cutting_of_a_conversation_makes_no_difference(octets: bytes, sizes: Sequence[int]) -> None:
    """The same events and the same refusals, octet by octet or all at once."""
    assert played(cut(octets, sizes)) == played([octets])


def test_a_whole_mail_is_these_events() -> None:
    """What a server hears of one conversation with two messages."""
    mail = [MailFrom(ANNA), RcptTo(Address("ben", "sued.example")), DataStart()]
    message = [MessageChunk(b"Subject: x\r\n\r\n.\r\n"), EndOfData()]
    assert played([WHOLE_MAIL]) == [Hello("client.example"), *mail, *message, *mail, *message, Quit()]


verdicts = st.sampled_from([200, 200, 200, 400, 500])


class Peers:
    """A client's and a server's session with a network between them that cuts as it likes."""

    def __init__(self, sizes: Sequence[int], verdicts: Sequence[int]) -> None:
        self.client = ClientSession()
        self.server = ServerSession(ReplyStyle.REALISTIC, "mail.nord.example")
        self.sizes = sizes
        self.verdicts = itertools.cycle(verdicts)
        self.numbers = itertools.count(1)
        self.said: list[tuple[int, str]] = []
        self.heard: list[tuple[int, str]] = []
        self.messages: list[bytes] = [b""]
        self.client.receive_data(self.server.send_reply(Reply(220)))
        self.client.next_reply()

    def exchange(self, octets: bytes) -> None:
        """The server hears `octets` and answers, the client hears the answers."""
        for piece in cut(octets, self.sizes):
            self.server.receive_data(piece)
            for answer in cut(b"".join(self._answers()), self.sizes):
                self.client.receive_data(answer)
                while isinstance(reply := self.client.next_reply(), Reply):
                    self.heard.append((reply.code, reply.lines[0]))

    def _answers(self) -> Iterator[bytes]:
        while True:
            try:
                event = self.server.next_event()
            except ProtocolError as error:
                yield self._say(error.reply.code)
                continue
            if event is NEED_DATA:
                return
            if type(event) is MessageChunk:
                self.messages[-1] += event.octets
                continue
            if type(event) is EndOfData:
                self.messages.append(b"")
            verdict = next(self.verdicts)
            yield self._say(accepting(event).code if verdict == 200 else verdict)

    def _say(self, code: int) -> bytes:
        self.said.append((code, f"number {next(self.numbers)}"))
        return self.server.send_reply(Reply(code, (self.said[-1][1],)))


@given(
    st.lists(st.lists(st.sampled_from([*COMMANDS.values()]), min_size=1, max_size=6), max_size=8),
    st.lists(verdicts, min_size=1, max_size=6),
    piece_sizes,
)
@example([[Hello("c")], [MailFrom(ANNA), RcptTo(ANNA), DataStart()]], [200, 200, 500], [1])
@settings(deadline=None)
def test_client_and_server_stay_in_step(
    batches: Sequence[Sequence[Command]], verdicts: Sequence[int], sizes: Sequence[int]
) -> None:
    """Pipelined, refused and cut as chance will have it: one reply each, in order, and both sides agree."""
    peers = Peers(sizes, verdicts)
    sent = 0
    messages = []
    for batch in batches:
        octets = b""
        for command in batch:
            try:
                octets += peers.client.send(command)
            except ValueError:  # the table says no
                continue
            sent += 1
        peers.exchange(octets)
        if peers.client.state is Session.RECEIVING:
            messages.append(b".\r\nmessage %d\r\n" % sent)
            sent += 1
            peers.exchange(b"".join(peers.client.send_message(messages[-1])))
        assert peers.client.outstanding_count == 0
        assert len(peers.heard) == sent
        assert peers.heard == peers.said
        assert peers.client.state is peers.server.state
    assert peers.messages == [*messages, b""]


@given(st.lists(st.sampled_from([line for line in LINES if line not in (LINES[5], LINES[-1])])), piece_sizes)
@settings(deadline=None)
def test_every_line_gets_one_reply(lines: Sequence[bytes], sizes: Sequence[int]) -> None:
    """Legal or not: as many replies as lines, and a NOOP is still a NOOP afterwards."""
    peers = Peers(sizes, [200])
    for count, line in enumerate(lines, 1):
        peers.exchange(line)
        if peers.server.state is Session.RECEIVING:
            peers.exchange(LINES[5])
            peers.said.pop()
        assert len(peers.said) == count
        assert in_sync(peers.server)
