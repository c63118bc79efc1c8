"""What a server does when its database fails it: it refuses, waits, sets aside, and goes on with the rest."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

import pytest
import trio

from maillab.lab.post import MailRefusedError
from maillab.storage.data_folder import DATABASE_NAME
from tests.labs import FAR, WITH_FAR, foreign_server, memory_lab, records_of, row_count

ANNA: Final = "anna@nord.example"
PAGE_OCTETS: Final = 4096


async def test_a_message_that_cannot_be_read_is_set_aside(autojump_clock: object) -> None:
    """It stays in the queue and is named there; the rest is delivered, and it too, once it can be read again."""

    def forget(db: sqlite3.Connection) -> None:
        db.execute("CREATE TABLE elsewhere AS SELECT * FROM message_octets LIMIT 1")
        db.execute("DELETE FROM message_octets WHERE message_id IN (SELECT message_id FROM elsewhere)")

    async with memory_lab(WITH_FAR) as lab:
        first = await lab.send(ANNA, "one@far.example", subject="one")
        await lab.send(ANNA, "two@far.example", subject="two")
        await lab.database.write(forget)
        async with foreign_server(lab) as far:
            await trio.sleep(60)
            assert [b"Subject: two" in mail for mail in far.mails] == [True]
            (deferred,) = records_of(lab, "delivery.deferred", next_hop="far.example", trace=first.trace)[-1:]
            assert deferred["reply"].startswith("the message cannot be read: mail.nord.example has no message ")
            assert deferred["retry_in_seconds"] == 120
            ((_, work),) = lab.queue()
            assert work.recipients[0].last_reply == deferred["reply"]

            await lab.database.write(lambda db: db.execute("INSERT INTO message_octets SELECT * FROM elsewhere"))
            await trio.sleep(180)
            assert [b"Subject: one" in mail for mail in far.mails] == [False, True]
            assert row_count(lab.database, "queue") == 0


async def test_a_message_that_cannot_be_read_is_not_given_up(autojump_clock: object) -> None:
    """Long after its time it still waits: there is nothing that could be sent back to its sender."""
    async with memory_lab(WITH_FAR) as lab:
        await lab.send(ANNA, "one@far.example", subject="one")
        await lab.database.write(lambda db: db.execute("DELETE FROM message_octets"))
        await trio.sleep(10_000)
        assert row_count(lab.database, "queue") == 1
        assert records_of(lab, "delivery.failed") == []
        assert records_of(lab, "bounce.created") == []


async def test_damage_that_shows_later_is_answered_and_written_down(tmp_path: Path) -> None:
    """A database that is damaged under a running lab: 451, a record that says what to do, and the lab goes on."""
    async with memory_lab(WITH_FAR, data=tmp_path) as lab, foreign_server(lab, at="172.20.0.1"):
        await lab.send(ANNA, "nils@nord.example", subject="before")
        # A checkpoint, so that the file and not its log is read; then all but the first page is garbage.
        with sqlite3.connect(tmp_path / DATABASE_NAME) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            other.execute("PRAGMA user_version = 1")  # a commit: what lies in caches is read again
        other.close()
        with (tmp_path / DATABASE_NAME).open("r+b") as file:
            size = file.seek(0, 2)
            file.seek(PAGE_OCTETS)
            file.write(b"\xa5" * (size - PAGE_OCTETS))
        for _ in range(2):
            with pytest.raises(MailRefusedError, match=r"451 4\.3\.0 .*damaged"):
                await lab.send(ANNA, ["nils@nord.example", f"x@{FAR.removeprefix('mail.')}"], subject="after")
        failed = records_of(lab, "storage.failed")
        assert all("put a copy in its place" in record["error"] for record in failed)
        assert len(failed) >= 2
        assert len(records_of(lab, "message.refused", code=451)) == 2
