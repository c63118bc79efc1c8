"""The plan: the faults that are wanted now, and how often each has had an occasion and has struck.

Nothing here reads a clock or rolls dice of its own; the plan is asked, and answers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Final

import attrs

from maillab.faults.fault import CLIENTS, Fault, Kind, Places, unfit

Roll = Callable[[], float]
"""The next number from 0 to below 1."""


class Planned:
    """A fault of the plan, and what became of it so far."""

    def __init__(self, fault: Fault, roll: Roll, places: Places) -> None:
        self.fault: Final = fault
        self.in_force = True
        """False once it was cleared."""
        self.occasion_count = 0
        self.fired_count = 0
        self.roll: Final = roll
        self.opener = self._host(fault.from_, places)
        self.target = self._host(fault.to, places)
        self.side: Final = frozenset(self._host(host, places) for host in fault.hosts or ())
        self.server = self._host(fault.server, places)

    @property
    def spent(self) -> bool:
        """True when it has struck as often as it was to."""
        return self.fault.times is not None and self.fired_count >= self.fault.times

    def occurs(self) -> bool:
        """Here is an occasion that fits: does the fault strike?"""
        if self.spent:
            return False
        self.occasion_count += 1
        if self.occasion_count <= self.fault.after:
            return False
        if self.fault.chance < 1 and self.roll() >= self.fault.chance:
            return False
        self.fired_count += 1
        return True

    def is_on_the_way(self, opener: str, target: str | None) -> bool:
        """Does a connection from `opener`, a host or `CLIENTS`, to `target` meet it?"""
        if self.fault.kind is Kind.PARTITION:
            if opener == CLIENTS and CLIENTS not in self.side:
                return False  # who is not named stands beside the server that he speaks to
            return (opener in self.side) != (target in self.side)
        return self.opener in (None, opener) and self.target in (None, target)

    def is_at(self, host: str) -> bool:
        """Is it one of the server `host`?"""
        return self.server in (None, host)

    @staticmethod
    def _host(place: str | None, places: Places) -> str | None:
        return place if place in (None, CLIENTS) else places.host_of.get(place, place)


class FaultPlan:
    """The faults of one lab, in the order in which they were added."""

    def __init__(self, places: Places, seeded: Callable[[str], Roll]) -> None:
        """`seeded` gives each fault, by its name, chance of its own: what others do changes nothing about it."""
        self.version = 0
        """Another number after each change."""
        self._places = places
        self._seeded = seeded
        self._planned: dict[str, Planned] = {}
        self._kinds: frozenset[Kind] = frozenset()
        self._listeners: list[Callable[[], object]] = []

    def add(self, fault: Fault) -> Fault:
        """Plan `fault` from now on, and give it as it is planned: with a name.

        Raises:
            ValueError: the name is taken, or there is something wrong with it: all of it, in one line.
        """
        wrong = [str(each) for each in unfit(fault, self._places)]
        if fault.name in self._planned:
            wrong.append(f'name: "{fault.name}" is taken; give another one, or clear that first')
        if wrong:
            raise ValueError("; ".join(wrong))
        if not fault.name:
            fault = attrs.evolve(fault, name=self._free_name())
        self._planned[fault.name] = Planned(fault, self._seeded(fault.name), self._places)
        self._changed()
        return fault

    def clear(self, name: str | None = None) -> tuple[str, ...]:
        """Take one fault away, or all; gives the names of those that were there."""
        names = tuple(each for each in self._planned if name in (None, each))
        for each in names:
            self._planned.pop(each).in_force = False
        if names:
            self._changed()
        return names

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What is planned, spent or not."""
        return tuple(planned.fault for planned in self._planned.values())

    def fired_count(self, name: str) -> int:
        """How often a fault has struck.

        Raises:
            LookupError: there is none of that name.
        """
        return self._find(name).fired_count

    def is_spent(self, name: str) -> bool:
        """Whether it has struck as often as it was to.

        Raises:
            LookupError: there is none of that name.
        """
        return self._find(name).spent

    def of(self, kinds: Collection[Kind]) -> Iterator[Planned]:
        """The planned faults of these kinds, in order."""
        return (planned for planned in self._planned.values() if planned.fault.kind in kinds)

    def has(self, kinds: Collection[Kind]) -> bool:
        """Is there any of these kinds?  Asked all the time, and mostly answered with no."""
        return not self._kinds.isdisjoint(kinds)

    def strikes(self, kinds: Collection[Kind], fits: Callable[[Planned], bool]) -> Planned | None:
        """Here is an occasion: the first fault of these kinds that fits and strikes; those behind it do not see it."""
        return next((planned for planned in self.of(kinds) if fits(planned) and planned.occurs()), None)

    def add_listener(self, listener: Callable[[], object]) -> None:
        """Call `listener` after each change."""
        self._listeners.append(listener)

    def _find(self, name: str) -> Planned:
        try:
            return self._planned[name]
        except KeyError:
            known = ", ".join(self._planned) or "none"
            raise LookupError(f'no fault is called "{name}"; there are {known}') from None

    def _free_name(self) -> str:
        number = 1
        while f"fault-{number}" in self._planned:
            number += 1
        return f"fault-{number}"

    def _changed(self) -> None:
        self.version += 1
        self._kinds = frozenset(planned.fault.kind for planned in self._planned.values())
        for listener in self._listeners:
            listener()
