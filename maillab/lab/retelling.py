"""After a kill: what the store holds and the records do not tell yet.

Records are written a moment after what they tell of.  A process that is killed in between has stored mail that its
records leave underway for good, or do not know at all.  At the next start, before any server runs, the two are held
against each other, and what is missing is told: acceptances, mailboxes, and failures that a report speaks of.

Not here: what was passed on to a host that this process does not run.  The store forgets it then, and only that host
knows.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Final

import attrs

from maillab.mail.message import Message
from maillab.mail.received import Received
from maillab.mailbox import store
from maillab.mailserver import queue
from maillab.mailserver.reading_report import ReadReport, read_report
from maillab.storage import messages
from maillab.trace.identity import QueueId, first_trace_at
from maillab.trace.record import Record
from maillab.trace.recorder import Recorder, RecordLog

_AFTER_SECONDS: Final = 0.002  # records tell milliseconds: of a trace that began in the first one, all is not known
_SETTLING: Final = ("delivery.relayed", "delivery.failed")


@attrs.define
class Told:
    """What the records of earlier runs tell, as far as it can be held against the store; a listener of records.

    Attributes:
        accepted: queue ids.
        settled: queue id and recipient: stored, relayed or failed.
        began_at: when the first record was written that is remembered; "" where there is none.
        ended_well: the last run had time to write all of its records.
    """

    accepted: set[str] = attrs.field(factory=set)
    settled: set[tuple[str, str]] = attrs.field(factory=set)
    began_at: str = ""
    ended_well: bool = True

    def add(self, record: Record) -> None:
        event = record["event"]
        self.began_at = self.began_at or record["at"]
        self.ended_well = event == "lab.stopped"
        if event == "message.accepted":
            self.accepted.add(record["queue_id"])
        elif event == "message.stored":
            self.settled.add((record["queue_id"], record["mailbox"]))
        elif event in _SETTLING:
            self.settled |= {(record["queue_id"], recipient.lower()) for recipient in record["recipients"]}


@attrs.define
class Held:
    """A message that the store holds at one server, and the recipients of whom the records do not tell so.

    Attributes:
        octets: with the `Received` line of that server on top.
        stored: mailbox and uid.
        waiting: those in the queue.
    """

    host: str
    queue_id: str
    sender: str
    octets: bytes
    stored: list[tuple[str, int]] = attrs.field(factory=list)
    waiting: list[str] = attrs.field(factory=list)


@attrs.define
class _Acceptance:
    """One server's acceptance, as the `Received` lines of what came of it tell.

    Attributes:
        octets: the message as it came.
        report: what it says, where this server made it.
        returned: it is known from a report only, which may have no more than its header.
    """

    host: str
    queue_id: QueueId
    previous_id: str | None
    sender: str
    octets: bytes
    recipients: dict[str, None]
    report: ReadReport | None = None
    returned: bool = False


def untold(db: sqlite3.Connection, hosts: Collection[str], told: Told) -> list[Held]:
    """What the store holds of traces that began after the first record, and the records do not tell of."""
    if told.ended_well:
        return []
    since = first_trace_at(datetime.fromisoformat(told.began_at).timestamp() + _AFTER_SECONDS)
    found: dict[tuple[str, str], Held] = {}
    for host in hosts:

        def held(queue_id: str, message_id: int, sender: str, host: str = host) -> Held:
            if (host, queue_id) not in found:
                octets = b""
                with contextlib.suppress(LookupError):  # it is told with what else is known of it
                    octets = messages.octets(db, host, message_id)
                found[host, queue_id] = Held(host, queue_id, sender, octets)
            return found[host, queue_id]

        for entry in store.entries_since(db, host, since):
            if (entry.queue_id, entry.mailbox) not in told.settled:
                held(entry.queue_id, entry.message_id, entry.return_path).stored.append((entry.mailbox, entry.uid))
        for work in queue.waiting_since(db, host, since, skip=told.accepted):
            waiting = held(work.entry.queue_id, work.entry.message_id, work.entry.sender).waiting
            waiting += [recipient.address for recipient in work.recipients]
    return list(found.values())


def retell(recorder: Recorder, hosts: Collection[str], told: Told, untold: Sequence[Held]) -> None:
    """Write the records that are missing: each acceptance on the way, each mailbox, each failure that came back."""
    acceptances: dict[str, _Acceptance] = {}
    for held in untold:
        for acceptance in (*_acceptances(held, hosts), *_returned(held, hosts)):
            if str(acceptance.queue_id) not in told.accepted:
                known = acceptances.setdefault(str(acceptance.queue_id), acceptance)
                known.recipients |= acceptance.recipients
    for _, acceptance in sorted(acceptances.items()):
        _retell_acceptance(recorder, acceptance, told)
    for held in untold:
        log = _log(recorder, held.host, held.queue_id)
        for mailbox, uid in held.stored:
            log.record("message.stored", mailbox=mailbox, uid=uid)


def _acceptances(held: Held, hosts: Collection[str]) -> Iterator[_Acceptance]:
    """Of every server of this process that has had it, by the lines on top; the latest first."""
    message = Message(held.octets)
    here = QueueId.parse(held.queue_id)
    lines: list[tuple[Received, QueueId, int]] = []
    end = 0
    for field in message.fields:
        received = Received.parse(field.octets) if field.name == "Received" else None
        if received is None or here is None:
            break
        end += len(field.octets)
        queue_id = QueueId.parse(received.id)
        if queue_id is not None and queue_id.trace == here.trace:
            lines.append((received, queue_id, end))
    recipients = dict.fromkeys([*(mailbox for mailbox, _ in held.stored), *held.waiting])
    previous_ids = [*(str(queue_id) for _, queue_id, _ in lines[1:]), None]
    for (received, queue_id, end), previous_id in zip(lines, previous_ids, strict=False):
        if received.by in hosts:
            octets = held.octets[end:]
            report = read_report(octets, hosts) if previous_id is None else None
            if report is not None and report.host != received.by:
                report = None
            yield _Acceptance(received.by, queue_id, previous_id, held.sender, octets, {**recipients}, report)


def _returned(held: Held, hosts: Collection[str]) -> Iterator[_Acceptance]:
    """Where it is a report: the acceptances of the message that it is about, which the store has no more."""
    for made in _acceptances(held, hosts):
        if made.report is not None:
            report = made.report
            failed = [failure.recipient for failure in report.failures]
            sender = next(iter(made.recipients))
            about = Held(report.host, str(report.queue_id), sender, report.returned, [], failed)
            for acceptance in _acceptances(about, hosts):
                yield attrs.evolve(acceptance, returned=True)


def _retell_acceptance(recorder: Recorder, acceptance: _Acceptance, told: Told) -> None:
    log = _log(recorder, acceptance.host, str(acceptance.queue_id))
    report = acceptance.report
    if report is not None:
        _retell_failures(recorder, report, told)
    about: dict[str, object] = {"sender": acceptance.sender, "recipients": [*acceptance.recipients]}
    if not acceptance.returned:
        about["size_octets"] = len(acceptance.octets)
        about["sha256"] = hashlib.sha256(acceptance.octets).hexdigest()
    about["subject"] = Message(acceptance.octets).subject
    about["received_from_queue_id"] = acceptance.previous_id
    if report is not None:
        about["for_trace"] = report.queue_id.trace
    log.record("message.accepted", **about)
    if report is not None:
        failed = [failure.recipient for failure in report.failures]
        log.record(
            "bounce.created", for_queue_id=str(report.queue_id), for_trace=report.queue_id.trace, recipients=failed
        )


def _retell_failures(recorder: Recorder, report: ReadReport, told: Told) -> None:
    for failure in report.failures:
        if (str(report.queue_id), failure.recipient.lower()) not in told.settled:
            _log(recorder, report.host, str(report.queue_id)).record(
                "delivery.failed",
                recipients=[failure.recipient],
                next_hop=failure.remote_host or None,
                code=failure.code,
                reply=failure.reply,
            )


def _log(recorder: Recorder, host: str, queue_id: str) -> RecordLog:
    parsed = QueueId.parse(queue_id)
    assert parsed is not None  # we gave it
    return recorder.bind(server=host, trace=parsed.trace, queue_id=queue_id, hop=parsed.hop)
