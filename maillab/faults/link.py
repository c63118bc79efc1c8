"""One connection as the plan sees it: which faults it has met, and what they do to its octets."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Final

from maillab.faults.fault import CLIENTS, Kind
from maillab.faults.plan import FaultPlan, Planned

PIECE_SECONDS: Final = 0.1  # a throttled line trickles: what it takes in so long arrives together

Report = Callable[[Planned, str], object]
"""Told of each firing, and in a sentence what it means."""

_MEANINGS: Final = {
    Kind.DELAY: "octets between {opener} and {target} arrive {seconds:g} s late",
    Kind.THROTTLE: "only {octets_per_second} octets in a second pass between {opener} and {target}",
    Kind.CUT: "the connection from {opener} to {target} is cut after {after_octets} octets",
    Kind.REFUSE: "a connection from {opener} to {target} is refused",
    Kind.BLACKHOLE: "nothing passes between {opener} and {target}, and nobody is told",
    Kind.PARTITION: "no way leads from {opener} to {target}, or back",
}
_OBSTACLES: Final = (Kind.REFUSE, Kind.PARTITION, Kind.BLACKHOLE)
_SILENCES: Final = frozenset({Kind.PARTITION, Kind.BLACKHOLE})
_LASTING: Final = _SILENCES | {Kind.DELAY, Kind.THROTTLE}


class Link:
    """The way of one connection from `opener`, a host or `CLIENTS`, to the host `target`.

    Each fault that fits has one occasion with each connection: when first it carries something, or is to be opened,
    while the fault is planned.  A cut has its occasion when the connection comes so far.
    """

    def __init__(self, plan: FaultPlan, opener: str, target: str, report: Report) -> None:
        self._plan = plan
        self._opener = opener
        self._target = target
        self._report = report
        self._version = 0  # of the plan when it was looked at; the first one is empty
        self._met: dict[Planned, bool] = {}
        self._cuts: tuple[Planned, ...] = ()
        self._lasting: tuple[Planned, ...] = ()
        self._is_silent = False

    @property
    def is_troubled(self) -> bool:
        """Does any fault touch what is carried now?  Asked for all octets, and mostly answered with no."""
        if self._version != self._plan.version:
            self._look()
        return bool(self._lasting or self._cuts)

    @property
    def is_silent(self) -> bool:
        """Does nothing pass?"""
        return self.is_troubled and self._is_silent

    @property
    def is_slow(self) -> bool:
        """Do octets take their time?"""
        return self.is_troubled and bool(self._lasting)

    def obstacle(self) -> Kind | None:
        """What stands in the way of opening the connection; asked again, it is the same until the plan changes."""
        for kind in _OBSTACLES:
            self._meet({kind})
            if any(struck and each.in_force and each.fault.kind is kind for each, struck in self._met.items()):
                return kind
        return None

    def octets_left(self, carried_octets: int, more_octets: int) -> int | None:
        """How many of `more_octets` of the opener still pass before the connection is cut; None when all do."""
        if not self.is_troubled:
            return None
        for planned in self._cuts:
            limit = planned.fault.after_octets or 0
            if carried_octets + more_octets > limit and planned not in self._met:
                self._met[planned] = self._strikes(planned)
                if self._met[planned]:
                    return max(limit - carried_octets, 0)
        return None

    def lateness_seconds(self) -> float:
        """How long the next octets take on their way."""
        seconds = 0.0
        for planned in self._lasting:
            seconds += planned.fault.seconds or 0
            if planned.fault.jitter_seconds:
                seconds += planned.roll() * planned.fault.jitter_seconds
        return seconds

    @property
    def octets_per_second(self) -> int | None:
        """What the narrowest place lets through."""
        rates = (each.fault.octets_per_second for each in self._lasting)
        return min((rate for rate in rates if rate is not None), default=None)

    def _look(self) -> None:
        """The plan has changed: what holds for this connection now?"""
        self._version = self._plan.version
        self._meet(_LASTING)
        self._met = {planned: struck for planned, struck in self._met.items() if planned.in_force}
        self._lasting = tuple(each for each, struck in self._met.items() if struck and each.fault.kind in _LASTING)
        self._cuts = tuple(self._on_the_way({Kind.CUT}))
        self._is_silent = any(each.fault.kind in _SILENCES for each in self._lasting)

    def _meet(self, kinds: Collection[Kind]) -> None:
        for planned in self._on_the_way(kinds):
            if planned not in self._met:
                self._met[planned] = self._strikes(planned)

    def _on_the_way(self, kinds: Collection[Kind]) -> Iterator[Planned]:
        return (each for each in self._plan.of(kinds) if each.is_on_the_way(self._opener, self._target))

    def _strikes(self, planned: Planned) -> bool:
        if not planned.occurs():
            return False
        fault = planned.fault
        names = {"opener": "a client" if self._opener == CLIENTS else self._opener, "target": self._target}
        numbers = {key: getattr(fault, key) for key in ("seconds", "octets_per_second", "after_octets")}
        self._report(planned, _MEANINGS[fault.kind].format(**names, **numbers))
        return True


class Lane:
    """One direction of a connection: when what is sent now arrives.  Nothing overtakes."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._free_at = 0.0  # when the narrow place has let everything through
        self._last_at = 0.0

    def pieces(self, octets: bytes) -> Iterator[bytes]:
        """`octets` in parts that arrive one by one."""
        rate = self._link.octets_per_second
        size = len(octets) if rate is None else max(int(rate * PIECE_SECONDS), 1)
        return (octets[start : start + size] for start in range(0, len(octets), max(size, 1)))

    def arrival(self, count: int, now: float) -> float:
        """When a piece of `count` octets that sets out now is there."""
        rate = self._link.octets_per_second
        self._free_at = max(self._free_at, now) + (count / rate if rate else 0)
        self._last_at = max(self._last_at, self._free_at + self._link.lateness_seconds())
        return self._last_at
