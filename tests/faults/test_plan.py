"""The plan without a lab: occasions, firings, names; and which fault is meant by what is said."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maillab.faults.fault import CLIENTS, POLICY_KINDS, Fault, Kind, Places
from maillab.faults.plan import FaultPlan, Planned
from maillab.mail.address import Address
from tests.labs import NORD, SUED

PLACES: Final = Places({NORD: NORD, SUED: SUED, "nord.example": NORD, "sued.example": SUED}, frozenset({NORD, SUED}))


def plan_of(*faults: Fault, roll: float = 0.5) -> FaultPlan:
    plan = FaultPlan(PLACES, lambda _: lambda: roll)
    for fault in faults:
        plan.add(fault)
    return plan


def strikes(plan: FaultPlan) -> str | None:
    """The fault that strikes at an occasion which fits all."""
    planned = plan.strikes(POLICY_KINDS, lambda _: True)
    return None if planned is None else planned.fault.name


def busy(name: str = "", times: int | None = None, after: int = 0, chance: float = 1) -> Fault:
    return Fault("reply", name=name, times=times, after=after, chance=chance, command="RCPT", reply="450 Busy")


@given(
    times=st.none() | st.integers(1, 5),
    after=st.integers(0, 5),
    chance=st.floats(0, 1),
    rolls=st.lists(st.floats(0, 1, exclude_max=True), max_size=20),
)
def test_a_fault_strikes_when_it_is_its_turn(times: int | None, after: int, chance: float, rolls: list[float]) -> None:
    """Not before `after` occasions, not more than `times`, and each time by chance; the counts say so."""
    rest = iter(rolls)
    plan = FaultPlan(PLACES, lambda _: lambda: next(rest))
    plan.add(busy(times=times, after=after, chance=chance))
    struck = [strikes(plan) is not None for _ in rolls]
    wanted = [False] * min(after, len(rolls)) + [chance == 1 or roll < chance for roll in rolls][
        : max(len(rolls) - after, 0)
    ]
    left = len(rolls) if times is None else times
    for number, would in enumerate(wanted):
        if would and not left:
            wanted[number] = False
        left -= wanted[number]
    assert struck == wanted
    assert plan.fired_count("fault-1") == sum(struck)
    assert plan.is_spent("fault-1") == (times is not None and sum(struck) == times)


def test_the_first_that_strikes_is_the_one() -> None:
    """Those behind it do not see the occasion; when it is spent, they do."""
    plan = plan_of(busy("first", times=1), busy("second", after=1), busy("third"))
    assert [strikes(plan) for _ in range(4)] == ["first", "third", "second", "second"]


def test_names_are_numbers_unless_they_are_given() -> None:
    """The first number that is free; cleared, it is free again."""
    plan = plan_of(busy(), busy("fault-2"), busy())
    assert [fault.name for fault in plan.faults] == ["fault-1", "fault-2", "fault-3"]
    assert plan.clear("fault-1") == ("fault-1",)
    assert plan.add(busy()).name == "fault-1"
    assert plan.clear() == ("fault-2", "fault-3", "fault-1")
    assert plan.faults == ()


def test_every_change_is_told() -> None:
    """Another version, and a call of whoever listens; what changes nothing is no change."""
    plan, calls = plan_of(), []
    plan.add_listener(lambda: calls.append(plan.version))
    plan.add(busy())
    plan.clear("nothing of that name")
    plan.clear()
    plan.clear()
    assert calls == [1, 2]
    assert not plan.has(POLICY_KINDS)


@pytest.mark.parametrize(
    ("fault", "opener", "target", "meets"),
    [
        (Fault("refuse"), NORD, SUED, True),
        (Fault("refuse"), CLIENTS, SUED, True),
        (Fault("refuse", from_="Nord.Example", to=SUED), NORD, SUED, True),
        (Fault("refuse", from_="nord.example"), SUED, NORD, False),
        (Fault("refuse", from_=CLIENTS), NORD, SUED, False),
        (Fault("refuse", from_=CLIENTS, to=NORD), CLIENTS, SUED, False),
        (Fault("partition", hosts=["nord.example"]), NORD, SUED, True),
        (Fault("partition", hosts=["nord.example"]), SUED, NORD, True),
        (Fault("partition", hosts=[NORD, SUED]), SUED, NORD, False),
        (Fault("partition", hosts=[NORD]), CLIENTS, NORD, False),
        (Fault("partition", hosts=[NORD]), CLIENTS, SUED, False),
        (Fault("partition", hosts=[NORD, CLIENTS]), CLIENTS, NORD, False),
        (Fault("partition", hosts=[NORD, CLIENTS]), CLIENTS, SUED, True),
    ],
)
def test_who_meets_a_fault_on_the_way(fault: Fault, opener: str, target: str, meets: bool) -> None:
    """By host or domain, in one direction or across a border."""
    assert Planned(fault, lambda: 0, PLACES).is_on_the_way(opener, target) is meets


@pytest.mark.parametrize(
    ("wanted", "path", "takes"),
    [
        (None, "ben@sued.example", True),
        (None, None, True),
        ("BEN@sued.example", "ben@Sued.Example", True),
        ("ben@sued.example", "berta@sued.example", False),
        ("@Sued.example", "ben@sued.example", True),
        ("@sued.example", "ben@west.sued.example", False),
        ("@sued.example", None, False),
        ("", None, True),
        ("", "ben@sued.example", False),
    ],
)
def test_which_path_is_meant(wanted: str | None, path: str | None, takes: bool) -> None:
    """One, all of a domain, or the null path; without case."""
    fault = Fault("timeout", command="MAIL", address=wanted)
    assert fault.takes(Address.parse(path) if path else None) is takes


@pytest.mark.parametrize(
    ("domain", "name", "about"),
    [
        (None, "sued.example", True),
        ("sued.example", "Sued.Example.", True),
        ("sued.example", "mail.sued.example", True),
        ("sued.example", "uesued.example", False),
        ("mail.sued.example", "sued.example", False),
    ],
)
def test_which_names_are_meant(domain: str | None, name: str, about: bool) -> None:
    """A name and all below it."""
    assert Fault("dns-timeout", domain=domain).about(name) is about


def test_a_reply_is_read_as_it_will_be_said() -> None:
    """Code, enhanced code where there is one, and text."""
    fault = Fault(Kind.REPLY, command="RCPT", reply="450 4.2.0 Mailbox busy")
    assert fault.answer.wire_lines == ("450 4.2.0 Mailbox busy",)
    assert (fault.answer.code, fault.answer.enhanced, fault.answer.lines) == (450, "4.2.0", ("Mailbox busy",))
    assert Fault("reply", reply="554 4 you").answer.wire_lines == ("554 4 you",)
