"""Which server hands mail to which: what the lab file and DNS say together."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

import attrs

from maillab.dns.zone import Zones
from maillab.lab.sites import domain_hosts
from maillab.lab.spec import LabSpec, RelaySpec, ServerSpec

LINKS_LIMIT: Final = 2_000  # 45 servers that send straight to each other; a thousand of them would be a million links


@attrs.frozen
class Link:
    """A way that mail may take from one host to the next."""

    sender: str
    receiver: str
    is_backup: bool = False
    """Whether it is taken only while a better host does not answer."""


def links_of(spec: LabSpec, zones: Zones) -> list[Link] | None:
    """Every link between hosts of the lab, by its sending server; DNS is asked as it is now.

    Returns:
        None where they are more than `LINKS_LIMIT`: as good as everybody sends straight to everybody.
    """
    known = {server.host for server in (*spec.servers, *spec.foreign)}
    hosts = mail_hosts(zones)
    links = (link for server in spec.servers for link in _links_from(spec, server, hosts))
    found = [*islice((link for link in links if link.receiver in known), LINKS_LIMIT + 1)]
    return found if len(found) <= LINKS_LIMIT else None


def mail_hosts(zones: Zones) -> dict[str, list[tuple[int, str]]]:
    """The mail hosts of every domain, best first, each with its preference; a null MX is none (RFC 7505)."""
    found: dict[str, list[tuple[int, str]]] = {}
    for record in zones.records():
        if record.type == "MX":
            preference, _, host = record.value.partition(" ")
            if name := host.rstrip(".").lower():
                found.setdefault(record.name.rstrip(".").lower(), []).append((int(preference), name))
    return {domain: sorted(hosts) for domain, hosts in found.items()}


def _links_from(spec: LabSpec, server: ServerSpec, hosts: dict[str, list[tuple[int, str]]]) -> Iterator[Link]:
    if server.smarthost is not None:
        yield Link(server.host, server.smarthost)
        return
    backup: dict[str, bool] = {}
    for domain in _domains_elsewhere(spec, server):
        for host, is_backup in _next_hops(server.host, hosts.get(domain, [])):
            backup[host] = backup.get(host, True) and is_backup
    for host, is_backup in backup.items():
        yield Link(server.host, host, is_backup)


def _domains_elsewhere(spec: LabSpec, server: ServerSpec) -> list[str]:
    relays_for = server.relays_for if isinstance(server, RelaySpec) else None
    domains = domain_hosts(spec) if relays_for is None else relays_for
    return [domain for domain in domains if domain not in server.domains]


def _next_hops(own_host: str, hosts: list[tuple[int, str]]) -> Iterator[tuple[str, bool]]:
    """Hosts that are better than the server itself, where it is one of them (RFC 5321 section 5.1)."""
    limit = min((preference for preference, host in hosts if host == own_host), default=None)
    usable = [(preference, host) for preference, host in hosts if limit is None or preference < limit]
    for preference, host in usable:
        yield host, preference > usable[0][0]
