"""What a lab with `--data` has kept, read from the folder: also while the lab runs, since SQLite allows it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from maillab.mail.message import Message
from maillab.mailbox import store
from maillab.storage.data_folder import DATABASE_NAME


def mails(data: Path, server: str, mailbox: str) -> list[bytes]:
    """Every message in a mailbox as its reader gets it, oldest first."""
    with closing(sqlite3.connect(f"{(data / DATABASE_NAME).as_uri()}?mode=ro", uri=True)) as db:
        uids = [entry.uid for entry in store.entries(db, server, mailbox)]
        return [store.octets(db, server, mailbox, uid) for uid in uids]


def subjects(data: Path, server: str, mailbox: str) -> list[str | None]:
    """The subject of every message in a mailbox, oldest first."""
    return [Message(octets).subject for octets in mails(data, server, mailbox)]


def as_sent(octets: bytes, *, received_count: int) -> bytes:
    """A message without what the servers on its way have put on top: one Return-Path and so many Received."""
    put_on_top = Message(octets).fields[: 1 + received_count]
    assert [field.name for field in put_on_top] == ["Return-Path"] + ["Received"] * received_count
    return octets[sum(len(field.octets) for field in put_on_top) :]
