"""Messages: any octets are a message, and reading changes none of them."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from maillab.mail.message import HEADER_LIMIT_OCTETS, HeaderField, Message
from maillab.mail.received import Received

PARTY = (
    b"Received: from carol-pc ([127.0.0.1])\r\n\tby example.com with SMTP id 1JD2V9XK3M4QZ-1-00;\r\n\tx\r\n"
    b"received : by relay.example with ESMTP id 1JD2V9XK3M4QZ-2-00; x\r\n"
    b"X-Received: by nobody.example; x\r\n"
    b"Subject: Einladung\r\n zur\r\n\tGartenparty\r\n"
    b"Received: (qmail 1 invoked by uid 89); x\r\n"
    b"\r\n"
    b"Received: by the.body\r\n\r\nHallo Bob\r\n"
)
lines = st.sampled_from(
    [
        b"Subject: a",
        b"subject : =?utf-8?q?=FF?=",
        b"Received: by a; b",
        b" folded",
        b"\t",
        b"",
        b":",
        b"Hallo Bob",
        b"a:\xff\x00",
    ]
)
octets_of_mail = st.binary() | st.lists(st.tuples(lines, st.sampled_from([b"\r\n", b"\n", b"\r", b""]))).map(
    lambda pairs: b"".join(line + end for line, end in pairs)
)


@given(octets_of_mail)
@example(b"")
@example(b"Subject: a")
@example(b"\r\n")
@settings(deadline=None)
def test_any_octets_are_a_message(octets: bytes) -> None:
    """Header, at most one empty line and body are the whole message; every way of reading agrees."""
    message = Message(octets)
    assert octets.startswith(message.header)
    assert octets.endswith(message.body)
    assert octets[len(message.header) : len(octets) - len(message.body)] in (b"", b"\n", b"\r\n")
    assert b"".join(field.octets for field in message.fields) == message.header
    assert message.hop_count == len(message.received) == len(message.all("received"))
    for field in message.fields:
        assert field in message.all(field.name.swapcase())
        assert not set(field.text) & set("\x00\r\n\x1b\x85\u2028")
    subjects = [field for field in message.fields if field.name.lower() == "subject"]
    assert message.all("Subject") == tuple(subjects)
    assert message.first("Subject") == (subjects[0] if subjects else None)
    assert message.subject == (subjects[0].text if subjects else None)


def test_a_message_is_read() -> None:
    """Fields are found by name in any case, folded or not, and those of the body are content."""
    message = Message(PARTY)
    assert [field.name for field in message.fields] == ["Received", "received", "X-Received", "Subject", "Received"]
    assert message.first("SUBJECT") == HeaderField("Subject", b"Subject: Einladung\r\n zur\r\n\tGartenparty\r\n")
    assert message.subject == "Einladung zur Gartenparty"
    assert message.hop_count == 3
    assert message.received == (
        Received("carol-pc", "[127.0.0.1]", "example.com", "SMTP", "1JD2V9XK3M4QZ-1-00", "", "x"),
        Received("", "", "relay.example", "ESMTP", "1JD2V9XK3M4QZ-2-00", "", "x"),
        None,
    )
    assert message.body == b"Received: by the.body\r\n\r\nHallo Bob\r\n"
    assert message.first("Date") is None
    assert message.first("") is None


@pytest.mark.parametrize(
    ("octets", "header", "body"),
    [
        (b"", b"", b""),
        (b"\r\n", b"", b""),
        (b"\r\nHallo", b"", b"Hallo"),
        (b"Subject: a\r\n", b"Subject: a\r\n", b""),
        (b"Subject: a", b"Subject: a", b""),
        (b"Subject: a\r\n\r\n", b"Subject: a\r\n", b""),
        (b"Subject: a\r\n\r\n\r\nb", b"Subject: a\r\n", b"\r\nb"),
        (b"Subject: a\n\nb\n\nc", b"Subject: a\n", b"b\n\nc"),
        (b"Hallo Bob,\r\n\r\ngerne", b"", b"Hallo Bob,\r\n\r\ngerne"),
        (b"Subject: a\r\nHallo Bob\r\n", b"Subject: a\r\n", b"Hallo Bob\r\n"),
        (b" Subject: a\r\n\r\nb", b"", b" Subject: a\r\n\r\nb"),
        (b"Subject: a\r\n \r\n b\r\n\r\nc", b"Subject: a\r\n \r\n b\r\n", b"c"),
    ],
)
def test_header_and_body_are_told_apart(octets: bytes, header: bytes, body: bytes) -> None:
    """The header ends at the empty line, or at the first line that belongs to no field."""
    assert (Message(octets).header, Message(octets).body) == (header, body)


@pytest.mark.parametrize(
    ("octets", "value", "text"),
    [
        (b"Subject: Einladung\r\n", b" Einladung", "Einladung"),
        (b"Subject:\r\n a\r\n\tb \r\n", b"\r\n a\r\n\tb ", "a b"),
        (
            b"Subject: =?utf-8?q?Gr=C3=BC?=\r\n =?utf-8?q?=C3=9Fe?=\r\n",
            b" =?utf-8?q?Gr=C3=BC?=\r\n =?utf-8?q?=C3=9Fe?=",
            "Grüße",
        ),
        ("Subject: Grüße\r\n".encode(), " Grüße".encode(), "Grüße"),
        ("Subject: Grüße\r\n".encode("latin-1"), " Grüße".encode("latin-1"), "Grüße"),
        (b"Subject: a:b\x1b[2J\r\n", b" a:b\x1b[2J", "a:b\ufffd[2J"),
        (b"Subject: =?utf-8?q?a=0D=0ABcc:_b?=\r\n", b" =?utf-8?q?a=0D=0ABcc:_b?=", "a\ufffd\ufffdBcc: b"),
        (b"Subject:", b"", ""),
    ],
)
def test_a_value_is_octets_and_its_text_is_for_people(octets: bytes, value: bytes, text: str) -> None:
    """The value is as it was written; the text is one line, decoded, without control characters."""
    (field,) = Message(octets).fields
    assert (field.octets, field.value, field.text) == (octets, value, text)


@given(octets_of_mail)
@settings(deadline=None)
def test_a_field_on_top_changes_nothing_else(octets: bytes) -> None:
    """The new field is the first, its octets and those of the message stay, and so does the body."""
    field = b"Received: by mail.nord.example; x\r\n"
    message = Message(octets).with_on_top(field)
    assert message.octets.startswith(field)
    assert message.octets.endswith(octets)
    assert message.fields[0].octets == field
    assert message.fields[1:] == Message(octets).fields
    assert message.body == Message(octets).body


def test_a_message_of_25_mib_is_read() -> None:
    """A body of any size costs nothing until it is asked for."""
    body = b"Viele Gr\xfc\xdfe, Carol\r\n" * (25 * 1024 * 1024 // 20)
    message = Message(b"Subject: a\r\n\r\n" + body)
    assert (message.subject, message.hop_count, message.body) == ("a", 0, body)


@pytest.mark.parametrize(
    "line",
    [
        b"a:\r\n",
        b"a:\n",
        b"Received: by x; y\r\n",
        b"Subject: a\r\n",
        b" folded\r\n",
        b"\t" * 50 + b"\n",
        b"a" * 5000 + b":\r\n",
        b"Received: (<" + b'\\"' * 50_000 + b"\r\n",
        b" =?",
    ],
)
@pytest.mark.parametrize("top", [b"Subject: top\r\n", b"Subject: the top\r\nX-Also: "])
def test_a_header_of_a_million_lines_is_read_in_part(line: bytes, top: bytes) -> None:
    """Of a header without end only its beginning is read, once; the body stands behind its empty line."""
    lines = line * (min(1_000_000, 2 * HEADER_LIMIT_OCTETS // len(line)))
    message = Message(top + lines.removesuffix(b"\n") + b"\n\r\nbody\n\nof it")
    assert len(message.header) == HEADER_LIMIT_OCTETS
    read = b"".join(field.octets for field in message.fields)
    assert message.header.startswith(read)
    assert b"\n" not in message.header[len(read) :]
    assert message.first("Subject") == message.fields[0]
    assert message.hop_count == len(message.received)
    assert not any("\n" in field.text for field in message.fields)
    assert message.body == b"body\n\nof it"


@pytest.mark.parametrize("rest", [b"\r\nbody", b"\nbody", b"body", b"Subject: b\r\n\r\nbody", b"S", b""])
@pytest.mark.parametrize("missing", range(-2, 14))
def test_the_limit_cuts_nothing_from_the_body(missing: int, rest: bytes) -> None:
    """A header that ends just before, at or behind the limit is told from its body like any other."""
    header = b"Subject: " + b"a" * (HEADER_LIMIT_OCTETS - len(b"Subject: \r\n") - missing) + b"\r\n"
    short = b"Subject: a\r\n"
    assert Message(header + rest).body == Message(short + rest).body
    assert len(Message(header + rest).header) <= HEADER_LIMIT_OCTETS
