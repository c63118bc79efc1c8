"""The zones of a lab: what they answer, and how they change while the lab runs.  Values in, values out."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import attrs
from dns.name import Name
from dns.rcode import Rcode
from dns.rdataclass import IN
from dns.rdatatype import RdataType
from dns.rrset import RRset

from maillab.dns.records import DEFAULT_TTL_SECONDS, ZoneRecord, read_name, read_type, show_name, show_value

CNAME_CHAIN_LIMIT: Final = 16  # aliases of aliases; as many as BIND follows
_ZONES_SHOWN_COUNT: Final = 5
_SERIAL_MODULUS: Final = 2**32  # RFC 1982 section 3
_ALONE: Final = (RdataType.CNAME, RdataType.SOA)  # RFC 2181 section 10.1, RFC 1035 section 5.2
_TARGET_FIELDS: Final = {RdataType.MX: "exchange", RdataType.NS: "target"}

_Key = tuple[bytes, ...]
"""A name as it compares: labels in lower case, the root's first, so that a parent is the beginning of its children."""


@attrs.frozen
class Answer:
    """What the zones say to a question.  The RRsets are shared: read them only.

    Attributes:
        answers: the aliases (CNAME) that were followed, in order, and at the end what was asked for, if it is there.
        authority: the zone's SOA where there is nothing (RFC 2308 section 3), or the NS of a delegation.
        additional: addresses of the hosts that the answers name.
        authoritative: the answer is about a name of our own zones.
    """

    rcode: Rcode
    answers: tuple[RRset, ...] = ()
    authority: tuple[RRset, ...] = ()
    additional: tuple[RRset, ...] = ()
    authoritative: bool = True


