"""What comes of an attempt: records, queue rows, and a bounce to the sender, all in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping

import attrs

from maillab.mail.address import Address
from maillab.mail.date import mail_date
from maillab.mail.envelope import NO_NOTICE, Envelope, Notice
from maillab.mail.received import Received
from maillab.mailserver import queue
from maillab.mailserver.acceptance import Accepted, keep, record_acceptance
from maillab.mailserver.bounce import compose_bounce
from maillab.mailserver.queue import QueueEntry
from maillab.mailserver.site import Site
from maillab.smtp.client import Deferred, Delivered, Failed, Outcome
from maillab.smtp.replies import Reply
from maillab.trace.identity import QueueId
from maillab.trace.recorder import RecordLog


async def settle(
    site: Site,
    entry: QueueEntry,
    next_hop: str,
    attempt: int,
    outcomes: Mapping[Address, Outcome],
    notices: Mapping[Address, Notice],
    octets: bytes,
    log: RecordLog,
) -> frozenset[str]:
    """Record the outcomes of one attempt and write them into the queue; `notices` say who wants to be told.

    Returns:
        Next hops that new mail (a bounce) waits for.

    Raises:
        StorageError: nothing was written; the queue still says what it said before.
    """
    now = site.clock.lab_time()
    due_at = site.retry.next_attempt(attempt, entry.accepted_at, now)
    done: list[str] = []
    failures: dict[Address, str] = {}
    deferred: list[tuple[list[str], str]] = []
    told: list[tuple[str, dict[str, object]]] = []  # records, written when what they tell is true
    for outcome, recipients in _grouped(outcomes).items():
        addresses = [str(recipient) for recipient in recipients]
        about: dict[str, object] = {"recipients": addresses, "next_hop": next_hop, "attempt": attempt}
        match outcome:
            case Delivered(reply):
                about |= {"code": reply.code, "reply": reply.text}
                about["next_queue_id"] = _queue_id_in(reply, site, next_hop)
                told.append(("delivery.relayed", about))
                done += addresses
            case Deferred(reason, reply) if due_at is not None:
                about |= {"code": reply.code if reply else None, "reply": reason}
                about["retry_in_seconds"] = round(due_at - now, 3)
                told.append(("delivery.deferred", about))
                deferred.append((addresses, reason))
            case Deferred(reason, reply) | Failed(reason, reply):
                if isinstance(outcome, Deferred):
                    reason = f"given up after {attempt} attempts: {reason}"
                about |= {"code": reply.code if reply else None, "reply": reason}
                told.append(("delivery.failed", about))
                done += addresses
                to_tell = [each for each in recipients if _is_to_be_told(notices.get(each, NO_NOTICE))]
                failures |= dict.fromkeys(to_tell, reason)
    bounce = _bounce(site, entry, failures, octets) if failures and entry.sender else None

    def job(db: sqlite3.Connection) -> Accepted | None:
        queue.remove(db, site.host, entry.queue_id, done)
        for addresses, reason in deferred:
            assert due_at is not None  # else it had failed
            queue.defer(db, site.host, entry.queue_id, addresses, due_at, reason)
        return bounce.job(db) if bounce else None

    made = await site.database.write(job)
    for event, keys in told:
        log.record(event, **keys)
    if bounce is None or made is None:
        return frozenset()
    _record_bounce(site, entry, failures, bounce, made)
    return made.next_hops


def _grouped(outcomes: Mapping[Address, Outcome]) -> Mapping[Outcome, list[Address]]:
    """Recipients with the same outcome together, in their order: one record for each group."""
    groups: dict[Outcome, list[Address]] = {}
    for recipient, outcome in outcomes.items():
        groups.setdefault(outcome, []).append(recipient)
    return groups


def _is_to_be_told(notice: Notice) -> bool:
    """Does the sender want to hear of a failure?  Yes, unless NOTIFY names other things (RFC 3461 section 4.1)."""
    return not notice.notify or "FAILURE" in notice.notify


def _queue_id_in(reply: Reply, site: Site, next_hop: str) -> str | None:
    """The next hop's id for the message, where its reply tells it as our servers do."""
    if next_hop not in site.neighbours.lab_hosts:
        return None
    queue_id = QueueId.parse(reply.lines[-1].rpartition(" ")[2])
    return str(queue_id) if queue_id else None


@attrs.frozen
class _Bounce:
    """A notice that failed recipients were not reached, ready to be kept."""

    envelope: Envelope
    octets: bytes
    job: Callable[[sqlite3.Connection], Accepted]


def _bounce(site: Site, entry: QueueEntry, failures: Mapping[Address, str], octets: bytes) -> _Bounce:
    """A notice to the sender; to the postmaster where the sender is nobody.

    Never called for the null path: RFC 5321 section 6.1 forbids an answer to an answer.
    """
    at, lab_at = site.clock.time(), site.clock.lab_time()
    date = mail_date(at)
    sender = Address.parse(entry.sender)
    to = sender if site.routes.reaches(sender) else site.routes.postmaster
    trace = site.trace_ids.new()
    envelope = Envelope(None, (to,), eight_bit=True, smtputf8=not to.is_ascii)
    text = compose_bounce(
        host=site.host,
        daemon=site.daemon,
        to=to,
        date=date,
        message_id=f"{trace}@{site.host}",
        failures={str(recipient): reason for recipient, reason in failures.items()},
        original=octets,
    )

    def stamp(queue_id: QueueId) -> Received:
        # RFC 5321 section 4.4 has no protocol for mail that never travelled; "local" is what servers write.
        return Received("", "", site.host, "local", str(queue_id), str(to), date)

    def job(db: sqlite3.Connection) -> Accepted:
        queue_id = queue.free_queue_id(db, site.host, trace, hop=1)
        return keep(
            db, site, envelope, text, queue_id=queue_id, stamp=stamp, at=at, lab_at=lab_at, for_trace=entry.trace
        )

    return _Bounce(envelope, text, job)


def _record_bounce(
    site: Site, entry: QueueEntry, failures: Mapping[Address, str], bounce: _Bounce, made: Accepted
) -> None:
    """The bounce is a message like any other, with a trace of its own that names its parent."""
    queue_id = made.queue_id
    record_acceptance(made, bounce.envelope, bounce.octets, site.log, came_from=None, for_trace=entry.trace)
    site.log.bind(trace=queue_id.trace, queue_id=str(queue_id), hop=queue_id.hop).record(
        "bounce.created",
        for_queue_id=entry.queue_id,
        for_trace=entry.trace,
        recipients=[str(recipient) for recipient in failures],
    )
