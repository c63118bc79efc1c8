"""From a seed to a plan: topology, traffic, crashes, faults and clock jumps; many seeds leave things out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random
from typing import Final

import attrs

from maillab.lab.spec import (
    Addressing,
    DnsRecordSpec,
    DnsSpec,
    DomainSpec,
    LabSpec,
    Outgoing,
    RelaySpec,
    RetrySpec,
    UserSpec,
)
from maillab.mailserver.choices import Tls
from maillab.smtp.replies import ReplyStyle
from tests.simulation.determinism import chance_of
from tests.simulation.letters import draw_letter
from tests.simulation.numbers import log_uniform, weighted
from tests.simulation.plan import Crash, Death, Jump, Plan, Trigger, Weather
from tests.simulation.shocks import draw_shocks

DOMAINS: Final = ("nord.example", "sued.example", "west.example", "ost.example", "mitte.example")
RELAYS: Final = ("relay.example", "hub.example")
USERS: Final = ("anna", "ben", "carla")
NOWHERE: Final = "nowhere.invalid"
RETRIES: Final = (  # (waits, end): a few dozen attempts at most
    ((5.0, 30.0, 120.0), 600.0),
    ((5.0, 30.0, 120.0), 3600.0),
    ((1.0,), 20.0),
    ((60.0, 600.0), 3600.0),
    ((5.0, 30.0, 120.0, 600.0, 3600.0), 40_000.0),
    ((5.0, 30.0, 120.0, 600.0, 3600.0), 432_000.0),
)
LOOP_CHANCE: Final = 0.05
BACKUP_PREFERENCE: Final = 20  # a domain's own host has 10


def draw(seed: int) -> Plan:
    """The plan that `seed` leads to."""
    chance = chance_of(seed, "plan")
    spec = _with_loop(_spec(chance), chance_of(seed, "loop"))
    processes = _processes(chance, [server.host for server in spec.servers])
    span_seconds = chance.choice((0.0, 2.0, 60.0, 900.0))
    letters = tuple(
        draw_letter(chance, spec, number, span_seconds) for number in range(weighted(chance, (1, 2, 3, 5, 9)))
    )
    crashes = _crashes(chance, len(processes), span_seconds) if chance.random() < 0.75 else ()
    shocks = draw_shocks(chance, spec, span_seconds) if chance.random() < 0.65 else ()
    jumps = tuple(
        Jump(chance.uniform(0.0, 2 * span_seconds + 100.0), log_uniform(chance, 10.0, 90_000.0))
        for _ in range(chance.choice((0, 0, 0, 1, 2)))
    )
    weather = Weather(
        latency_seconds=chance.choice((0.0, 0.0, 0.02, 3.0)),
        fragments=chance.random() < 0.2,
        reset_chance=chance.choice((0.0, 0.0, 0.01, 0.05)),
    )
    return Plan(
        seed=seed,
        spec=spec,
        processes=processes,
        letters=letters,
        crashes=crashes,
        shocks=shocks,
        jumps=jumps,
        weather=weather,
        heal_at=2 * span_seconds + chance.choice((10.0, 300.0, 3000.0)),
    )


def _spec(chance: Random) -> LabSpec:
    names = DOMAINS[: weighted(chance, (2, 2, 3, 1, 4, 5))]
    relays = tuple(RELAYS[: chance.choice((0, 1, 1, 2))])
    backups = {name: relays[-1] for name in names if relays and chance.random() < 0.35}
    after_seconds, give_up_after_seconds = chance.choice(RETRIES)
    return LabSpec(
        name="simulation",
        addressing=Addressing.HOSTS,
        replies=chance.choice((ReplyStyle.REALISTIC,) * 5 + (ReplyStyle.FILIUS_EN,)),
        domains=tuple(_domain(chance, names, k, relays) for k in range(len(names))),
        relays=tuple(_relay(chance, host, relays, names) for host in relays),
        retry=RetrySpec(
            after_seconds=after_seconds,
            give_up_after_seconds=give_up_after_seconds,
            warn_after_seconds=chance.choice((0.0, 0.0, 100.0, 1000.0)),
        ),
        dns=DnsSpec(
            records=tuple(DnsRecordSpec(name, "MX", f"{BACKUP_PREFERENCE} {host}") for name, host in backups.items())
        ),
    )


def _domain(chance: Random, names: Sequence[str], k: int, relays: Sequence[str]) -> DomainSpec:
    users = USERS[: chance.randint(1, len(USERS))]
    return DomainSpec(
        name=names[k],
        users=tuple(map(UserSpec, users)),
        aliases={"team": _members(chance, names, k, users)} if chance.random() < 0.4 else {},
        smarthost=relays[0] if relays and chance.random() < 0.35 else None,
        outgoing=chance.choice((Outgoing.OWN_SENDERS, Outgoing.OWN_SENDERS, Outgoing.ANYONE)),
        tls=Tls.OFF,
        greylist_seconds=chance.choice((0.0, 0.0, 0.0, 0.0, 30.0, 400.0)),
    )


def _with_loop(spec: LabSpec, chance: Random) -> LabSpec:
    """Now and then two lists are members of one another."""
    if len(spec.domains) < 2 or chance.random() >= LOOP_CHANCE:
        return spec
    first, second, *others = spec.domains
    # No other list is in them: a loop that branches doubles with each round, until it meets the limit.
    first = attrs.evolve(first, aliases={"team": (first.users[0].name, f"team@{second.name}")})
    second = attrs.evolve(second, aliases={"team": (second.users[0].name, f"team@{first.name}")})
    return attrs.evolve(spec, domains=(first, second, *others))


def _members(chance: Random, names: Sequence[str], k: int, users: Sequence[str]) -> tuple[str, ...]:
    """A list's members: people here and elsewhere, nobody, and a list further on."""
    elsewhere = [name for name in names if name != names[k]]
    members = chance.sample(users, chance.randint(1, len(users)))
    for name in elsewhere:
        if chance.random() < 0.4:
            members.append(f"{chance.choice((USERS[0], USERS[0], USERS[-1], 'ghost'))}@{name}")
    later = names[k + 1 :]  # so that no list leads back here
    if later and chance.random() < 0.2:
        members.append(f"team@{chance.choice(later)}")
    if chance.random() < 0.05:
        members.append(f"x@{NOWHERE}")
    return tuple(members)


