"""Do the parts of a lab agree? What no single value shows: two servers in one place, mail to nobody, endless groups.

Every check takes the whole lab and yields its mistakes; `CHECKS` lists them. They are told a lab as it was meant
(`structure`), so values may be odd, and a check says nothing about what a reader has already found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from maillab.dns.zone import Zones
from maillab.lab.addressing import listener_endpoint
from maillab.lab.aliases import check_aliases, check_users
from maillab.lab.faults import check_faults
from maillab.lab.mistakes import Mistake, Where, as_toml, did_you_mean, path_text
from maillab.lab.spec import SERVER_LIMIT, Addressing, LabSpec, Login, Outgoing, default_address, default_host
from maillab.lab.values import is_host_name
from maillab.lab.zones import derived_records, zone_record
from maillab.mailserver.choices import Role
from maillab.network.endpoint import Endpoint

LANGUAGES: Final = ("en", "de")  # of page and titles
ANY_INTERFACE: Final = frozenset({"0.0.0.0", "::"})  # RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.2


def disagreements(spec: LabSpec) -> Iterator[Mistake]:
    """Every mistake between the parts of `spec`."""
    for check in CHECKS:
        yield from check(spec)


def check_size(spec: LabSpec) -> Iterator[Mistake]:
    if not spec.domains:
        yield Mistake("domain", "missing", "a lab needs one [[domain]] at least")
    if len(spec.servers) > SERVER_LIMIT:
        yield Mistake("domain", f"{len(spec.servers)} servers are too many", f"{SERVER_LIMIT} are numbered")


def check_titles(spec: LabSpec) -> Iterator[Mistake]:
    for language in spec.title:
        if language not in LANGUAGES:
            where = path_text(("lab", "title", language))
            yield Mistake(where, "unknown language", did_you_mean(language, LANGUAGES))


def check_retry(spec: LabSpec) -> Iterator[Mistake]:
    if not spec.retry.after_seconds:
        yield Mistake("retry.after_seconds", "[] has no wait", "give one at least", "or leave it out")


def check_names(spec: LabSpec) -> Iterator[Mistake]:
    """Every domain has one home, and every host name and every domain leads to one server."""
    domains: dict[str, Where] = {}
    hosts: dict[str, Where] = {}
    for table, host, named in _tables(spec):
        follows = False  # a domain named twice gives its default host twice: one mistake, not two
        for where, domain in named:
            if domain in domains:
                yield _taken(where, domain, "a domain", domains[domain])
                follows = follows or host == default_host(domain)
            domains.setdefault(domain, where)
        if host in hosts and not follows:
            yield _taken((*table, "host"), host, "the host name", hosts[host])
        hosts.setdefault(host, (*table, "host"))
    for domain, where in domains.items():
        if domain in hosts and hosts[domain][:2] != where[:2]:
            yield _taken(where, domain, "the host name", hosts[domain])


def check_addresses(spec: LabSpec) -> Iterator[Mistake]:
    """Each server has an address of its own; an address left out is never the one to blame."""
    seen: dict[str, Where] = {}
    servers = enumerate(spec.servers)
    for k, server in sorted(servers, key=lambda item: item[1].address != default_address(item[0])):
        where = (*_place(spec, k), "address")
        if server.address in seen:
            yield _taken(where, server.address, "the address", seen[server.address])
        seen.setdefault(server.address, where)


def check_endpoints(spec: LabSpec) -> Iterator[Mistake]:
    """Each listener has an endpoint of its own, by the lab's addressing; one left out is never the one to blame."""
    left_out: list[tuple[Where, Endpoint]] = []
    given: list[tuple[Where, Endpoint]] = []
    for k, server in enumerate(spec.servers):
        for role in Role:
            key = role.name.lower()
            endpoint = listener_endpoint(spec, k, role, spec.addressing)
            if endpoint is not None:
                listener = ((*_place(spec, k), key), endpoint)
                (left_out if getattr(server, key) is None else given).append(listener)
    given += [(("foreign", i, "smtp"), foreign.smtp) for i, foreign in enumerate(spec.foreign)]
    by_port: dict[int, dict[str, Where]] = {}
    are_too_many = False
    for where, endpoint in (*left_out, *given):
        if endpoint.port == 0:
            continue  # any free port
        host = "127.0.0.1" if endpoint.host.lower() == "localhost" else endpoint.host.lower()
        seen = by_port.setdefault(endpoint.port, {})
        rivals = seen.keys() if host in ANY_INTERFACE else {host, *ANY_INTERFACE} & seen.keys()
        if rivals and (where, endpoint) in given:
            yield _taken(where, str(endpoint), *_listener(seen[min(rivals)]))
        elif rivals and spec.addressing is Addressing.PORTS and not are_too_many:
            # Two that are left out meet by their addresses, which has been said, or because there are so many.
            are_too_many = True
            yield _taken(where, str(endpoint), *_listener(seen[min(rivals)]))
        seen.setdefault(host, where)


