from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import dns.flags
import dns.message
import dns.opcode
import pytest
from dns.edns import GenericOption, OptionType
from dns.message import Message
from dns.rcode import Rcode
from hypothesis import given
from hypothesis import strategies as st

from maillab.dns.response import (
    EDNS_UDP_LIMIT_OCTETS,
    PLAIN_UDP_LIMIT_OCTETS,
    QUERY_LIMIT_OCTETS,
    TCP_LIMIT_OCTETS,
    Transport,
    bare_response,
    respond,
)
from tests.dns.village import village

ZONES = village("\n".join(f"big.west.example A 10.0.{n // 256}.{n % 256}" for n in range(600)))
HEADER_OCTETS = 12
TAIL = struct.pack("!HH", 1, 1)  # type A, class IN


def query(question: str = "MX sued.example", **options: Any) -> Message:
    type_, name = question.split()
    return dns.message.make_query(name, type_, **options)


def asked(message: Message | bytes, transport: Transport = Transport.UDP, *, truncate: bool = False) -> Message:
    octets = message if isinstance(message, bytes) else message.to_wire()
    response = respond(ZONES, octets, transport, truncate=truncate)
    assert response is not None
    return dns.message.from_wire(response)


def raw(
    question: bytes, *, flags: int = 0, counts: tuple[int, int, int, int] = (1, 0, 0, 0), tail: bytes = TAIL
) -> bytes:
    return struct.pack("!HHHHHH", 4711, flags, *counts) + question + tail


def test_a_response_answers_its_query() -> None:
    """Id, question and RD come back; QR and AA are set, RA is not, for this server asks nobody else."""
    message = query()
    response = asked(message)
    assert message.is_response(response)
    assert response.flags == dns.flags.QR | dns.flags.AA | dns.flags.RD
    assert [str(rdata) for rdata in response.answer[0]] == ["10 mail.sued.example.", "20 relay.example."]
    message.flags &= ~dns.flags.RD
    assert asked(message).flags == dns.flags.QR | dns.flags.AA


def test_the_letters_of_the_question_come_back_as_they_were() -> None:
    """Resolvers mix upper and lower case as a watchword (0x20), and drop an answer without it."""
    response = asked(query("A mAiL.SuEd.eXaMpLe"))
    assert response.question[0].name.to_text() == "mAiL.SuEd.eXaMpLe."
    assert response.answer[0].name.to_text() == "mAiL.SuEd.eXaMpLe."


REFUSED = [
    (query("A elsewhere.example"), Rcode.REFUSED),
    (query("AXFR sued.example"), Rcode.REFUSED),
    (query("IXFR sued.example"), Rcode.REFUSED),
    (dns.message.make_query("version.bind", "TXT", "CH"), Rcode.REFUSED),
    (dns.message.make_query("sued.example", "MX", "ANY"), Rcode.REFUSED),
    (query("MAILB sued.example"), Rcode.NOTIMP),
    (query("TKEY sued.example"), Rcode.NOTIMP),
    (query("OPT sued.example"), Rcode.NOTIMP),
    (query("A sued.example", use_edns=1), Rcode.BADVERS),
    (query("A nowhere.sued.example"), Rcode.NXDOMAIN),
]


@pytest.mark.parametrize(("message", "rcode"), REFUSED)
def test_what_is_not_answered_has_its_rcode(message: Message, rcode: Rcode) -> None:
    """The outside, transfers, other classes and questions that are none: each refused in its own way."""
    response = asked(message, Transport.TCP)
    assert response.rcode() == rcode
    assert not response.answer
    assert bool(response.flags & dns.flags.AA) is (rcode is Rcode.NXDOMAIN)


def test_a_full_ixfr_query_is_refused_like_axfr() -> None:
    """The SOA that it brings along (RFC 1995 section 3) makes it no garbage."""
    message = query("IXFR sued.example")
    message.authority = list(asked(query("SOA sued.example")).answer)
    assert asked(message).rcode() == Rcode.REFUSED


@pytest.mark.parametrize("opcode", [opcode for opcode in range(16) if opcode != dns.opcode.QUERY])
def test_other_opcodes_are_not_implemented(opcode: int) -> None:
    """NOTIFY, UPDATE and the rest get NOTIMP and their own opcode, whatever follows the header."""
    response = respond(ZONES, raw(b"\xff", flags=opcode << 11 | dns.flags.RD), Transport.UDP)
    assert response == struct.pack("!HHHHHH", 4711, 0x8000 | opcode << 11 | dns.flags.RD | Rcode.NOTIMP, 0, 0, 0, 0)


