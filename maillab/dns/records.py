"""Records as people write them (a name, a type, a value) and the ones that every zone has."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping, Sequence
from typing import Final

import attrs
import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TXT
from dns.name import Name
from dns.rdata import Rdata
from dns.rdataclass import IN
from dns.rdatatype import RdataType

DEFAULT_TTL_SECONDS: Final = 60  # short, so that caches outside see soon what was changed in the lab
HIGHEST_TTL_SECONDS: Final = 2**31 - 1  # RFC 2181 section 8
VALUE_LIMIT_CHARACTERS: Final = 4096  # a DKIM key of 4096 bits needs 800
TXT_STRING_LIMIT_OCTETS: Final = 255  # RFC 1035 section 3.3

EXPECTED_VALUES: Final[Mapping[RdataType, str]] = {
    RdataType.A: 'an IPv4 address, as in "172.16.1.1"',
    RdataType.AAAA: 'an IPv6 address, as in "fd00::1"',
    RdataType.CNAME: 'the name that it is an alias of, as in "mail.nord.example"',
    RdataType.MX: 'PREFERENCE HOST, as in "10 mail.nord.example"; "0 ." says that the domain takes no mail',
    RdataType.NS: 'the host name of a name server, as in "ns.nord.example"',
    RdataType.PTR: 'the host name behind the address, as in "mail.nord.example"',
    RdataType.SOA: "SERVER MAILBOX SERIAL REFRESH RETRY EXPIRE MINIMUM,"
    ' as in "ns.nord.example hostmaster.nord.example 1 3600 600 604800 60"',
    RdataType.TXT: 'a text, as in "v=spf1 mx -all"',
}
"""The types that a lab's zones hold, and what their values look like (RFC 1035 section 3.3, RFC 3596)."""

_SHOWN_CHARACTERS: Final = 80
_REFRESH_RETRY_EXPIRE: Final = "3600 600 604800"  # for secondary servers, of which a lab has none; RFC 1912 section 2.2
_FIRST_SERIAL: Final = 1
_FINAL_DOT: Final = re.compile(r"(?<=[^\s.\\])\.(?=\s|$)")


@attrs.frozen
class ZoneRecord:
    """One record.  What exists is right: a name, type or value that is none is refused with a ValueError.

    Names are written in full, with or without the final dot; an unquoted TXT value is one text, blanks, semicolons and
    all.  `value` is kept in the form in which `dig` shows it, without final dots.
    """

    name: str
    type: str
    value: str
    ttl: int = DEFAULT_TTL_SECONDS
    owner: Name = attrs.field(init=False, repr=False, eq=False)
    rdtype: RdataType = attrs.field(init=False, repr=False, eq=False)
    rdata: Rdata = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.ttl <= HIGHEST_TTL_SECONDS:
            raise ValueError(f"{self.ttl} is no TTL; give seconds from 0 to {HIGHEST_TTL_SECONDS}")
        owner = read_name(self.name)
        rdtype = read_type(self.type)
        rdata = _read_value(rdtype, self.value)
        found = {
            "name": show_name(owner).lower(),
            "type": rdtype.name,
            "value": show_value(rdata),
            "owner": owner,
            "rdtype": rdtype,
            "rdata": rdata,
        }
        for key, value in found.items():
            object.__setattr__(self, key, value)


def read_name(text: str) -> Name:
    """The domain name that `text` is, with or without its final dot.

    Raises:
        ValueError: says what was found and what was expected.
    """
    try:
        if text != "@" and text.split() == [text]:
            return dns.name.from_text(text, dns.name.root)
    except (dns.exception.DNSException, UnicodeError):
        pass  # an empty label, one over 63 octets, a name over 255, or letters that IDNA does not know
    expected = "give labels of 1 to 63 characters with dots between them, at most 253 in all"
    raise ValueError(f"{_quoted(text)} is no domain name; {expected}")


def read_type(text: str) -> RdataType:
    """The record type of that name, in any case.

    Raises:
        ValueError: it is none that a lab's zones hold.
    """
    for rdtype in EXPECTED_VALUES:
        if rdtype.name == text.upper():
            return rdtype
    known = ", ".join(rdtype.name for rdtype in EXPECTED_VALUES)
    raise ValueError(f"{_quoted(text)} is no record type of a lab; give one of {known}")


def show_name(name: Name) -> str:
    """The name as people write it; the root is "."."""
    return name.to_text(omit_final_dot=True)


def show_value(rdata: Rdata) -> str:
    """The value as people write it: "10 mail.nord.example"."""
    text = rdata.to_text()
    return text if rdata.rdtype is RdataType.TXT else _FINAL_DOT.sub("", text)


def apex_records(apex: str, name_servers: Sequence[str]) -> tuple[ZoneRecord, ...]:
    """SOA and NS, which make `apex` the top of a zone; the first of the servers stands in the SOA."""
    mailbox = "hostmaster" if apex == "." else f"hostmaster.{apex}"  # RFC 2142 section 7
    soa = f"{name_servers[0]} {mailbox} {_FIRST_SERIAL} {_REFRESH_RETRY_EXPIRE} {DEFAULT_TTL_SECONDS}"
    return (ZoneRecord(apex, "SOA", soa), *(ZoneRecord(apex, "NS", server) for server in name_servers))


def pointer_record(address: str, host: str) -> ZoneRecord:
    """The PTR record that leads from an address back to its host (RFC 1035 section 3.5, RFC 3596 section 2.5)."""
    return ZoneRecord(ipaddress.ip_address(address).reverse_pointer, "PTR", host)


def reverse_apex(address: str) -> str:
    """The zone for the PTR record of `address`: of its /16 in in-addr.arpa, of its /64 in ip6.arpa."""
    ip = ipaddress.ip_address(address)
    labels = ip.reverse_pointer.split(".")
    return ".".join(labels[2 if ip.version == 4 else 16 :])


def _read_value(rdtype: RdataType, value: str) -> Rdata:
    text = value.replace("\t", " ")
    if len(text) > VALUE_LIMIT_CHARACTERS:
        raise ValueError(f"{_quoted(value)} is too long; give at most {VALUE_LIMIT_CHARACTERS} characters")
    try:
        if text.isprintable():
            if rdtype is RdataType.TXT and not text.startswith('"'):
                return _txt(text)
            # In a zone file "@" is the zone's own name; here names are written in full.
            if "@" not in text.split():
                return dns.rdata.from_text(IN, rdtype, text, dns.name.root, relativize=False)
    except dns.exception.DNSException:
        pass  # the words of dnspython's tokenizer would help nobody who does not know it
    raise ValueError(f"{_quoted(value)} is no value of {rdtype.name} records; give {EXPECTED_VALUES[rdtype]}")


def _txt(text: str) -> Rdata:
    octets = text.encode()
    starts = range(0, max(len(octets), 1), TXT_STRING_LIMIT_OCTETS)
    strings = [octets[start : start + TXT_STRING_LIMIT_OCTETS] for start in starts]
    return dns.rdtypes.ANY.TXT.TXT(IN, RdataType.TXT, strings)


def _quoted(text: str) -> str:
    return json.dumps(text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}...", ensure_ascii=False)