def check_smarthosts(spec: LabSpec) -> Iterator[Mistake]:
    hosts = {server.host for server in spec.servers} | {foreign.host for foreign in spec.foreign}
    host_of = {domain.name: domain.host for domain in spec.domains}
    for k, server in enumerate(spec.servers):
        smarthost = server.smarthost
        if smarthost is None or not is_host_name(smarthost):
            continue
        where = path_text((*_place(spec, k), "smarthost"))
        if smarthost == server.host:
            yield Mistake(where, f"{as_toml(smarthost)} is this server itself", "name another", "or leave it out")
        elif smarthost not in hosts and smarthost in host_of:
            found = f"{as_toml(smarthost)} is a domain and no server"
            yield Mistake(where, found, f"its server is {as_toml(host_of[smarthost])}")
        elif smarthost not in hosts:
            found = f"{as_toml(smarthost)} is a server that nobody runs"
            yield Mistake(where, found, did_you_mean(smarthost, hosts - {server.host}))


def check_relays(spec: LabSpec) -> Iterator[Mistake]:
    domains = {domain for _, _, named in _tables(spec) for _, domain in named}
    for i, relay in enumerate(spec.relays):
        for j, domain in enumerate(relay.relays_for or ()):
            if domain not in domains and is_host_name(domain):
                where = path_text(("relay", i, "relays_for", j))
                found = f"{as_toml(domain)} is no domain of the lab"
                yield Mistake(where, found, did_you_mean(domain, domains))


def check_logins(spec: LabSpec) -> Iterator[Mistake]:
    """Who is told to log in has a way to."""
    for i, domain in enumerate(spec.domains):
        wants = {
            "submission": domain.submission is not None and not domain.has_login(Role.SUBMISSION),
            "submissions": domain.submissions is not None and not domain.has_login(Role.SUBMISSIONS),
            "auth": domain.auth is Login.EVERYWHERE and not domain.has_login(Role.SMTP),
            "outgoing": domain.outgoing is Outgoing.AUTHENTICATED and not domain.has_login(Role.SMTP),
        }
        for key in (key for key, is_wanted in wants.items() if is_wanted):
            found = 'nobody can log in there, since tls is "off"'
            ways = ["give another tls", "or auth_without_tls = true"] if key != "submissions" else ["leave it out"]
            yield Mistake(path_text(("domain", i, key)), found, *ways)


def check_dns(spec: LabSpec) -> Iterator[Mistake]:
    """Every record that the file adds is one, lies in a zone of the lab, and may stand beside what is there."""
    try:
        zones = Zones(derived_records(spec))
    except ValueError:
        return  # a name or address that is none, which its reader has found
    for i, record in enumerate(spec.dns.records):
        try:
            zones.add(zone_record(record))
        except ValueError as error:
            found, _, expected = str(error).partition("; ")
            yield Mistake(path_text(("dns", "records", i)), found, expected)


CHECKS: Final[tuple[Callable[[LabSpec], Iterator[Mistake]], ...]] = (
    check_size,
    check_titles,
    check_retry,
    check_names,
    check_addresses,
    check_endpoints,
    check_logins,
    check_smarthosts,
    check_relays,
    check_users,
    check_aliases,
    check_dns,
    check_faults,
)


def _tables(spec: LabSpec) -> Iterator[tuple[Where, str, list[tuple[Where, str]]]]:
    """Every table that names a host, with the host and with the domains at home there."""
    for i, domain in enumerate(spec.domains):
        yield ("domain", i), domain.host, [(("domain", i, "name"), domain.name)]
    for i, relay in enumerate(spec.relays):
        yield ("relay", i), relay.host, []
    for i, foreign in enumerate(spec.foreign):
        named: list[tuple[Where, str]] = []
        named += [(("foreign", i, "domains", j), domain) for j, domain in enumerate(foreign.domains)]
        yield ("foreign", i), foreign.host, named


def _place(spec: LabSpec, k: int) -> Where:
    return ("domain", k) if k < len(spec.domains) else ("relay", k - len(spec.domains))


def _listener(where: Where) -> tuple[str, Where]:
    """What a listener is called in a mistake, and where it is said."""
    key = str(where[-1])
    return f"the {'SMTP' if key == 'smtp' else key} address", where


def _taken(where: Where, value: str, what: str, first: Where) -> Mistake:
    found = f"{as_toml(value)} is {what} of {path_text(first[:2])} already"
    return Mistake(path_text(where), found, "give each its own")
