"""Do users and aliases agree? Nobody twice, no alias to nobody, no group that contains itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from maillab.lab.mistakes import Mistake, Where, as_toml, did_you_mean, path_text
from maillab.lab.spec import POSTMASTER, DomainSpec, LabSpec
from maillab.lab.values import WrongValue, read_local_part
from maillab.mail.address import Address, AddressError

SHOWN_LIMIT_GROUPS: Final = 8  # of a circle, in its message

# The key of a mail address: both parts in lower case. Local parts compare without case throughout the lab.
Key = str


def check_users(spec: LabSpec) -> Iterator[Mistake]:
    """A name is one person's or one alias's, and every domain has a postmaster (RFC 5321 section 4.5.1)."""
    for i, domain in enumerate(spec.domains):
        seen: dict[str, Where] = {}
        for j, user in enumerate(domain.users):
            yield from _claim(seen, user.key, user.name, ("domain", i, "users", j))
        for alias in domain.aliases:
            where: Where = ("domain", i, "aliases", alias)
            try:
                read_local_part(alias)
            except WrongValue as error:
                yield Mistake(path_text(where), error.found, error.expected, error.mend)
            yield from _claim(seen, alias.lower(), alias, where)
        if not domain.users and POSTMASTER not in seen:
            found = "nobody here can be postmaster"
            yield Mistake(path_text(("domain", i, "users")), found, "give a user", "or an alias postmaster")


def check_aliases(spec: LabSpec) -> Iterator[Mistake]:
    """Every member of an alias is somebody, and no group reaches itself."""
    domains = {name for foreign in spec.foreign for name in foreign.domains}
    people = {f"{name}@{domain.name}" for domain in spec.domains for name in _names(domain)}
    places: dict[Key, Where] = {}
    groups: dict[Key, list[Key]] = {}
    for i, domain in enumerate(spec.domains):
        for alias, targets in domain.aliases.items():
            where: Where = ("domain", i, "aliases", alias)
            members = [_address(domain, target) for target in targets]
            if not members:
                yield Mistake(path_text(where), "[] is nobody", "name one member at least")
            for j, (target, member) in enumerate(zip(targets, members, strict=True)):
                # What is no address has been found by its reader; behind a foreign host, anybody may live.
                if member is not None and member.domain_key not in domains and member.key not in people:
                    yield _nobody(path_text((*where, j)), domain, target, people)
            key = f"{alias.lower()}@{domain.name}"
            places.setdefault(key, where)
            groups.setdefault(key, []).extend(member.key for member in members if member is not None)
    for circle in circles(groups):
        way = (*circle[:SHOWN_LIMIT_GROUPS], *(["..."] if len(circle) > SHOWN_LIMIT_GROUPS else []), circle[0])
        found = f"a group that contains itself ({' -> '.join(way)})"
        yield Mistake(path_text(places[circle[0]]), found, "take one of them out")


def circles(groups: Mapping[Key, Sequence[Key]]) -> Iterator[tuple[Key, ...]]:
    """The ways from a group back to itself, one for each member that closes a circle.

    A depth-first search with the stack in our own hands, because a chain of groups may be longer than Python's.
    """
    finished: set[Key] = set()
    for start in groups:
        if start in finished:
            continue
        way = {start: iter(groups[start])}  # keeps the order in which the groups were entered
        while way:
            group = next(reversed(way))
            for member in way[group]:
                if member in way:
                    entered = list(way)
                    yield tuple(entered[entered.index(member) :])
                elif member in groups and member not in finished:
                    way[member] = iter(groups[member])
                    break
            else:
                finished.add(group)
                del way[group]


def _names(domain: DomainSpec) -> set[str]:
    return {user.key for user in domain.users} | {alias.lower() for alias in domain.aliases} | {POSTMASTER}


def _address(domain: DomainSpec, target: str) -> Address | None:
    try:
        return domain.address_of(target)
    except AddressError:
        return None


def _claim(seen: dict[str, Where], key: str, name: str, where: Where) -> Iterator[Mistake]:
    if key in seen:
        found = f"{as_toml(name)} is {path_text(seen[key])} already"
        yield Mistake(path_text(where), found, "give each its own name", "case does not count")
    seen.setdefault(key, where)


def _nobody(path: str, domain: DomainSpec, target: str, people: set[Key]) -> Mistake:
    if "@" in target:
        return Mistake(path, f"{as_toml(target)} is nobody in this lab", did_you_mean(target, people))
    expected = did_you_mean(target, _names(domain))
    mend = "" if expected.endswith("?") else "or give USER@DOMAIN"
    return Mistake(path, f"{as_toml(target)} is nobody in {domain.name}", expected, mend)
