"""A small internet as plain data: two schools, their hosts, and whatever a test puts beside them."""

from __future__ import annotations

from collections.abc import Iterable

from maillab.dns.records import ZoneRecord, apex_records, pointer_record, reverse_apex
from maillab.dns.zone import Zones

APEXES = ("nord.example", "sued.example", "relay.example", "west.example")
HOSTS = {"mail.nord.example": "172.16.1.1", "mail.sued.example": "172.16.2.1", "relay.example": "172.16.3.1"}

VILLAGE = f"""
nord.example                    MX     10 mail.nord.example
sued.example                    MX     10 mail.sued.example
sued.example                    MX     20 relay.example
sued.example                    TXT    v=spf1 mx -all
mail.nord.example               A      {HOSTS["mail.nord.example"]}
mail.sued.example               A      {HOSTS["mail.sued.example"]}
mail.sued.example               AAAA   fd00::2
relay.example                   A      {HOSTS["relay.example"]}
"""


def records(text: str) -> list[ZoneRecord]:
    """One record a line: a name, a type, a value."""
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, type_, value = line.split(maxsplit=2)
        found.append(ZoneRecord(name, type_, value))
    return found


def village(extra: str = "", *, without: Iterable[str] = ()) -> Zones:
    """The zones of the village, with more records in `extra`; names in `without` have nothing but SOA and NS."""
    zones = [record for apex in APEXES for record in apex_records(apex, [f"ns.{apex}"])]
    reverse = [pointer_record(address, host) for host, address in HOSTS.items()]
    reverse_zone = apex_records(reverse_apex("172.16.1.1"), ["ns.nord.example"])
    hosts = [record for record in records(VILLAGE) if record.name not in without]
    return Zones([*hosts, *records(extra), *reverse, *reverse_zone, *zones])
