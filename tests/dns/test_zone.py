from __future__ import annotations

import re

import pytest
from dns.rcode import Rcode
from dns.rrset import RRset

from maillab.dns.records import ZoneRecord, apex_records, show_value
from maillab.dns.zone import CNAME_CHAIN_LIMIT, Answer, Zones
from tests.dns.village import records, village

SOA = "SOA ns.sued.example hostmaster.sued.example 1 3600 600 604800 60"

MORE = """
www.sued.example                CNAME  sued.example
shop.west.example               CNAME  www.sued.example
gone.west.example               CNAME  nowhere.sued.example
out.west.example                CNAME  www.elsewhere.example
round.west.example              CNAME  and.round.west.example
and.round.west.example          CNAME  round.west.example
self.west.example               CNAME  self.west.example
deep.down.sued.example          A      172.16.2.9
branch.west.example             NS     ns.branch.west.example
ns.branch.west.example          A      192.0.2.1
odd.west.example                MX     10 mail.odd.elsewhere.example
"""

# question; rcode, answers, authority, additional
ANSWERS = [
    (
        "MX sued.example",
        "NOERROR",
        ["MX 10 mail.sued.example", "MX 20 relay.example"],
        [],
        ["A 172.16.2.1", "AAAA fd00::2", "A 172.16.3.1"],
    ),
    ("MX SUED.Example", "NOERROR", ["MX 10 mail.sued.example", "MX 20 relay.example"], [], None),
    ("A mail.sued.example", "NOERROR", ["A 172.16.2.1"], [], []),
    ("NS nord.example", "NOERROR", ["NS ns.nord.example"], [], []),
    ("PTR 1.2.16.172.in-addr.arpa", "NOERROR", ["PTR mail.sued.example"], [], []),
    ("TXT sued.example", "NOERROR", ['TXT "v=spf1 mx -all"'], [], []),
    # There is the name, and not what was asked for: NODATA.
    ("A sued.example", "NOERROR", [], [SOA], []),
    ("A down.sued.example", "NOERROR", [], [SOA], []),
    # There is no such name, neither below one that is there.
    ("A nowhere.sued.example", "NXDOMAIN", [], [SOA], []),
    ("A x.mail.sued.example", "NXDOMAIN", [], [SOA], []),
    # Not ours.
    ("MX elsewhere.example", "REFUSED", [], [], []),
    ("NS example", "REFUSED", [], [], []),
    ("NS .", "REFUSED", [], [], []),
    # Aliases, followed as far as the lab goes.
    ("A www.sued.example", "NOERROR", ["CNAME sued.example"], [SOA], []),
    ("CNAME www.sued.example", "NOERROR", ["CNAME sued.example"], [], []),
    (
        "TXT shop.west.example",
        "NOERROR",
        ["CNAME www.sued.example", "CNAME sued.example", 'TXT "v=spf1 mx -all"'],
        [],
        [],
    ),
    ("A gone.west.example", "NXDOMAIN", ["CNAME nowhere.sued.example"], [SOA], []),
    ("A out.west.example", "NOERROR", ["CNAME www.elsewhere.example"], [], []),
    ("A self.west.example", "NOERROR", ["CNAME self.west.example"], [], []),
    (
        "A round.west.example",
        "NOERROR",
        ["CNAME and.round.west.example", "CNAME round.west.example"],
        [],
        [],
    ),
    # A delegation, with the address of the server that knows more.
    ("MX branch.west.example", "NOERROR", [], ["NS ns.branch.west.example"], ["A 192.0.2.1"]),
    ("A x.y.branch.west.example", "NOERROR", [], ["NS ns.branch.west.example"], ["A 192.0.2.1"]),
    # Hosts of others have their addresses elsewhere.
    ("MX odd.west.example", "NOERROR", ["MX 10 mail.odd.elsewhere.example"], [], []),
    # One RRset is enough for ANY.
    ("ANY mail.sued.example", "NOERROR", ["A 172.16.2.1"], [], []),
    ("ANY www.sued.example", "NOERROR", ["CNAME sued.example"], [], []),
    ("ANY down.sued.example", "NOERROR", [], [SOA], []),
]


