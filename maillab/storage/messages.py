"""Messages: their octets, stored once per server however many mailboxes and queue rows need them.

All are plain functions of a connection, to be composed into one job.  A server sees its own messages only.
"""

from __future__ import annotations

import sqlite3
from typing import Final

# The octets have a table of their own, because SQLite writes a row anew when one of its columns changes:
# counting down the uses of a large message must not write the whole message again.
SCHEMA: Final = """
CREATE TABLE message (
    message_id INTEGER PRIMARY KEY,
    server TEXT NOT NULL,
    uses INTEGER NOT NULL CHECK (uses > 0)
) STRICT;
CREATE TABLE message_octets (
    message_id INTEGER PRIMARY KEY,
    octets BLOB NOT NULL
) STRICT;
"""


def add(db: sqlite3.Connection, server: str, octets: bytes, uses: int) -> int:
    """Keep `octets` for `uses` rows that will name them; gives the message's id."""
    message_id = db.execute("INSERT INTO message (server, uses) VALUES (?, ?)", (server, uses)).lastrowid
    db.execute("INSERT INTO message_octets VALUES (?, ?)", (message_id, octets))
    assert message_id is not None  # an INSERT has one
    return message_id


def octets(db: sqlite3.Connection, server: str, message_id: int) -> bytes:
    """The message as it was added.

    Raises:
        LookupError: this server has no such message (any more).
    """
    row = db.execute(
        "SELECT octets FROM message JOIN message_octets USING (message_id) WHERE message_id = ? AND server = ?",
        (message_id, server),
    ).fetchone()
    if row is None:
        raise _no_message(server, message_id)
    found: bytes = row[0]
    return found


def release(db: sqlite3.Connection, server: str, message_id: int, uses: int = 1) -> None:
    """Give up `uses` uses of a message, and with the last one the message.

    Raises:
        LookupError: this server has no such message (any more).
        ValueError: it has fewer uses than that.
    """
    row = db.execute("SELECT uses FROM message WHERE message_id = ? AND server = ?", (message_id, server)).fetchone()
    if row is None:
        raise _no_message(server, message_id)
    if uses > row[0]:
        raise ValueError(f"message {message_id} of {server} has {row[0]} uses, and {uses} are given up")
    if uses < row[0]:
        db.execute("UPDATE message SET uses = uses - ? WHERE message_id = ?", (uses, message_id))
        return
    db.execute("DELETE FROM message WHERE message_id = ?", (message_id,))
    db.execute("DELETE FROM message_octets WHERE message_id = ?", (message_id,))


def _no_message(server: str, message_id: int) -> LookupError:
    return LookupError(f"{server} has no message {message_id}")
