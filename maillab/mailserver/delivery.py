"""All outgoing mail of one server: a worker for each next hop, connections that are kept, retries by the plan."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import trio

from maillab.mail.address import Address
from maillab.mail.envelope import NO_NOTICE, Envelope, Notice
from maillab.mailserver import queue
from maillab.mailserver.connection import Connection
from maillab.mailserver.queue import Work
from maillab.mailserver.settlement import settle
from maillab.mailserver.site import Site
from maillab.smtp.client import Deferred, Outcome
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

    def wake_all(self) -> None:
        """The clock was moved, or due times were."""
        for worker in self._workers.values():
            worker.wake()


class NextHop:
    """Takes what is due for one host from the queue, and hands it to up to ten connections."""

    def __init__(self, site: Site, next_hop: str, wake: Callable[[str], None]) -> None:
        self._site = site
        self._next_hop = next_hop
        self._wake_other = wake
        self._awake = trio.Event()
        self._in_flight: set[str] = set()
        self._connection_count = 0

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
                reason = f"the outcome could not be stored: {error}"
                log.record(
                    "delivery.deferred", **self._about(work), code=None, reply=reason, retry_in_seconds=wait_seconds
                )
            else:
                site.record_crash(error, log)
            await trio.sleep(wait_seconds)
        self._in_flight.discard(work.entry.queue_id)
        self._awake.set()
        for next_hop in next_hops:
            self._wake_other(next_hop)

    async def _deliver(self, work: Work, connection: Connection) -> frozenset[str]:
        """Try once to reach all recipients; the next hops that new mail (a bounce) waits for."""
        site, entry = self._site, work.entry
        log = _log_of(site, work)
        log.record("delivery.started", **self._about(work))
        recipients = [Address.parse(recipient.address) for recipient in work.recipients]
        octets = site.database.read(lambda db: messages.octets(db, site.host, entry.message_id))
        sender = Address.parse(entry.sender) if entry.sender else None
        outcomes: dict[Address, Outcome] = {}
        notices = _notices(work)
        for start in range(0, len(recipients), RECIPIENTS_PER_TRANSACTION):
            some = tuple(recipients[start : start + RECIPIENTS_PER_TRANSACTION])
            envelope = Envelope(sender, some, entry.eight_bit, entry.smtputf8, entry.ret, entry.envid, notices)
            try:
                outcomes |= await connection.send(envelope, octets)
            except Exception as error:
                site.record_crash(error, connection.bound(log))
                await connection.close("crashed")
                outcomes |= dict.fromkeys(some, Deferred("a fault of our own"))
        return await settle(
            site, entry, self._next_hop, _attempt(work), outcomes, notices, octets, connection.bound(log)
        )

    def _about(self, work: Work) -> dict[str, Any]:
        """What every record of an attempt says."""
        return {
            "recipients": [recipient.address for recipient in work.recipients],
            "next_hop": self._next_hop,
            "attempt": _attempt(work),
        }


def _notices(work: Work) -> dict[Address, Notice]:
    """What the sender wants to be told, about those of whom something was said."""
    return {
        Address.parse(recipient.address): recipient.notice
        for recipient in work.recipients
        if recipient.notice != NO_NOTICE
    }


def _attempt(work: Work) -> int:
    """The number of the attempt that this work is; the first is 1."""
    return 1 + max(recipient.attempts for recipient in work.recipients)


def _log_of(site: Site, work: Work) -> RecordLog:
    entry = work.entry
    return site.log.bind(trace=entry.trace, queue_id=entry.queue_id, hop=entry.hop)