def shown(rrsets: tuple[RRset, ...]) -> list[str]:
    return [f"{rdata.rdtype.name} {show_value(rdata)}" for rrset in rrsets for rdata in rrset]


def ask(zones: Zones, question: str) -> Answer:
    type_, name = question.split()
    return zones.answer(name, type_)


@pytest.mark.parametrize(("question", "rcode", "answers", "authority", "additional"), ANSWERS)
def test_the_zones_answer_as_an_authoritative_server(
    question: str, rcode: str, answers: list[str], authority: list[str], additional: list[str] | None
) -> None:
    """Every kind of answer, by example."""
    answer = ask(village(MORE), question)
    assert answer.rcode.name == rcode
    assert shown(answer.answers) == answers
    assert shown(answer.authority) == authority
    assert additional is None or shown(answer.additional) == additional


def test_only_what_is_ours_is_said_with_authority() -> None:
    """Aliases and denials are ours; a delegation and the world outside are not."""
    zones = village(MORE)
    assert ask(zones, "A nowhere.sued.example").authoritative
    assert ask(zones, "A out.west.example").authoritative
    assert not ask(zones, "A branch.west.example").authoritative
    assert not ask(zones, "A elsewhere.example").authoritative


def test_a_child_zone_answers_for_itself() -> None:
    """A zone below another one takes over, without any delegation in the upper one."""
    zones = village(MORE)
    for record in apex_records("branch.west.example", ["ns.branch.west.example"]):
        zones.set(record.name, record.type, [record.value])
    answer = ask(zones, "A x.branch.west.example")
    assert (answer.rcode, answer.authoritative) == (Rcode.NXDOMAIN, True)
    assert zones.apex_of("x.branch.west.example") == "branch.west.example"
    assert zones.apex_of("x.west.example") == "west.example"
    assert zones.apex_of("elsewhere.example") is None


def test_a_chain_of_aliases_has_an_end() -> None:
    """A circle is seen, and a chain without one is cut."""
    zones = village("\n".join(f"a{n}.west.example CNAME a{n + 1}.west.example" for n in range(40)))
    answer = ask(zones, "A a0.west.example")
    assert (answer.rcode, len(answer.answers)) == (Rcode.NOERROR, CNAME_CHAIN_LIMIT)


def test_a_denial_is_kept_no_longer_than_the_zone_says() -> None:
    """RFC 2308 section 3: the TTL of the SOA in a denial is the lower of its own and its minimum."""
    zones = village()
    zones.set("sued.example", "SOA", ["ns.sued.example hostmaster.sued.example 7 3600 600 604800 5"], ttl=900)
    assert ask(zones, "A nowhere.sued.example").authority[0].ttl == 5
    assert ask(zones, "SOA sued.example").answers[0].ttl == 900


def test_changes_are_in_the_next_answer() -> None:
    """Setting replaces what was there, adding adds, removing leaves NODATA, then NXDOMAIN."""
    zones = village()
    zones.set("mail.sued.example", "a", ["172.16.2.5", "172.16.2.4"])
    assert shown(ask(zones, "A mail.sued.example").answers) == ["A 172.16.2.4", "A 172.16.2.5"]
    zones.add(ZoneRecord("mail.sued.example", "A", "172.16.2.6"))
    assert len(ask(zones, "A mail.sued.example").answers[0]) == 3
    zones.remove("MAIL.sued.example", "A")
    assert ask(zones, "A mail.sued.example").rcode is Rcode.NOERROR
    zones.remove("mail.sued.example", "AAAA")
    assert ask(zones, "A mail.sued.example").rcode is Rcode.NXDOMAIN
    zones.set("new.mail.sued.example", "A", ["172.16.2.7"])
    assert ask(zones, "A mail.sued.example").rcode is Rcode.NOERROR


