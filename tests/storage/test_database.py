"""The database as its users see it, on disk and in memory alike."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
import trio
import trio.testing

from maillab.storage.database import Database

SCHEMA: Final = ["CREATE TABLE note (text TEXT NOT NULL PRIMARY KEY) STRICT;"]


def note(text: str) -> Callable[[sqlite3.Connection], str]:
    """A job that writes `text` down and gives it back."""

    def job(db: sqlite3.Connection) -> str:
        db.execute("INSERT INTO note VALUES (?)", (text,))
        return text

    return job


def notes(db: sqlite3.Connection) -> list[str]:
    return [text for (text,) in db.execute("SELECT text FROM note ORDER BY rowid")]


def file_names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


@pytest.fixture(params=["disk", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "new" / "data" if request.param == "disk" else None


async def test_what_was_written_is_read(place: Path | None) -> None:
    """`write` gives what the job returned, and afterwards a query finds it."""
    async with Database.open(place, SCHEMA) as database:
        assert database.read(notes) == []
        assert await database.write(note("a")) == "a"
        assert database.read(notes) == ["a"]


async def test_a_failing_job_raises_and_leaves_nothing(place: Path | None) -> None:
    """A job's own exception comes out of `write`, and what it had done is undone."""

    def fail(db: sqlite3.Connection) -> None:
        note("half")(db)
        raise ValueError("no")

    async with Database.open(place, SCHEMA) as database:
        with pytest.raises(ValueError, match="no"):
            await database.write(fail)
        assert database.read(notes) == []


async def test_an_error_of_the_job_in_sql_stays_what_it_is(place: Path | None) -> None:
    """A broken constraint or a wrong statement is the job's mistake, not the storage's."""
    async with Database.open(place, SCHEMA) as database:
        await database.write(note("a"))
        with pytest.raises(sqlite3.IntegrityError):
            await database.write(note("a"))
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            await database.write(lambda db: db.execute("DELETE FROM absent"))


async def test_jobs_run_in_the_order_of_the_calls(place: Path | None) -> None:
    """Who asks first writes first, within a transaction and across."""
    asked: list[str] = []

    async def ask(text: str) -> None:
        asked.append(text)
        await database.write(note(text))

    async with Database.open(place, SCHEMA) as database:
        for round_ in range(3):
            async with trio.open_nursery() as nursery:
                for number in range(5):
                    nursery.start_soon(ask, f"{round_}.{number}")
        assert database.read(notes) == asked


async def test_write_is_a_checkpoint(place: Path | None) -> None:
    """`write` lets other tasks run, and is where a cancelled task stops, before its job is even begun."""
    async with Database.open(place, SCHEMA) as database:
        with trio.testing.assert_checkpoints():
            await database.write(note("a"))
        with trio.CancelScope() as scope:
            scope.cancel()
            await database.write(note("b"))
        assert scope.cancelled_caught
        assert await database.write(notes) == ["a"]


async def test_a_query_cannot_write(place: Path | None) -> None:
    """A query that tries to write is refused, in memory as on disk, and changes nothing."""
    async with Database.open(place, SCHEMA) as database:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            database.read(note("a"))
        assert database.read(notes) == []


async def test_after_closing_nothing_is_taken(place: Path | None) -> None:
    """A write after the end is refused in Trio's own word."""
    async with Database.open(place, SCHEMA) as database:
        pass
    with pytest.raises(trio.ClosedResourceError):
        await database.write(note("a"))


async def test_memory_is_forgotten() -> None:
    """Two databases in memory know nothing of each other."""
    async with Database.open(None, SCHEMA) as first, Database.open(None, SCHEMA) as second:
        await first.write(note("a"))
        assert second.read(notes) == []


async def test_a_folder_is_found_again(tmp_path: Path) -> None:
    """What was written is there when the folder is opened again, and the schema is not asked for twice."""
    for number in range(3):
        async with Database.open(tmp_path, SCHEMA) as database:
            assert database.read(notes) == [str(earlier) for earlier in range(number)]
            await database.write(note(str(number)))
    assert file_names(tmp_path) == ["lab.db", "lock"]


async def test_a_database_in_memory_may_outlive_its_user() -> None:
    """Given by the caller it stays open, and what was committed is there when it is opened again."""
    kept = sqlite3.connect(":memory:", isolation_level=None)
    for text in ("a", "b"):
        async with Database.open(kept, SCHEMA) as database:
            await database.write(note(text))
    async with Database.open(kept, SCHEMA) as database:
        assert database.read(notes) == ["a", "b"]
    kept.close()
