"""From the octets of a query to the octets of its response (RFC 1035 section 4, RFC 6891).  Without I/O."""

from __future__ import annotations

import enum
import struct
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.opcode
from dns.message import Message, QueryMessage
from dns.opcode import Opcode
from dns.rcode import Rcode
from dns.rdataclass import IN
from dns.rdatatype import RdataType

from maillab.dns.zone import Answer, Zones

QUERY_LIMIT_OCTETS: Final = 4096  # one question and some EDNS options; nobody asks longer
PLAIN_UDP_LIMIT_OCTETS: Final = 512  # RFC 1035 section 2.3.4, for who does not speak EDNS
EDNS_UDP_LIMIT_OCTETS: Final = 1232  # fits into every IPv6 path unfragmented (DNS flag day 2020)
TCP_LIMIT_OCTETS: Final = 65535  # RFC 1035 section 4.2.2: the length has two octets

_HEADER: Final = struct.Struct("!HHHHHH")  # RFC 1035 section 4.1.1: id, flags, and how many of what follow
_OPCODE_BITS: Final = 0x7800
_AUTHORITY_LIMIT: Final = 1  # the SOA of an IXFR query (RFC 1995 section 3)
_ADDITIONAL_LIMIT: Final = 2  # OPT and TSIG
_FIRST_QUESTION_ONLY_TYPE: Final = 128  # RFC 6895 section 3.1: from here to 255, types of questions and not of data
_LAST_QUESTION_ONLY_TYPE: Final = 255


class Transport(enum.Enum):
    """How a query came: that bounds its response."""

    UDP = enum.auto()
    TCP = enum.auto()


def respond(zones: Zones, octets: bytes, transport: Transport, *, truncate: bool = False) -> bytes | None:
    """The response to a query, or None where silence is right: to a response, and to what is no message at all.

    Args:
        zones: what there is to say.
        octets: one message from the network, whatever it is.
        transport: how it came.
        truncate: say nothing but that the client should come again over TCP.
    """
    if len(octets) < _HEADER.size:
        return None
    _, flags, *counts = _HEADER.unpack_from(octets)
    if flags & dns.flags.QR:  # answering responses, two servers would never come to an end
        return None
    if dns.opcode.from_flags(flags) is not Opcode.QUERY:
        return bare_response(octets, Rcode.NOTIMP)
    query = _read(octets, counts)
    if query is None:
        return bare_response(octets, Rcode.FORMERR)
    response = _response_to(query)
    if query.edns > 0:
        response.set_rcode(Rcode.BADVERS)  # RFC 6891 section 6.1.3: there is no version but 0
    elif truncate:
        response.flags |= dns.flags.TC
    else:
        _fill(response, _answer(zones, query))
    # The lab is to run the same way twice: no shuffling here, whoever wants it has it at the resolver.
    return response.to_wire(max_size=_limit_octets(query, transport), prefer_truncation=True, want_shuffle=False)


def bare_response(query: bytes, rcode: Rcode) -> bytes:
    """A response of a header only, to a query of which no more than the header is understood."""
    id_, flags, *_ = _HEADER.unpack_from(query)
    return _HEADER.pack(id_, dns.flags.QR | (flags & (_OPCODE_BITS | dns.flags.RD)) | rcode, 0, 0, 0, 0)


def _read(octets: bytes, counts: list[int]) -> Message | None:
    """The message, if it is one question; counted before it is parsed, since names cost more time than octets."""
    questions, answers, authority, additional = counts
    if questions != 1 or answers or authority > _AUTHORITY_LIMIT or additional > _ADDITIONAL_LIMIT:
        return None
    if len(octets) > QUERY_LIMIT_OCTETS:
        return None
    try:
        return dns.message.from_wire(octets)
    except dns.exception.DNSException:
        return None


def _response_to(query: Message) -> Message:
    """An empty response; the question goes back in the letters it came in, which resolvers check."""
    response = QueryMessage(id=query.id)
    response.flags = dns.flags.QR | (query.flags & dns.flags.RD)
    response.question = list(query.question)
    if query.edns >= 0:
        response.use_edns(0, query.ednsflags & dns.flags.DO, EDNS_UDP_LIMIT_OCTETS)  # RFC 3225 section 3: DO is copied
    return response


def _answer(zones: Zones, query: Message) -> Answer:
    question = query.question[0]
    rdtype = question.rdtype
    if question.rdclass is not IN or rdtype in (RdataType.AXFR, RdataType.IXFR):
        return Answer(Rcode.REFUSED, authoritative=False)
    question_only = _FIRST_QUESTION_ONLY_TYPE <= rdtype <= _LAST_QUESTION_ONLY_TYPE
    if rdtype is RdataType.OPT or (question_only and rdtype is not RdataType.ANY):
        return Answer(Rcode.NOTIMP, authoritative=False)
    return zones.answer(question.name, rdtype)


def _fill(response: Message, answer: Answer) -> None:
    response.set_rcode(answer.rcode)
    if answer.authoritative:
        response.flags |= dns.flags.AA
    response.answer = list(answer.answers)
    response.authority = list(answer.authority)
    response.additional = list(answer.additional)


def _limit_octets(query: Message, transport: Transport) -> int:
    if transport is Transport.TCP:
        return TCP_LIMIT_OCTETS
    if query.edns < 0:
        return PLAIN_UDP_LIMIT_OCTETS
    return max(PLAIN_UDP_LIMIT_OCTETS, min(query.payload, EDNS_UDP_LIMIT_OCTETS))
