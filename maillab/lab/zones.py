"""The lab's DNS: what follows from the lab file, and what the file adds."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Final

from maillab.dns.records import ZoneRecord, apex_records, pointer_record, reverse_apex
from maillab.dns.zone import Zones
from maillab.lab.spec import DnsRecordSpec, LabSpec

MX_PREFERENCE: Final = 10  # of a domain's own server; what the file adds may be better or worse


def zones_of(spec: LabSpec) -> Zones:
    """All zones of the lab.

    Raises:
        ValueError: a record of the file that does not fit; `load` has found it before.
    """
    zones = Zones(derived_records(spec))
    for record in spec.dns.records:
        zones.add(zone_record(record))
    return zones


def zone_record(record: DnsRecordSpec) -> ZoneRecord:
    """The record that the file means.

    Raises:
        ValueError: it is none; says what was found and what was expected.
    """
    return ZoneRecord(record.name, record.type, record.value, record.ttl)


def derived_records(spec: LabSpec) -> list[ZoneRecord]:
    """For each mail domain a zone with its MX, for each host its address and the way back from it."""
    domains = {domain: server.host for server in (*spec.servers, *spec.foreign) for domain in server.domains}
    addresses = {server.host: server.address for server in spec.servers}
    addresses |= {foreign.host: foreign.smtp.host for foreign in spec.foreign if _is_address(foreign.smtp.host)}
    records = list(_apexes(domains, addresses))
    for domain, host in domains.items():
        records.append(ZoneRecord(domain, "MX", f"{MX_PREFERENCE} {host}"))
    for host, address in addresses.items():
        # Who types `example.com` means its server, as in the textbook; a name that is host and domain has it once.
        names = dict.fromkeys((host, *(domain for domain, home in domains.items() if home == host)))
        records += [ZoneRecord(name, _type_of(address), address) for name in names]
    pointers = {address: host for host, address in reversed(addresses.items())}
    records += [pointer_record(address, host) for address, host in pointers.items()]
    return records


def _apexes(domains: dict[str, str], addresses: dict[str, str]) -> Iterator[ZoneRecord]:
    """SOA and NS: a zone for each mail domain, for each host that lies in none of them, and for the way back."""
    for domain, host in domains.items():
        yield from apex_records(domain, [host])
    for host in addresses:
        if not any(host == domain or host.endswith(f".{domain}") for domain in domains):
            yield from apex_records(host, [host])
    reverse = {reverse_apex(address): host for host, address in reversed(addresses.items())}
    for apex, host in reverse.items():
        yield from apex_records(apex, [host])


def _type_of(address: str) -> str:
    return "AAAA" if ":" in address else "A"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