def _relay(chance: Random, host: str, relays: Sequence[str], names: Sequence[str]) -> RelaySpec:
    relays_for = None if chance.random() < 0.8 else tuple(name for name in names if chance.random() < 0.8)
    is_first_of_two = len(relays) > 1 and host == relays[0]
    return RelaySpec(
        host=host,
        relays_for=relays_for,
        smarthost=relays[1] if is_first_of_two and chance.random() < 0.5 else None,
        tls=Tls.OFF,
    )


def _processes(chance: Random, hosts: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """All servers in one process, each in its own, or any way between."""
    count = chance.choice((1, len(hosts), chance.randint(1, len(hosts))))
    place = {host: k if k < count else chance.randrange(count) for k, host in enumerate(hosts)}
    return tuple(tuple(host for host in hosts if place[host] == k) for k in range(count))


def _crashes(chance: Random, process_count: int, span_seconds: float) -> tuple[Crash, ...]:
    """Those of one process wait for one another: the second is for its second life."""
    triggers = chance.choice((tuple(Trigger), (Trigger.BEFORE_COMMIT, Trigger.AFTER_COMMIT, Trigger.SEND)))
    deaths = chance.choice((tuple(Death), (Death.RESET, Death.SILENT), (Death.RESET,)))
    return tuple(
        Crash(
            process=chance.randrange(process_count),
            trigger=(trigger := chance.choice(triggers)),
            count=_occasion(chance, trigger, span_seconds),
            death=chance.choice(deaths),
            down_seconds=log_uniform(chance, 0.01, 3000.0),
        )
        for _ in range(weighted(chance, (1, 2, 3, 5)))
    )


def _occasion(chance: Random, trigger: Trigger, span_seconds: float) -> float:
    if trigger is Trigger.TIME:
        return chance.uniform(0.0, 1.5 * span_seconds + 1.0)
    most = {Trigger.SEND: 60.0, Trigger.RECORD: 150.0}.get(trigger, 12.0)
    return math.floor(log_uniform(chance, 1.0, most))
