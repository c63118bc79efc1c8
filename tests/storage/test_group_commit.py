"""Jobs that wait together share one COMMIT, and what becomes of them when something goes wrong."""

from __future__ import annotations

import resource
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from maillab.storage.database import Database, StorageError
from tests.storage.test_database import SCHEMA, note, notes


class Gate:
    """A job that keeps the writer's thread busy until `open` is called, so that others gather behind it."""

    def __init__(self) -> None:
        self._opened = threading.Event()

    def __call__(self, db: sqlite3.Connection) -> None:
        assert self._opened.wait(timeout=30)
        note("gate")(db)

    def open(self) -> None:
        self._opened.set()


@contextmanager
def largest_file(octets: int) -> Iterator[None]:
    """The kernel lets no file of this process grow beyond `octets`: to SQLite, a disk that fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def writer_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("writer of")]


def size_octets(file: Path) -> int:
    return file.stat().st_size


async def test_jobs_of_one_tick_share_a_commit_in_memory() -> None:
    """Twenty tasks that write in the same tick of the scheduler cost one COMMIT."""
    async with Database.open(None, SCHEMA) as database:
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(database.write, note(str(number)))
        assert len(database.read(notes)) == 20
        assert database.commit_count == 1


async def test_jobs_that_gather_behind_a_commit_share_the_next_on_disk(tmp_path: Path) -> None:
    """Twenty jobs that arrive while a transaction is busy cost one COMMIT together."""
    gate = Gate()
    async with Database.open(tmp_path, SCHEMA) as database:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(database.write, gate)
            await trio.testing.wait_all_tasks_blocked()
            for number in range(20):
                nursery.start_soon(database.write, note(str(number)))
            await trio.testing.wait_all_tasks_blocked()
            gate.open()
        assert len(database.read(notes)) == 21
        # The thread took the gate alone, or, had it been slow to wake, with all that had gathered by then.
        assert database.commit_count <= 2


async def test_one_write_after_another_costs_a_commit_each() -> None:
    """Who writes alone is committed alone: nobody is kept waiting for company."""
    async with Database.open(None, SCHEMA) as database:
        for text in "abc":
            await database.write(note(text))
        assert database.commit_count == 3


@pytest.mark.parametrize("on_disk", [True, False])
async def test_a_job_that_fails_is_undone_alone(tmp_path: Path, on_disk: bool) -> None:
    """Of ten jobs in one transaction every other one fails; the others are kept."""
    failed: list[int] = []

    async def write(number: int) -> None:
        def job(db: sqlite3.Connection) -> None:
            note(str(number))(db)
            if number % 2:
                raise ValueError(number)

        try:
            await database.write(job)
        except ValueError as error:
            failed.append(error.args[0])

    gate = Gate()
    async with Database.open(tmp_path if on_disk else None, SCHEMA) as database:
        async with trio.open_nursery() as nursery:
            if on_disk:
                nursery.start_soon(database.write, gate)
                await trio.testing.wait_all_tasks_blocked()
            for number in range(10):
                nursery.start_soon(write, number)
            if on_disk:
                await trio.testing.wait_all_tasks_blocked()
            gate.open()
        assert sorted(failed) == [1, 3, 5, 7, 9]
        assert sorted(set(database.read(notes)) - {"gate"}) == ["0", "2", "4", "6", "8"]


async def test_a_failed_commit_fails_every_job_of_it(tmp_path: Path) -> None:
    """When COMMIT fails, each who waited gets a StorageError of its own, nothing is kept, and life goes on."""
    errors: list[StorageError] = []

    async def write(job: Callable[[sqlite3.Connection], object]) -> None:
        try:
            await database.write(job)
        except StorageError as error:
            errors.append(error)

    gate = Gate()
    async with Database.open(tmp_path, SCHEMA) as database:
        await database.write(note("before"))
        with largest_file(size_octets(tmp_path / "lab.db-wal") + 100):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(write, gate)
                await trio.testing.wait_all_tasks_blocked()
                for number in range(3):
                    nursery.start_soon(write, note(str(number)))
                await trio.testing.wait_all_tasks_blocked()
                gate.open()
        assert len(errors) == len(set(map(id, errors))) == 4
        assert all("lab.db" in str(error) and "disk" in str(error) for error in errors)
        assert database.commit_count == 1
        assert database.read(notes) == ["before"]
        await database.write(note("after"))
        assert database.read(notes) == ["before", "after"]


async def test_a_job_that_finds_the_disk_full_is_told_so(tmp_path: Path) -> None:
    """A job that needs more room than there is gets a StorageError that says how to mend it."""

    def fill(db: sqlite3.Connection) -> None:
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages}")
        note("x" * 100_000)(db)

    async with Database.open(tmp_path, SCHEMA) as database:
        with pytest.raises(StorageError, match=r"lab\.db: .* full; make room on the disk"):
            await database.write(fill)
        assert database.read(notes) == []


async def test_a_cancelled_writer_stops_waiting(tmp_path: Path) -> None:
    """A writer that is cancelled goes at once; its job, already handed over, is done without it."""
    gate = Gate()
    async with Database.open(tmp_path, SCHEMA) as database:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(database.write, gate)
            nursery.start_soon(database.write, note("left"))
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        assert database.read(notes) == []
        gate.open()
        assert sorted(await database.write(notes)) == ["gate", "left"]


@pytest.mark.parametrize("victim", range(3))
async def test_a_cancelled_writer_leaves_the_others_of_its_batch(victim: int) -> None:
    """In memory, whoever of a batch is cancelled, be it the one who commits for all, the others are served."""
    asked: list[int] = []
    answered: set[int] = set()

    scopes = [trio.CancelScope() for _ in range(4)]

    async def write(number: int) -> None:
        with scopes[number]:
            asked.append(number)
            if len(asked) == 4:  # the others have just asked: none of them has run since
                scopes[asked[victim]].cancel()
            await database.write(note(str(number)))
            answered.add(number)

    async with Database.open(None, SCHEMA) as database:
        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(write, number)
        assert answered >= {0, 1, 2, 3} - {asked[victim]}
        assert sorted(database.read(notes)) == ["0", "1", "2", "3"]


@pytest.mark.parametrize("on_disk", [True, False])
async def test_closing_finishes_what_waits(tmp_path: Path, on_disk: bool) -> None:
    """Tasks that outlive the database's context still get their answers: closing commits what is queued."""
    async with trio.open_nursery() as nursery, Database.open(tmp_path if on_disk else None, SCHEMA) as database:
        asked: list[str] = []
        answers: list[str] = []

        async def write(text: str) -> None:
            asked.append(text)
            answers.append(await database.write(note(text)))

        for text in "abc":
            nursery.start_soon(write, text)
        while len(asked) < 3:
            await trio.lowlevel.checkpoint()
    assert sorted(answers) == ["a", "b", "c"]


