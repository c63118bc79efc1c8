"""The message behind a queue id, for as long as it waits."""

from __future__ import annotations

import sqlite3

from maillab.storage import messages


def octets(db: sqlite3.Connection, server: str, queue_id: str) -> bytes:
    """The message as `server` has taken it, its own `Received:` on top.

    Raises:
        LookupError: nothing of that id waits there (any more).
    """
    row = db.execute("SELECT message_id FROM queue WHERE server = ? AND queue_id = ?", (server, queue_id)).fetchone()
    if row is None:
        raise LookupError(f"nothing with queue id {queue_id} waits at {server}")
    return messages.octets(db, server, row[0])
