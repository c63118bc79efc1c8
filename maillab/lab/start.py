"""Starting a lab: all its servers in one nursery, and a clean end."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from pathlib import Path
from random import Random, SystemRandom
from typing import Any, Final, Protocol

import trio

from maillab.dns.lookup import asking
from maillab.dns.resolver import Resolver
from maillab.dns.server import DnsListener, DnsServer
from maillab.faults.disk import FaultyDisk
from maillab.faults.names import faulty
from maillab.faults.network import FaultyNetwork
from maillab.faults.plan import FaultPlan
from maillab.faults.policy import PolicyFaults
from maillab.lab.address_book import AddressBook
from maillab.lab.addressing import listener_endpoint
from maillab.lab.authority import CERTIFICATE_NAME, KEY_NAME, Authority
from maillab.lab.clock import LabClock
from maillab.lab.faults import places_of
from maillab.lab.lab import Lab
from maillab.lab.listening import LabStartError, cannot_listen, listen, listen_for_names
from maillab.lab.load import load_lab
from maillab.lab.mistakes import LabFileError, Mistake, as_toml, did_you_mean
from maillab.lab.record_file import earlier_records, record_file
from maillab.lab.retelling import Told, retell, untold
from maillab.lab.sites import (
    is_address,
    mailboxes_of,
    neighbours_of,
    places_elsewhere,
    policy_of,
    retry_plan,
    routes_of,
    source_address,
)
from maillab.lab.spec import SMTP_PORT, Addressing, DomainSpec, LabSpec, ServerSpec
from maillab.mailbox import store
from maillab.mailserver import queue
from maillab.mailserver.choices import Role
from maillab.mailserver.correlation import Neighbours
from maillab.mailserver.greylist import Greylist
from maillab.mailserver.mailserver import MailServer
from maillab.mailserver.site import Site
from maillab.mailserver.turnstile import Turnstile
from maillab.network.endpoint import Endpoint
from maillab.network.network import Network, TcpNetwork
from maillab.storage import messages
from maillab.storage.database import Database
from maillab.trace.drain import Sink
from maillab.trace.identity import TraceIds, base32
from maillab.trace.recorder import Recorder

SCHEMA: Final = (messages.SCHEMA, store.SCHEMA, queue.SCHEMA)
FORGET_AFTER_SECONDS: Final = 30 * 86400.0  # no retry of any server lasts longer
LOOK_UP_SECONDS: Final = 5.0  # a lab starts, whether its neighbours are there or not
_RUN_ID_DIGITS: Final = 6
_COUNTER_BITS: Final = 20
_SEED_BITS: Final = 64


class Page(Protocol):
    """What shows the lab to people and programs; the web room implements it."""

    endpoint: Endpoint
    """Where it is to listen."""

    async def listen(self, lab: Lab) -> Endpoint:
        """Listen, without serving yet; gives the address.

        Raises:
            OSError: the address cannot be had.
        """

    async def run(self) -> None:
        """Serve until cancelled."""


@contextlib.asynccontextmanager
async def open_lab(
    lab: LabSpec | str | Path,
    *,
    data: Path | None = None,
    memory: sqlite3.Connection | None = None,
    addressing: Addressing | str | None = None,
    only: Collection[str] = (),
    network: Network | None = None,
    sinks: Sequence[Sink] = (),
    page: Page | None = None,
    chance: Random | None = None,
    crash_ends_all: bool = False,
) -> AsyncIterator[Lab]:
    """Run a lab while the context lasts.

    Args:
        lab: a spec, a path to a lab file or its folder, or the name of a lab that ships.
        data: the folder that keeps mail, queues and records; None keeps all in memory.
        memory: without a folder, a database that outlives the lab, and is found again when it is opened the next time.
        addressing: where the real listeners are; it beats the lab file.
        only: hosts to run here; left out: all.
        network: what to listen and connect through; left out: TCP.
        sinks: where records go, besides memory.
        page: what shows the lab, if anything does.
        chance: where ids come from; left out: the system.
        crash_ends_all: a fault of our own ends the lab, instead of one connection: for tests.

    Raises:
        LabFileError: the lab file is missing or has mistakes, or `only` names no server of it.
        LabStartError: a port that is busy or not ours.
        DataFolderInUse: another lab holds the data folder.
        StorageError: the data folder cannot be used.
    """
    addressing = None if addressing is None else Addressing(addressing)
    spec = lab if isinstance(lab, LabSpec) else load_lab(lab, addressing)
    addressing = addressing or spec.addressing
    chance = chance or SystemRandom()
    hosts = _hosts_to_run(spec, addressing, only)
    clock = LabClock(data)
    run = base32(chance.getrandbits(5 * _RUN_ID_DIGITS), _RUN_ID_DIGITS).lower()
    recorder = Recorder(spec.name, run, clock.time)
    recorder.ahead_seconds = clock.ahead_seconds
    async with _alone(), contextlib.AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database.open(memory if data is None else data, SCHEMA))
        book = AddressBook(spec, addressing, hosts)
        faults = _fault_plan(spec, chance)
        log = recorder.bind()
        through = await stack.enter_async_context(FaultyNetwork.open(network or TcpNetwork(), faults, book, log))
        here = Lab(spec, recorder, database, through, clock, book, chance, _authority(data), faults)
        told = Told()
        if data is not None:
            recorder.add_listener(told.add)
            recorder.load(earlier_records(data))
            recorder.remove_listener(told.add)
            sinks = (*sinks, stack.enter_context(record_file(data)))
        await stack.enter_async_context(recorder.drained_to(*sinks))
        listeners = await listen(here, addressing, hosts, stack)
        names = await listen_for_names(here, addressing, hosts, stack)
        web = None if page is None else await _listen_for(page, here)
        await _prepare(here, hosts)
        retell(recorder, hosts, told, database.read(lambda db: untold(db, hosts, told)))
        neighbours = await _neighbours(here, hosts)
        stack.callback(recorder.bind().record, "lab.stopped")
        nursery = await stack.enter_async_context(trio.open_nursery())
        stack.callback(nursery.cancel_scope.cancel)
        name_server = DnsServer(here.zones, recorder.bind(), crash_ends_all=crash_ends_all)
        for names_listener in names:
            nursery.start_soon(name_server.serve, names_listener)
        turnstile = Turnstile(spec.limits.connections, spec.limits.connections_per_peer or None)
        trace_ids = TraceIds(clock.time, chance.getrandbits(_COUNTER_BITS))
        for server in spec.servers:
            if server.host in hosts:
                site = _site(here, server, addressing, trace_ids, turnstile, neighbours, crash_ends_all)
                here.servers[server.host] = MailServer(site)
                nursery.start_soon(here.servers[server.host].run, listeners[server.host])
        recorder.bind().record(
            "lab.ready", web=web, servers=[_shown(here, server) for server in spec.servers], dns=_first(names)
        )
        nursery.start_soon(here.gather_traces)
        if page is not None:
            nursery.start_soon(page.run)
        yield here


@contextlib.asynccontextmanager
async def _alone() -> AsyncIterator[None]:
    """What the body raises comes out as it is, and not in the groups of our nurseries."""
    try:
        yield
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        if error is group:
            raise
        raise error from error.__cause__


def _hosts_to_run(spec: LabSpec, addressing: Addressing, only: Collection[str]) -> frozenset[str]:
    known = {server.host for server in spec.servers}
    mistakes = [
        Mistake("--only", f"{as_toml(host)} is no server of this lab", did_you_mean(host, known), "")
        for host in only
        if host.lower() not in known
    ]
    if only:
        mistakes += [
            Mistake(
                f"{server.host}: {role.name.lower()}",
                "port 0 with --only",
                "a port that the other processes know",
                "give HOST:PORT in the lab file",
            )
            for k, server in enumerate(spec.servers)
            for role, endpoint in _given_listeners(spec, k, addressing)
            if endpoint.port == 0
        ]
    if mistakes:
        raise LabFileError(mistakes)
    return frozenset(host.lower() for host in only) or frozenset(known)


def _given_listeners(spec: LabSpec, k: int, addressing: Addressing) -> Iterator[tuple[Role, Endpoint]]:
    """Where server k listens, for SMTP and wherever else the file says so."""
    for role in Role:
        endpoint = listener_endpoint(spec, k, role, addressing)
        if endpoint is not None and (role is Role.SMTP or getattr(spec.servers[k], role.name.lower()) is not None):
            yield role, endpoint


def _authority(data: Path | None) -> Authority:
    try:
        return Authority(data)
    except (OSError, ValueError) as error:
        files = f"{CERTIFICATE_NAME} and {KEY_NAME} in {data}"
        raise LabStartError(
            f"{files} are no certificate authority ({error}); remove both, and new ones are made"
        ) from None


async def _neighbours(lab: Lab, hosts: Collection[str]) -> Neighbours:
    """Whom to believe.  A peer is told by its address, so hosts that are given by a name are looked up, once."""
    names = {place for _, place in places_elsewhere(lab.spec, hosts, lab.book) if not is_address(place)}
    addresses: dict[str, tuple[str, ...]] = {}

    async def look_up(name: str) -> None:
        with trio.move_on_after(LOOK_UP_SECONDS), contextlib.suppress(OSError, UnicodeError):
            rows = await trio.socket.getaddrinfo(name, SMTP_PORT, type=trio.socket.SOCK_STREAM)
            addresses[name] = tuple(dict.fromkeys(str(row[4][0]) for row in rows))

    async with trio.open_nursery() as nursery:
        for name in sorted(names):
            nursery.start_soon(look_up, name)
    return neighbours_of(lab.spec, hosts, lab.book, addresses)


async def _listen_for(page: Page, lab: Lab) -> str:
    try:
        return str(await page.listen(lab))
    except OSError as error:
        raise LabStartError(cannot_listen("the page", page.endpoint, error, "another --web HOST:PORT")) from None


async def _prepare(lab: Lab, hosts: Collection[str]) -> None:
    """Every user has a mailbox from the start; ids too old to come again are forgotten."""
    now = lab.clock.time()

    def job(db: Any) -> None:
        for server in lab.spec.servers:
            if server.host in hosts:
                queue.forget(db, server.host, now - FORGET_AFTER_SECONDS)
        for domain in lab.spec.domains:
            if domain.host in hosts:
                for mailbox in mailboxes_of(domain):
                    store.create(db, domain.host, mailbox, now)

    await lab.database.write(job)


def _fault_plan(spec: LabSpec, chance: Random) -> FaultPlan:
    """The faults of the lab file; each has chance of its own, which follows from the lab's seed and its name."""
    seed = chance.getrandbits(_SEED_BITS) if spec.seed is None else spec.seed
    plan = FaultPlan(places_of(spec), lambda name: Random(f"{seed}/{name}").random)
    for fault in spec.faults:
        plan.add(fault)
    return plan


