"""What comes of an attempt: records, queue rows, and a bounce to the sender, all in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import attrs

from maillab.mail.address import Address
from maillab.mail.date import mail_date
from maillab.mailserver import queue
from maillab.mailserver.acceptance import Accepted
from maillab.mailserver.queue import Work
from maillab.mailserver.report import Action, RecipientReport
from maillab.mailserver.reporting import Notification, Reported, notification, to_postmaster
from maillab.mailserver.result import Result, grouped
from maillab.mailserver.site import Site
from maillab.smtp.outcome import Deferred, Delivered, Failed
from maillab.smtp.replies import Reply
from maillab.trace.identity import QueueId
from maillab.trace.recorder import RecordLog


@attrs.frozen
class Tried:
    """One attempt, and what came of it.

    Attributes:
        number: 1 is the first attempt.
        results: for each recipient.
        due_at: when what was deferred is tried again, in lab time; None to give up.
        counts: False where nobody was asked, and `number` is that of the attempt before.
    """

    number: int
    results: Mapping[Address, Result]
    due_at: float | None
    counts: bool = True


async def settle(site: Site, work: Work, tried: Tried, octets: bytes, log: RecordLog) -> frozenset[str]:
    """Record the outcomes of one attempt, write them into the queue, and tell the sender what it wants to know.

    Returns:
        Next hops that new mail (a report) waits for.

    Raises:
        StorageError: nothing was written; the queue still says what it said before.
    """
    entry, now = work.entry, site.clock.lab_time()
    done: list[str] = []
    deferred: list[tuple[list[str], str]] = []
    told: list[tuple[Result, str, dict[str, object]]] = []  # records, written when what they tell is true
    reports: dict[Action, list[RecipientReport]] = {action: [] for action in Action}
    late = _late(site, work, now)
    for result, recipients in grouped(tried.results).items():
        addresses = [str(recipient) for recipient in recipients]
        about: dict[str, object] = {"recipients": addresses, "next_hop": result.host, "attempt": tried.number}
        match outcome := result.outcome:
            case Delivered(reply):
                about |= {"code": reply.code, "reply": reply.text}
                about["next_queue_id"] = _queue_id_in(reply, site, result.host)
                told.append((result, "delivery.relayed", about))
                done += addresses
                if not result.passes_notices:
                    reports[Action.RELAYED] += _reports(addresses, reply.enhanced or "2.0.0", reply.text, result.host)
            case Deferred(reason, reply) if tried.due_at is not None:
                about |= {"code": reply.code if reply else None, "reply": reason}
                about["retry_in_seconds"] = max(0.0, round(tried.due_at - now, 3))  # the disk may have taken longer
                told.append((result, "delivery.deferred", about))
                deferred.append((addresses, reason))
                left_seconds = entry.accepted_at + site.retry.give_up_after_seconds - now
                retry_until = mail_date(site.clock.time() + left_seconds)
                reports[Action.DELAYED] += [
                    attrs.evolve(report, retry_until=retry_until)
                    for report in _reports(addresses, _status(reply, "4.4.1"), reason, result.host)
                    if report.address in late
                ]
            case Deferred(reason, reply) | Failed(reason, reply):
                status = outcome.status if isinstance(outcome, Failed) else _status(reply, "4.4.7")
                if isinstance(outcome, Deferred):
                    reason = f"given up after {tried.number} attempts: {reason}"
                about |= {"code": reply.code if reply else None, "reply": reason}
                told.append((result, "delivery.failed", about))
                done += addresses
                reports[Action.FAILED] += _reports(addresses, status, reason, result.host)
    warned = [report.address for report in reports[Action.DELAYED]]
    notifications = _notifications(site, work, reports, octets)

    def job(db: sqlite3.Connection) -> list[Accepted]:
        queue.remove(db, site.host, entry.queue_id, done)
        for addresses, reason in deferred:
            assert tried.due_at is not None  # else it had failed
            queue.defer(db, site.host, entry.queue_id, addresses, tried.due_at, reason, counts=tried.counts)
        queue.mark_warned(db, site.host, entry.queue_id, warned)
        return [each.job(db) for each in notifications]

    made = await site.database.write(job)
    for result, event, keys in told:
        result.bound(log).record(event, **keys)
    for each, accepted in zip(notifications, made, strict=True):
        each.record(accepted)
    return frozenset(next_hop for accepted in made for next_hop in accepted.next_hops)


async def set_aside(site: Site, work: Work, error: Exception, log: RecordLog) -> None:
    """A message that cannot be read stays in the queue, and is looked at again after the longest wait.

    It is not given up: there is nothing that could be sent back, and somebody may mend the disk.

    Raises:
        StorageError: nothing was written.
    """
    wait_seconds = site.retry.after_seconds[-1]
    due_at = site.clock.lab_time() + wait_seconds
    addresses = [recipient.address for recipient in work.recipients]
    reply = f"the message cannot be read: {error}"

    def job(db: sqlite3.Connection) -> None:
        queue.defer(db, site.host, work.entry.queue_id, addresses, due_at, reply, counts=False)

    await site.database.write(job)
    log.record(
        "delivery.deferred",
        recipients=addresses,
        next_hop=work.recipients[0].next_hop,
        attempt=max(recipient.attempts for recipient in work.recipients),
        code=None,
        reply=reply,
        retry_in_seconds=wait_seconds,
    )


def _notifications(
    site: Site, work: Work, reports: Mapping[Action, list[RecipientReport]], octets: bytes
) -> list[Notification]:
    entry = work.entry
    reported = Reported(
        queue_id=entry.queue_id,
        trace=entry.trace,
        sender=entry.sender,
        octets=octets,
        ret=entry.ret,
        envid=entry.envid,
    )
    notices = {recipient.address: recipient.notice for recipient in work.recipients}
    made = [notification(site, reported, action, recipients, notices) for action, recipients in reports.items()]
    failed = [report.address for report in reports[Action.FAILED]]
    if failed:
        made.append(to_postmaster(site, reported, entry.hop, failed))
    return [each for each in made if each is not None]


def _late(site: Site, work: Work, now: float) -> frozenset[str]:
    """Those of whom the sender is told now that they take long; once each, and never where 0 says so."""
    warn_after_seconds = site.retry.warn_after_seconds
    if not warn_after_seconds or now < work.entry.accepted_at + warn_after_seconds:
        return frozenset()
    return frozenset(recipient.address for recipient in work.recipients if not recipient.warned)


def _reports(addresses: list[str], status: str, reason: str, host: str) -> list[RecipientReport]:
    said = reason[:3].isdigit()  # by the next hop, or found out by ourselves
    return [RecipientReport(address, status, reason, host if said else "") for address in addresses]


def _status(reply: Reply | None, otherwise: str) -> str:
    return reply.enhanced if reply is not None and reply.enhanced else otherwise


def _queue_id_in(reply: Reply, site: Site, next_hop: str) -> str | None:
    """The next hop's id for the message, where its reply tells it as our servers do."""
    if next_hop not in site.neighbours.lab_hosts:
        return None
    queue_id = QueueId.parse(reply.lines[-1].rpartition(" ")[2])
    return str(queue_id) if queue_id else None