class Zones:
    """All records of a lab.  A zone begins at each name with a SOA, and ends where the next one begins.

    Not here: wildcards, DNSSEC and zone transfers, because no lesson and no delivery needs them.
    """

    def __init__(self, records: Iterable[ZoneRecord] = ()) -> None:
        """`records` come in any order.

        Raises:
            ValueError: as `add`, for the first record that does not fit.
        """
        self.version = 0
        """Another number after each change."""
        self._nodes: dict[_Key, dict[RdataType, RRset]] = {}
        self._existing: frozenset[_Key] | None = None  # names with records and those above them; None: count anew
        rrsets: dict[tuple[_Key, RdataType], list[ZoneRecord]] = {}
        for record in sorted(records, key=lambda record: record.rdtype is not RdataType.SOA):
            rrsets.setdefault((_key(record.owner), record.rdtype), []).append(record)
        for together in rrsets.values():
            self._put(together)

    def add(self, record: ZoneRecord) -> None:
        """Add one record to those of its name and type.

        Raises:
            ValueError: it lies in no zone, or may not stand beside what is there; says how to mend it.
        """
        there = self._nodes.get(_key(record.owner), {}).get(record.rdtype)
        self._put([record, *(_records_of(there) if there is not None else ())])
        self._count_change(record.owner, record.rdtype)

    def set(self, name: str, type_: str, values: Sequence[str], ttl: int = DEFAULT_TTL_SECONDS) -> None:
        """Put `values` in the place of all records of that name and type; the next answer has them.

        Raises:
            ValueError: as `add`, or a value is none; then nothing has changed.
        """
        if not values:
            raise ValueError("no value is given; give one or more, or remove the records")
        records = [ZoneRecord(name, type_, value, ttl) for value in values]
        self._put(records)
        self._count_change(records[0].owner, records[0].rdtype)

    def remove(self, name: str, type_: str) -> None:
        """Take away all records of that name and type.

        Raises:
            ValueError: there are none, or it is the SOA, without which there is no zone.
        """
        owner, rdtype = read_name(name), read_type(type_)
        key = _key(owner)
        here = self._nodes.get(key, {})
        if rdtype not in here:
            found = f"it has {', '.join(each.name for each in here)}" if here else "it has no records at all"
            raise ValueError(f"{show_name(owner)} has no {rdtype.name} record; {found}")
        if rdtype is RdataType.SOA:
            raise ValueError(f"{show_name(owner)} is a zone by its SOA record; set another value, but leave it there")
        del here[rdtype]
        if not here:
            del self._nodes[key]
        self._existing = None
        self.version += 1
        self._count_change(owner, rdtype)

    def records(self) -> list[ZoneRecord]:
        """All records: a name before those below it, and its SOA before the rest."""
        rrsets = [rrset for _, here in sorted(self._nodes.items()) for _, rrset in sorted(here.items(), key=_soa_first)]
        return [record for rrset in rrsets for record in _records_of(rrset)]

    def apex_of(self, name: str | Name) -> str | None:
        """The zone in which `name` lies; None outside the lab."""
        apex = self._apex(_key(name))
        return None if apex is None else show_name(self._nodes[apex][RdataType.SOA].name)

    def answer(self, name: str | Name, type_: str | RdataType) -> Answer:
        """Answer as an authoritative server does (RFC 1034 section 4.3.2).

        Aliases are followed through all zones of the lab. Where they run in a circle or never end, the answer ends
        too, and has neither what was asked for nor a SOA. REFUSED says that no zone of the lab holds the name.
        """
        rdtype = RdataType[type_] if isinstance(type_, str) else type_
        key = _key(name)
        aliases: list[RRset] = []
        visited = {key}
        while True:
            apex = self._apex(key)
            if apex is None:
                return Answer(Rcode.NOERROR, tuple(aliases)) if aliases else Answer(Rcode.REFUSED, authoritative=False)
            delegation = self._delegation(apex, key)
            if delegation is not None:
                glue = self._addresses_of_targets(delegation)
                return Answer(Rcode.NOERROR, tuple(aliases), (delegation,), glue, authoritative=bool(aliases))
            here = self._nodes.get(key, {})
            # RFC 8482 section 4.1: one RRset is answer enough to somebody who asks for ANY.
            found = next(iter(here.values()), None) if rdtype is RdataType.ANY else here.get(rdtype)
            if found is not None:
                return Answer(Rcode.NOERROR, (*aliases, found), (), self._addresses_of_targets(found))
            alias = here.get(RdataType.CNAME)
            if alias is None:
                rcode = Rcode.NOERROR if self._exists(key) else Rcode.NXDOMAIN
                return Answer(rcode, tuple(aliases), (self._denial(apex),))
            aliases.append(alias)
            key = _key(alias[0].target)
            if key in visited or len(aliases) == CNAME_CHAIN_LIMIT:
                return Answer(Rcode.NOERROR, tuple(aliases))
            visited.add(key)

    def _put(self, records: Sequence[ZoneRecord]) -> None:
        """Let `records`, all of one name and type, be what is there; nothing changes when they do not fit."""
        owner, rdtype = records[0].owner, records[0].rdtype
        key = _key(owner)
        here = self._nodes.get(key, {})
        if rdtype is not RdataType.SOA and self._apex(key) is None:
            raise ValueError(f"{show_name(owner)} lies in no zone of this lab; {self._zones_shown()}")
        if rdtype in _ALONE and len({record.rdata for record in records}) > 1:
            raise ValueError(f"{show_name(owner)} can have one {rdtype.name} record only; set it anew to change it")
        others = here.keys() - {rdtype}
        if others and (rdtype is RdataType.CNAME or RdataType.CNAME in others):  # RFC 2181 section 10.1
            other = (
                RdataType.CNAME.name if RdataType.CNAME in others else ", ".join(sorted(each.name for each in others))
            )
            raise ValueError(
                f"{show_name(owner)} has {other}, so it can have no {rdtype.name} record:"
                " a name with a CNAME has nothing else; remove the one or the other"
            )
        rrset = RRset(owner, IN, rdtype)
        for record in sorted(records, key=lambda record: record.rdata):
            rrset.add(record.rdata, record.ttl)
        self._nodes.setdefault(key, {})[rdtype] = rrset
        self._existing = None
        self.version += 1

    def _count_change(self, owner: Name, rdtype: RdataType) -> None:
        """A zone that was changed has a new serial number, as everywhere; who sets the SOA gives it one."""
        apex = self._apex(_key(owner))
        if apex is None or rdtype is RdataType.SOA:
            return
        soa = self._nodes[apex][RdataType.SOA]
        serial = (soa[0].serial + 1) % _SERIAL_MODULUS
        self._nodes[apex][RdataType.SOA] = changed = RRset(soa.name, IN, RdataType.SOA)
        changed.add(soa[0].replace(serial=serial), soa.ttl)

    def _zones_shown(self) -> str:
        zones = [show_name(here[RdataType.SOA].name) for here in self._nodes.values() if RdataType.SOA in here]
        if not zones:
            return "it has none: a zone begins with a SOA record"
        more = ", ..." if len(zones) > _ZONES_SHOWN_COUNT else ""
        return f"its zones are {', '.join(sorted(zones)[:_ZONES_SHOWN_COUNT])}{more}"

    def _apex(self, key: _Key) -> _Key | None:
        for end in range(len(key), 0, -1):
            if RdataType.SOA in self._nodes.get(key[:end], ()):
                return key[:end]
        return None

    def _delegation(self, apex: _Key, key: _Key) -> RRset | None:
        """The NS records with which a zone hands on what lies below them (RFC 1034 section 4.2.1)."""
        for end in range(len(apex) + 1, len(key) + 1):
            name_servers = self._nodes.get(key[:end], {}).get(RdataType.NS)
            if name_servers is not None:
                return name_servers
        return None

    def _denial(self, apex: _Key) -> RRset:
        """The SOA that goes with "there is none", to be kept no longer than it says (RFC 2308 section 3)."""
        soa = self._nodes[apex][RdataType.SOA]
        denial = RRset(soa.name, IN, RdataType.SOA)
        denial.add(soa[0], min(soa.ttl, soa[0].minimum))
        return denial

    def _exists(self, key: _Key) -> bool:
        """True for names with records and for those above them, which have none (RFC 8020 section 2)."""
        if self._existing is None:
            self._existing = frozenset(name[:end] for name in self._nodes for end in range(1, len(name) + 1))
        return key in self._existing

    def _addresses_of_targets(self, rrset: RRset) -> tuple[RRset, ...]:
        """What a resolver will ask next (RFC 1034 section 4.3.2, step 6): addresses of mail and name servers."""
        field = _TARGET_FIELDS.get(rrset.rdtype)
        if field is None:
            return ()
        targets = dict.fromkeys(_key(getattr(rdata, field)) for rdata in rrset)
        pairs = itertools.product(targets, (RdataType.A, RdataType.AAAA))
        return tuple(found for key, rdtype in pairs if (found := self._nodes.get(key, {}).get(rdtype)) is not None)


def _key(name: str | Name) -> _Key:
    labels = (read_name(name) if isinstance(name, str) else name).labels
    return tuple(label.lower() for label in reversed(labels))


def _records_of(rrset: RRset) -> Iterator[ZoneRecord]:
    name, rdtype = show_name(rrset.name), rrset.rdtype.name
    return (ZoneRecord(name, rdtype, show_value(rdata), rrset.ttl) for rdata in rrset)


def _soa_first(item: tuple[RdataType, RRset]) -> tuple[bool, str]:
    return item[0] is not RdataType.SOA, item[0].name
