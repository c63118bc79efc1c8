"""Mailboxes: deliver, list, fetch, flag, expunge; UIDs that ascend and are never used twice.

All are plain functions of a connection, to be composed into one job or one query.  A server sees its own
mailboxes only.  A mailbox is named like the address it belongs to, in lower case: "anna@nord.example".
"""

from __future__ import annotations

import functools
import re
import sqlite3
from collections.abc import Collection, Iterable
from typing import Final

import attrs

from maillab.storage import messages

SCHEMA: Final = """
CREATE TABLE mailbox (
    server TEXT NOT NULL,
    mailbox TEXT NOT NULL,
    uid_validity INTEGER NOT NULL,
    next_uid INTEGER NOT NULL,
    PRIMARY KEY (server, mailbox)
) STRICT, WITHOUT ROWID;
CREATE TABLE mailbox_entry (
    server TEXT NOT NULL,
    mailbox TEXT NOT NULL,
    uid INTEGER NOT NULL,
    message_id INTEGER NOT NULL,
    return_path TEXT NOT NULL,
    trace TEXT NOT NULL,
    queue_id TEXT NOT NULL,
    stored_at REAL NOT NULL,
    size_octets INTEGER NOT NULL,
    flags TEXT NOT NULL,
    PRIMARY KEY (server, mailbox, uid)
) STRICT, WITHOUT ROWID;
"""

FLAGS: Final = frozenset({"answered", "deleted", "draft", "flagged", "seen"})  # RFC 9051 section 2.3.2

UID_VALIDITY_LIMIT: Final = 2**32  # RFC 9051 section 2.3.1.1: not zero, 32 bits

_FIELD: Final = re.compile(rb"([!-9;-~]+)[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*")  # RFC 5322 section 2.2
_SEARCHED_OCTETS: Final = 1024 * 1024  # a header larger than this is no mail's; what lies beyond stays as it is


_ENTRY: Final = "uid, mailbox, message_id, return_path, trace, queue_id, stored_at, size_octets, flags"


@attrs.frozen
class Entry:
    """A message in a mailbox."""

    uid: int
    mailbox: str
    message_id: int
    return_path: str  # "" is the null path
    trace: str
    queue_id: str
    stored_at: float  # seconds since 1970
    size_octets: int
    flags: frozenset[str]  # a part of FLAGS

    @property
    def seen(self) -> bool:
        return "seen" in self.flags


@attrs.frozen
class Mailbox:
    """A mailbox as a whole."""

    mailbox: str
    uid_validity: int  # as long as it stays, so do the UIDs
    next_uid: int
    message_count: int
    unseen_count: int


def create(db: sqlite3.Connection, server: str, mailbox: str, at: float) -> None:
    """Make sure that there is a `mailbox`, be it empty; `at` is the time, in seconds since 1970."""
    db.execute("INSERT INTO mailbox VALUES (?, ?, ?, 1) ON CONFLICT DO NOTHING", (server, mailbox, _uid_validity(at)))


def deliver(
    db: sqlite3.Connection,
    server: str,
    mailbox: str,
    message_id: int,
    *,
    return_path: str,
    trace: str,
    queue_id: str,
    stored_at: float,
    size_octets: int,
) -> int:
    """Put a message into `mailbox`, which is made when missing; gives the UID.

    This is final delivery, RFC 5321 section 4.4.  It takes over one use of the message.

    Args:
        db: the connection.
        server: whose mailbox it is.
        mailbox: its name.
        message_id: the message, as `storage.messages` keeps it.
        return_path: the reverse-path of the envelope; "" is the null path.
        trace: the message's trace.
        queue_id: the message's queue id at this server.
        stored_at: the time, in seconds since 1970.
        size_octets: the size of what `octets` will give: `len(with_return_path(...))`.
    """
    # One statement for "make it, or count on": the UID is given up with its row, and never given again.
    (uid,) = db.execute(
        "INSERT INTO mailbox VALUES (?, ?, ?, 2) ON CONFLICT DO UPDATE SET next_uid = next_uid + 1"
        " RETURNING next_uid - 1",
        (server, mailbox, _uid_validity(stored_at)),
    ).fetchone()
    db.execute(
        "INSERT INTO mailbox_entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, '')",
        (server, mailbox, uid, message_id, return_path, trace, queue_id, stored_at, size_octets),
    )
    delivered: int = uid
    return delivered


def entries(db: sqlite3.Connection, server: str, mailbox: str) -> list[Entry]:
    """What is in `mailbox`, by ascending UID; nothing when there is no such mailbox."""
    rows = db.execute(
        f"SELECT {_ENTRY} FROM mailbox_entry WHERE server = ? AND mailbox = ? ORDER BY uid",
        (server, mailbox),
    )
    return [Entry(*(*row[:-1], _flags(row[-1]))) for row in rows]


