"""Group commit: jobs that wait together share one transaction, one COMMIT and one fsync.

Two writers, one path.  `WriterThread` commits on disk, in its one long-lived thread: while a COMMIT waits for
the disk, the jobs of the next one gather.  `InlineWriter` commits in memory, where nothing waits: the jobs of
one tick of Trio's scheduler gather.  What becomes of a batch is `commit_together` in both.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

import attrs
import outcome
import trio

from maillab.storage.data_folder import FORMAT_VERSION
from maillab.storage.errors import StorageError, is_disk_trouble, storage_error

Job = Callable[[sqlite3.Connection], Any]

CLOSING_TIMEOUT_SECONDS: Final = 3.0  # a lab stops within 5 s, and a disk may hang for ever


@attrs.define(eq=False)
class Write:
    """One job on its way: what to do, how it ended, and the task that sleeps until then."""

    job: Job
    sleeper: trio.lowlevel.Task | None = None
    result: outcome.Outcome[Any] | None = None

    async def wait(self) -> Any:
        """Sleep until the batch of this job is over.  A cancelled sleeper leaves its job to its fate."""
        self.sleeper = trio.lowlevel.current_task()

        def abort(_: Callable[[], None]) -> trio.lowlevel.Abort:
            self.sleeper = None
            return trio.lowlevel.Abort.SUCCEEDED

        return await trio.lowlevel.wait_task_rescheduled(abort)


def commit_together(connection: sqlite3.Connection, batch: Sequence[Write], place: str) -> bool:
    """Do all jobs of `batch` in one transaction; True when it was committed.

    Afterwards every job has its result.  A job that fails is undone alone.  When the transaction as a whole
    fails, everything is undone, and every job of it has failed with a StorageError.
    """
    try:
        connection.execute("BEGIN IMMEDIATE")
        for write in batch:
            write.result = _run(connection, write.job, place)
        connection.execute("COMMIT")
    except Exception as error:  # whatever it is: nobody may be left waiting for ever
        if connection.in_transaction:
            with suppress(sqlite3.Error):  # the first error is the one to tell of
                connection.execute("ROLLBACK")
        _bury(connection)
        for write in batch:
            # A task each, an exception each: a shared one would gather the tracebacks of all.
            failure = storage_error(place, error)
            failure.__cause__ = error
            write.result = outcome.Error(failure)
        return False
    return True


def _bury(connection: sqlite3.Connection) -> None:
    """Write something else over what a failed COMMIT has left in the log, if that can be done.

    When only the fsync failed, the log holds all of it: a process that is killed now would find it at its next start,
    though its writers were told that it is not kept.  This is a commit of its own, and nobody is told of it.
    """
    with suppress(sqlite3.Error):
        connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")


def _run(connection: sqlite3.Connection, job: Job, place: str) -> outcome.Outcome[Any]:
    connection.execute("SAVEPOINT job")
    result: outcome.Outcome[Any] = outcome.capture(job, connection)
    if isinstance(result, outcome.Error):
        error = result.error
        if not connection.in_transaction and isinstance(error, sqlite3.Error):
            raise error  # a full disk made SQLite undo the whole transaction, the jobs before this one too
        connection.execute("ROLLBACK TO job")
        if is_disk_trouble(error):
            failure = storage_error(place, error)
            failure.__cause__ = error
            result = outcome.Error(failure)
    connection.execute("RELEASE job")
    return result


def _wake(batch: Sequence[Write]) -> None:
    for write in batch:
        assert write.result is not None  # the batch is over
        if write.sleeper is not None:
            trio.lowlevel.reschedule(write.sleeper, write.result)


class Writer(Protocol):
    """Commits jobs, and says how often it did."""

    commit_count: int

    async def write(self, job: Job) -> Any: ...


class InlineWriter:
    """Commits in memory, in the task of the first writer of a tick, with no thread: MockClock may jump."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.commit_count = 0
        self._connection = connection
        self._gathered: list[Write] = []
        self._is_open = True

    async def write(self, job: Job) -> Any:
        await trio.lowlevel.checkpoint_if_cancelled()
        if not self._is_open:
            raise trio.ClosedResourceError("the database is closed")
        write = Write(job)
        self._gathered.append(write)
        if len(self._gathered) > 1:
            return await write.wait()
        # The first of a tick leads: it lets the others of that tick gather, then commits for all.
        await trio.lowlevel.cancel_shielded_checkpoint()
        self._commit()
        assert write.result is not None
        return write.result.unwrap()

    def close(self) -> None:
        """Commit what waits; the connection is the caller's."""
        self._is_open = False
        self._commit()

    @trio.lowlevel.enable_ki_protection  # Ctrl-C between BEGIN and COMMIT would leave the transaction open
    def _commit(self) -> None:
        batch, self._gathered = self._gathered, []
        if batch:
            self.commit_count += commit_together(self._connection, batch, "memory")
            _wake(batch)


class WriterThread:
    """Commits on disk, in one thread that lives as long as the database is open."""

    def __init__(self, connection: sqlite3.Connection, place: str) -> None:
        self.commit_count = 0  # only the thread adds to it
        self._connection = connection
        self._place = place
        self._jobs: queue.SimpleQueue[Write | None] = queue.SimpleQueue()  # None: close
        self._token = trio.lowlevel.current_trio_token()
        self._is_open = True
        self._ended = trio.Event()
        # A daemon: should the disk hang for ever, the process can end all the same.
        self._thread = threading.Thread(target=self._run, name=f"writer of {place}", daemon=True)
        self._thread.start()

    async def write(self, job: Job) -> Any:
        await trio.lowlevel.checkpoint_if_cancelled()
        if not self._is_open:
            raise trio.ClosedResourceError("the database is closed")
        write = Write(job)
        self._jobs.put(write)
        return await write.wait()

    async def aclose(self) -> None:
        """Commit what waits, close the file, end the thread.

        Raises:
            StorageError: the disk did not answer in time; the thread is left behind.
        """
        self._is_open = False
        self._jobs.put(None)
        with trio.move_on_after(CLOSING_TIMEOUT_SECONDS, shield=True):
            await self._ended.wait()
            self._thread.join()
            return
        raise StorageError(f"{self._place}: the disk does not answer; what was last written may be missing")

    def _run(self) -> None:
        is_open = True
        with suppress(trio.RunFinishedError):  # left behind by aclose, and nobody is there any more
            while is_open:
                is_open = self._commit(self._gather())
            self._connection.close()
            self._token.run_sync_soon(self._ended.set)

    def _gather(self) -> list[Write | None]:
        gathered = [self._jobs.get()]
        with suppress(queue.Empty):
            while True:
                gathered.append(self._jobs.get_nowait())
        return gathered

    def _commit(self, gathered: Sequence[Write | None]) -> bool:
        batch = [write for write in gathered if write is not None]
        if batch:
            self.commit_count += commit_together(self._connection, batch, self._place)
            self._token.run_sync_soon(_wake, batch)  # once for all: a wake-up costs more than a job
        return len(batch) == len(gathered)
