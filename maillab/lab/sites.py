"""From a spec to what each server knows: its routes, its neighbours, its site."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from maillab.lab.spec import SMTP_PORT, Addressing, DomainSpec, LabSpec, ServerSpec
from maillab.mail.address import Address
from maillab.mailserver.correlation import Neighbours
from maillab.mailserver.retry import RetryPlan
from maillab.mailserver.routing import POSTMASTER, Routes
from maillab.mailserver.site import AddressBook
from maillab.network.network import LOOPBACK


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


def neighbours_of(spec: LabSpec, local_hosts: Collection[str], book: AddressBook) -> Neighbours:
    """Whom the servers of this process believe."""
    elsewhere = [server.host for server in spec.servers if server.host not in local_hosts]
    foreign = [server.host for server in spec.foreign]
    by_address: dict[str, tuple[str, ...]] = {}
    for host in (*elsewhere, *foreign):
        endpoint = book.find(host, SMTP_PORT)
        if endpoint is None:
            continue
        for address in LOOPBACK.values() if endpoint.host == "localhost" else (endpoint.host,):
            by_address[address] = (*by_address.get(address, ()), host)
    return Neighbours(
        lab_hosts=frozenset(server.host for server in spec.servers),
        foreign_hosts=frozenset(foreign),
        by_address=by_address,
    )


def retry_plan(spec: LabSpec) -> RetryPlan:
    return RetryPlan(spec.retry.after_seconds, spec.retry.give_up_after_seconds)


def source_address(server: ServerSpec, addressing: Addressing) -> str | None:
    """The address that a server's connections leave from; where all share one, the system chooses it."""
    return server.address if addressing is Addressing.HOSTS else None
