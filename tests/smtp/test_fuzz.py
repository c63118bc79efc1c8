"""Random octets for every reader of what comes from the wire: nothing crashes, nothing loses count."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maillab.mail.address import Address, AddressError, read_forward_path, read_reverse_path
from maillab.mail.message import Message
from maillab.mail.received import Received
from maillab.smtp.data import LaxDataReader
from maillab.smtp.parsing import CommandError, parse_command
from maillab.smtp.replies import Reply
from maillab.smtp.reply_reader import BadReplyError, ReplyReader
from maillab.smtp.session import ProtocolError
from maillab.smtp.table import NEED_DATA, MessageChunk, Session
from maillab.smtp.words import command_line
from tests.smtp.cutting import cut, piece_sizes
from tests.smtp.fuzzing import examples
from tests.smtp.test_session import WAY_TO, accepting, server_in

TOKENS = [
    *("EHLO", "HELO", "MAIL FROM:", "RCPT TO:", "DATA", "BDAT", "AUTH PLAIN", "AUTH LOGIN", "STARTTLS", "RSET", "QUIT"),
    *("VRFY", "EXPN", "HELP", "NOOP", "<a@b>", "<>", "<", ">", "@", ",", ":", ";", '"', "\\", "(", ")", "[1.2.3.4]"),
    *(" SIZE=", " BODY=8BITMIME", " SMTPUTF8", " RET=HDRS", " ENVID=", " NOTIFY=NEVER", " ORCPT=rfc822;", "=", "+2B"),
    *(
        " ",
        "  ",
        "\t",
        "\0",
        "\r",
        "\n",
        "\r\n",
        "\r\n",
        "\r\n",
        ".\r\n",
        "..",
        "LAST",
        "0",
        "3",
        "4096",
        "99999999999",
    ),
    *("ü", "\u200d", "\u2028", "=?utf-8?q?x?=", "Received: from x by y with SMTP id z; ", "Subject: x\r\n", "*", "="),
]
tokens = st.lists(st.sampled_from(TOKENS) | st.text(max_size=4), max_size=14).map("".join)
octets = tokens.map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary(max_size=80)
codes = st.lists(st.sampled_from([200, 200, 300, 450, 550]), min_size=1, max_size=5)


@given(tokens)
@settings(deadline=None, max_examples=examples(150))
def test_any_command_line(line: str) -> None:
    """A command that can be written and read again, or a refusal."""
    with contextlib.suppress(CommandError):
        command = parse_command(line)
        assert parse_command(command_line(command)) == command


@given(st.sampled_from([*WAY_TO]), octets, piece_sizes, codes, st.booleans())
@settings(deadline=None, max_examples=examples(300))
def test_any_octets_in_any_state(
    state: Session, said: bytes, sizes: Sequence[int], verdicts: Sequence[int], lax: bool
) -> None:
    """Each event but a piece of a message and each refusal takes one reply, and there are no more than lines."""
    session = server_in(state, lax=lax)
    replies = 0
    for piece in cut(said, sizes):
        session.receive_data(piece)
        while True:
            try:
                event = session.next_event()
            except ProtocolError as refusal:
                session.send_reply(refusal.reply)
            else:
                if event is NEED_DATA:
                    break
                if type(event) is MessageChunk:
                    assert event.octets
                    continue
                verdict = verdicts[replies % len(verdicts)]
                goes_on = verdict == 300 and session.state is Session.AUTHENTICATING
                session.send_reply(Reply(334) if goes_on else accepting(event) if verdict < 400 else Reply(verdict))
            replies += 1
    assert replies <= said.count(b"\n") + 1  # one for a chunk whose command line came before


@pytest.mark.parametrize("state", WAY_TO)
@given(said=octets, sizes=piece_sizes)
@settings(deadline=None, max_examples=examples(15))
def test_the_cutting_makes_no_difference_to_any_octets(state: Session, said: bytes, sizes: Sequence[int]) -> None:
    """The same replies and the same message, whatever is said in whatever state."""

    def heard(pieces: Sequence[bytes]) -> tuple[list[str], bytes]:
        session, texts, message = server_in(state), [], b""
        for piece in pieces:
            session.receive_data(piece)
            while True:
                try:
                    event = session.next_event()
                except ProtocolError as error:
                    texts.append(f"{error.reply.text} {session.line}")
                    session.send_reply(error.reply)
                    continue
                if event is NEED_DATA:
                    break
                if type(event) is MessageChunk:
                    message += event.octets
                    continue
                texts.append(f"{event} {session.line}")
                session.send_reply(accepting(event))
        return texts, message

    assert heard([*cut(said, sizes)]) == heard([said])


@given(octets, piece_sizes)
@settings(deadline=None, max_examples=examples(100))
def test_any_replies(said: bytes, sizes: Sequence[int]) -> None:
    """A client's reader gives replies, or says that these are none."""
    reader = ReplyReader()
    with contextlib.suppress(BadReplyError):
        for piece in cut(said, sizes):
            reader.feed(piece)
            while reply := reader.next_reply():
                assert 200 <= reply.code < 600


@given(octets, piece_sizes)
@settings(deadline=None, max_examples=examples(100))
def test_any_data_for_a_lax_reader(said: bytes, sizes: Sequence[int]) -> None:
    """Message and rest do not depend on the cutting, and nothing is lost but dots and the end."""

    def read(pieces: Sequence[bytes]) -> tuple[bytes, bytes | None]:
        reader, message, rest = LaxDataReader(), b"", None
        for piece in pieces:
            if rest is None:
                some, rest = reader.feed(piece)
                message += some
            else:
                rest += piece
        return message, rest

    said += b"\r\n.\r\n"
    message, rest = read([*cut(said, sizes)])
    assert (message, rest) == read([said])
    assert rest is not None
    assert len(message) + len(rest) <= len(said)


@given(tokens)
@settings(deadline=None, max_examples=examples(150))
def test_any_path(text: str) -> None:
    """An address that can be written and read again, or an explanation."""
    for read in (read_reverse_path, read_forward_path):
        with contextlib.suppress(AddressError):
            path, _ = read(text)
            assert path is None or not path.domain or Address.parse(str(path)) == path


@given(octets)
@settings(deadline=None, max_examples=examples(150))
def test_any_header_and_any_received_line(said: bytes) -> None:
    """Every octet sequence is a message; each `Received` line is one or is none."""
    message = Message(said)
    assert message.octets == said
    assert message.hop_count == len(message.received)
    for field in message.fields:
        assert isinstance(field.text, str)
    assert message.subject is None or isinstance(message.subject, str)
    parsed = Received.parse(said)
    assert parsed is None or Received.parse(parsed.to_octets()) is not None