async def test_closing_works_under_cancellation(tmp_path: Path) -> None:
    """A lab that is being cancelled closes its database all the same: queued jobs are kept, the thread ends."""
    gate = Gate()
    async with trio.open_nursery() as nursery, Database.open(tmp_path, SCHEMA) as database:
        nursery.start_soon(database.write, gate)
        nursery.start_soon(database.write, note("a"))
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
        gate.open()
    assert writer_threads() == []
    async with Database.open(tmp_path, SCHEMA) as database:
        assert sorted(database.read(notes)) == ["a", "gate"]


async def test_a_disk_that_hangs_keeps_nobody_from_closing(tmp_path: Path, mock_clock: trio.testing.MockClock) -> None:
    """Closing waits a few seconds for a disk that does not answer, then says so and goes on."""
    gate = Gate()

    async def write_and_close(nursery: trio.Nursery) -> None:
        async with Database.open(tmp_path, SCHEMA) as database:
            nursery.start_soon(database.write, gate)
            await trio.testing.wait_all_tasks_blocked()
            mock_clock.rate = 100  # a jump would pass the thread by; so three seconds take 30 ms

    async with trio.open_nursery() as nursery:
        with pytest.raises(StorageError, match="the disk does not answer"):
            await write_and_close(nursery)
        gate.open()  # the disk answers at last: the thread that was left behind wakes the writer, and ends
    for thread in writer_threads():
        thread.join()


async def test_memory_needs_no_real_time(autojump_clock: trio.testing.MockClock) -> None:
    """Under a clock that jumps, writes take no time at all, and no deadline is missed while they wait."""

    async def write_hourly(name: str) -> None:
        for hour in range(24):
            with trio.fail_after(1):
                await database.write(note(f"{name}{hour}"))
            await trio.sleep(3600)

    async with Database.open(None, SCHEMA) as database:
        started = trio.current_time()
        async with trio.open_nursery() as nursery:
            for name in "abc":
                nursery.start_soon(write_hourly, name)
        assert trio.current_time() - started == pytest.approx(24 * 3600)
        assert database.commit_count == 24
        assert writer_threads() == []
