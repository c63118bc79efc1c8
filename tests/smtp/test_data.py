"""The message on the wire: one true end, dots doubled and undoubled, in any cutting."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from maillab.smtp.data import (
    END_OF_DATA,
    DataReader,
    IncomingMessage,
    LaxDataReader,
    has_bare_newline,
    on_the_wire,
    with_whole_newlines,
)
from tests.smtp.cutting import cut, piece_sizes

CHUNK_OCTETS = 1 << 18  # what on_the_wire gives at a time

# What the end of data is made of, and what comes close to it.
soup = st.lists(
    st.sampled_from([b"\r", b"\n", b".", b"\r\n", b"\r\n.", b".\r\n", b"a", b"\x00", b"\xe4"]), max_size=20
).map(b"".join)

# Other servers were seen to take these for the end: the "SMTP smuggling" of 2023.
FALSE_ENDS = {
    "LF . LF": b"\n.\n",
    "LF . CRLF": b"\n.\r\n",
    "CRLF . LF": b"\r\n.\n",
    "CR . CR": b"\r.\r",
    "CRLF . CR": b"\r\n.\r",
    "CR CRLF . CR CRLF": b"\r\r\n.\r\r\n",
    "CRLF NUL . CRLF": b"\r\n\x00.\r\n",
    "CRLF . CR CRLF": b"\r\n.\r\r\n",
    "CRLF . NUL CRLF": b"\r\n.\x00\r\n",
    "CRLF space . CRLF": b"\r\n .\r\n",
    "CRLF . . CRLF": b"\r\n..\r\n",
}


def read(pieces: Iterable[bytes], make: type[DataReader] = DataReader) -> tuple[bytes, bytes | None]:
    """The message that is read from `pieces`, and what follows its end: None while the end has not come."""
    reader = make()
    message = b""
    rest: bytes | None = None
    for piece in pieces:
        if rest is None:
            octets, rest = reader.feed(piece)
            message += octets
        else:
            rest += piece
    return message, rest


def whole_lines(octets: bytes) -> bytes:
    """A message as it arrives: SMTP sends lines, so the last one gets its end (RFC 5321 section 4.1.1.4)."""
    return octets if not octets or octets.endswith(b"\r\n") else octets + b"\r\n"


@given(soup, soup, piece_sizes)
@example(b"", b"", [1])
@example(b"a", b"\r\n.\r\n", [2])
@settings(deadline=None)
def test_the_cutting_makes_no_difference(message: bytes, rest: bytes, sizes: Sequence[int]) -> None:
    """However the octets are cut, message and rest are the same."""
    wire = message + END_OF_DATA + rest
    assert read(cut(wire, sizes)) == read([wire])


@given(soup | st.binary(max_size=60), piece_sizes, soup)
@example(b"", [1], b"")
@example(b".", [1], b"")
@example(b"\r", [3], b"\r\n.\r\n")
@settings(deadline=None)
def test_what_is_sent_is_what_arrives(message: bytes, sizes: Sequence[int], rest: bytes) -> None:
    """Any octets come through unchanged, and what follows the end stays apart."""
    wire = b"".join(on_the_wire(message))
    assert read(cut(wire + rest, sizes)) == (whole_lines(message), rest)


@pytest.mark.parametrize("missing", range(6))
@pytest.mark.parametrize("across", [b"\r\n.\r\n", b"\r\n..", b"\r.\n."])
def test_a_dot_between_two_chunks_is_doubled_too(across: bytes, missing: int) -> None:
    """Large messages are sent in chunks, and a line start may lie between two of them."""
    message = b"a" * (CHUNK_OCTETS - missing) + across + b"the end"
    chunks = [*on_the_wire(message)]
    assert len(chunks) > 1
    assert read(chunks) == (message + b"\r\n", b"")


@pytest.mark.parametrize("name", FALSE_ENDS)
@given(sizes=piece_sizes)
@settings(deadline=None, max_examples=20)
def test_only_the_true_end_ends_the_data(name: str, sizes: Sequence[int]) -> None:
    """What merely looks like the end is content; CRLF.CRLF behind it is the end (RFC 5321 section 4.1.1.4)."""
    wire = b"text" + FALSE_ENDS[name] + b"MAIL FROM:<eve@evil.example>\r\n"
    message, rest = read(cut(wire, sizes))
    assert rest is None
    assert b"MAIL FROM:<eve@evil.example>" in message
    assert read(cut(wire + b".\r\nNOOP\r\n", sizes))[1] == b"NOOP\r\n"


def test_dots_are_doubled_at_line_starts_only() -> None:
    """RFC 5321 section 4.5.2: a line that begins with a dot gets one more."""
    message = b".\r\n..\r\n...x\r\na.b\r\n"
    wire = b"..\r\n...\r\n....x\r\na.b\r\n.\r\n"
    assert b"".join(on_the_wire(message)) == wire
    assert read([wire]) == (message, b"")


@given(st.lists(st.sampled_from([b"", b".", b"..", b"...x", b"a.", b" ."]), max_size=8), piece_sizes)
@settings(deadline=None, max_examples=60)
def test_no_doubled_dot_remains(lines: Sequence[bytes], sizes: Sequence[int]) -> None:
    """A client that doubles dots line by line is understood line by line."""
    wire = b"".join((b"." + line if line.startswith(b".") else line) + b"\r\n" for line in lines) + b".\r\n"
    assert read(cut(wire, sizes)) == (b"".join(line + b"\r\n" for line in lines), b"")


def test_a_single_dot_that_was_not_doubled_is_taken_away() -> None:
    """RFC 5321 section 4.5.2: the first dot goes, whatever follows it."""
    assert read([b".hidden\r\n.\r\n"]) == (b"hidden\r\n", b"")


@pytest.mark.parametrize(
    "octets", [b"", b"\r\n", b"a", b"a\r\n", b"\r\n\r\n", b"Subject: x\r\n\r\nno newline at the end"]
)
def test_small_messages_arrive_as_they_are(octets: bytes) -> None:
    """Empty, header only, text only: nothing is added but the end of the last line, and it is all one write."""
    (wire,) = on_the_wire(octets)
    assert read([wire]) == (whole_lines(octets), b"")


@pytest.mark.parametrize("held", range(1, len(END_OF_DATA)))
def test_only_what_may_be_the_end_is_held_back(held: int) -> None:
    """The reader streams: at most four octets wait for the next piece."""
    reader = DataReader()
    assert reader.feed(b"a" * 100 + END_OF_DATA[:held]) == (b"a" * 100, None)
    assert reader.feed(END_OF_DATA[held:] + b"NOOP\r\n") == (b"\r\n", b"NOOP\r\n")


@given(soup)
@settings(deadline=None, max_examples=60)
def test_a_newline_is_bare_unless_cr_and_lf_stand_together(octets: bytes) -> None:
    """RFC 5321 section 2.3.8: CR and LF only as a pair."""
    left = octets.replace(b"\r\n", b"")
    assert has_bare_newline(octets) == (b"\r" in left or b"\n" in left)
    assert not has_bare_newline(with_whole_newlines(octets))


@given(soup)
@settings(deadline=None, max_examples=60)
def test_whole_newlines_stay_as_they_are(octets: bytes) -> None:
    """Normalizing makes CRLF of what is bare, and touches nothing else."""
    whole = with_whole_newlines(octets)
    assert with_whole_newlines(whole) == whole
    assert whole.replace(b"\r\n", b"") == octets.replace(b"\r", b"").replace(b"\n", b"")


# Taken for the end of data by the lax reader alone: what SMTP smuggling needs.
LAX_ENDS = ["LF . LF", "LF . CRLF", "CRLF . LF"]


@pytest.mark.parametrize("name", FALSE_ENDS)
@given(sizes=piece_sizes)
@settings(deadline=None, max_examples=20)
def test_a_lax_reader_takes_lf_for_a_line_end(name: str, sizes: Sequence[int]) -> None:
    """LF.LF and its kin end the data there, and there only; what follows is read as commands."""
    wire = b"text" + FALSE_ENDS[name] + b"MAIL FROM:<eve@evil.example>\r\n"
    message, rest = read(cut(wire, sizes), LaxDataReader)
    if name in LAX_ENDS:
        assert (message, rest) == (b"text" + FALSE_ENDS[name].partition(b".")[0], b"MAIL FROM:<eve@evil.example>\r\n")
    else:
        assert rest is None
    assert (read(cut(wire, sizes))[1]) is None


@given(soup, soup, piece_sizes)
@settings(deadline=None)
def test_the_cutting_makes_no_difference_to_a_lax_reader(message: bytes, rest: bytes, sizes: Sequence[int]) -> None:
    """However the octets are cut, message and rest are the same."""
    wire = message + END_OF_DATA + rest
    assert read(cut(wire, sizes), LaxDataReader) == read([wire], LaxDataReader)


@given(st.lists(st.sampled_from([b"", b".", b"..", b"...x", b"a.", b" ."]), max_size=8), piece_sizes)
@settings(deadline=None, max_examples=60)
def test_a_lax_reader_reads_what_is_right_too(lines: Sequence[bytes], sizes: Sequence[int]) -> None:
    """A client that ends its lines with CRLF or with LF, and doubles its dots, is understood line by line."""
    for newline in (b"\r\n", b"\n"):
        wire = b"".join((b"." + line if line.startswith(b".") else line) + newline for line in lines) + b"." + newline
        assert read(cut(wire, sizes), LaxDataReader) == (b"".join(line + newline for line in lines), b"")


def test_a_message_is_gathered_up_to_its_limit() -> None:
    """The limit itself is not too much; beyond it nothing is kept, and the next message begins anew."""
    message = IncomingMessage(4)
    for octets in (b"ab", b"cd"):
        message.add(octets)
    assert message.take() == b"abcd"
    for octets in (b"abcd", b"e", b"fg"):
        message.add(octets)
    assert (message.is_too_big, message.size_octets) == (True, 7)
    assert message.take() is None
    assert message.take() == b""