def _site(
    lab: Lab,
    server: ServerSpec,
    addressing: Addressing,
    trace_ids: TraceIds,
    turnstile: Turnstile,
    neighbours: Neighbours,
    crash_ends_all: bool,
) -> Site:
    log = lab.recorder.bind(server=server.host)
    return Site(
        host=server.host,
        domain=server.domains[0] if server.domains else server.host,
        source=source_address(server, addressing),
        style=lab.spec.replies,
        language=lab.spec.language.value,
        routes=routes_of(lab.spec, server),
        policy=policy_of(lab.spec, server, lab.authority),
        turnstile=turnstile,
        greylist=Greylist(server.greylist_seconds if isinstance(server, DomainSpec) else 0),
        retry=retry_plan(lab.spec),
        resolver=Resolver(faulty(asking(lab.zones), lab.faults), lab.chance, lambda: lab.zones.version),
        neighbours=neighbours,
        book=lab.book,
        network=lab.network,
        database=lab.database.behind(FaultyDisk(lab.faults, server.host, log)),
        recorder=lab.recorder,
        log=log,
        clock=lab.clock,
        trace_ids=trace_ids,
        chance=lab.chance,
        interceptor=PolicyFaults(
            lab.faults,
            server.host,
            address_domains=server.domains if lab.spec.fault_addresses else (),
            enhanced_codes=lab.spec.replies.enhanced_codes,
        ),
        crash_ends_all=crash_ends_all,
    )


def _first(names: Sequence[DnsListener]) -> str | None:
    """Where to ask for names."""
    return str(names[0].local) if names else None


def _shown(lab: Lab, server: ServerSpec) -> dict[str, Any]:
    """A server as `lab.ready` shows it; what it does not offer is null."""
    listeners = {role: lab.book.find(server.host, role.value) for role in Role}
    return {
        "host": server.host,
        "domains": [*server.domains],
        "address": server.address,
        **{role.name.lower(): endpoint and str(endpoint) for role, endpoint in listeners.items()},
        "pop3": None,
        "imap": None,
    }
