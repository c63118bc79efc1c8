"""From what became of recipients to mail for their sender: reports that are kept in the same transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence

import attrs

from maillab.mail.address import Address
from maillab.mail.date import mail_date
from maillab.mail.envelope import NO_NOTICE, Envelope, Notice
from maillab.mail.message import Message
from maillab.mail.received import Received
from maillab.mailserver import queue
from maillab.mailserver.acceptance import Accepted, keep, record_acceptance
from maillab.mailserver.report import Action, RecipientReport, Report
from maillab.mailserver.site import Site
from maillab.trace.identity import QueueId

_WISH: Mapping[Action, str] = {
    Action.FAILED: "FAILURE",
    Action.DELAYED: "DELAY",
    Action.DELIVERED: "SUCCESS",
    Action.RELAYED: "SUCCESS",
}


@attrs.frozen(kw_only=True)
class Reported:
    """The message that is reported on."""

    queue_id: str
    trace: str
    sender: str
    octets: bytes
    arrival_date: str = ""  # where our own `Received` line is not yet on top to tell it
    ret: str | None = None
    envid: str | None = None


@attrs.frozen
class Notification:
    """A report that is ready to be kept; `job` is a part of a write job, `record` is called when it is committed."""

    job: Callable[[sqlite3.Connection], Accepted]
    record: Callable[[Accepted], None]


def is_wanted(action: Action, notice: Notice) -> bool:
    """Does the sender want to hear of it?  By default of failures and delays (RFC 3461 section 4.1)."""
    if notice.notify:
        return _WISH[action] in notice.notify
    return action in (Action.FAILED, Action.DELAYED)


def notification(
    site: Site,
    reported: Reported,
    action: Action,
    recipients: Sequence[RecipientReport],
    notices: Mapping[str, Notice],
) -> Notification | None:
    """A report to the sender on those of `recipients` of whom it wants to hear; None where there is nothing to say.

    Nobody is told about mail from the null path: RFC 5321 section 6.1 forbids an answer to an answer.  Where the sender
    is nobody, the postmaster is told of failures, and nobody of the rest.
    """
    wanted = [
        attrs.evolve(recipient, orcpt=notice.orcpt)
        for recipient in recipients
        if is_wanted(action, notice := notices.get(recipient.address, NO_NOTICE))
    ]
    if not reported.sender or not wanted:
        return None
    to = Address.parse(reported.sender)
    if not site.routes.reaches(to):
        if action is not Action.FAILED:
            return None
        to = site.routes.postmaster
    at, lab_at = site.clock.time(), site.clock.lab_time()
    trace = site.trace_ids.new()
    octets = Report(
        action=action,
        host=site.host,
        daemon=site.daemon,
        to=to,
        date=mail_date(at),
        arrival_date=reported.arrival_date or _date_received(reported.octets),
        message_id=f"{trace}@{site.host}",
        recipients=wanted,
        original=reported.octets,
        envid=reported.envid,
        ret=reported.ret,
        language=site.language,
    ).to_octets()
    envelope = Envelope(None, (to,), eight_bit=not octets.isascii(), smtputf8=not to.is_ascii)

    def stamp(queue_id: QueueId) -> Received:
        # RFC 5321 section 4.4 has no protocol for mail that never travelled; "local" is what servers write.
        return Received("", "", site.host, "local", str(queue_id), str(to), mail_date(at))

    def job(db: sqlite3.Connection) -> Accepted:
        return keep(
            db,
            site,
            envelope,
            octets,
            queue_id=QueueId(trace, 1),
            stamp=stamp,
            at=at,
            lab_at=lab_at,
            for_trace=reported.trace,
        )

    def record(made: Accepted) -> None:
        record_acceptance(made, envelope, octets, site.log, came_from=None, for_trace=reported.trace)
        site.log.bind(trace=trace, queue_id=str(made.queue_id), hop=1).record(
            "bounce.created",
            for_queue_id=reported.queue_id,
            for_trace=reported.trace,
            recipients=[recipient.address for recipient in wanted],
        )

    return Notification(job, record)


def to_postmaster(site: Site, reported: Reported, hop: int, recipients: Sequence[str]) -> Notification | None:
    """A report that cannot be delivered itself: it is nobody's any more, and ends where a teacher sees it.

    It comes to the postmaster by another hop at the same server.  A report that the postmaster could not be reached
    with ends here.
    """
    postmaster = site.routes.postmaster
    tried = {Address.parse(recipient).key for recipient in recipients}
    ways = {postmaster.key, *(address.key for address, _ in site.routes.split([postmaster]).onward)}
    if reported.sender or not is_report(reported.octets) or not tried.isdisjoint(ways):
        return None
    at, lab_at = site.clock.time(), site.clock.lab_time()
    envelope = Envelope(None, (postmaster,), eight_bit=not reported.octets.isascii(), smtputf8=not postmaster.is_ascii)

    def stamp(queue_id: QueueId) -> Received:
        return Received("", "", site.host, "local", str(queue_id), str(postmaster), mail_date(at))

    def job(db: sqlite3.Connection) -> Accepted:
        queue_id = queue.free_queue_id(db, site.host, reported.trace, hop + 1)
        return keep(db, site, envelope, reported.octets, queue_id=queue_id, stamp=stamp, at=at, lab_at=lab_at)

    def record(made: Accepted) -> None:
        came_from = QueueId.parse(reported.queue_id)
        record_acceptance(made, envelope, reported.octets, site.log, came_from=came_from)

    return Notification(job, record)


def is_report(octets: bytes) -> bool:
    """True for what `Report` and other servers make: multipart/report (RFC 6522)."""
    kind = Message(octets).first("Content-Type")
    return kind is not None and kind.text.lower().replace(" ", "").startswith("multipart/report;")


def _date_received(octets: bytes) -> str:
    """When we took the message, in real time."""
    top = next(iter(Message(octets).received), None)
    return "" if top is None else top.date


async def report_delivered(site: Site, envelope: Envelope, accepted: Accepted, octets: bytes) -> frozenset[str]:
    """Tell the sender of those who lie in a mailbox now, if it asked (RFC 3461 section 5.2.5).

    Returns:
        Next hops that the report waits for.

    Raises:
        StorageError: it was not kept.
    """
    notices = {str(recipient): notice for recipient, notice in envelope.notices.items()}
    delivered = [
        RecipientReport(str(recipient), "2.1.5", "stored in the mailbox")
        for recipient in accepted.recipients
        if "SUCCESS" in notices.get(str(recipient), NO_NOTICE).notify and site.routes.split([recipient]).mailboxes
    ]
    reported = Reported(
        queue_id=str(accepted.queue_id),
        trace=accepted.queue_id.trace,
        sender=envelope.sender,
        octets=octets,
        arrival_date=mail_date(site.clock.time()),
        ret=envelope.ret,
        envid=envelope.envid,
    )
    report = notification(site, reported, Action.DELIVERED, delivered, notices)
    if report is None:
        return frozenset()
    made = await site.database.write(report.job)
    report.record(made)
    return made.next_hops
