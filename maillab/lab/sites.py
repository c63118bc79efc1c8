"""From a spec to what each server knows: its routes, its neighbours, its site."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from functools import partial
from typing import Final

import attrs

from maillab.lab.authority import Authority
from maillab.lab.spec import SMTP_PORT, Addressing, DomainSpec, EarlyTalkers, LabSpec, Login, ServerSpec
from maillab.mail.address import Address
from maillab.mailserver.correlation import Neighbours
from maillab.mailserver.policy import Policy
from maillab.mailserver.retry import RetryPlan
from maillab.mailserver.routing import POSTMASTER, Routes
from maillab.mailserver.site import AddressBook
from maillab.network.network import LOOPBACK

NO_ADDRESSES: Final[Mapping[str, tuple[str, ...]]] = {}


def domain_hosts(spec: LabSpec) -> Mapping[str, str]:
    """Every domain of the lab, foreign ones too, and the host that takes its mail."""
    return {domain: server.host for server in (*spec.servers, *spec.foreign) for domain in server.domains}


def routes_of(spec: LabSpec, server: ServerSpec) -> Routes:
    """Where mail goes at `server`."""
    hosts = domain_hosts(spec)
    if isinstance(server, DomainSpec):
        return Routes(
            host=server.host,
            domains=frozenset(server.domains),
            mailboxes=frozenset(mailboxes_of(server)),
            aliases={f"{alias}@{server.name}": targets for alias, targets in server.alias_targets.items()},
            postmaster=server.postmaster,
            outgoing=server.outgoing.value,
            smarthost=server.smarthost,
            hosts=hosts,
        )
    relays_for = frozenset(hosts) if server.relays_for is None else frozenset(server.relays_for)
    # A relay has no mailboxes: its postmaster is the one of the first domain it serves.
    first = next(domain for domain in hosts if domain in relays_for or not relays_for)
    return Routes(
        host=server.host,
        postmaster=Address(POSTMASTER, first),
        relays_for=relays_for,
        smarthost=server.smarthost,
        hosts=hosts,
    )


def mailboxes_of(domain: DomainSpec) -> list[str]:
    """The mailboxes of a domain's users, in their order."""
    return [f"{user.key}@{domain.name}" for user in domain.users]


def is_address(host: str) -> bool:
    """Whether `host` is an IP address, or the one name that needs no looking up (RFC 6761 section 6.3)."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return True


def places_elsewhere(spec: LabSpec, local_hosts: Collection[str], book: AddressBook) -> list[tuple[str, str]]:
    """The servers that this process does not run: their host names, and where they are, by name or address."""
    hosts = [server.host for server in (*spec.servers, *spec.foreign) if server.host not in local_hosts]
    return [(host, endpoint.host) for host in hosts if (endpoint := book.find(host, SMTP_PORT)) is not None]


def neighbours_of(
    spec: LabSpec,
    local_hosts: Collection[str],
    book: AddressBook,
    addresses: Mapping[str, tuple[str, ...]] = NO_ADDRESSES,
) -> Neighbours:
    """Whom the servers of this process believe; `addresses` are those of hosts that are given by a name."""
    by_address: dict[str, tuple[str, ...]] = {}
    for host, place in places_elsewhere(spec, local_hosts, book):
        for address in addresses.get(place, tuple(LOOPBACK.values()) if place == "localhost" else (place,)):
            by_address[address] = (*by_address.get(address, ()), host)
    return Neighbours(
        lab_hosts=frozenset(server.host for server in spec.servers),
        foreign_hosts=frozenset(server.host for server in spec.foreign),
        by_address=by_address,
    )


def policy_of(spec: LabSpec, server: ServerSpec, authority: Authority) -> Policy:
    """What `server` does about TLS, logging in, strictness and limits."""
    names = (*server.domains, server.address)
    common = Policy(
        tls=server.tls,
        bare_newlines=server.bare_newlines,
        refuses_early_talkers=server.early_talkers is EarlyTalkers.REFUSE,
        limits=spec.limits.of_a_connection,
        server_context=partial(authority.server_context, server.host, names),
        client_context=authority.client_context,
    )
    if not isinstance(server, DomainSpec):
        return common
    return attrs.evolve(
        common,
        tells_users=server.vrfy,
        login_everywhere=server.auth is Login.EVERYWHERE,
        login_without_tls=server.auth_without_tls,
        passwords={f"{user.key}@{server.name}": user.password for user in server.users},
    )


def retry_plan(spec: LabSpec) -> RetryPlan:
    return RetryPlan(spec.retry.after_seconds, spec.retry.give_up_after_seconds, spec.retry.warn_after_seconds)


def source_address(server: ServerSpec, addressing: Addressing) -> str | None:
    """The address that a server's connections leave from; where all share one, the system chooses it."""
    return server.address if addressing is Addressing.HOSTS else None
