"""All outgoing mail of one server: a worker for each next hop, connections that are kept, retries by the plan."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import trio

from maillab.mail.address import Address
from maillab.mail.envelope import NO_NOTICE, Envelope, Notice
from maillab.mailserver import queue
from maillab.mailserver.connection import Connection
from maillab.mailserver.queue import Work
from maillab.mailserver.settlement import Tried, settle
from maillab.mailserver.site import Site
from maillab.smtp.outcome import Deferred, Outcome
from maillab.storage import messages
from maillab.storage.errors import StorageError
from maillab.trace.recorder import RecordLog

RECIPIENTS_PER_TRANSACTION: Final = 100  # RFC 5321 section 4.5.3.1.8: every server takes so many
CONNECTIONS_PER_NEXT_HOP: Final = 10
IDLE_SECONDS: Final = 6.0  # how long a connection is kept for another message: longer than the usual first retry wait
_READ_AHEAD: Final = 50  # messages taken from the queue at a time


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

    def wake_all(self, *, at_once: bool = False) -> None:
        """The clock was moved, or due times were; `at_once` also asks hosts whose turn has not come."""
        for worker in self._workers.values():
            if at_once:
                worker.give_another_chance()
            worker.wake()


class NextHop:
    """Takes what is due for one destination from the queue, and hands it to up to ten connections.

    A destination that cannot be reached is left alone until its time, whatever else comes for it meanwhile.
    """

    def __init__(self, site: Site, next_hop: str, wake: Callable[[str], None]) -> None:
        self._site = site
        self._next_hop = next_hop
        self._wake_other = wake
        self._awake = trio.Event()
        self._in_flight: set[str] = set()
        self._connection_count = 0
        self._failure_count = 0  # in a row, to reach anybody there
        self._down_until = 0.0  # lab time
        self._down_because = ""

    def give_another_chance(self) -> None:
        """Somebody wants to know whether it is there now."""
        self._down_until = 0.0

    def wake(self) -> None:
        self._awake.set()

    async def run(self) -> None:
        give, take = trio.open_memory_channel[Work](0)
        async with trio.open_nursery() as nursery:
            while True:
                self._awake = trio.Event()  # before the queue is read, so that no wake is lost
                for work in self._due():
                    self._in_flight.add(work.entry.queue_id)
                    try:
                        give.send_nowait(work)
                    except trio.WouldBlock:
                        if self._connection_count < CONNECTIONS_PER_NEXT_HOP:
                            self._connection_count += 1
                            nursery.start_soon(self._deliver_over_one_connection, take)
                        await give.send(work)
                        self._awake.set()  # there may be more than was read
                with trio.CancelScope(deadline=self._next_deadline()):
                    await self._awake.wait()

    def _due(self) -> list[Work]:
        site = self._site
        now = site.clock.lab_time()
        return site.database.read(
            lambda db: queue.due(db, site.host, self._next_hop, now, _READ_AHEAD, self._in_flight)
        )

    def _next_deadline(self) -> float:
        """When the next message is due, in Trio's time; those in flight wake us themselves."""
        site = self._site
        due_at = site.database.read(lambda db: queue.next_due(db, site.host, self._next_hop, self._in_flight))
        return math.inf if due_at is None else trio.current_time() + due_at - site.clock.lab_time()

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
        site = self._site
        next_hops: frozenset[str] = frozenset()
        try:
            next_hops = await self._deliver(work, connection)
        except Exception as error:
            # The queue still says that it is to be sent. It is tried again after the first wait, and a server of the
            # lab knows a second coming; until then it counts as in flight, so that a full disk makes no busy loop.
            wait_seconds = site.retry.after_seconds[0]
            log = connection.bound(_log_of(site, work))
            if isinstance(error, StorageError):
                about = _Attempt(log, work).about(connection.host)
                reason = f"the outcome could not be stored: {error}"
                log.record("delivery.deferred", **about, code=None, reply=reason, retry_in_seconds=wait_seconds)
            else:
                site.record_crash(error, log)
            await trio.sleep(wait_seconds)
        self._in_flight.discard(work.entry.queue_id)
        self._awake.set()
        for next_hop in next_hops:
            self._wake_other(next_hop)

    async def _deliver(self, work: Work, connection: Connection) -> frozenset[str]:
        """Try once to reach all recipients; the next hops that new mail (a report) waits for."""
        site, entry = self._site, work.entry
        attempt = _Attempt(_log_of(site, work), work)
        recipients = [Address.parse(recipient.address) for recipient in work.recipients]
        octets = site.database.read(lambda db: messages.octets(db, site.host, entry.message_id))
        outcomes: dict[Address, Outcome] = {}
        due_at = self._until(work, self._down_until)
        if site.clock.lab_time() < self._down_until and due_at is not None:
            outcomes |= dict.fromkeys(recipients, Deferred(f"not tried again yet: {self._down_because}"))
        else:  # also at the very end of the message's time: once more before it comes back
            for start in range(0, len(recipients), RECIPIENTS_PER_TRANSACTION):
                some = tuple(recipients[start : start + RECIPIENTS_PER_TRANSACTION])
                outcomes |= await self._send(work, some, octets, connection, attempt)
            due_at = self._next_attempt(work, attempt.number, connection, outcomes)
        tried = Tried(connection.host, attempt.number, outcomes, due_at, connection.passes_notices)
        return await settle(site, work, tried, octets, connection.bound(attempt.log))

    async def _send(
        self, work: Work, recipients: tuple[Address, ...], octets: bytes, connection: Connection, attempt: _Attempt
    ) -> Mapping[Address, Outcome]:
        entry = work.entry
        sender = Address.parse(entry.sender) if entry.sender else None
        envelope = Envelope(sender, recipients, entry.eight_bit, entry.smtputf8, entry.ret, entry.envid, _notices(work))
        try:
            return await connection.send(envelope, octets, attempt)
        except Exception as error:
            self._site.record_crash(error, connection.bound(attempt.log))
            await connection.close("crashed")
            return dict.fromkeys(recipients, Deferred("a fault of our own"))

    def _next_attempt(
        self, work: Work, number: int, connection: Connection, outcomes: Mapping[Address, Outcome]
    ) -> float | None:
        """When what was deferred is tried again; a destination that nobody reached has waits of its own."""
        site, now, jitter = self._site, self._site.clock.lab_time(), self._site.chance.random()
        failures = [outcome for outcome in outcomes.values() if isinstance(outcome, Deferred)]
        if connection.reached or len(failures) < len(outcomes):
            self._failure_count = 0
            return site.retry.next_attempt(number, work.entry.accepted_at, now, jitter=jitter)
        self._failure_count = max(self._failure_count + 1, number)
        self._down_because = failures[0].reason
        self._down_until = site.retry.next_attempt(self._failure_count, now, now, jitter=jitter) or now
        return self._until(work, self._down_until)

    def _until(self, work: Work, due_at: float) -> float | None:
        """`due_at`, or the end of the message's time if that comes sooner; None when it has come."""
        end = work.entry.accepted_at + self._site.retry.give_up_after_seconds
        return min(due_at, end) if self._site.clock.lab_time() < end else None


class _Attempt:
    """Records which hosts an attempt tries."""

    def __init__(self, log: RecordLog, work: Work) -> None:
        self.log = log
        self.number = 1 + max(recipient.attempts for recipient in work.recipients)
        self._recipients = [recipient.address for recipient in work.recipients]
        self._host = ""

    def about(self, host: str) -> dict[str, Any]:
        """What every record of the attempt says."""
        return {"recipients": self._recipients, "next_hop": host, "attempt": self.number}

    def started(self, host: str) -> None:
        if host != self._host:  # one record, however many transactions the recipients need
            self.log.record("delivery.started", **self.about(host))
            self._host = host

    def passed_over(self, host: str, failure: Deferred) -> None:
        code = failure.reply.code if failure.reply else None
        self.log.record("delivery.deferred", **self.about(host), code=code, reply=failure.reason, retry_in_seconds=0)


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
