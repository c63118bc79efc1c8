"""From a lab file to what each server knows: its routes, its neighbours, its plan."""

from __future__ import annotations

from typing import Final

import pytest

from maillab.lab.address_book import AddressBook
from maillab.lab.load import parse_lab
from maillab.lab.sites import domain_hosts, neighbours_of, retry_plan, routes_of, source_address
from maillab.lab.spec import Addressing, LabSpec
from maillab.mail.address import Address
from maillab.mailserver.correlation import Neighbours
from maillab.mailserver.retry import RetryPlan

LAB: Final = parse_lab(
    """
    [lab]
    name = "x"

    [[domain]]
    name = "Nord.example"
    host = "Post.Nord.example"
    users = ["Anna", "nils"]
    aliases = { Team = ["anna", "x@far.example"] }
    smarthost = "relay.example"
    outgoing = "anyone"

    [[domain]]
    name = "sued.example"
    users = ["ben", "postmaster"]

    [[relay]]
    host = "relay.example"

    [[relay]]
    host = "narrow.example"
    relays_for = ["far.example", "Sued.example"]
    smarthost = "relay.example"

    [[foreign]]
    host = "mail.far.example"
    domains = ["far.example"]
    smtp = "127.0.0.1:2600"

    [retry]
    after_seconds = [1, 2.5]
    give_up_after_seconds = 10
    """,
    "test",
)
ALL_HOSTS: Final = frozenset(server.host for server in LAB.servers)


def neighbours(spec: LabSpec, local: frozenset[str], addressing: Addressing = Addressing.PORTS) -> Neighbours:
    return neighbours_of(spec, local, AddressBook(spec, addressing, local))


def test_every_domain_has_a_host() -> None:
    """Foreign domains have a host as the lab's own do."""
    assert domain_hosts(LAB) == {
        "nord.example": "post.nord.example",
        "sued.example": "mail.sued.example",
        "far.example": "mail.far.example",
    }


def test_a_domains_server_knows_its_people() -> None:
    """Mailboxes and aliases are known by their keys, in lower case, with postmaster among them."""
    routes = routes_of(LAB, LAB.domains[0])

    assert routes.host == "post.nord.example"
    assert routes.domains == {"nord.example"}
    assert routes.mailboxes == {"anna@nord.example", "nils@nord.example"}
    assert set(routes.aliases) == {"team@nord.example", "postmaster@nord.example"}
    assert [member.key for member in routes.aliases["team@nord.example"]] == ["anna@nord.example", "x@far.example"]
    assert routes.postmaster.key == "anna@nord.example"
    assert (routes.outgoing, routes.smarthost, routes.relays_for) == ("anyone", "relay.example", frozenset())


def test_a_user_may_be_postmaster() -> None:
    """Where a user has that name, no alias hides them."""
    routes = routes_of(LAB, LAB.domains[1])

    assert routes.aliases == {}
    assert routes.postmaster.key == "postmaster@sued.example"
    assert routes.split([Address("postmaster", "")]).mailboxes == ("postmaster@sued.example",)


def test_a_relay_relays_for_all_domains_by_default() -> None:
    """Without `relays_for`, every domain of the lab is served, foreign ones too."""
    routes = routes_of(LAB, LAB.relays[0])

    assert routes.relays_for == {"nord.example", "sued.example", "far.example"}
    assert (routes.domains, routes.mailboxes) == (frozenset(), frozenset())
    assert str(routes.postmaster) == "postmaster@nord.example"


def test_a_relay_keeps_to_its_domains() -> None:
    """With `relays_for`, only those are served, and its postmaster is at the first of them in the lab's order."""
    routes = routes_of(LAB, LAB.relays[1])

    assert routes.relays_for == {"far.example", "sued.example"}
    assert str(routes.postmaster) == "postmaster@sued.example"
    assert routes.smarthost == "relay.example"


def test_who_runs_here_is_told_by_the_register_alone() -> None:
    """Servers of this process are believed, but not by their address; foreign hosts are, by theirs."""
    assert neighbours(LAB, ALL_HOSTS) == Neighbours(
        lab_hosts=ALL_HOSTS,
        foreign_hosts=frozenset({"mail.far.example"}),
        by_address={"127.0.0.1": ("mail.far.example",)},
    )


def test_who_runs_elsewhere_is_told_by_address() -> None:
    """With `--only`, the servers of other processes are known by where they are."""
    here = frozenset({"relay.example", "narrow.example"})

    assert neighbours(LAB, here, Addressing.HOSTS).by_address == {
        "172.16.1.1": ("post.nord.example",),
        "172.16.2.1": ("mail.sued.example",),
        "127.0.0.1": ("mail.far.example",),
    }
    assert neighbours(LAB, here).by_address == {
        "127.0.0.1": ("post.nord.example", "mail.sued.example", "mail.far.example")
    }


def test_localhost_is_both_loopback_addresses() -> None:
    """A foreign host at "localhost" calls from 127.0.0.1 or from ::1, and is believed from both."""
    spec = parse_lab(
        '[lab]\nname = "x"\n[[domain]]\nname = "nord.example"\nusers = ["anna"]\n'
        '[[foreign]]\nhost = "mail.far.example"\nsmtp = "localhost:2600"\n',
        "test",
    )

    assert neighbours(spec, frozenset({"mail.nord.example"})).by_address == {
        "127.0.0.1": ("mail.far.example",),
        "::1": ("mail.far.example",),
    }


def test_retries_follow_the_file() -> None:
    """The waits are those of `[retry]`."""
    assert retry_plan(LAB) == RetryPlan((1, 2.5), 10, 14_400)


@pytest.mark.parametrize(("addressing", "source"), [(Addressing.HOSTS, "172.16.2.1"), (Addressing.PORTS, None)])
def test_connections_leave_from_the_servers_own_address(addressing: Addressing, source: str | None) -> None:
    """Where each server has an address, the receiver sees it; on one shared address the system chooses."""
    assert source_address(LAB.domains[1], addressing) == source
