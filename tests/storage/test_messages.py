"""Messages: octets kept once per server, as long as somebody needs them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maillab.storage import messages
from maillab.storage.data_folder import open_memory


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    with closing(open_memory([messages.SCHEMA])) as connection:
        yield connection


def row_count(db: sqlite3.Connection) -> int:
    counted: int = db.execute(
        "SELECT (SELECT count(*) FROM message) + (SELECT count(*) FROM message_octets)"
    ).fetchone()[0]
    return counted


@given(st.binary())
def test_octets_are_octets(octets: bytes) -> None:
    """Whatever was added is given back, octet for octet."""
    with closing(open_memory([messages.SCHEMA])) as db:
        message_id = messages.add(db, "mail.nord.example", octets, uses=1)
        assert messages.octets(db, "mail.nord.example", message_id) == octets


def test_a_message_lives_as_long_as_it_is_used(db: sqlite3.Connection) -> None:
    """The octets go with the last use, and then nothing is left."""
    message_id = messages.add(db, "mail.nord.example", b"hello", uses=4)
    messages.release(db, "mail.nord.example", message_id)
    messages.release(db, "mail.nord.example", message_id, uses=2)
    assert messages.octets(db, "mail.nord.example", message_id) == b"hello"
    messages.release(db, "mail.nord.example", message_id)
    with pytest.raises(LookupError, match=r"mail\.nord\.example has no message"):
        messages.octets(db, "mail.nord.example", message_id)
    assert row_count(db) == 0


def test_no_more_uses_are_given_up_than_there_are(db: sqlite3.Connection) -> None:
    """Giving up too much is an error, and changes nothing."""
    message_id = messages.add(db, "mail.nord.example", b"hello", uses=2)
    with pytest.raises(ValueError, match="has 2 uses, and 3 are given up"):
        messages.release(db, "mail.nord.example", message_id, uses=3)
    messages.release(db, "mail.nord.example", message_id, uses=2)
    with pytest.raises(LookupError):
        messages.release(db, "mail.nord.example", message_id)


def test_a_server_sees_its_own_messages_only(db: sqlite3.Connection) -> None:
    """Another server's message can be neither read nor released."""
    message_id = messages.add(db, "mail.nord.example", b"hello", uses=1)
    with pytest.raises(LookupError):
        messages.octets(db, "mail.sued.example", message_id)
    with pytest.raises(LookupError):
        messages.release(db, "mail.sued.example", message_id)
    assert messages.octets(db, "mail.nord.example", message_id) == b"hello"
