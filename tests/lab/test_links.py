"""The links of a lab: where each server hands mail to."""

from __future__ import annotations

from maillab.lab.links import Link, links_of
from maillab.lab.load import find_lab, load_lab
from maillab.lab.spec import DnsRecordSpec, DnsSpec, DomainSpec, ForeignSpec, LabSpec, RelaySpec
from maillab.lab.zones import zones_of
from maillab.network.endpoint import Endpoint

NORD, SUED, RELAY = "mail.nord.example", "mail.sued.example", "relay.example"


def links(spec: LabSpec) -> list[Link] | None:
    return links_of(spec, zones_of(spec))


def shipped(name: str) -> list[Link] | None:
    return links(load_lab(find_lab(name)))


def test_a_smarthost_is_the_one_way_out() -> None:
    """Who has a smarthost hands everything to it, and a relay goes on by the domains it serves."""
    assert shipped("two-schools") == [Link(NORD, RELAY), Link(SUED, RELAY), Link(RELAY, NORD), Link(RELAY, SUED)]


def test_a_lab_of_one_server_has_no_links() -> None:
    """Mail at home goes nowhere."""
    assert shipped("gartenparty") == []


def test_a_worse_mail_host_is_a_backup() -> None:
    """Without a smarthost the MX records decide, and a backup hands on to better hosts only."""
    backup = "backup.example"
    assert shipped("backup-mx") == [
        Link(NORD, SUED),
        Link(NORD, backup, is_backup=True),
        Link(SUED, NORD),
        Link(backup, SUED),
    ]


def test_what_dns_says_now_counts() -> None:
    """A record that is changed while the lab runs changes the links; a host outside of the lab is none."""
    spec = LabSpec(name="lab", domains=(DomainSpec("nord.example"), DomainSpec("sued.example")))
    zones = zones_of(spec)
    zones.set("sued.example", "MX", ["10 mail.sued.example", "10 mail.elsewhere.example"])
    zones.set("nord.example", "MX", ["0 ."])
    assert links_of(spec, zones) == [Link(NORD, SUED)]


def test_foreign_hosts_are_linked_to() -> None:
    """A server that the lab does not start is handed mail as any other."""
    spec = LabSpec(
        name="lab",
        domains=(DomainSpec("nord.example"),),
        relays=(RelaySpec(RELAY, smarthost=NORD),),
        dns=DnsSpec(records=(DnsRecordSpec("nord.example", "MX", "5 relay.example"),)),
        foreign=(ForeignSpec("mail.post.example", Endpoint("127.0.0.1", 2600), ("post.example",)),),
    )
    assert links(spec) == [Link(NORD, "mail.post.example"), Link(RELAY, NORD)]


def test_a_mesh_of_many_is_not_listed() -> None:
    """Links grow with the square of the servers: 45 that send to each other have 1,980, and more are not told."""

    def mesh(count: int) -> LabSpec:
        return LabSpec(name="mesh", domains=tuple(DomainSpec(f"d{number}.example") for number in range(count)))

    assert len(links(mesh(45)) or ()) == 45 * 44
    assert links(mesh(46)) is None
    by_smarthost = LabSpec(
        name="star",
        domains=tuple(DomainSpec(f"d{number}.example", smarthost=RELAY) for number in range(500)),
        relays=(RelaySpec(RELAY),),
    )
    assert len(links(by_smarthost) or ()) == 1_000
