"""The faults of a lab file: whom they can be about, and what is wrong with those that cannot be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from maillab.faults.fault import Fault, Places, unfit
from maillab.lab.mistakes import NOBODYS_DOMAIN, LabFileError, Mistake, Where, as_toml, path_text
from maillab.lab.spec import LabSpec
from maillab.lab.structure import read_fault_table


def places_of(spec: LabSpec) -> Places:
    """Whom faults can be about: servers and foreign hosts, by host name and by domain."""
    hosts = (*spec.servers, *spec.foreign)
    host_of = {domain: server.host for server in hosts for domain in server.domains}
    return Places(
        host_of | {server.host: server.host for server in hosts}, frozenset(each.host for each in spec.servers)
    )


def check_faults(spec: LabSpec) -> Iterator[Mistake]:
    """Every fault fits the lab, and has a name of its own."""
    places = places_of(spec)
    named: dict[str, Where] = {}
    for i, fault in enumerate(spec.faults):
        where = ("fault", i)
        yield from _mistakes(fault, places, where)
        if fault.name in named:
            found = f"{as_toml(fault.name)} is the name of {path_text(named[fault.name])} already"
            yield Mistake(path_text((*where, "name")), found, "give each its own", "or leave it out")
        elif fault.name:
            named[fault.name] = where


def read_fault(table: Mapping[str, Any], spec: LabSpec) -> Fault:
    """The fault that `table` means, with the keys of a lab file.

    Raises:
        LabFileError: there is something wrong with it: all of it.
    """
    fault, mistakes = read_fault_table(table)
    if not any(mistake.path == "kind" for mistake in mistakes):
        mistakes += tuple(_mistakes(fault, places_of(spec), ()))
    if mistakes:
        raise LabFileError({mistake.path: mistake for mistake in reversed(mistakes)}.values())
    return fault


def _mistakes(fault: Fault, places: Places, where: Where) -> Iterator[Mistake]:
    for key, found, expected, mend in unfit(fault, places):
        if NOBODYS_DOMAIN not in found:  # what stands in for a value that its reader has refused
            yield Mistake(path_text((*where, key)), found, expected, mend)
