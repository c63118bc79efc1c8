"""A lab with `--data`: mail, queue and records are there again after a stop, and a folder is one lab's."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from maillab.lab.waiting import wait_until
from maillab.network.memory import MemoryNetwork
from maillab.smtp.outcome import Delivered
from maillab.storage.errors import DataFolderInUse, StorageError
from maillab.trace.record import Record
from tests.labs import (
    FAR,
    FAR_ADDRESS,
    NORD,
    WITH_FAR,
    foreign_server,
    hand_over,
    memory_lab,
    records_of,
    row_count,
    subjects,
    visit,
)

ANNA: Final = "anna@nord.example"
SOON: Final = WITH_FAR.replace("after_seconds = [5, 30, 120]", "after_seconds = [0.02]")


async def test_a_data_folder_is_one_labs(tmp_path: Path) -> None:
    """A second lab with the same folder is refused, and the first goes on."""
    async with memory_lab(data=tmp_path) as lab:
        with pytest.raises(DataFolderInUse, match=f"{tmp_path} is in use"):
            async with memory_lab(data=tmp_path):
                pass
        await lab.send(ANNA, "nils@nord.example", subject="x")

    async with memory_lab(data=tmp_path) as lab:
        assert subjects(lab, "nils@nord.example") == ["x"]


async def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    """A data folder with something else in it is refused with a line that names it."""
    (tmp_path / "lab.db").write_text("my diary" * 100)
    with pytest.raises(StorageError, match=r"lab\.db"):
        async with memory_lab(data=tmp_path):
            pass

    assert (tmp_path / "lab.db").read_text().startswith("my diary")


async def test_mail_queue_and_records_survive_a_restart(tmp_path: Path) -> None:
    """Stopped and started again with the same folder: mailboxes, what waits, and earlier traces are there."""
    async with memory_lab(SOON, data=tmp_path) as lab:
        sent = await lab.send(ANNA, [ANNA, "x@far.example"], subject="hello")
        await wait_until(lambda: records_of(lab, "delivery.deferred") or None, lab.recorder, "delivery.deferred")
        (before,) = lab.mailbox(ANNA).messages()
        octets_before = before.octets
        first_run, first_records = lab.recorder.run, list(lab.recorder.records)
    assert sent.trace is not None

    network = MemoryNetwork()
    async with memory_lab(SOON, data=tmp_path, network=network) as lab, foreign_server(lab) as far:
        (after,) = lab.mailbox(ANNA).messages()
        assert (after.entry, after.octets) == (before.entry, octets_before)

        def relayed() -> list[Record] | None:
            return records_of(lab, "delivery.relayed") or None

        (delivered,) = await wait_until(relayed, lab.recorder, "delivery.relayed")
        assert (delivered["trace"], delivered["run"]) == (sent.trace, lab.recorder.run)
        assert delivered["attempt"] >= 2
        assert len(far.mails) == 1
        assert row_count(lab.database, "queue") == 0

        earlier = [record for record in lab.recorder.records if record["run"] == first_run]
        assert earlier[: len(first_records)] == first_records
        assert earlier[-1]["event"] == "lab.stopped"
        assert [record["seq"] for record in earlier] == [*range(1, len(earlier) + 1)]
        trace = lab.trace_book.get(sent.trace)
        assert trace is not None
        assert (trace.subject, len(trace.hops)) == ("hello", 1)
        assert {record["run"] for record in trace.own_records} == {first_run, lab.recorder.run}


async def test_a_second_coming_is_known_after_a_restart(tmp_path: Path) -> None:
    """What was accepted from a believed peer before the restart is not accepted again after it."""
    octets = f"Received: by {FAR} with ESMTP id ABC; x\r\nReceived: by {NORD} id 1JD2V9XK3M4QZ-1-00; x\r\n\r\n".encode()
    for _ in range(2):
        async with memory_lab(SOON, data=tmp_path) as lab:
            outcomes = await hand_over(lab, NORD, octets, "x@far.example", ANNA, source=FAR_ADDRESS)
            assert isinstance(outcomes.popitem()[1], Delivered)
            assert len(lab.mailbox(ANNA).messages()) == 1


async def test_uids_and_queue_ids_go_on_after_a_restart(tmp_path: Path) -> None:
    """A restart gives no id a second time."""
    for uid in (1, 2):
        async with memory_lab(SOON, data=tmp_path) as lab:
            await lab.send(ANNA, ANNA, subject=str(uid))
            messages = lab.mailbox(ANNA).messages()
            assert [message.uid for message in messages] == [*range(1, uid + 1)]
            assert len({message.entry.queue_id for message in messages}) == uid


async def test_what_is_on_disk_is_never_taken_back(tmp_path: Path) -> None:
    """A disk that fills up refuses new mail with 452; all that was acknowledged is there after a restart."""
    async with memory_lab(SOON, data=tmp_path) as lab, visit(lab, NORD) as visitor:
        await lab.database.write(lambda db: db.execute("PRAGMA max_page_count = 60"))
        replies = []
        for n in range(12):
            await visitor.say_all([f"MAIL FROM:<{ANNA}>", f"RCPT TO:<{ANNA}>", "DATA"])
            replies.append(await visitor.give(f"Subject: {n}\r\n\r\n".encode() + b"x" * 30_000 + b"\r\n.\r\n"))
    acknowledged = [str(n) for n, reply in enumerate(replies) if reply.startswith("250 ")]
    assert 0 < len(acknowledged) < 12
    assert {reply[:9] for reply in replies} == {"250 2.0.0", "452 4.3.1"}

    async with memory_lab(SOON, data=tmp_path) as lab:
        assert subjects(lab, ANNA) == acknowledged
