"""The database of one process: all its servers' rows in one file, because one file means one fsync for all.

async with Database.open(Path("data"), [messages.SCHEMA, store.SCHEMA]) as database:
    message_id = await database.write(lambda db: messages.add(db, "mail.nord.example", octets, uses=1))
    # It is on disk: now 250 may be said.
    octets = database.read(lambda db: messages.octets(db, "mail.nord.example", message_id))
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol, TypeVar, cast

import trio

from maillab.storage.data_folder import DATABASE_NAME, locked, open_file, open_memory
from maillab.storage.errors import DataFolderInUse, StorageError, is_disk_trouble, storage_error
from maillab.storage.writer import InlineWriter, Job, Writer, WriterThread

__all__ = ["DataFolderInUse", "Database", "StorageError"]

T = TypeVar("T")


class Disk(Protocol):
    """Stands before commits, and may do something to them: wanted faults enter here."""

    async def before(self, job: Job) -> Job:
        """The job to commit; it may be another one than was given, and it may take time."""


class Database:
    """Jobs that write, queries that read; made by `open`."""

    def __init__(self, writer: Writer, reader: sqlite3.Connection, place: str, disk: Disk | None = None) -> None:
        self._writer = writer
        self._reader = reader
        self._place = place
        self._disk = disk

    def behind(self, disk: Disk) -> Database:
        """The same database, as somebody has it whose commits go through `disk`."""
        return Database(self._writer, self._reader, self._place, disk)

    @classmethod
    @asynccontextmanager
    async def open(cls, place: Path | sqlite3.Connection | None, schema: Sequence[str]) -> AsyncIterator[Database]:
        """Open the database in the folder `place`, which is made when missing; None keeps all in memory.

        Leaving the context commits what still waits, bounded in time, also when the task is being cancelled.
        On disk there is a thread, so that Trio's MockClock must not jump by itself; in memory there is none.

        Args:
            place: the data folder; or None; or a database in memory that is the caller's, and outlives this one: what
                was committed is there when it is opened again.  It has `isolation_level=None`.
            schema: the CREATE statements of all rooms, used when there is nothing yet.

        Raises:
            DataFolderInUse: another lab holds the folder.
            StorageError: the file is not ours, of another version, or damaged; it is left as it is.
        """
        if not isinstance(place, Path):
            memory = open_memory(schema, place)
            inline = InlineWriter(memory)
            try:
                yield cls(inline, memory, "memory")
            finally:
                inline.close()
                if place is None:
                    memory.close()
            return
        with locked(place):
            file = place / DATABASE_NAME
            connection, reader = await trio.to_thread.run_sync(open_file, file, schema)
            writer = WriterThread(connection, str(file))
            try:
                yield cls(writer, reader, str(file))
            finally:
                reader.close()  # first: the last connection to be closed folds the log into the file
                await writer.aclose()

    @property
    def commit_count(self) -> int:
        """How many transactions were committed since the database was opened."""
        return self._writer.commit_count

    async def write(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Do `job` in a transaction, and return what it returned once that is committed.

        Jobs run in the order of the calls, and all that wait at a time share one COMMIT.  An exception of a
        job undoes that job alone.  On disk, jobs run in the writer's thread: a job is a function of its
        connection, and touches no Trio.

        Always a checkpoint.  A writer that is cancelled while it waits stops waiting at once, and does not
        learn whether its job was committed; most often it will be.

        Raises:
            StorageError: nothing of the job is kept, because the disk is full or failed.
            trio.ClosedResourceError: the database is closed.
            Exception: whatever the job raised.
        """
        if self._disk is not None:
            return cast(T, await self._writer.write(await self._disk.before(job)))
        return cast(T, await self._writer.write(job))

    def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """What `query` finds in the committed state, all of it at one point in time.

        It runs at once, in the caller's task, and holds up all others: quick questions only.  It returns
        values; an open cursor would go on seeing that one point in time, and keep the log from being folded.

        Raises:
            StorageError: the file is damaged, or the disk failed.
            sqlite3.OperationalError: the query tried to write.
        """
        changes = self._reader.total_changes
        try:
            self._reader.execute("BEGIN")
            try:
                found = query(self._reader)
            finally:
                self._reader.execute("ROLLBACK")
        except sqlite3.Error as error:
            if is_disk_trouble(error) and error.sqlite_errorcode != sqlite3.SQLITE_READONLY:
                raise storage_error(self._place, error) from error
            raise
        if self._reader.total_changes != changes:
            # In memory there is one connection for all, which could write: it must not, as on disk it cannot.
            raise sqlite3.OperationalError("attempt to write a readonly database")
        return found