NAME = b"\x04sued\x07example\x00"

GARBAGE = {
    "no question": raw(b"", counts=(0, 0, 0, 0), tail=b""),
    "two questions": raw(NAME + TAIL + NAME, counts=(2, 0, 0, 0)),
    "more questions than there are": raw(NAME, counts=(65535, 0, 0, 0)),
    "answers in a query": raw(NAME, counts=(1, 1, 0, 0)),
    "sections that are not there": raw(NAME, counts=(1, 0, 1, 2)),
    "a flood of sections": raw(NAME, counts=(1, 65535, 65535, 65535)),
    "no type": raw(NAME, tail=b""),
    "half a name": raw(b"\x04su", tail=b""),
    "octets behind the end": raw(NAME, tail=TAIL + b"x"),
    "a label type that nobody uses": raw(b"\x40" + NAME),
    "a name that is too long": raw(
        b"\x3f" + b"a" * 63 + b"\x3f" + b"b" * 63 + b"\x3f" + b"c" * 63 + b"\x3f" + b"d" * 63 + b"\0"
    ),
    "a pointer to itself": raw(b"\xc0\x0c"),
    "a pointer forward": raw(b"\xc0\x20" + NAME),
    "a pointer in a circle": raw(b"\x01a\xc0\x0c"),
    "a pointer out of the message": raw(b"\xff\xff"),
    "a query without an end": raw(NAME, counts=(1, 0, 0, 1), tail=TAIL + bytes(QUERY_LIMIT_OCTETS)),
    "two OPT records": raw(NAME, counts=(1, 0, 0, 2), tail=TAIL + (b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)) * 2),
    "an OPT record cut short": raw(NAME, counts=(1, 0, 0, 1), tail=TAIL + b"\0" + struct.pack("!HHIH", 41, 1232, 0, 4)),
    "a signature that nobody can check": raw(
        NAME, counts=(1, 0, 0, 1), tail=TAIL + b"\x01k\0" + struct.pack("!HHIH", 250, 255, 0, 0)
    ),
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_gets_formerr(kind: str) -> None:
    """Who sent a header is told that nothing more was understood, in a header."""
    octets = GARBAGE[kind]
    assert respond(ZONES, octets, Transport.UDP) == bare_response(octets, Rcode.FORMERR)
    assert bare_response(octets, Rcode.FORMERR)[:4] == struct.pack("!HH", 4711, 0x8000 | Rcode.FORMERR)


@pytest.mark.parametrize(
    "octets", [b"", b"\x12", raw(NAME)[: HEADER_OCTETS - 1], raw(NAME, flags=0x8000), raw(b"", flags=0x8400)]
)
def test_silence_for_what_is_no_query(octets: bytes) -> None:
    """Less than a header, and responses: answering those, two servers would talk for ever."""
    assert respond(ZONES, octets, Transport.UDP) is None


def long_chain() -> Iterator[bytes]:
    """A name of many pointers, each to the one before; the first stands in an OPT option."""
    yield NAME
    yield TAIL
    yield b"\0" + struct.pack("!HHIH", 41, 1232, 0, 3000 + 4) + struct.pack("!HH", 65001, 3000)
    start = HEADER_OCTETS + len(NAME) + len(TAIL) + 11 + 4
    yield b"\x00\x00"
    yield from (struct.pack("!H", 0xC000 | start + 2 * n) for n in range(1499))


def test_a_long_chain_of_pointers_costs_nothing() -> None:
    """Pointers lead backwards only, through a message whose length is bounded."""
    octets = raw(b"".join(long_chain()), counts=(1, 0, 0, 2), tail=b"") + b"\xcb\xa0" + struct.pack("!HHIH", 1, 1, 0, 0)
    assert len(octets) < QUERY_LIMIT_OCTETS
    assert respond(ZONES, octets, Transport.UDP) == bare_response(octets, Rcode.FORMERR)


def test_edns_is_answered_with_edns() -> None:
    """OPT comes back with our size and the DO bit, unknown options are passed over; without OPT there is none."""
    response = asked(
        query(use_edns=0, payload=4096, want_dnssec=True, options=[GenericOption(OptionType(65001), b"hi")])
    )
    assert (response.edns, response.payload, response.ednsflags) == (0, EDNS_UDP_LIMIT_OCTETS, dns.flags.DO)
    assert response.options == ()
    assert asked(query(use_edns=0)).ednsflags == 0
    assert asked(query()).edns == -1