def entries_since(db: sqlite3.Connection, server: str, trace: str) -> list[Entry]:
    """What is in the mailboxes of `server` of this trace and those that began later."""
    rows = db.execute(
        f"SELECT {_ENTRY} FROM mailbox_entry WHERE server = ? AND trace >= ? ORDER BY mailbox, uid",
        (server, trace),
    )
    return [Entry(*(*row[:-1], _flags(row[-1]))) for row in rows]


def octets(db: sqlite3.Connection, server: str, mailbox: str, uid: int) -> bytes:
    """The message as its reader gets it: `Return-Path:` on top, then what was received.

    Raises:
        LookupError: there is no such entry (any more).
    """
    row = db.execute(
        "SELECT message_id, return_path FROM mailbox_entry WHERE server = ? AND mailbox = ? AND uid = ?",
        (server, mailbox, uid),
    ).fetchone()
    if row is None:
        raise _no_entry(server, mailbox, uid)
    message_id, return_path = row
    return with_return_path(messages.octets(db, server, message_id), return_path)


def with_return_path(octets: bytes, return_path: str) -> bytes:
    """`octets` with the one Return-Path field of final delivery; any that came along are dropped.

    RFC 5321 section 4.4: there is one such field, the server that makes final delivery writes it, and nobody
    before it touches what a message brings.
    """
    kept = [f"Return-Path: <{return_path}>\r\n".encode()]
    start = at = 0
    while at < _SEARCHED_OCTETS and (field := _FIELD.match(octets, at)):
        if field[1].lower() == b"return-path":
            kept.append(octets[start:at])
            start = field.end()
        at = field.end()
    kept.append(octets[start:])
    return b"".join(kept)


def flag(
    db: sqlite3.Connection,
    server: str,
    mailbox: str,
    uid: int,
    *,
    add: Iterable[str] = (),
    remove: Iterable[str] = (),
) -> frozenset[str]:
    """Set and clear flags of an entry; gives those that it has then.

    Raises:
        LookupError: there is no such entry (any more).
        ValueError: a flag to be set is none of FLAGS.
    """
    key = (server, mailbox, uid)
    row = db.execute("SELECT flags FROM mailbox_entry WHERE server = ? AND mailbox = ? AND uid = ?", key).fetchone()
    if row is None:
        raise _no_entry(server, mailbox, uid)
    flags = (_flags(row[0]) | frozenset(add)) - frozenset(remove)
    if unknown := flags - FLAGS:
        raise ValueError(f"no flag: {', '.join(sorted(unknown))}; the flags are {', '.join(sorted(FLAGS))}")
    db.execute(
        "UPDATE mailbox_entry SET flags = ? WHERE server = ? AND mailbox = ? AND uid = ?",
        (" ".join(sorted(flags)), *key),
    )
    return flags


def expunge(db: sqlite3.Connection, server: str, mailbox: str, uids: Collection[int]) -> list[int]:
    """Take entries out of `mailbox` for good, each with its use of the message; gives the UIDs taken.

    A UID that is not there (any more) is passed over: two clients may expunge the same entry.
    """
    gone = []
    for uid in sorted(set(uids)):
        row = db.execute(
            "DELETE FROM mailbox_entry WHERE server = ? AND mailbox = ? AND uid = ? RETURNING message_id",
            (server, mailbox, uid),
        ).fetchone()
        if row is not None:
            messages.release(db, server, row[0])
            gone.append(uid)
    return gone


def mailboxes(db: sqlite3.Connection, server: str) -> list[Mailbox]:
    """All mailboxes of `server` by name, the empty ones too."""
    rows = db.execute(
        "SELECT mailbox, uid_validity, next_uid,"
        " count(uid), count(uid) FILTER (WHERE instr(flags, 'seen') = 0)"
        " FROM mailbox LEFT JOIN mailbox_entry USING (server, mailbox)"
        " WHERE server = ? GROUP BY mailbox ORDER BY mailbox",
        (server,),
    )
    return [Mailbox(*row) for row in rows]


@functools.cache  # there are 32 at most
def _flags(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _uid_validity(at: float) -> int:
    # The time it was made, as RFC 9051 section 2.3.1.1 proposes: a mailbox made anew has another one.
    return int(at) % UID_VALIDITY_LIMIT or 1


def _no_entry(server: str, mailbox: str, uid: int) -> LookupError:
    return LookupError(f"{mailbox} at {server} has no message {uid}")
