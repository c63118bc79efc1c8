"""Faults by chance: links, replies, disks and names, each for a while."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final

from maillab.faults.fault import CLIENTS, MESSAGE, Fault, Kind
from maillab.lab.spec import LabSpec
from tests.simulation.numbers import log_uniform, weighted
from tests.simulation.plan import Shock

TEMPORARY: Final = ("450 4.2.0 Mailbox busy", "451 4.3.0 Not now", "452 4.3.1 No room", "421 4.3.2 Closing")
FOR_GOOD: Final = ("550 5.7.1 Not wanted", "554 5.3.0 No", "552 5.2.2 Mailbox full")
COMMANDS: Final = ("RCPT", "RCPT", "RCPT", MESSAGE, MESSAGE, "MAIL", "DATA", "connect", "EHLO")


def _link(chance: Random, spec: LabSpec) -> dict[str, str | None]:
    """From whom to whom; None is everybody."""
    hosts = [server.host for server in spec.servers]
    return {"from_": chance.choice((None, CLIENTS, *hosts)), "to": chance.choice((None, *hosts))}


def _server(chance: Random, spec: LabSpec) -> str | None:
    return chance.choice((None, *(server.host for server in spec.servers)))


def _whom(chance: Random, spec: LabSpec, command: str) -> str | None:
    """Whose path is waited for; None is any."""
    if command not in ("RCPT", "MAIL") or chance.random() < 0.3:
        return None
    domain = chance.choice(spec.domains)
    return chance.choice((f"@{domain.name}", *(f"{user.name}@{domain.name}" for user in domain.users)))


def _reply(chance: Random, spec: LabSpec, name: str, times: int | None) -> Fault:
    command = chance.choice(COMMANDS)
    # A server that refuses EHLO for good is spoken to in the old way, and takes no NOTIFY: that is another lab.
    replies = TEMPORARY if command == "EHLO" or chance.random() < 0.8 else FOR_GOOD
    return Fault(
        Kind.REPLY,
        name=name,
        times=times,
        server=_server(chance, spec),
        command=command,
        address=_whom(chance, spec, command),
        reply=chance.choice(replies),
    )


def _silence(chance: Random, spec: LabSpec, name: str, times: int | None) -> Fault:
    command = chance.choice(COMMANDS)
    return Fault(Kind.TIMEOUT, name=name, times=times, server=_server(chance, spec), command=command)


def _disconnect(chance: Random, spec: LabSpec, name: str, times: int | None) -> Fault:
    command = chance.choice((*COMMANDS, MESSAGE, MESSAGE, MESSAGE))
    late = command == MESSAGE and chance.random() < 0.8
    return Fault(
        Kind.DISCONNECT, name=name, times=times, server=_server(chance, spec), command=command, late=late or None
    )


def _link_fault(kind: Kind, more: Callable[[Random], dict[str, float]]) -> Callable[..., Fault]:
    def draw(chance: Random, spec: LabSpec, name: str, times: int | None) -> Fault:
        keys: dict[str, Any] = {**_link(chance, spec), **more(chance)}
        return Fault(kind, name=name, times=times, **keys)

    return draw


def _partition(chance: Random, spec: LabSpec, name: str, times: int | None) -> Fault:
    hosts = [server.host for server in spec.servers]
    side = chance.sample(hosts, chance.randint(1, len(hosts)))
    return Fault(Kind.PARTITION, name=name, times=times, hosts=tuple(side))


def _disk(kind: Kind) -> Callable[..., Fault]:
    def draw(chance: Random, spec: LabSpec, name: str, times: int | None) -> Fault:
        seconds = log_uniform(chance, 0.01, 30.0) if kind is Kind.DISK_SLOW else None
        return Fault(kind, name=name, times=times, server=_server(chance, spec), seconds=seconds)

    return draw


def _names(kind: Kind) -> Callable[..., Fault]:
    def draw(chance: Random, spec: LabSpec, name: str, times: int | None) -> Fault:
        domain = chance.choice((None, *(domain.name for domain in spec.domains)))
        return Fault(kind, name=name, times=times, domain=domain)

    return draw


def _delay(chance: Random) -> dict[str, float]:
    seconds = log_uniform(chance, 0.01, 100.0)
    return {"seconds": seconds, "jitter_seconds": chance.choice((0.0, seconds))}


DRAWS: Final[Mapping[Kind, Callable[..., Fault]]] = {
    Kind.REFUSE: _link_fault(Kind.REFUSE, lambda _: {}),
    Kind.DELAY: _link_fault(Kind.DELAY, _delay),
    Kind.THROTTLE: _link_fault(Kind.THROTTLE, lambda chance: {"octets_per_second": int(log_uniform(chance, 50, 1e5))}),
    Kind.CUT: _link_fault(Kind.CUT, lambda chance: {"after_octets": int(log_uniform(chance, 1, 3000))}),
    Kind.BLACKHOLE: _link_fault(Kind.BLACKHOLE, lambda _: {}),
    Kind.PARTITION: _partition,
    Kind.REPLY: _reply,
    Kind.TIMEOUT: _silence,
    Kind.DISCONNECT: _disconnect,
    Kind.DISK_FULL: _disk(Kind.DISK_FULL),
    Kind.DISK_FAILS: _disk(Kind.DISK_FAILS),
    Kind.DISK_SLOW: _disk(Kind.DISK_SLOW),
    Kind.DNS_SERVFAIL: _names(Kind.DNS_SERVFAIL),
    Kind.DNS_TIMEOUT: _names(Kind.DNS_TIMEOUT),
}


def draw_shocks(chance: Random, spec: LabSpec, span_seconds: float) -> tuple[Shock, ...]:
    """A few faults, of a few kinds."""
    kinds = chance.sample([*DRAWS, Kind.REPLY, Kind.REPLY, Kind.DISCONNECT], chance.randint(1, 4))
    shocks = []
    for number in range(weighted(chance, (1, 2, 3, 5))):
        times = chance.choice((None, 1, 2, 5))
        fault = DRAWS[chance.choice(kinds)](chance, spec, f"shock-{number}", times)
        at = chance.uniform(0.0, span_seconds) * chance.choice((0, 1))
        shocks.append(Shock(at, log_uniform(chance, 1.0, 3000.0), fault))
    return tuple(shocks)
