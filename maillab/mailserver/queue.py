"""The queue of each server: messages on their way, a row per recipient, each with its next hop and its time.

All are plain functions of a connection, composed into one job: the 250 of reception covers message, mailbox
rows and queue rows alike.  A server sees its own rows only.  Due times are lab time, in seconds since 1970.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import Any, Final

import attrs

from maillab.mail.envelope import Notice
from maillab.storage import messages
from maillab.trace.identity import QueueId, first_trace_at

# queue_id_given and arrived outlive the queue's own rows: no id is given twice, and a copy that comes again is known
# again, also when the message is long gone.  `forget` prunes them.
SCHEMA: Final = """
CREATE TABLE queue (
    server TEXT NOT NULL,
    queue_id TEXT NOT NULL,
    message_id INTEGER NOT NULL,
    sender TEXT NOT NULL,
    eight_bit INTEGER NOT NULL,
    smtputf8 INTEGER NOT NULL,
    accepted_at REAL NOT NULL,
    size_octets INTEGER NOT NULL,
    trace TEXT NOT NULL,
    hop INTEGER NOT NULL,
    for_trace TEXT,
    ret TEXT,
    envid TEXT,
    PRIMARY KEY (server, queue_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE queue_recipient (
    server TEXT NOT NULL,
    queue_id TEXT NOT NULL,
    address TEXT NOT NULL,
    next_hop TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    due_at REAL NOT NULL,
    last_reply TEXT NOT NULL,
    notify TEXT NOT NULL,
    orcpt TEXT,
    warned INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (server, queue_id, address)
) STRICT, WITHOUT ROWID;
CREATE INDEX queue_recipient_due ON queue_recipient (server, next_hop, due_at, queue_id);
CREATE TABLE queue_id_given (
    server TEXT NOT NULL,
    trace TEXT NOT NULL,
    hop INTEGER NOT NULL,
    copies INTEGER NOT NULL,
    PRIMARY KEY (server, trace, hop)
) STRICT, WITHOUT ROWID;
CREATE TABLE arrived (
    server TEXT NOT NULL,
    previous_host TEXT NOT NULL,
    previous_queue_id TEXT NOT NULL,
    recipient TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (server, previous_host, previous_queue_id, recipient)
) STRICT, WITHOUT ROWID;
"""

NOTHING_SAID: Final = ("", None)
NO_NOTICES: Final[Mapping[str, tuple[str, str | None]]] = {}


@attrs.frozen
class QueueEntry:
    """A message that this server has accepted and not yet passed on to everybody."""

    queue_id: str
    message_id: int  # its octets: storage.messages
    sender: str  # the reverse-path; "" is the null path
    eight_bit: bool = attrs.field(converter=bool)
    smtputf8: bool = attrs.field(converter=bool)
    accepted_at: float  # lab time
    size_octets: int
    trace: str
    hop: int
    for_trace: str | None = None  # of a bounce: the trace that it is about
    ret: str | None = None  # RET and ENVID as they were given (RFC 3461)
    envid: str | None = None


@attrs.frozen
class QueuedRecipient:
    """One recipient of it, and how things stand with that one."""

    address: str  # wire form, as it was given to `enqueue`
    next_hop: str
    attempts: int
    due_at: float  # lab time
    last_reply: str  # of the last attempt; "" before the first
    notify: str = ""  # NOTIFY and ORCPT as they were given (RFC 3461); "" where nothing was said
    orcpt: str | None = None
    warned: bool = attrs.field(default=False, converter=bool)  # its sender knows that it takes long

    @property
    def notice(self) -> Notice:
        """What the sender wants to be told about this recipient."""
        return Notice(tuple(self.notify.split(",")) if self.notify else (), self.orcpt)


@attrs.frozen
class Work:
    """A message and some of its recipients."""

    entry: QueueEntry
    recipients: tuple[QueuedRecipient, ...]


_ENTRY: Final = (
    "queue.queue_id, message_id, sender, eight_bit, smtputf8, accepted_at, size_octets, trace, hop, for_trace,"
    " ret, envid"
)
_entry_values: Final = attrgetter(*(field.name for field in attrs.fields(QueueEntry)))
_RECIPIENT: Final = "address, next_hop, attempts, due_at, last_reply, notify, orcpt, warned"
_ENTRY_WIDTH: Final = _ENTRY.count(",") + 1


def free_queue_id(db: sqlite3.Connection, server: str, trace: str, hop: int) -> QueueId:
    """The queue id with the lowest copy number that `server` has not yet given for this trace and hop."""
    (copy,) = db.execute(
        "INSERT INTO queue_id_given VALUES (?, ?, ?, 1)"
        " ON CONFLICT DO UPDATE SET copies = copies + 1 RETURNING copies - 1",
        (server, trace, hop),
    ).fetchone()
    return QueueId(trace, hop, copy)


def seen_before(
    db: sqlite3.Connection, server: str, previous_host: str, previous_queue_id: str, recipients: Collection[str]
) -> set[str]:
    """Those of `recipients` for whom `server` has already accepted this message from that host.

    Only a believed peer is asked about: anybody can write a `Received:` line.  Addresses compare as they are
    written; a host that sends again writes them again as before.
    """
    rows = db.execute(
        "SELECT recipient FROM arrived WHERE server = ? AND previous_host = ? AND previous_queue_id = ?",
        (server, previous_host, previous_queue_id),
    )
    return {recipient for (recipient,) in rows}.intersection(recipients)


def remember(
    db: sqlite3.Connection,
    server: str,
    previous_host: str,
    previous_queue_id: str,
    recipients: Iterable[str],
    at: float,
) -> None:
    """Note that `server` has accepted this message for `recipients`, at the real time `at`."""
    db.executemany(
        "INSERT INTO arrived VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [(server, previous_host, previous_queue_id, recipient, at) for recipient in recipients],
    )


def forget(db: sqlite3.Connection, server: str, before: float) -> None:
    """Forget the ids that were given, and the copies that arrived, before a time.

    `before` is real time, as trace ids are made of, not lab time: an advanced clock makes nothing older.
    """
    db.execute("DELETE FROM arrived WHERE server = ? AND at < ?", (server, before))
    db.execute(
        "DELETE FROM queue_id_given WHERE server = ?1 AND trace < ?2"
        " AND trace NOT IN (SELECT trace FROM queue WHERE server = ?1)",  # the id of what still waits stays taken
        (server, first_trace_at(before)),
    )


def enqueue(
    db: sqlite3.Connection,
    server: str,
    entry: QueueEntry,
    recipients: Iterable[tuple[str, str]],
    due_at: float,
    notices: Mapping[str, tuple[str, str | None]] = NO_NOTICES,
) -> None:
    """Put a message into the queue of `server`; it takes over one use of the message.

    Args:
        db: the connection.
        server: whose queue it is.
        entry: the message.
        recipients: pairs of address and next hop; an address that is named twice is queued once.
        due_at: when it is tried first.
        notices: address to NOTIFY and ORCPT, for those about whom something was said.
    """
    db.execute(
        "INSERT INTO queue VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (server, *_entry_values(entry)),
    )
    db.executemany(
        "INSERT INTO queue_recipient VALUES (?, ?, ?, ?, 0, ?, '', ?, ?, 0) ON CONFLICT DO NOTHING",
        [
            (server, entry.queue_id, address, next_hop, due_at, *notices.get(address, NOTHING_SAID))
            for address, next_hop in recipients
        ],
    )


def due(
    db: sqlite3.Connection, server: str, next_hop: str, now: float, limit: int, skip: Collection[str] = ()
) -> list[Work]:
    """What is due for `next_hop`, longest due first: `limit` messages at most, none with its id in `skip`."""
    # CROSS JOIN: the recipients first, in the order of their index, and no further than the limit.
    rows = db.execute(
        f"SELECT {_ENTRY}, {_RECIPIENT} FROM queue_recipient CROSS JOIN queue USING (server, queue_id)"
        " WHERE server = ? AND next_hop = ? AND due_at <= ? ORDER BY due_at, queue_id, address",
        (server, next_hop, now),
    )
    taken: dict[str, list[tuple[Any, ...]]] = {}
    for row in rows:
        queue_id = row[0]
        if queue_id in skip:
            continue
        if queue_id not in taken:
            if len(taken) == limit:
                break
            taken[queue_id] = []
        taken[queue_id].append(row)
    return [_work(rows_of_message) for rows_of_message in taken.values()]


def next_due(db: sqlite3.Connection, server: str, next_hop: str, skip: Collection[str] = ()) -> float | None:
    """When the next message for `next_hop` is due, those in `skip` left out; None when none waits."""
    rows = db.execute(
        "SELECT due_at, queue_id FROM queue_recipient WHERE server = ? AND next_hop = ? ORDER BY due_at",
        (server, next_hop),
    )
    return next((due_at for due_at, queue_id in rows if queue_id not in skip), None)


def next_hops(db: sqlite3.Connection, server: str) -> list[str]:
    """All hosts that something waits for."""
    rows = db.execute("SELECT DISTINCT next_hop FROM queue_recipient WHERE server = ? ORDER BY 1", (server,))
    return [next_hop for (next_hop,) in rows]


def length(db: sqlite3.Connection, server: str) -> int:
    """How many messages wait."""
    (count,) = db.execute("SELECT count(*) FROM queue WHERE server = ?", (server,)).fetchone()
    return int(count)


def remove(db: sqlite3.Connection, server: str, queue_id: str, addresses: Iterable[str]) -> None:
    """These recipients are done with, be it delivered or failed; with the last one the message is."""
    db.executemany(
        "DELETE FROM queue_recipient WHERE server = ? AND queue_id = ? AND address = ?",
        [(server, queue_id, address) for address in addresses],
    )
    row = db.execute(
        "DELETE FROM queue WHERE server = ?1 AND queue_id = ?2 AND NOT EXISTS"
        " (SELECT 1 FROM queue_recipient WHERE server = ?1 AND queue_id = ?2) RETURNING message_id",
        (server, queue_id),
    ).fetchone()
    if row is not None:
        messages.release(db, server, row[0])


def defer(
    db: sqlite3.Connection,
    server: str,
    queue_id: str,
    addresses: Iterable[str],
    due_at: float,
    reply: str,
    *,
    counts: bool = True,
) -> None:
    """These were tried in vain, with `reply`, and are tried again at `due_at`; it `counts` unless nobody was asked."""
    db.executemany(
        "UPDATE queue_recipient SET attempts = attempts + ?, due_at = ?, last_reply = ?"
        " WHERE server = ? AND queue_id = ? AND address = ?",
        [(counts, due_at, reply, server, queue_id, address) for address in addresses],
    )


def mark_warned(db: sqlite3.Connection, server: str, queue_id: str, addresses: Iterable[str]) -> None:
    """The sender has been told that it takes long for these recipients: it is told once."""
    db.executemany(
        "UPDATE queue_recipient SET warned = 1 WHERE server = ? AND queue_id = ? AND address = ?",
        [(server, queue_id, address) for address in addresses],
    )


def waiting(db: sqlite3.Connection, server: str, queue_id: str | None = None) -> list[Work]:
    """What waits at `server`, all or one, first come first, each message with all its recipients."""
    where, values = (
        ("server = ?", [server]) if queue_id is None else ("server = ? AND queue_id = ?", [server, queue_id])
    )
    rows = db.execute(
        f"SELECT {_ENTRY}, {_RECIPIENT} FROM queue JOIN queue_recipient USING (server, queue_id)"
        f" WHERE {where} ORDER BY accepted_at, queue_id, address",
        values,
    )
    return [_work(list(rows_of_message)) for _, rows_of_message in itertools.groupby(rows, itemgetter(0))]


def waiting_since(db: sqlite3.Connection, server: str, trace: str, skip: Collection[str]) -> list[Work]:
    """What waits at `server` of this trace and those that began later, none with its id in `skip`."""
    ids = db.execute("SELECT queue_id FROM queue WHERE server = ? AND queue_id >= ?", (server, trace)).fetchall()
    return [work for (queue_id,) in ids if queue_id not in skip for work in waiting(db, server, queue_id)]


def make_due(db: sqlite3.Connection, server: str, queue_id: str, now: float) -> None:
    """Let the message be tried at once, for all who still wait."""
    db.execute(
        "UPDATE queue_recipient SET due_at = ? WHERE server = ? AND queue_id = ? AND due_at > ?",
        (now, server, queue_id, now),
    )


def _work(rows: Sequence[tuple[Any, ...]]) -> Work:
    """The work that the rows of one message tell of: in each the entry, and one recipient."""
    recipients = tuple(QueuedRecipient(*row[_ENTRY_WIDTH:]) for row in rows)
    return Work(QueueEntry(*rows[0][:_ENTRY_WIDTH]), recipients)
