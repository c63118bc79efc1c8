"""Mailboxes: UIDs, flags, and the octets that a reader gets."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maillab.mailbox import store
from maillab.storage import messages
from maillab.storage.data_folder import open_memory

NORD: Final = "mail.nord.example"
SUED: Final = "mail.sued.example"
ANNA: Final = "anna@nord.example"
OCTETS: Final = b"Received: by mail.nord.example\r\nSubject: hello\r\n\r\nHello\r\n"


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    with closing(open_memory([messages.SCHEMA, store.SCHEMA])) as connection:
        yield connection


def deliver(
    db: sqlite3.Connection,
    mailbox: str = ANNA,
    *,
    server: str = NORD,
    octets: bytes = OCTETS,
    return_path: str = "ben@sued.example",
    at: float = 1_800_000_000.0,
) -> int:
    """Deliver a message of its own; gives the UID."""
    return store.deliver(
        db,
        server,
        mailbox,
        messages.add(db, server, octets, uses=1),
        return_path=return_path,
        trace="1JD2V9XK3M4QZ",
        queue_id="1JD2V9XK3M4QZ-1-00",
        stored_at=at,
        size_octets=len(store.with_return_path(octets, return_path)),
    )


def test_an_entry_says_what_was_delivered(db: sqlite3.Connection) -> None:
    """A delivered message is listed with all that was told of it, unseen and without flags."""
    uid = deliver(db)
    (entry,) = store.entries(db, NORD, ANNA)
    assert entry == store.Entry(
        uid=uid,
        mailbox=ANNA,
        message_id=1,
        return_path="ben@sued.example",
        trace="1JD2V9XK3M4QZ",
        queue_id="1JD2V9XK3M4QZ-1-00",
        stored_at=1_800_000_000.0,
        size_octets=len(store.octets(db, NORD, ANNA, uid)),
        flags=frozenset(),
    )
    assert not entry.seen


def test_a_mailbox_nobody_made_is_empty(db: sqlite3.Connection) -> None:
    """To list what is not there is no error; to fetch it is one."""
    assert store.entries(db, NORD, ANNA) == []
    with pytest.raises(LookupError, match=r"anna@nord\.example at mail\.nord\.example has no message 1"):
        store.octets(db, NORD, ANNA, 1)


@given(st.lists(st.one_of(st.just("deliver"), st.integers(1, 12)), max_size=40))
def test_uids_ascend_and_are_never_used_twice(steps: list[str | int]) -> None:
    """Whatever is delivered and expunged, in any order: each UID is new and higher, and UIDVALIDITY stays."""
    given_uids: list[int] = []
    left: set[int] = set()
    with closing(open_memory([messages.SCHEMA, store.SCHEMA])) as db:
        store.create(db, NORD, ANNA, 1_800_000_000.0)
        for number, step in enumerate(steps):
            if isinstance(step, int):
                assert store.expunge(db, NORD, ANNA, [step]) == sorted({step} & left)
                left.discard(step)
            else:
                given_uids.append(deliver(db, at=1_800_000_000.0 + number))
                left.add(given_uids[-1])
        assert given_uids == list(range(1, len(given_uids) + 1))
        assert [entry.uid for entry in store.entries(db, NORD, ANNA)] == sorted(left)
        assert store.mailboxes(db, NORD) == [
            store.Mailbox(ANNA, 1_800_000_000, len(given_uids) + 1, len(left), len(left))
        ]
        assert db.execute("SELECT count(*) FROM message").fetchone() == (len(left),)


@pytest.mark.parametrize(("at", "uid_validity"), [(0.0, 1), (2.0**32, 1), (1_800_000_000.9, 1_800_000_000)])
def test_uid_validity_is_a_number_of_32_bits_and_not_zero(db: sqlite3.Connection, at: float, uid_validity: int) -> None:
    """RFC 9051 section 2.3.1.1: also for a lab whose clock begins at zero, or runs far ahead."""
    store.create(db, NORD, ANNA, at)
    assert store.mailboxes(db, NORD) == [store.Mailbox(ANNA, uid_validity, 1, 0, 0)]


def test_to_create_a_mailbox_again_changes_nothing(db: sqlite3.Connection) -> None:
    """A lab makes its mailboxes at each start; those that are there keep UIDVALIDITY and UIDs."""
    store.create(db, NORD, ANNA, 1_800_000_000.0)
    deliver(db)
    store.create(db, NORD, ANNA, 1_900_000_000.0)
    assert store.mailboxes(db, NORD) == [store.Mailbox(ANNA, 1_800_000_000, 2, 1, 1)]
    assert deliver(db) == 2


def test_one_message_in_many_mailboxes_is_kept_once(db: sqlite3.Connection) -> None:
    """A message with three uses outlives two of its entries, each with its own UID, and goes with the last."""
    message_id = messages.add(db, NORD, OCTETS, uses=3)
    people = [f"{name}@nord.example" for name in ("anna", "nils", "team")]
    for mailbox in people:
        store.deliver(
            db,
            NORD,
            mailbox,
            message_id,
            return_path="",
            trace="1JD2V9XK3M4QZ",
            queue_id="1JD2V9XK3M4QZ-1-00",
            stored_at=1.0,
            size_octets=1,
        )
    for mailbox in people:
        assert store.octets(db, NORD, mailbox, 1).endswith(OCTETS)
        store.expunge(db, NORD, mailbox, [1])
    with pytest.raises(LookupError):
        messages.octets(db, NORD, message_id)


def test_flags_are_set_and_cleared(db: sqlite3.Connection) -> None:
    """Flags of one entry change together, stay with it, and count towards the mailbox."""
    uid, other = deliver(db), deliver(db)
    assert store.flag(db, NORD, ANNA, uid, add=["seen", "flagged"]) == {"seen", "flagged"}
    assert store.flag(db, NORD, ANNA, uid, add=["answered"], remove=["flagged", "draft"]) == {"seen", "answered"}
    assert [(entry.uid, entry.seen) for entry in store.entries(db, NORD, ANNA)] == [(uid, True), (other, False)]
    (mailbox,) = store.mailboxes(db, NORD)
    assert (mailbox.message_count, mailbox.unseen_count) == (2, 1)


def test_an_unknown_flag_is_refused(db: sqlite3.Connection) -> None:
    """Only the flags of the closed list are kept, and the error names them."""
    uid = deliver(db)
    with pytest.raises(ValueError, match="no flag: red; the flags are answered, deleted, draft, flagged, seen"):
        store.flag(db, NORD, ANNA, uid, add=["red"])
    with pytest.raises(LookupError):
        store.flag(db, NORD, ANNA, uid + 1, add=["seen"])


def test_a_server_sees_its_own_mailboxes_only(db: sqlite3.Connection) -> None:
    """The same mailbox name at two servers is two mailboxes."""
    deliver(db, server=NORD, octets=b"Subject: nord\r\n\r\n")
    deliver(db, server=SUED, octets=b"Subject: sued\r\n\r\n")
    assert store.octets(db, SUED, ANNA, 1).endswith(b"Subject: sued\r\n\r\n")
    assert store.expunge(db, NORD, ANNA, [1]) == [1]
    assert len(store.entries(db, SUED, ANNA)) == 1
    assert [mailbox.message_count for mailbox in store.mailboxes(db, NORD)] == [0]


PATH: Final = b"Return-Path: <ben@sued.example>\r\n"


@pytest.mark.parametrize(
    ("received", "fetched"),
    [
        (OCTETS, PATH + OCTETS),
        (b"", PATH),
        (b"\r\nbody\r\n", PATH + b"\r\nbody\r\n"),
        (b"Return-Path: <old@x>\r\nA: 1\r\n\r\n", PATH + b"A: 1\r\n\r\n"),
        (b"A: 1\r\nRETURN-path : <old@x>\r\n\t(folded)\r\nB: 2\r\n\r\n", PATH + b"A: 1\r\nB: 2\r\n\r\n"),
        (b"Return-Path: <1@x>\r\nreturn-path:<2@x>\r\n\r\n", PATH + b"\r\n"),
        (b"Return-Paths: 1\r\nX-Return-Path: 2\r\n\r\n", PATH + b"Return-Paths: 1\r\nX-Return-Path: 2\r\n\r\n"),
        (b"A: 1\r\n\r\nReturn-Path: <text@x>\r\n", PATH + b"A: 1\r\n\r\nReturn-Path: <text@x>\r\n"),
        (b"no header at all\r\nReturn-Path: <x>\r\n", PATH + b"no header at all\r\nReturn-Path: <x>\r\n"),
    ],
)
def test_there_is_exactly_one_return_path(db: sqlite3.Connection, received: bytes, fetched: bytes) -> None:
    """The field of final delivery stands on top, those that came in the header are gone, the text is untouched."""
    assert store.octets(db, NORD, ANNA, deliver(db, octets=received)) == fetched


def test_the_null_path_is_written_as_such(db: sqlite3.Connection) -> None:
    """A bounce comes from nobody: `Return-Path: <>`."""
    uid = deliver(db, return_path="")
    assert store.octets(db, NORD, ANNA, uid) == b"Return-Path: <>\r\n" + OCTETS


@given(st.binary(max_size=200), st.lists(st.sampled_from([b"A: b\r\n", b"Return-Path: <x>\r\n", b" c\r\n"])))
def test_to_deliver_twice_is_to_deliver_once(text: bytes, header: list[bytes]) -> None:
    """A message that has its Return-Path gets no second one, whatever else it holds."""
    received = b"Received: x\r\n" + b"".join(header) + b"\r\n" + text
    once = store.with_return_path(received, "ben@sued.example")
    assert store.with_return_path(once, "ben@sued.example") == once
    assert once.endswith(b"\r\n" + text)
