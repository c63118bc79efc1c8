"""All outgoing mail of one server: a worker for each next hop, connections that are kept, retries by the plan."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import trio

from maillab.mail.address import Address
from maillab.mail.envelope import Envelope
from maillab.mailserver import queue
from maillab.mailserver.queue import Work
from maillab.mailserver.settlement import settle
from maillab.mailserver.site import Site
from maillab.network.endpoint import Endpoint
from maillab.network.network import Caller
from maillab.smtp.client import Deferred, Outcome, SmtpClient, UnusableError
from maillab.storage import messages
from maillab.storage.errors import StorageError
from maillab.trace.recorder import RecordLog

SMTP_PORT: Final = 25
RECIPIENTS_PER_TRANSACTION: Final = 100  # RFC 5321 section 4.5.3.1.8: every server takes so many
CONNECTIONS_PER_NEXT_HOP: Final = 10
IDLE_SECONDS: Final = 5.0  # how long a connection is kept for another message
CONNECT_TIMEOUT_SECONDS: Final = 30.0
CLOSING: Final = 421  # RFC 5321 section 3.8
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
        connection = _Connection(self._site, self._next_hop)
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

    async def _settle_one(self, work: Work, connection: _Connection) -> None:
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

    async def _deliver(self, work: Work, connection: _Connection) -> frozenset[str]:
        """Try once to reach all recipients; the next hops that new mail (a bounce) waits for."""
        site, entry = self._site, work.entry
        log = _log_of(site, work)
        log.record("delivery.started", **self._about(work))
        recipients = [Address.parse(recipient.address) for recipient in work.recipients]
        octets = site.database.read(lambda db: messages.octets(db, site.host, entry.message_id))
        sender = Address.parse(entry.sender) if entry.sender else None
        outcomes: dict[Address, Outcome] = {}
        for start in range(0, len(recipients), RECIPIENTS_PER_TRANSACTION):
            some = tuple(recipients[start : start + RECIPIENTS_PER_TRANSACTION])
            envelope = Envelope(sender, some, entry.eight_bit, entry.smtputf8)
            try:
                outcomes |= await connection.send(envelope, octets)
            except Exception as error:
                site.record_crash(error, connection.bound(log))
                await connection.close("crashed")
                outcomes |= dict.fromkeys(some, Deferred("a fault of our own"))
        return await settle(site, entry, self._next_hop, _attempt(work), outcomes, octets, connection.bound(log))

    def _about(self, work: Work) -> dict[str, Any]:
        """What every record of an attempt says."""
        return {
            "recipients": [recipient.address for recipient in work.recipients],
            "next_hop": self._next_hop,
            "attempt": _attempt(work),
        }


class _Connection:
    """A connection to the next hop: opened when it is needed, kept, and replaced when it has gone stale."""

    def __init__(self, site: Site, next_hop: str) -> None:
        self._site = site
        self._next_hop = next_hop
        self._stream: trio.abc.Stream | None = None
        self._client: SmtpClient | None = None

    async def send(self, envelope: Envelope, octets: bytes) -> Mapping[Address, Outcome]:
        """Send over the kept connection, or a new one."""
        if self._client is not None and self._client.usable:
            outcomes = await self._client.send(envelope, octets)
            if not _hung_up(outcomes.values()):
                return outcomes
            # The other side may have closed a connection that nobody used; that says nothing about the message.
        try:
            client = await self._open()
        except UnusableError as error:
            return dict.fromkeys(envelope.recipients, Deferred(str(error), error.reply))
        return await client.send(envelope, octets)

    def bound(self, log: RecordLog) -> RecordLog:
        """`log` with the connection and the transaction that came last, if there was one."""
        if self._client is None:
            return log
        return log.bind(connection=self._connection, transaction=self._client.transaction_count)

    async def close(self, reason: str) -> None:
        """Say QUIT where that makes sense, and close."""
        client, self._client = self._client, None
        stream, self._stream = self._stream, None
        if stream is None:
            return
        try:
            if client is not None:
                await client.quit()
        finally:
            self._record("connection.closed", reason=reason)
            await trio.aclose_forcefully(stream)

    async def _open(self) -> SmtpClient:
        await self.close("broken")
        site, host = self._site, self._next_hop
        target = site.book.find(host, SMTP_PORT)
        if target is None:
            raise UnusableError(f"{host} is no server of this lab")
        self._connection = site.recorder.new_connection()
        shown = f"{host} ({self._shown})"
        try:
            with trio.fail_after(CONNECT_TIMEOUT_SECONDS):
                stream = await site.network.connect(target, site.source, Caller(site.host, self._connection))
        except trio.TooSlowError:
            raise UnusableError(f"no connection to {shown} within {CONNECT_TIMEOUT_SECONDS:.0f} s") from None
        except ConnectionRefusedError:
            raise UnusableError(f"connection refused by {shown}") from None
        except OSError as error:
            raise UnusableError(f"no connection to {shown}: {error.strerror or error}") from None
        self._stream = stream
        self._record("connection.opened")
        log = None if site.book.is_local(host) else site.log.bind(connection=self._connection)
        client = SmtpClient(stream, site.host, log)
        try:
            await client.open()
        except UnusableError:
            await self.close("not usable")
            raise
        self._client = client
        return client

    @property
    def _shown(self) -> str:
        """The next hop's address as people see it."""
        return str(Endpoint(self._site.book.shown(self._next_hop) or self._next_hop, SMTP_PORT))

    def _record(self, event: str, **keys: object) -> None:
        self._site.log.bind(connection=self._connection).record(
            event,
            protocol="smtp",
            side="client",
            peer=self._shown,
            peer_name=self._next_hop,
            **keys,
        )


def _attempt(work: Work) -> int:
    """The number of the attempt that this work is; the first is 1."""
    return 1 + max(recipient.attempts for recipient in work.recipients)


def _log_of(site: Site, work: Work) -> RecordLog:
    entry = work.entry
    return site.log.bind(trace=entry.trace, queue_id=entry.queue_id, hop=entry.hop)


def _hung_up(outcomes: Iterable[Outcome]) -> bool:
    """True if nobody got an answer but the one with which a server closes."""
    return all(
        isinstance(outcome, Deferred) and (outcome.reply is None or outcome.reply.code == CLOSING)
        for outcome in outcomes
    )
