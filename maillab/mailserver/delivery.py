"""All outgoing mail of one server: a worker for each next hop, connections that are kept, retries by the plan."""

from __future__ import annotations

import contextlib
import math
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Final, TypeVar

import trio

from maillab.mail.address import Address
from maillab.mail.envelope import NO_NOTICE, Envelope, Notice
from maillab.mailserver import queue
from maillab.mailserver.attempt import Attempt
from maillab.mailserver.connection import Connection
from maillab.mailserver.queue import Work
from maillab.mailserver.result import Result
from maillab.mailserver.settlement import Tried, set_aside, settle
from maillab.mailserver.site import Site
from maillab.mailserver.standing import Standing
from maillab.smtp.outcome import Deferred
from maillab.storage import messages
from maillab.storage.errors import StorageError
from maillab.trace.recorder import RecordLog

T = TypeVar("T")

RECIPIENTS_PER_TRANSACTION: Final = 100  # RFC 5321 section 4.5.3.1.8: every server takes so many
CONNECTIONS_PER_NEXT_HOP: Final = 10
IDLE_SECONDS: Final = 6.0  # how long a connection is kept for another message: longer than the usual first retry wait
STORAGE_WAIT_SECONDS: Final = 5.0  # before a database that could not be read or written is asked again
_READ_AHEAD: Final = 50  # messages taken from the queue at a time


async def kept(write: Callable[[], Awaitable[T]], log: RecordLog) -> T:
    """What `write` gives, once it could be written.

    An outcome is kept in mind while the disk is full or fails: each time is a commit of its own, made anew.  Whoever
    was reached is not sent the same mail again for it.
    """
    while True:
        try:
            return await write()
        except StorageError as error:
            log.record("storage.failed", error=str(error))
            await trio.sleep(STORAGE_WAIT_SECONDS)


class Delivery:
    """The outgoing side of one server."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._workers: dict[str, NextHop] = {}
        self._nursery: trio.Nursery | None = None

    async def run(self) -> None:
        """Deliver what waits, from an earlier run too, until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            for next_hop in self._site.database.read(lambda db: queue.next_hops(db, self._site.host)):
                self.wake(next_hop)
            await trio.sleep_forever()

    def wake(self, next_hop: str) -> None:
        """Something may be due for `next_hop`."""
        worker = self._workers.get(next_hop)
        if worker is None and self._nursery is not None:
            worker = self._workers[next_hop] = NextHop(self._site, next_hop, self.wake)
            self._nursery.start_soon(worker.run)
        elif worker is not None:
            worker.wake()

    def wake_all(self) -> None:
        """The clock was moved."""
        for worker in self._workers.values():
            worker.wake()

    def retry(self, next_hops: Iterable[str]) -> None:
        """Due times were moved; these are tried now, even if their turn has not come."""
        for next_hop in sorted(next_hops):  # a set has another order in each process
            if next_hop in self._workers:
                self._workers[next_hop].give_another_chance()
            self.wake(next_hop)


