"""The queue: ids, what is due, what became of it, and copies that come twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maillab.mailserver import queue
from maillab.storage import messages
from maillab.storage.data_folder import open_memory
from maillab.trace.identity import TraceIds

NORD: Final = "mail.nord.example"
SUED: Final = "mail.sued.example"
RELAY: Final = "relay.example"
BEN: Final = "ben@sued.example"
TRACE: Final = "1JD2V9XK3M4QZ"


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    with closing(open_memory([messages.SCHEMA, queue.SCHEMA])) as connection:
        yield connection


def enqueue(
    db: sqlite3.Connection,
    recipients: Sequence[tuple[str, str]] = ((BEN, RELAY),),
    *,
    server: str = NORD,
    due_at: float = 0.0,
    trace: str = TRACE,
    accepted_at: float = 0.0,
) -> queue.QueueEntry:
    """Put a message of its own into the queue."""
    entry = queue.QueueEntry(
        queue_id=str(queue.free_queue_id(db, server, trace, 1)),
        message_id=messages.add(db, server, b"hello", uses=1),
        sender="anna@nord.example",
        eight_bit=True,
        smtputf8=False,
        accepted_at=accepted_at,
        size_octets=5,
        trace=trace,
        hop=1,
    )
    queue.enqueue(db, server, entry, recipients, due_at)
    return entry


def due_ids(
    db: sqlite3.Connection, now: float, limit: int = 100, skip: Sequence[str] = (), server: str = NORD
) -> list[str]:
    return [work.entry.queue_id for work in queue.due(db, server, RELAY, now, limit, skip)]


def test_queue_ids_count_the_copies_at_one_server(db: sqlite3.Connection) -> None:
    """Each trace and hop counts from 00, at each server for itself."""
    ids = [
        str(queue.free_queue_id(db, server, TRACE, hop))
        for server, hop in [(NORD, 1), (NORD, 1), (NORD, 2), (SUED, 1), (NORD, 1)]
    ]
    assert ids == [f"{TRACE}-{rest}" for rest in ("1-00", "1-01", "2-00", "1-00", "1-02")]


def test_a_queue_id_is_not_given_again_when_its_message_has_left(db: sqlite3.Connection) -> None:
    """The id of a message that was passed on stays taken."""
    entry = enqueue(db)
    queue.remove(db, NORD, entry.queue_id, [BEN])
    assert str(queue.free_queue_id(db, NORD, TRACE, 1)) == f"{TRACE}-1-01"


def test_what_was_queued_comes_out(db: sqlite3.Connection) -> None:
    """A message that is due has its entry and its recipients for that next hop, as they were put in."""
    entry = enqueue(db, [("a@sued.example", RELAY), ("b@west.example", "other.example"), (BEN, RELAY)], due_at=7.0)
    assert queue.due(db, NORD, RELAY, 6.9, 10) == []
    assert queue.due(db, NORD, RELAY, 7.0, 10) == [
        queue.Work(
            entry,
            (
                queue.QueuedRecipient("a@sued.example", RELAY, 0, 7.0, ""),
                queue.QueuedRecipient(BEN, RELAY, 0, 7.0, ""),
            ),
        )
    ]
    assert queue.next_hops(db, NORD) == ["other.example", RELAY]


def test_an_address_named_twice_is_queued_once(db: sqlite3.Connection) -> None:
    """An alias and its member in one mail make one recipient."""
    enqueue(db, [(BEN, RELAY), (BEN, RELAY)])
    ((recipient,),) = [work.recipients for work in queue.due(db, NORD, RELAY, 0.0, 10)]
    assert recipient.address == BEN


@given(
    due_times=st.lists(st.integers(0, 9), max_size=12),
    now=st.integers(0, 9),
    limit=st.integers(1, 5),
    skipped=st.sets(st.integers(0, 11)),
)
def test_the_longest_due_comes_first(due_times: list[int], now: int, limit: int, skipped: set[int]) -> None:
    """Of what is due and not in flight the first so many come out, by due time; `next_due` agrees."""
    with closing(open_memory([messages.SCHEMA, queue.SCHEMA])) as db:
        waiting = [(float(at), enqueue(db, due_at=float(at)).queue_id) for at in due_times]
        skip = [queue_id for number, (_, queue_id) in enumerate(waiting) if number in skipped]
        free = sorted((at, queue_id) for at, queue_id in waiting if queue_id not in skip)
        assert due_ids(db, now, limit, skip) == [queue_id for at, queue_id in free if at <= now][:limit]
        assert queue.next_due(db, NORD, RELAY, skip) == (free[0][0] if free else None)


def test_the_limit_counts_messages_and_cuts_none(db: sqlite3.Connection) -> None:
    """A message comes out with all its recipients that are due, however many they are."""
    people = [(f"p{number}@sued.example", RELAY) for number in range(150)]
    first, _ = enqueue(db, people), enqueue(db)
    (work,) = queue.due(db, NORD, RELAY, 0.0, 1)
    assert work.entry == first
    assert len(work.recipients) == 150


def test_partial_success_is_kept_per_recipient(db: sqlite3.Connection) -> None:
    """One is delivered, one failed, one deferred: only the deferred one is tried again; then the message goes."""
    entry = enqueue(db, [("a@x", RELAY), ("b@x", RELAY), ("c@x", RELAY)], due_at=1.0)
    queue.remove(db, NORD, entry.queue_id, ["a@x", "c@x"])
    queue.defer(db, NORD, entry.queue_id, ["b@x"], 31.0, "451 4.7.1 Later")
    assert queue.next_due(db, NORD, RELAY) == 31.0
    (work,) = queue.due(db, NORD, RELAY, 31.0, 10)
    assert work.recipients == (queue.QueuedRecipient("b@x", RELAY, 1, 31.0, "451 4.7.1 Later"),)
    assert messages.octets(db, NORD, entry.message_id) == b"hello"
    queue.remove(db, NORD, entry.queue_id, ["b@x"])
    assert queue.waiting(db, NORD) == []
    assert queue.next_due(db, NORD, RELAY) is None
    with pytest.raises(LookupError):
        messages.octets(db, NORD, entry.message_id)


def test_to_remove_twice_is_to_remove_once(db: sqlite3.Connection) -> None:
    """An outcome that is told again changes nothing, and gives up no other use of the message."""
    entry = enqueue(db, [("a@x", RELAY), ("b@x", RELAY)])
    for _ in range(2):
        queue.remove(db, NORD, entry.queue_id, ["a@x"])
    assert messages.octets(db, NORD, entry.message_id) == b"hello"
    for _ in range(2):
        queue.remove(db, NORD, entry.queue_id, ["b@x"])


def test_all_that_waits_is_told(db: sqlite3.Connection) -> None:
    """`waiting` lists messages as they came, with all recipients of all next hops, due or not."""
    later = enqueue(db, due_at=5.0, accepted_at=2.0)
    earlier = enqueue(db, [("b@x", "b.example"), ("a@x", "a.example")], due_at=900.0, accepted_at=1.0)
    assert [(work.entry, [one.address for one in work.recipients]) for work in queue.waiting(db, NORD)] == [
        (earlier, ["a@x", "b@x"]),
        (later, [BEN]),
    ]


def test_a_message_is_made_due(db: sqlite3.Connection) -> None:
    """`make_due` lets one message be tried at once; one that is due already keeps its place in the line."""
    deferred, old = enqueue(db, due_at=500.0), enqueue(db, due_at=3.0)
    queue.make_due(db, NORD, deferred.queue_id, 10.0)
    queue.make_due(db, NORD, old.queue_id, 10.0)
    assert due_ids(db, 10.0) == [old.queue_id, deferred.queue_id]


def test_a_server_sees_its_own_queue_only(db: sqlite3.Connection) -> None:
    """Two servers that hold a message with the same id do not touch each other's."""
    nord, sued = enqueue(db, server=NORD), enqueue(db, server=SUED)
    assert nord.queue_id == sued.queue_id
    queue.remove(db, SUED, sued.queue_id, [BEN])
    queue.defer(db, SUED, nord.queue_id, [BEN], 99.0, "451")
    queue.make_due(db, SUED, nord.queue_id, -5.0)
    assert due_ids(db, 0.0) == [nord.queue_id]
    assert due_ids(db, 0.0, server=SUED) == []
    assert queue.waiting(db, SUED) == []
    assert queue.next_hops(db, SUED) == []


