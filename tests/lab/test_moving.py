"""A lab in another network than 172.16."""

from __future__ import annotations

import pytest

from maillab.lab.load import load_lab, parse_lab, shipped_labs
from maillab.lab.mistakes import LabFileError
from maillab.lab.moving import read_net
from maillab.lab.spec import LabSpec
from maillab.lab.zones import zones_of

LAB = """
[lab]
name = "172.16.1.1"

[[domain]]
name = "nord.example"
users = [{ name = "anna", password = "172.16.1.1" }]
smtp = "172.16.1.1:2525"

[[domain]]
name = "sued.example"
users = ["ben"]
address = "10.9.8.7"

[[relay]]
host = "relay.example"

[[foreign]]
host = "mail.far.example"
domains = ["far.example"]
smtp = "172.16.3.25:25"

[dns]
listen = "172.16.9.1:5353"
records = [
    { name = "nord.example", type = "TXT", value = "\\"v=spf1 ip4:172.16.1.1 ip4:1.172.16.2 -all\\"" },
    { name = "www.nord.example", type = "A", value = "172.16.1.80" },
]
"""


def read(net: str | None) -> LabSpec:
    return parse_lab(LAB, "test", None, net)


def test_every_address_begins_otherwise() -> None:
    """Those that were given and those that follow, of servers, listeners, peers and DNS records."""
    spec = read("10.20")
    assert [server.address for server in spec.servers] == ["10.20.1.1", "10.9.8.7", "10.20.3.1"]
    assert str(spec.domains[0].smtp) == "10.20.1.1:2525"
    assert str(spec.foreign[0].smtp) == "10.20.3.25:25"
    assert str(spec.dns.listen) == "10.20.9.1:5353"
    assert [record.value for record in spec.dns.records] == [
        '"v=spf1 ip4:10.20.1.1 ip4:1.172.16.2 -all"',
        "10.20.1.80",
    ]


def test_what_is_no_address_stays() -> None:
    """Names and passwords are nobody's address, whatever they look like."""
    spec = read("10.20")
    assert (spec.name, spec.domains[0].users[0].password) == ("172.16.1.1", "172.16.1.1")


@pytest.mark.parametrize("lab", shipped_labs())
def test_every_lab_that_ships_can_be_moved(lab: str) -> None:
    """All its servers are elsewhere, and its zones fit."""
    there = load_lab(lab, net="192.168")
    assert {server.address.rpartition(".")[0].rpartition(".")[0] for server in there.servers} == {"192.168"}
    assert zones_of(there)


def test_where_it_is_told_nothing_the_lab_stays() -> None:
    """172.16 is the lesson's."""
    assert read(None) == read("172.16")


def test_two_servers_in_one_place_are_a_mistake_after_the_move_too() -> None:
    """What was apart may meet."""
    with pytest.raises(LabFileError, match=r'"10\.9\.3\.1" is the address of'):
        parse_lab(LAB.replace("10.9.8.7", "10.9.3.1"), "test", None, "10.9")


@pytest.mark.parametrize("net", ["10.20", "192.168", "172.31", "127.5"])
def test_private_nets_are_taken(net: str) -> None:
    """Two numbers that private addresses begin with."""
    assert read_net(net) == net


@pytest.mark.parametrize("net", ["", "10", "10.20.", "10.20.1", "10.256", "8.8", "172.32", "ten.four", "10.20.0.0/16"])
def test_what_is_no_private_net_is_refused(net: str) -> None:
    """With what was found, and what is expected."""
    with pytest.raises(ValueError, match="is not how private addresses begin; give two numbers"):
        read_net(net)