class NextHop:
    """Takes what is due for one destination from the queue, and hands it to up to ten connections.

    A destination that cannot be reached is left alone until its time, whatever else comes for it meanwhile; and then
    one message finds out whether it is back, before the others leave.
    """

    def __init__(self, site: Site, next_hop: str, wake: Callable[[str], None]) -> None:
        self._site = site
        self._next_hop = next_hop
        self._wake_other = wake
        self._awake = trio.Event()
        self._in_flight: set[str] = set()
        self._connection_count = 0
        self._standing = Standing(site.retry)
        self._probe: trio.Event | None = None  # set when the one that finds out has done so

    def give_another_chance(self) -> None:
        """Somebody wants to know whether it is there now."""
        self._standing.ask_again()

    def wake(self) -> None:
        self._awake.set()

    async def run(self) -> None:
        give, take = trio.open_memory_channel[Work](0)
        async with trio.open_nursery() as nursery:
            while True:
                self._awake = trio.Event()  # before the queue is read, so that no wake is lost
                for work in await self._due():
                    self._in_flight.add(work.entry.queue_id)
                    try:
                        give.send_nowait(work)
                    except trio.WouldBlock:
                        if self._connection_count < CONNECTIONS_PER_NEXT_HOP:
                            self._connection_count += 1
                            nursery.start_soon(self._deliver_over_one_connection, take)
                        await give.send(work)
                        self._awake.set()  # there may be more than was read
                with trio.CancelScope(deadline=await self._next_deadline()):
                    await self._awake.wait()

    async def _due(self) -> list[Work]:
        site = self._site
        now = site.clock.lab_time()
        return await self._read(lambda db: queue.due(db, site.host, self._next_hop, now, _READ_AHEAD, self._in_flight))

    async def _next_deadline(self) -> float:
        """When the next message is due, in Trio's time; those in flight wake us themselves."""
        site = self._site
        due_at = await self._read(lambda db: queue.next_due(db, site.host, self._next_hop, self._in_flight))
        return math.inf if due_at is None else trio.current_time() + due_at - site.clock.lab_time()

    async def _read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """What the query finds; a database that cannot be read is asked again, as the queue is all that we have."""
        while True:
            try:
                return self._site.database.read(query)
            except StorageError as error:
                self._site.log.record("storage.failed", error=str(error))
                await trio.sleep(STORAGE_WAIT_SECONDS)

    async def _deliver_over_one_connection(self, take: trio.MemoryReceiveChannel[Work]) -> None:
        connection = Connection(self._site, self._next_hop)
        reason = "the lab is stopping"
        try:
            while True:
                work = None
                with trio.move_on_after(IDLE_SECONDS):
                    work = await take.receive()
                if work is None:
                    break
                await self._settle_one(work, connection)
            reason = "no more mail"
        finally:
            self._connection_count -= 1
            await connection.close(reason)

    async def _settle_one(self, work: Work, connection: Connection) -> None:
        """One attempt, and what follows from it; what goes wrong with one message says nothing about the others."""
        next_hops: frozenset[str] = frozenset()
        try:
            next_hops = await self._deliver(work, connection)
        except Exception as error:
            # The queue still says that it is to be sent, and it is tried again after the first wait.
            self._site.record_crash(error, _log_of(self._site, work))
            await trio.sleep(self._site.retry.after_seconds[0])
        self._in_flight.discard(work.entry.queue_id)
        self._awake.set()
        for next_hop in sorted(next_hops):  # a set has another order in each process
            self._wake_other(next_hop)

    async def _deliver(self, work: Work, connection: Connection) -> frozenset[str]:
        """Try once to reach all recipients; the next hops that new mail (a report) waits for."""
        site, entry = self._site, work.entry
        recipients = [Address.parse(recipient.address) for recipient in work.recipients]
        log = _log_of(site, work)
        try:
            octets = site.database.read(lambda db: messages.octets(db, site.host, entry.message_id))
        except (LookupError, StorageError) as error:
            await kept(partial(set_aside, site, work, error, log), log)
            return frozenset()
        async with self._turn():
            attempt_count = max(recipient.attempts for recipient in work.recipients)
            if (put_off := self._not_now(work, recipients, attempt_count)) is not None:
                return await kept(partial(settle, site, work, put_off, octets, log), log)
            attempt = Attempt(log, work, attempt_count + 1)
            results = await self._try(work, recipients, octets, connection, attempt)
            tried = Tried(attempt.number, results, self._due_at(work, attempt.number))
            return await kept(partial(settle, site, work, tried, octets, log), log)

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Wait while somebody else finds out whether a destination that was down is back."""
        while self._probe is not None:
            await self._probe.wait()
        if not self._standing.failure_count:
            yield
            return
        self._probe = probe = trio.Event()
        try:
            yield
        finally:
            self._probe = None
            probe.set()

    def _not_now(self, work: Work, recipients: Iterable[Address], attempt_count: int) -> Tried | None:
        """What comes of no attempt, where none is to be made."""
        standing, due_at = self._standing, self._until(work, self._standing.ask_again_at)
        if not standing.is_left_alone(self._site.clock.lab_time()):
            return None
        if due_at is None and standing.failed_at < self._end(work):
            return None  # at the very end of its time, once more
        assert standing.failure is not None
        assert isinstance(standing.failure.outcome, Deferred)
        reason = standing.failure.outcome.reason
        outcome = Deferred(reason if due_at is None else f"not tried again yet: {reason}")
        results = dict.fromkeys(recipients, Result(outcome, standing.failure.host))
        return Tried(attempt_count, results, due_at, counts=False)

    async def _try(
        self, work: Work, recipients: Sequence[Address], octets: bytes, connection: Connection, attempt: Attempt
    ) -> Mapping[Address, Result]:
        """One attempt for all recipients; it also finds out how things stand with the destination."""
        standing, failures_before = self._standing, self._standing.failure_count
        results: dict[Address, Result] = {}
        for start in range(0, len(recipients), RECIPIENTS_PER_TRANSACTION):
            some = tuple(recipients[start : start + RECIPIENTS_PER_TRANSACTION])
            results |= await self._send(work, some, octets, connection, attempt)
        if connection.reached or not all(isinstance(result.outcome, Deferred) for result in results.values()):
            standing.was_reached()
        else:
            standing.was_in_vain(
                next(iter(results.values())),
                self._site.clock.lab_time(),
                attempt=attempt.number,
                failures_before=failures_before,
                jitter=self._site.chance.random(),
            )
        return results

    def _due_at(self, work: Work, number: int) -> float | None:
        """When what was deferred is tried again; a destination that nobody reached has waits of its own."""
        site, now = self._site, self._site.clock.lab_time()
        if self._standing.failure_count:
            return self._until(work, self._standing.ask_again_at)
        return site.retry.next_attempt(number, work.entry.accepted_at, now, jitter=site.chance.random())

    async def _send(
        self, work: Work, recipients: tuple[Address, ...], octets: bytes, connection: Connection, attempt: Attempt
    ) -> Mapping[Address, Result]:
        entry = work.entry
        sender = Address.parse(entry.sender) if entry.sender else None
        envelope = Envelope(sender, recipients, entry.eight_bit, entry.smtputf8, entry.ret, entry.envid, _notices(work))
        try:
            return await connection.send(envelope, octets, attempt)
        except Exception as error:
            self._site.record_crash(error, attempt.log)
            await connection.close("crashed")
            return dict.fromkeys(recipients, Result(Deferred("a fault of our own"), connection.host))

    def _until(self, work: Work, due_at: float) -> float | None:
        """`due_at`, or the end of the message's time if that comes sooner; None when it has come."""
        end = self._end(work)
        return min(due_at, end) if self._site.clock.lab_time() < end else None

    def _end(self, work: Work) -> float:
        return work.entry.accepted_at + self._site.retry.give_up_after_seconds


def _notices(work: Work) -> dict[Address, Notice]:
    """What the sender wants to be told, about those of whom something was said."""
    return {
        Address.parse(recipient.address): recipient.notice
        for recipient in work.recipients
        if recipient.notice != NO_NOTICE
    }


def _log_of(site: Site, work: Work) -> RecordLog:
    entry = work.entry
    return site.log.bind(trace=entry.trace, queue_id=entry.queue_id, hop=entry.hop)