def test_a_copy_is_known_again_per_recipient(db: sqlite3.Connection) -> None:
    """Only the same host, with the same id, for the same recipient, at the same server has been here before."""
    previous = f"{TRACE}-1-00"
    queue.remember(db, RELAY, NORD, previous, ["a@x", "b@x"], 1.0)
    queue.remember(db, RELAY, NORD, previous, ["b@x", "c@x"], 2.0)
    everybody = ["a@x", "b@x", "c@x", "d@x"]
    assert queue.seen_before(db, RELAY, NORD, previous, everybody) == {"a@x", "b@x", "c@x"}
    assert queue.seen_before(db, RELAY, NORD, previous, ["d@x"]) == set()
    assert queue.seen_before(db, RELAY, SUED, previous, everybody) == set()
    assert queue.seen_before(db, RELAY, NORD, f"{TRACE}-1-01", everybody) == set()
    assert queue.seen_before(db, SUED, NORD, previous, everybody) == set()


def test_what_is_old_is_forgotten(db: sqlite3.Connection) -> None:
    """Copies and ids from before a time are forgotten, but not the id of a message that still waits."""
    old, waits, new = (TraceIds(now, 0).new() for now in (lambda: 1_000.0, lambda: 1_001.0, lambda: 2_000.0))
    queue.free_queue_id(db, NORD, old, 1)
    queue.free_queue_id(db, NORD, new, 1)
    enqueue(db, trace=waits)
    queue.remember(db, NORD, RELAY, f"{old}-1-00", [BEN], 1_000.0)
    queue.remember(db, NORD, RELAY, f"{new}-1-00", [BEN], 2_000.0)
    queue.forget(db, NORD, before=1_500.0)
    assert [queue.free_queue_id(db, NORD, trace, 1).copy for trace in (old, waits, new)] == [0, 1, 1]
    assert queue.seen_before(db, NORD, RELAY, f"{old}-1-00", [BEN]) == set()
    assert queue.seen_before(db, NORD, RELAY, f"{new}-1-00", [BEN]) == {BEN}