SIZES = [
    (Transport.UDP, None, PLAIN_UDP_LIMIT_OCTETS),
    (Transport.UDP, 0, PLAIN_UDP_LIMIT_OCTETS),
    (Transport.UDP, 100, PLAIN_UDP_LIMIT_OCTETS),
    (Transport.UDP, 800, 800),
    (Transport.UDP, 65535, EDNS_UDP_LIMIT_OCTETS),
    (Transport.TCP, None, TCP_LIMIT_OCTETS),
    (Transport.TCP, 512, TCP_LIMIT_OCTETS),
]


@pytest.mark.parametrize(("transport", "payload", "limit"), SIZES)
def test_a_response_is_no_longer_than_its_client_can_take(
    transport: Transport, payload: int | None, limit: int
) -> None:
    """What does not fit is left out whole and TC is set; over TCP there is room for all."""
    message = query("A big.west.example", **({} if payload is None else {"use_edns": 0, "payload": payload}))
    response = respond(ZONES, message.to_wire(), transport)
    assert response is not None
    assert len(response) <= limit
    if transport is Transport.UDP:
        shortened = dns.message.from_wire(response)
        assert shortened.flags & dns.flags.TC
        assert not shortened.answer
    else:
        assert len(dns.message.from_wire(response).answer[0]) == 600


def test_additional_records_may_be_missing_without_a_word() -> None:
    """Only answers and denials are worth another query (RFC 2181 section 9)."""
    zones = village("\n".join(f"mail.sued.example A 10.0.{n // 256}.{n % 256}" for n in range(600)))
    octets = respond(zones, query("MX sued.example", use_edns=0).to_wire(), Transport.UDP)
    assert octets is not None
    response = dns.message.from_wire(octets)
    assert not response.flags & dns.flags.TC
    assert len(response.answer[0]) == 2


def test_a_client_that_is_to_come_again_learns_no_more() -> None:
    """A truncated response is as long as its query, so that it amplifies nothing."""
    message = query("A mail.sued.example", use_edns=0)
    response = asked(message, truncate=True)
    assert response.flags & dns.flags.TC
    assert not response.answer
    assert len(respond(ZONES, message.to_wire(), Transport.UDP, truncate=True) or b"") <= len(message.to_wire())


def test_no_two_runs_differ() -> None:
    """Records are not shuffled on the way out."""
    octets = query("A big.west.example").to_wire()
    assert respond(ZONES, octets, Transport.TCP) == respond(ZONES, octets, Transport.TCP)


LABELS = st.sampled_from(["mail", "sued", "example", "big", "west", "in-addr", "arpa", "x"])
MESSAGES = st.builds(
    lambda labels, rdtype, rdclass, edns, payload: dns.message.make_query(
        ".".join([*labels, ""]), rdtype, rdclass, use_edns=edns, payload=payload
    ).to_wire(),
    st.lists(LABELS, min_size=1, max_size=5),
    st.integers(0, 65535),
    st.sampled_from([1, 3, 255]),
    st.sampled_from([-1, 0, 1]),
    st.integers(0, 65535),
)


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """A query with some octets that were changed, inserted or cut off."""
    octets = bytearray(draw(MESSAGES))
    for position, octet in draw(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 255)), max_size=4)):
        octets[position % len(octets)] = octet
    return bytes(octets[: draw(st.integers(0, len(octets)))]) + draw(st.binary(max_size=20))


@given(st.one_of(st.binary(max_size=100), MESSAGES, broken()), st.sampled_from(Transport), st.booleans())
def test_whatever_comes_a_response_is_a_response_and_short_enough(
    octets: bytes, transport: Transport, truncate: bool
) -> None:
    """No octets crash the server; what it answers belongs to the query, can be read, and keeps the limit."""
    response = respond(ZONES, octets, transport, truncate=truncate)
    if response is None:
        assert len(octets) < HEADER_OCTETS or octets[2] & 0x80
        return
    assert response[:2] == octets[:2]
    assert response[2] & 0x80
    if transport is Transport.UDP:
        assert len(response) <= EDNS_UDP_LIMIT_OCTETS
        assert len(response) <= PLAIN_UDP_LIMIT_OCTETS or b"\x00\x00\x29" in octets
    if octets[2] & 0x78 == 0:
        dns.message.from_wire(response)
