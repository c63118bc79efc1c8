"""A lab that was killed before it wrote its last records tells at its next start what the store knows."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import trio

from maillab.lab.lab import Lab
from maillab.lab.record_file import FILE_NAME
from maillab.trace.copies import State
from maillab.trace.ladder import draw_ladder
from maillab.trace.path import Trace
from tests.labs import NORD, SUED, WITH_FAR, memory_lab, records_of, row_count

ANNA: Final = "anna@nord.example"
NILS: Final = "nils@nord.example"
BEN: Final = "ben@sued.example"
NOBODY: Final = "niemand@sued.example"
OPEN: Final = (State.UNDERWAY, State.DEFERRED)


async def drained(lab: Lab) -> None:
    """Wait until nothing waits."""
    with trio.fail_after(20):
        while row_count(lab.database, "queue"):  # noqa: ASYNC110  a commit has no event
            await trio.sleep(0.01)


def cut(data: Path, kept: int) -> None:
    """Leave `kept` lines of the records, as a kill does that comes before the rest was written."""
    lines = (data / FILE_NAME).read_bytes().splitlines(keepends=True)
    (data / FILE_NAME).write_bytes(b"".join(lines[:kept]))


def told(trace: Trace) -> dict[str, tuple[State, str, int | None]]:
    return {recipient: (copy.state, copy.server, copy.uid) for recipient, copy in trace.copies.items()}


async def test_whatever_records_are_missing_the_traces_end_as_they_did(tmp_path: Path) -> None:
    """For every moment at which the records may end: each trace that is known ends as it did, its bounce included."""
    data = tmp_path / "data"
    async with memory_lab(data=data) as lab:
        # An earlier mail, so that there is a record before the first one that goes missing.
        await lab.send(ANNA, NILS, subject="before")
        await trio.sleep(0.01)
        first_count = lab.recorder.seq
        sent = await lab.send(ANNA, [NILS, BEN], subject="across")
        returned = await lab.send(ANNA, NOBODY, subject="to nobody")
        await drained(lab)
        last_count = lab.recorder.seq
        truth = {trace.id: told(trace) for trace in lab.traces}
        # Where the records end within a dialogue, the same of them tell of mail as where they end at its beginning.
        ends = [record["seq"] - 1 for record in lab.recorder.after(first_count) if record.get("trace")]
        (bounce,) = {record["trace"] for record in records_of(lab, "bounce.created")}
        count = row_count(lab.database, "mailbox_entry")
    assert truth[sent.trace or ""] == {NILS: (State.DELIVERED, NORD, 2), BEN: (State.DELIVERED, SUED, 1)}
    assert truth[returned.trace or ""][NOBODY][0] is State.FAILED

    for kept in [*ends, last_count]:
        again = tmp_path / str(kept)
        shutil.copytree(data, again)
        cut(again, kept)
        async with memory_lab(data=again) as lab:
            assert {trace.id: told(trace) for trace in lab.traces} == truth, kept
            trace = lab.trace_book.get(bounce)
            assert trace is not None
            assert trace.parent == returned.trace
            for each in lab.traces:
                draw_ladder(each, 100)
            stored = [(record["mailbox"], record["uid"]) for record in records_of(lab, "message.stored")]
            assert len(stored) == len(set(stored)) == count, kept
            accepted = [record["queue_id"] for record in records_of(lab, "message.accepted")]
            assert len(accepted) == len(set(accepted)), kept
        shutil.rmtree(again)


async def test_an_acceptance_is_told_as_it_would_have_been(tmp_path: Path) -> None:
    """Size, hash, subject, hop and the queue id before are read from the message itself."""
    data = tmp_path / "data"
    async with memory_lab(data=data) as lab:
        await lab.send(ANNA, NILS, subject="before")
        await trio.sleep(0.01)
        first_count = lab.recorder.seq
        await lab.send(ANNA, BEN, subject="across")
        await drained(lab)
        truth = records_of(lab, "message.accepted", subject="across")
    cut(data, first_count)
    async with memory_lab(data=data) as lab:
        retold = records_of(lab, "message.accepted", subject="across")
    differing = {"run", "seq", "at", "connection", "transaction"}
    assert [{key: each[key] for key in each.keys() - differing} for each in retold] == [
        {key: each[key] for key in each.keys() - differing} for each in truth
    ]


async def test_what_waits_is_told_and_then_delivered(tmp_path: Path) -> None:
    """A message in the queue that no record tells of is told as accepted."""
    data = tmp_path / "data"
    async with memory_lab(WITH_FAR, data=data) as lab:
        await lab.send(ANNA, NILS, subject="before")
        await trio.sleep(0.01)
        kept = lab.recorder.seq
        sent = await lab.send(ANNA, "x@far.example", subject="waits")
    cut(data, kept)
    async with memory_lab(WITH_FAR, data=data) as lab:
        (accepted,) = records_of(lab, "message.accepted", subject="waits")
        assert (accepted["trace"], accepted["recipients"]) == (sent.trace, ["x@far.example"])
        trace = lab.trace_book.get(sent.trace or "")
        assert trace is not None
        assert trace.state in OPEN


async def test_after_a_clean_end_nothing_is_told_again(tmp_path: Path) -> None:
    """Records that end with `lab.stopped` are complete; so are those that were told again once."""
    data = tmp_path / "data"
    async with memory_lab(data=data) as lab:
        await lab.send(ANNA, [NILS, BEN], subject="across")
        await drained(lab)
        kept = lab.recorder.seq
    async with memory_lab(data=data) as lab:
        assert not [record for record in lab.recorder.after(0) if record["event"].startswith("message.")]
    cut(data, kept)  # a kill after all was told
    async with memory_lab(data=data) as lab:
        assert not [record for record in lab.recorder.after(0) if record["event"].startswith("message.")]


async def test_a_message_that_cannot_be_read_keeps_no_lab_from_starting(tmp_path: Path) -> None:
    """Of a message whose octets are gone, it is told that it lies in the mailbox."""
    data = tmp_path / "data"
    async with memory_lab(data=data) as lab:
        await lab.send(ANNA, NILS, subject="before")
        await trio.sleep(0.01)
        kept = lab.recorder.seq
        await lab.send(ANNA, [NILS], subject="lost")
        await lab.database.write(
            lambda db: db.execute(
                "DELETE FROM message_octets WHERE message_id = (SELECT max(message_id) FROM message_octets)"
            )
        )
    cut(data, kept)
    async with memory_lab(data=data) as lab:
        assert records_of(lab, "message.accepted", subject="lost") == []
        assert [record["uid"] for record in records_of(lab, "message.stored", mailbox=NILS)] == [1, 2]
