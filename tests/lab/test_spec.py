"""What a spec says about its servers: order, addresses, listeners, postmaster."""

from __future__ import annotations

import attrs
import pytest

from maillab.lab.addressing import listener_endpoint
from maillab.lab.spec import Addressing, DomainSpec, ForeignSpec, LabSpec, RelaySpec, UserSpec, default_address
from maillab.mail.address import Address
from maillab.mailserver.choices import Role
from maillab.network.endpoint import Endpoint

TWO_DOMAINS = LabSpec(
    name="test",
    domains=(DomainSpec("nord.example"), DomainSpec("sued.example", address="10.1.2.3")),
    relays=(RelaySpec("relay.example"),),
)


def test_servers_are_domains_before_relays() -> None:
    """Servers come in the order in which k counts them."""
    assert [server.host for server in TWO_DOMAINS.servers] == [
        "mail.nord.example",
        "mail.sued.example",
        "relay.example",
    ]
    assert [server.domains for server in TWO_DOMAINS.servers] == [("nord.example",), ("sued.example",), ()]


def test_an_address_left_out_follows_from_the_server_s_number() -> None:
    """Every server of a lab has an address: its own, or one by its place, which a given one does not shift."""
    assert [server.address for server in TWO_DOMAINS.servers] == ["172.16.1.1", "10.1.2.3", "172.16.3.1"]


def test_a_changed_copy_keeps_its_addresses() -> None:
    """Evolving a lab numbers nothing anew."""
    assert attrs.evolve(TWO_DOMAINS, addressing=Addressing.HOSTS).servers == TWO_DOMAINS.servers


@pytest.mark.parametrize(
    ("k", "address"),
    [(0, "172.16.1.1"), (254, "172.16.255.1"), (255, "172.17.0.1"), (256, "172.17.1.1"), (4094, "172.31.255.1")],
)
def test_default_addresses_count_on_through_the_private_range(k: int, address: str) -> None:
    """After 255 servers the second number counts on, up to the end of 172.16/12."""
    assert default_address(k) == address


def test_ports_addressing_gives_each_server_its_own_port() -> None:
    """With `ports`, server k listens at 127.0.0.1 on 2525+k."""
    endpoints = [listener_endpoint(TWO_DOMAINS, k, Role.SMTP, Addressing.PORTS) for k in range(3)]
    assert endpoints == [Endpoint("127.0.0.1", port) for port in (2525, 2526, 2527)]


def test_hosts_addressing_gives_each_server_port_25_of_its_address() -> None:
    """With `hosts`, every server listens at its own address on the standard port."""
    endpoints = [listener_endpoint(TWO_DOMAINS, k, Role.SMTP, Addressing.HOSTS) for k in range(3)]
    assert endpoints == [Endpoint(address, 25) for address in ("172.16.1.1", "10.1.2.3", "172.16.3.1")]


@pytest.mark.parametrize("addressing", Addressing)
def test_what_the_file_says_beats_the_addressing(addressing: Addressing) -> None:
    """A server with `smtp` listens there."""
    told = Endpoint("127.0.0.1", 9925)
    spec = LabSpec(name="test", domains=(DomainSpec("nord.example", smtp=told),))
    assert listener_endpoint(spec, 0, Role.SMTP, addressing) == told


def test_names_of_hosts_and_domains_are_held_in_lower_case() -> None:
    """Whoever compares names of a spec need not think of case."""
    domain = DomainSpec("Nord.Example", smarthost="Relay.Example")
    assert (domain.name, domain.host, domain.smarthost) == ("nord.example", "mail.nord.example", "relay.example")
    assert RelaySpec("Relay.Example", relays_for=("Nord.Example",)).relays_for == ("nord.example",)
    foreign = ForeignSpec("Mail.Post.Example", Endpoint("127.0.0.1", 2600), ("Post.Example",))
    assert (foreign.host, foreign.domains) == ("mail.post.example", ("post.example",))


def test_a_user_without_a_password_has_the_name_for_one() -> None:
    """The default password is the name as written; what compares is lower case."""
    assert UserSpec("Anna").password == "Anna"
    assert UserSpec("Anna").key == "anna"
    assert UserSpec("nils", "geheim").password == "geheim"


def test_a_password_is_not_shown() -> None:
    """The repr of a user, as a log may hold it, leaves the password out."""
    assert "geheim" not in repr(UserSpec("nils", "geheim"))


def test_alias_targets_are_whole_addresses() -> None:
    """A bare name among an alias's members is somebody of the same domain."""
    domain = DomainSpec("nord.example", users=(UserSpec("anna"),), aliases={"Team": ("anna", "ben@sued.example")})
    assert domain.alias_targets["team"] == (Address("anna", "nord.example"), Address("ben", "sued.example"))


@pytest.mark.parametrize(
    ("users", "aliases", "postmaster"),
    [
        (("anna", "nils"), {}, "anna"),
        (("anna", "Postmaster"), {}, "postmaster"),
        (("anna", "nils"), {"postmaster": ("nils",)}, "postmaster"),
        ((), {"postmaster": ("ben@sued.example",)}, "postmaster"),
    ],
)
def test_every_domain_has_a_postmaster(
    users: tuple[str, ...], aliases: dict[str, tuple[str, ...]], postmaster: str
) -> None:
    """Mail for postmaster is for the user or alias of that name, else for the first user."""
    domain = DomainSpec("nord.example", users=tuple(map(UserSpec, users)), aliases=aliases)
    assert domain.postmaster == Address(postmaster, "nord.example")


def test_alias_targets_hold_a_postmaster_that_nobody_wrote() -> None:
    """Reception finds postmaster like any alias, unless a user has the name."""
    anna, postmaster = UserSpec("anna"), UserSpec("postmaster")
    assert DomainSpec("nord.example", users=(anna,)).alias_targets == {"postmaster": (Address("anna", "nord.example"),)}
    assert DomainSpec("nord.example", users=(anna, postmaster)).alias_targets == {}
    written = DomainSpec("nord.example", users=(anna,), aliases={"postmaster": ("ben@sued.example",)})
    assert written.alias_targets["postmaster"] == (Address("ben", "sued.example"),)


def test_a_title_is_shown_in_the_nearest_language() -> None:
    """A missing language falls back to English, then to any, then to the name."""
    domains = (DomainSpec("nord.example"),)
    both = LabSpec(name="test", title={"en": "Schools", "de": "Schulen"}, domains=domains)
    assert (both.title_in("de"), both.title_in("fr")) == ("Schulen", "Schools")
    assert LabSpec(name="test", title={"de": "Schulen"}, domains=domains).title_in("en") == "Schulen"
    assert LabSpec(name="test", domains=domains).title_in("en") == "test"
