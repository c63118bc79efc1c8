from __future__ import annotations

import re

import pytest

from maillab.dns.records import (
    HIGHEST_TTL_SECONDS,
    VALUE_LIMIT_CHARACTERS,
    ZoneRecord,
    apex_records,
    pointer_record,
    read_name,
    reverse_apex,
    show_name,
)

# name, type and value as written; name, type and value as kept
WRITTEN = [
    ("sued.example", "MX", "10 mail.sued.example", "sued.example", "MX", "10 mail.sued.example"),
    ("SUED.example.", "mx", "10\tmail.sued.example.", "sued.example", "MX", "10 mail.sued.example"),
    ("sued.example", "MX", "0 .", "sued.example", "MX", "0 ."),
    ("sued.example", "MX", "10 mail.sued.example ; the main one", "sued.example", "MX", "10 mail.sued.example"),
    ("mail.sued.example", "A", "172.16.2.1", "mail.sued.example", "A", "172.16.2.1"),
    ("mail.sued.example", "AAAA", "FD00:0:0::2", "mail.sued.example", "AAAA", "fd00::2"),
    ("www.sued.example", "CNAME", "sued.example.", "www.sued.example", "CNAME", "sued.example"),
    ("_dmarc.sued.example", "TXT", "v=DMARC1; p=none", "_dmarc.sued.example", "TXT", '"v=DMARC1; p=none"'),
    ("sued.example", "TXT", '"in two" "parts"', "sued.example", "TXT", '"in two" "parts"'),
    ("sued.example", "TXT", "", "sued.example", "TXT", '""'),
    ("sued.example", "TXT", "x" * 300, "sued.example", "TXT", f'"{"x" * 255}" "{"x" * 45}"'),
    ("süd.example", "MX", "10 mail.süd.example", "xn--sd-xka.example", "MX", "10 mail.xn--sd-xka.example"),
    (".", "NS", "ns.example", ".", "NS", "ns.example"),
]


@pytest.mark.parametrize(("name", "type_", "value", "kept_name", "kept_type", "kept_value"), WRITTEN)
def test_a_record_is_read_as_people_write_it(
    name: str, type_: str, value: str, kept_name: str, kept_type: str, kept_value: str
) -> None:
    """Final dots and letter case do not matter, a TXT text needs no quotes, and one form of each record is kept."""
    record = ZoneRecord(name, type_, value)
    assert (record.name, record.type, record.value) == (kept_name, kept_type, kept_value)
    assert ZoneRecord(record.name, record.type, record.value) == record


WRONG = [
    ("a..example", "A", "172.16.1.1", '"a..example" is no domain name; give labels of 1 to 63 characters'),
    ("", "A", "172.16.1.1", '"" is no domain name'),
    ("@", "A", "172.16.1.1", '"@" is no domain name'),
    ("two words.example", "A", "172.16.1.1", '"two words.example" is no domain name'),
    (f"{'a' * 64}.example", "A", "172.16.1.1", "is no domain name"),
    ("nord.example", "MXX", "10 a", '"MXX" is no record type of a lab; give one of A, AAAA, CNAME, MX'),
    ("nord.example", "RRSIG", "x", '"RRSIG" is no record type of a lab'),
    ("nord.example", "MX", "mail.nord.example", '"mail.nord.example" is no value of MX records; give PREFERENCE HOST'),
    ("nord.example", "MX", "99999 mail.nord.example", "is no value of MX records"),
    ("nord.example", "MX", "10 @", '"10 @" is no value of MX records'),
    ("nord.example", "MX", "10 a\n20 b", '"10 a\\n20 b" is no value of MX records'),
    ("nord.example", "A", "fd00::1", '"fd00::1" is no value of A records; give an IPv4 address, as in "172.16.1.1"'),
    ("nord.example", "A", "", '"" is no value of A records'),
    ("nord.example", "AAAA", "172.16.1.1", '"172.16.1.1" is no value of AAAA records'),
    ("nord.example", "TXT", '"no end', "is no value of TXT records"),
    ("nord.example", "TXT", "two\nlines", "is no value of TXT records"),
    ("nord.example", "SOA", "ns.nord.example", "is no value of SOA records; give SERVER MAILBOX SERIAL"),
    ("nord.example", "TXT", "x" * (VALUE_LIMIT_CHARACTERS + 1), 'xxx..." is too long; give at most 4096 characters'),
]


@pytest.mark.parametrize(("name", "type_", "value", "complaint"), WRONG)
def test_what_is_no_record_is_refused_with_words_that_help(name: str, type_: str, value: str, complaint: str) -> None:
    """The one line says what was found and what was expected."""
    with pytest.raises(ValueError, match=re.escape(complaint)) as caught:
        ZoneRecord(name, type_, value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("ttl", [-1, HIGHEST_TTL_SECONDS + 1])
def test_a_ttl_has_31_bits(ttl: int) -> None:
    """RFC 2181 section 8: what is higher would mean zero elsewhere."""
    with pytest.raises(ValueError, match=f"{ttl} is no TTL; give seconds from 0 to 2147483647"):
        ZoneRecord("nord.example", "A", "172.16.1.1", ttl)


def test_an_apex_has_soa_and_ns() -> None:
    """The first server is the primary one, hostmaster reads the mail, and the mailbox stands with a dot."""
    assert [(record.type, record.value) for record in apex_records("nord.example", ["ns1.example", "ns2.example"])] == [
        ("SOA", "ns1.example hostmaster.nord.example 1 3600 600 604800 60"),
        ("NS", "ns1.example"),
        ("NS", "ns2.example"),
    ]
    assert apex_records(".", ["ns.example"])[0].value.startswith("ns.example hostmaster 1 ")


@pytest.mark.parametrize(
    ("address", "name", "apex"),
    [
        ("172.16.2.1", "1.2.16.172.in-addr.arpa", "16.172.in-addr.arpa"),
        ("fd00::2", f"2.{'0.' * 29}d.f.ip6.arpa", f"{'0.' * 14}d.f.ip6.arpa"),
    ],
)
def test_an_address_leads_back_to_its_host(address: str, name: str, apex: str) -> None:
    """A PTR record stands under the address written backwards, in a zone for its network."""
    assert pointer_record(address, "mail.sued.example") == ZoneRecord(name, "PTR", "mail.sued.example")
    assert reverse_apex(address) == apex


def test_names_keep_their_case_and_lose_their_dot() -> None:
    """A name is shown as it was written, without the final dot."""
    assert show_name(read_name("Mail.Nord.Example.")) == "Mail.Nord.Example"