def test_a_change_gives_its_zone_a_new_serial() -> None:
    """Only the zone that was changed, and a serial that somebody sets is kept."""
    zones = village()

    def serial(apex: str) -> int:
        return int(show_value(ask(zones, f"SOA {apex}").answers[0][0]).split()[2])

    zones.set("sued.example", "MX", ["5 relay.example"])
    zones.remove("sued.example", "TXT")
    assert (serial("sued.example"), serial("nord.example")) == (3, 1)
    zones.set("sued.example", "SOA", [f"ns.sued.example h.sued.example {2**32 - 1} 1 1 1 1"])
    assert serial("sued.example") == 2**32 - 1
    zones.set("sued.example", "MX", ["6 relay.example"])
    assert serial("sued.example") == 0


def test_records_go_out_as_they_came_in() -> None:
    """The list of all records makes the same zones again, in whatever order it is read."""
    zones = village(MORE)
    listed = zones.records()
    assert Zones(reversed(listed)).records() == listed
    assert [record.type for record in listed if record.name == "sued.example"] == ["SOA", "MX", "MX", "NS", "TXT"]
    assert ZoneRecord("sued.example", "MX", "10 mail.sued.example") in listed


def test_the_ttl_is_kept() -> None:
    """Each RRset has the TTL it was given."""
    zones = village()
    zones.set("sued.example", "MX", ["10 mail.sued.example"], ttl=3600)
    assert ask(zones, "MX sued.example").answers[0].ttl == 3600
    assert ZoneRecord("sued.example", "MX", "10 mail.sued.example", 3600) in zones.records()


WRONG_CHANGES = [
    ("elsewhere.example", "A", ["172.16.9.9"], "elsewhere.example lies in no zone of this lab; its zones are 16.172."),
    ("mail.sued.example", "CNAME", ["relay.example"], "mail.sued.example has A, AAAA, so it can have no CNAME record"),
    ("www.sued.example", "A", ["172.16.9.9"], "www.sued.example has CNAME, so it can have no A record: a name with a"),
    ("new.sued.example", "CNAME", ["a.example", "b.example"], "new.sued.example can have one CNAME record only"),
    ("sued.example", "MX", [], "no value is given; give one or more, or remove the records"),
    ("sued.example", "MX", ["10 a.example", "b.example"], '"b.example" is no value of MX records'),
]


@pytest.mark.parametrize(("name", "type_", "values", "complaint"), WRONG_CHANGES)
def test_a_wrong_change_changes_nothing(name: str, type_: str, values: list[str], complaint: str) -> None:
    """It is refused with a line that says why, and the zones are as before."""
    zones = village(MORE)
    before = zones.records()
    with pytest.raises(ValueError, match=re.escape(complaint)):
        zones.set(name, type_, values)
    assert zones.records() == before


WRONG_REMOVALS = [
    ("sued.example", "A", "sued.example has no A record; it has SOA, MX, TXT, NS"),
    ("nowhere.example", "A", "nowhere.example has no A record; it has no records at all"),
    ("sued.example", "SOA", "sued.example is a zone by its SOA record; set another value, but leave it there"),
]


@pytest.mark.parametrize(("name", "type_", "complaint"), WRONG_REMOVALS)
def test_what_is_not_there_cannot_be_removed(name: str, type_: str, complaint: str) -> None:
    """Nor can that which makes the zone."""
    with pytest.raises(ValueError, match=re.escape(complaint)):
        village().remove(name, type_)


def test_a_record_without_a_zone_is_refused_from_the_start() -> None:
    """There is no zone but by a SOA."""
    with pytest.raises(ValueError, match="lies in no zone of this lab; it has none: a zone begins with a SOA record"):
        Zones(records("a.example A 172.16.1.1"))
    with pytest.raises(ValueError, match=r"a\.example can have one SOA record only"):
        Zones([*apex_records("a.example", ["ns1.example"]), *apex_records("a.example", ["ns2.example"])])