def test_a_dead_host_costs_nothing_while_its_mail_is_not_due(db: sqlite3.Connection) -> None:
    """With 20,000 messages waiting, to ask what is due takes as few steps of SQLite as with one."""

    def step_count() -> int:
        """How many times ten steps SQLite made to answer both questions."""
        count = 0

        def count_up() -> int:
            nonlocal count
            count += 1
            return 0

        db.set_progress_handler(count_up, 10)
        assert queue.due(db, NORD, RELAY, 10.0, 20) == []
        assert queue.next_due(db, NORD, RELAY) == 500.0
        db.set_progress_handler(None, 0)
        return count

    entry = enqueue(db, due_at=500.0)
    with_one = step_count()
    db.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
        " INSERT INTO queue_recipient SELECT server, queue_id, i || address, next_hop, 0, due_at + i, '', '', NULL, 0"
        " FROM n CROSS JOIN queue_recipient WHERE queue_id = ?",
        (entry.queue_id,),
    )
    assert step_count() <= with_one + 2


def test_what_is_due_is_not_sorted_anew(db: sqlite3.Connection) -> None:
    """Out of 20,000 that are due, to take one costs one: the index has the order already."""
    for number in range(2):
        enqueue(db, due_at=float(number))
    plan: list[str] = []
    db.set_trace_callback(plan.append)
    queue.due(db, NORD, RELAY, 10.0, 1)
    db.set_trace_callback(None)
    steps = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {plan[0]}")]
    assert steps[0].startswith("SEARCH queue_recipient USING INDEX queue_recipient_due (server=? AND next_hop=?")
    assert steps[1].startswith("SEARCH queue USING PRIMARY KEY (server=? AND queue_id=?)")
    assert len(steps) == 2
