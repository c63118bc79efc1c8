"""Replies as a client reads them: in any cutting, and never more than can be borne."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from maillab.smtp.replies import Reply
from maillab.smtp.reply_reader import REPLY_LIMIT_OCTETS, BadReplyError, ReplyReader
from tests.smtp.cutting import cut, piece_sizes


def replies(pieces: Iterable[bytes]) -> list[Reply]:
    reader = ReplyReader()
    found = []
    for piece in pieces:
        reader.feed(piece)
        while reply := reader.next_reply():
            found.append(reply)
    return found


REPLIES = {
    b"250 2.1.0 Ok\r\n": Reply(250, ("Ok",), "2.1.0"),
    b"250\r\n": Reply(250, ("",)),
    b"250 \r\n": Reply(250, ("",)),
    b"250 Sender OK\r\n": Reply(250, ("Sender OK",)),
    b"250 OK, with LF alone\n": Reply(250, ("OK, with LF alone",)),
    b"250-relay.example\r\n250-PIPELINING\r\n250 SIZE 1000\r\n": Reply(
        250, ("relay.example", "PIPELINING", "SIZE 1000")
    ),
    b"550-5.1.1 No such user,\r\n550 5.1.1 sorry\r\n": Reply(550, ("No such user,", "sorry"), "5.1.1"),
    b"550-5.1.1 No such user,\r\n550 sorry\r\n": Reply(550, ("No such user,", "sorry"), "5.1.1"),
    b"451-\r\n451\r\n": Reply(451, ("", "")),
    b"250 5.1.1 of another class\r\n": Reply(250, ("5.1.1 of another class",)),
    "250 Grüße\r\n".encode(): Reply(250, ("Grüße",)),
    b"250 Gr\xfc\xdfe\r\n": Reply(250, (r"Gr\xfc\xdfe",)),
}


@given(st.lists(st.sampled_from([*REPLIES]), max_size=8), piece_sizes)
@example([*REPLIES], [1])
@settings(deadline=None)
def test_the_cutting_of_replies_makes_no_difference(wire: Sequence[bytes], sizes: Sequence[int]) -> None:
    """Lines become replies, several at once or octet by octet."""
    assert replies(cut(b"".join(wire), sizes)) == [REPLIES[octets] for octets in wire]


@pytest.mark.parametrize(
    "octets",
    [
        b"hello\r\n",
        b"\r\n",
        b"25\r\n",
        b"3\r\n",
        b"25 0\r\n",
        b"150 going on\r\n",
        b"600 what\r\n",
        b"2500 OK\r\n",
        b"250\tOK\r\n",
        b"+25 OK\r\n",
        "٢٥٠ OK\r\n".encode(),
        b"250-first\r\n550 second\r\n",
        b"250-first\r\nsecond\r\n",
    ],
)
def test_what_is_no_reply_is_told(octets: bytes) -> None:
    """No three digits, no separator, or a code that changes on the way."""
    with pytest.raises(BadReplyError):
        replies([octets])


@pytest.mark.parametrize("piece", [b"x" * 1024, b"250-going on\r\n" * 64], ids=["one line", "many lines"])
def test_a_reply_without_an_end_is_given_up(piece: bytes) -> None:
    """A server that never stops is not listened to for ever."""
    with pytest.raises(BadReplyError, match=f"more than {REPLY_LIMIT_OCTETS} octets"):
        replies(itertools.repeat(b"250-" + piece, 1024))
