"""What lies in the data folders afterwards, held against what the clients were told."""

from __future__ import annotations

import email
import email.message
import email.policy
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import attrs

from maillab.lab.record_file import earlier_records
from maillab.mail.message import Message
from maillab.mailbox import store
from maillab.mailserver import queue
from maillab.mailserver.reporting import is_report
from maillab.storage.data_folder import DATABASE_NAME
from maillab.trace.book import TraceBook
from maillab.trace.copies import State
from maillab.trace.path import in_order
from tests.crash.lab_file import HOSTS, NOBODY
from tests.crash.load import Ledger, Mail

Copies = Counter[tuple[str, str]]
"""How often, by key of the mail and recipient."""

SERVERS_ADD: Final = ("Return-Path", "Received")


@attrs.define
class Found:
    """What lies in all mailboxes of some data folders.

    Attributes:
        stored: copies in mailboxes.
        bounced: recipients that reports name as failed.
        changed: keys of mails that are not, octet for octet, what was sent.
    """

    stored: Copies = attrs.field(factory=Counter)
    bounced: Copies = attrs.field(factory=Counter)
    changed: set[str] = attrs.field(factory=set)


@attrs.frozen
class Verdict:
    """How it ended, in counts; all but the first few are to be zero."""

    acknowledged: int
    unsure: int
    refused: int
    stored: int
    bounced: int
    lost: int
    twice: int
    bounced_twice: int
    both: int
    wrongly_bounced: int
    changed: int

    @property
    def is_well(self) -> bool:
        """Nothing lost, nothing twice, nothing changed."""
        return not any((self.lost, self.twice, self.bounced_twice, self.both, self.wrongly_bounced, self.changed))

    def lines(self) -> Iterator[str]:
        """The figures, one to a line."""
        for field in attrs.fields(Verdict):
            yield f"{field.name.replace('_', ' '):>18} {getattr(self, field.name):8,}"


def waiting_count(data: Iterable[Path]) -> int:
    """How many messages wait in all queues."""
    count = 0
    for folder in data:
        with closing(_opened(folder)) as db:
            count += sum(queue.length(db, host) for host in HOSTS)
    return count


def find(data: Iterable[Path], ledger: Ledger) -> Found:
    """Read every mailbox."""
    found = Found()
    sent = ledger.acknowledged | ledger.unsure | ledger.refused
    for folder in data:
        with closing(_opened(folder)) as db:
            for host in HOSTS:
                for box in store.mailboxes(db, host):
                    for entry in store.entries(db, host, box.mailbox):
                        octets = store.octets(db, host, box.mailbox, entry.uid)
                        if is_report(octets):
                            found.bounced.update(_reported(octets))
                        else:
                            _enter(found, box.mailbox, octets, sent)
    return found


def judge(ledger: Ledger, found: Found) -> Verdict:
    """Nothing that was acknowledged is lost; nothing at all is there twice."""
    copies = [(mail.key, each) for mail in ledger.acknowledged.values() for each in mail.recipients]
    expected_bounces = {copy for copy in copies if copy[1] in NOBODY}
    lost = [copy for copy in copies if not (found.bounced if copy in expected_bounces else found.stored)[copy]]
    return Verdict(
        acknowledged=len(ledger.acknowledged),
        unsure=len(ledger.unsure),
        refused=len(ledger.refused),
        stored=found.stored.total(),
        bounced=found.bounced.total(),
        lost=len(lost),
        twice=sum(count > 1 for count in found.stored.values()),
        bounced_twice=sum(count > 1 for count in found.bounced.values()),
        both=len(found.stored.keys() & found.bounced.keys()),
        wrongly_bounced=sum(copy[1] not in NOBODY for copy in found.bounced),
        changed=len(found.changed),
    )


def open_traces(data: Sequence[Path]) -> list[str]:
    """Traces that the records leave open, though nothing waits."""
    book = TraceBook(limit=1_000_000)
    for record in in_order(record for folder in data for record in earlier_records(folder)):
        book.add(record)
    return [trace.id for trace in book.traces() if trace.state in (State.UNDERWAY, State.DEFERRED)]


def _opened(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{(folder / DATABASE_NAME).as_uri()}?mode=ro", uri=True)


def _enter(found: Found, mailbox: str, octets: bytes, sent: dict[str, Mail]) -> None:
    message = Message(octets)
    key = message.subject or ""
    found.stored[key, mailbox] += 1
    on_top = 0
    for field in message.fields:
        if field.name not in SERVERS_ADD:
            break
        on_top += len(field.octets)
    if key not in sent or sent[key].octets != octets[on_top:]:
        found.changed.add(key)


def _reported(octets: bytes) -> Iterator[tuple[str, str]]:
    """The mail that a report is about, with each recipient that failed."""
    report = email.message_from_bytes(octets, policy=email.policy.SMTP)
    _, status, returned = report.iter_parts()
    assert isinstance(returned, email.message.Message)
    original = returned.get_payload()
    header = original[0] if isinstance(original, list) else email.message_from_string(str(original))
    assert isinstance(header, email.message.Message)
    key = str(header["Subject"])
    for part in status.get_payload():
        if isinstance(part, email.message.Message) and part["Action"] == "failed":
            yield key, str(part["Final-Recipient"]).partition(";")[2].strip().lower()
