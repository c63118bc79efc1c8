"""The moment a message becomes this server's duty: octets, mailbox rows and queue rows, in one transaction."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable

import attrs

from maillab.mail.address import Address
from maillab.mail.envelope import Envelope
from maillab.mail.message import Message
from maillab.mail.received import Received
from maillab.mailbox import store
from maillab.mailserver import queue
from maillab.mailserver.correlation import Arrival
from maillab.mailserver.site import Site
from maillab.storage import messages
from maillab.trace.identity import QueueId
from maillab.trace.recorder import RecordLog


@attrs.frozen
class Accepted:
    """What one commit has made safe."""

    queue_id: QueueId
    recipients: tuple[Address, ...]
    stored: tuple[tuple[str, int], ...] = ()
    next_hops: frozenset[str] = frozenset()


@attrs.frozen
class Committed:
    """The whole result of one message's commit: nothing is `accepted` where every recipient had it before."""

    accepted: Accepted | None
    duplicates: tuple[Address, ...] = ()


def keep(
    db: sqlite3.Connection,
    site: Site,
    envelope: Envelope,
    octets: bytes,
    *,
    queue_id: QueueId,
    stamp: Callable[[QueueId], Received],
    at: float,
    lab_at: float,
    for_trace: str | None = None,
) -> Accepted:
    """One message becomes this server's duty: its octets, mailbox rows and queue rows.  A part of a write job."""
    split = site.routes.split(envelope.recipients)
    octets = Message(octets).with_on_top(stamp(queue_id).to_octets()).octets
    message_id = messages.add(db, site.host, octets, uses=len(split.mailboxes) + bool(split.onward))
    mailbox_octets = len(store.with_return_path(octets, envelope.sender)) if split.mailboxes else 0
    stored = tuple(
        (
            mailbox,
            store.deliver(
                db,
                site.host,
                mailbox,
                message_id,
                return_path=envelope.sender,
                trace=queue_id.trace,
                queue_id=str(queue_id),
                stored_at=at,
                size_octets=mailbox_octets,
            ),
        )
        for mailbox in split.mailboxes
    )
    if split.onward:
        entry = queue.QueueEntry(
            queue_id=str(queue_id),
            message_id=message_id,
            sender=envelope.sender,
            eight_bit=envelope.eight_bit,
            smtputf8=envelope.smtputf8,
            accepted_at=lab_at,
            size_octets=len(octets),
            trace=queue_id.trace,
            hop=queue_id.hop,
            for_trace=for_trace,
            ret=envelope.ret,
            envid=envelope.envid,
        )
        onward = [(str(address), next_hop) for address, next_hop in split.onward]
        # RFC 3461 section 5.2.7.1: what was said of an alias holds for those for whom it stands.
        notices = {
            str(address): (",".join(notice.notify), notice.orcpt)
            for address, source in split.sources.items()
            if (notice := envelope.notices.get(source)) is not None
        }
        queue.enqueue(db, site.host, entry, onward, lab_at, notices)
    return Accepted(queue_id, envelope.recipients, stored, split.next_hops)


def job_for(
    site: Site,
    envelope: Envelope,
    octets: bytes,
    *,
    trace: str,
    came_from: Arrival | None,
    stamp: Callable[[QueueId], Received],
    at: float,
) -> Callable[[sqlite3.Connection], Committed]:
    """What one transaction does with a message: drop what came before, give the queue id, keep the rest.

    `came_from` is None for a message with which `trace` begins; `at` is real time.
    """
    lab_at = site.clock.lab_time()

    def job(db: sqlite3.Connection) -> Committed:
        recipients = envelope.recipients
        seen: set[str] = set()
        hop = came_from.hop if came_from else 1
        if came_from is not None:
            for way in came_from.ways:
                seen |= queue.seen_before(db, site.host, *way, [str(each) for each in recipients])
            recipients = tuple(each for each in recipients if str(each) not in seen)
            if not recipients:
                return Committed(None, envelope.recipients)
            for way in came_from.ways:
                queue.remember(db, site.host, *way, [str(each) for each in recipients], at)
        # Nobody else gives ids of a trace that is new.
        queue_id = queue.free_queue_id(db, site.host, trace, hop) if came_from else QueueId(trace, hop)
        to_keep = attrs.evolve(envelope, recipients=recipients)
        accepted = keep(db, site, to_keep, octets, queue_id=queue_id, stamp=stamp, at=at, lab_at=lab_at)
        return Committed(accepted, tuple(each for each in envelope.recipients if str(each) in seen))

    return job


def record_acceptance(
    accepted: Accepted, envelope: Envelope, octets: bytes, log: RecordLog, *, came_from: QueueId | None, **more: object
) -> None:
    """`message.accepted`, and a `message.stored` for each mailbox; sizes are of the message as it came."""
    queue_id = accepted.queue_id
    log = log.bind(trace=queue_id.trace, queue_id=str(queue_id), hop=queue_id.hop)
    log.record(
        "message.accepted",
        sender=envelope.sender,
        recipients=[str(recipient) for recipient in accepted.recipients],
        size_octets=len(octets),
        sha256=hashlib.sha256(octets).hexdigest(),
        subject=Message(octets).subject,
        received_from_queue_id=str(came_from) if came_from else None,
        **more,
    )
    for mailbox, uid in accepted.stored:
        log.record("message.stored", mailbox=mailbox, uid=uid)
