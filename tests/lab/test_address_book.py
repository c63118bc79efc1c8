"""The address book: by whatever name, one host has one listener."""

from __future__ import annotations

from typing import Final

import pytest

from maillab.lab.address_book import AddressBook
from maillab.lab.load import parse_lab
from maillab.lab.spec import Addressing, LabSpec
from maillab.network.endpoint import Endpoint

LAB: Final = parse_lab(
    """
    [lab]
    name = "x"

    [[domain]]
    name = "nord.example"
    users = ["anna"]

    [[domain]]
    name = "sued.example"
    users = ["ben"]
    smtp = "127.0.0.1:7777"
    address = "10.1.2.3"

    [[relay]]
    host = "relay.example"

    [[foreign]]
    host = "mail.far.example"
    domains = ["far.example", "farther.example"]
    smtp = "192.0.2.9:2600"
    """,
    "test",
)


def book(addressing: Addressing = Addressing.PORTS, spec: LabSpec = LAB) -> AddressBook:
    return AddressBook(spec, addressing, ["mail.nord.example"])


@pytest.mark.parametrize("name", ["mail.nord.example", "nord.example", "172.16.1.1", "Mail.NORD.example"])
def test_a_host_goes_by_several_names(name: str) -> None:
    """Host name, domain and address lead to the same listener, in any case."""
    assert book().find(name, 25) == Endpoint("127.0.0.1", 2525)
    assert book().shown(name) == "172.16.1.1"


@pytest.mark.parametrize(
    ("name", "in_ports", "in_hosts"),
    [
        ("mail.nord.example", "127.0.0.1:2525", "172.16.1.1:25"),
        ("relay.example", "127.0.0.1:2527", "172.16.3.1:25"),
        ("mail.sued.example", "127.0.0.1:7777", "127.0.0.1:7777"),
        ("10.1.2.3", "127.0.0.1:7777", "127.0.0.1:7777"),
        ("mail.far.example", "192.0.2.9:2600", "192.0.2.9:2600"),
        ("farther.example", "192.0.2.9:2600", "192.0.2.9:2600"),
        ("192.0.2.9", None, None),  # shown, but no name that anybody may connect to by
    ],
)
def test_listeners_follow_the_addressing_and_the_file(name: str, in_ports: str | None, in_hosts: str | None) -> None:
    """What the file says beats the addressing; foreign hosts are where they are."""

    def found(addressing: Addressing) -> str | None:
        endpoint = book(addressing).find(name, 25)
        return None if endpoint is None else str(endpoint)

    assert (found(Addressing.PORTS), found(Addressing.HOSTS)) == (in_ports, in_hosts)


@pytest.mark.parametrize(
    ("name", "port"),
    [("example.org", 25), ("", 25), ("mail.nord.example", 110), ("relay.example", 587), ("127.0.0.1", 25)],
)
def test_nobody_else_is_in_it(name: str, port: int) -> None:
    """A host outside the lab, and a service that nobody offers, are not found, so that no mail leaves the lab."""
    assert book().find(name, port) is None


def test_a_foreign_host_is_shown_where_it_is() -> None:
    """It has no address of the lab's own."""
    assert book().shown("far.example") == "192.0.2.9"
    assert book().shown("example.org") is None


def test_a_listener_may_move() -> None:
    """Port 0 is known only when somebody listens; from then on all names lead there."""
    moved = book()
    moved.moved("mail.nord.example", 25, Endpoint("127.0.0.1", 40001))

    assert moved.find("nord.example", 25) == Endpoint("127.0.0.1", 40001)


def test_knows_who_runs_here() -> None:
    """Only servers of this process write their own side of the dialogue."""
    assert book().is_local("mail.nord.example")
    assert not book().is_local("mail.sued.example")
    assert not book().is_local("mail.far.example")


def test_knows_whose_listener_it_is() -> None:
    """By where it really is, which is an address even where the file says localhost."""
    assert book().host_at(Endpoint("127.0.0.1", 7777)) == "mail.sued.example"
    assert book().host_at(Endpoint("127.0.0.1", 7778)) is None
    moved = book()
    moved.moved("mail.nord.example", 25, Endpoint("localhost", 40001))
    assert moved.host_at(Endpoint("127.0.0.1", 40001)) == moved.host_at(Endpoint("localhost", 40001))
    assert moved.host_at(Endpoint("localhost", 40001)) == "mail.nord.example"


def test_knows_who_connects_from_elsewhere() -> None:
    """A host outside this process by its address; who runs here has other ways, and loopback is everybody's."""
    assert book().opener_at("192.0.2.9") == "mail.far.example"
    assert book().opener_at("10.1.2.3") == "mail.sued.example"
    assert book().opener_at("172.16.1.1") is None
    assert book().opener_at("127.0.0.1") is None
    assert book().opener_at("203.0.113.1") is None
    assert book().is_started("mail.sued.example")
    assert not book().is_started("mail.far.example")
