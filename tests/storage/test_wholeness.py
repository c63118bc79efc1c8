"""A damaged data folder: named in one line that says what to do, and left exactly as it is."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from maillab.storage import wholeness
from maillab.storage.database import Database, StorageError
from maillab.storage.errors import Damaged
from tests.storage.test_database import SCHEMA, note, notes

PAGE: Final = 4096
NOTES: Final = [f"{number} " + "x" * 3000 for number in range(20)]


async def fill(folder: Path) -> None:
    async with Database.open(folder, SCHEMA) as database:
        for text in NOTES:
            await database.write(note(text))


async def fill_and_be_killed(folder: Path, tmp_path: Path) -> None:
    """A folder as a kill leaves it: with all that was committed in the log, and nothing of it in the file."""
    async with Database.open(tmp_path / "running", SCHEMA) as database:
        for text in NOTES:
            await database.write(note(text))
        shutil.copytree(tmp_path / "running", folder)


async def opened(folder: Path) -> list[str]:
    async with Database.open(folder, SCHEMA) as database:
        return database.read(notes)


def contents(folder: Path) -> dict[str, bytes]:
    """What a reader of the folder finds; the lock and the log's index are made anew at each start."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name not in ("lock", "lab.db-shm")}


def overwrite(file: Path, at: int, octets: bytes) -> None:
    with file.open("r+b") as opened:
        opened.seek(at)
        opened.write(octets)


def cut(file: Path, size: int) -> None:
    with file.open("r+b") as opened:
        opened.truncate(size)


def drop_table(file: Path) -> None:
    with closing(sqlite3.connect(file)) as db:
        db.execute("DROP TABLE note")
        db.execute("CREATE TABLE another (text)")


DAMAGES: Final[dict[str, tuple[Callable[[Path], object], str]]] = {
    "header": (lambda file: overwrite(file, 0, b"\xa5" * 100), r"lab\.db: .*it is no SQLite file; move it away"),
    "zeros in front": (lambda file: overwrite(file, 0, bytes(PAGE)), r"lab\.db: .*move it away"),
    "pages in the middle": (
        lambda file: overwrite(file, 4 * PAGE, b"\xa5" * 3 * PAGE),
        r"lab\.db: .*damaged.*put a copy in its place",
    ),
    "end cut off": (lambda file: cut(file, 9 * PAGE + 77), r"lab\.db: .*damaged.*put a copy in its place"),
    "half a page left": (lambda file: cut(file, PAGE // 2), r"lab\.db: .*move it away"),
    "no table": (drop_table, r"lab\.db: damaged \(no table note\); put a copy in its place"),
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_database_is_named_and_left_alone(damage: str, tmp_path: Path) -> None:
    """However it is damaged: one line, and not an octet of it is changed."""
    await fill(tmp_path)
    spoil, complaint = DAMAGES[damage]
    spoil(tmp_path / "lab.db")
    before = contents(tmp_path)
    for _ in range(2):
        with pytest.raises(StorageError, match=complaint) as caught:
            await opened(tmp_path)
        assert "\n" not in str(caught.value)
    assert contents(tmp_path) == before


LOG_DAMAGES: Final[dict[str, tuple[Callable[[Path], object], str]]] = {
    "log of zeros": (
        lambda folder: (folder / "lab.db-wal").write_bytes(bytes((folder / "lab.db-wal").stat().st_size)),
        r"lab\.db-wal: damaged .*move it away to go on without what was committed last",
    ),
    "first octets of the log": (
        lambda folder: overwrite(folder / "lab.db-wal", 0, b"\xa5" * 16),
        r"lab\.db-wal: damag",
    ),
    "salt of the log": (lambda folder: overwrite(folder / "lab.db-wal", 17, b"\xa5"), r"lab\.db-wal: damaged"),
    "end of the log's header": (lambda folder: cut(folder / "lab.db-wal", 30), r"lab\.db-wal: damaged"),
    "database emptied": (lambda folder: cut(folder / "lab.db", 0), r"lab\.db: empty, and lab\.db-wal beside it is not"),
    "database gone": (
        lambda folder: (folder / "lab.db").unlink(),
        r"lab\.db: missing, and lab\.db-wal beside it is not",
    ),
}


@pytest.mark.parametrize("damage", LOG_DAMAGES)
async def test_a_damaged_log_is_named_and_left_alone(damage: str, tmp_path: Path) -> None:
    """What was committed last stands only in the log; SQLite itself would pass over it, or delete it."""
    folder = tmp_path / "data"
    await fill_and_be_killed(folder, tmp_path)
    spoil, complaint = LOG_DAMAGES[damage]
    spoil(folder)
    before = contents(folder)
    for _ in range(2):
        with pytest.raises(Damaged, match=complaint):
            await opened(folder)
    assert contents(folder) == before


async def test_what_a_kill_leaves_is_whole(tmp_path: Path) -> None:
    """A log with all that was committed, and one that is torn at its end, are what a kill leaves, and no damage."""
    await fill_and_be_killed(tmp_path / "data", tmp_path)
    shutil.copytree(tmp_path / "data", tmp_path / "torn")
    log = tmp_path / "torn" / "lab.db-wal"
    cut(log, log.stat().st_size - 100)
    assert await opened(tmp_path / "data") == NOTES
    assert await opened(tmp_path / "torn") == NOTES[:-1]


async def test_a_large_file_is_not_read_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a limit a start does not read every page; damage shows where it is met, in the same words."""
    await fill(tmp_path)
    overwrite(tmp_path / "lab.db", 4 * PAGE, b"\xa5" * 3 * PAGE)
    monkeypatch.setattr(wholeness, "READ_LIMIT_OCTETS", 10 * PAGE)
    async with Database.open(tmp_path, SCHEMA) as database:
        with pytest.raises(Damaged, match=r"malformed.*put a copy in its place"):
            database.read(notes)


async def test_a_full_disk_does_not_keep_a_lock_from_being_had(tmp_path: Path) -> None:
    """The name of the process in the lock is for people: where it cannot be written, the lab starts all the same."""
    (tmp_path / "lock").symlink_to("/dev/full")
    assert await opened(tmp_path) == []


async def test_what_does_not_fit_into_memory_is_found_again() -> None:
    """A database without a folder puts what is too much into a file without a name, and has all of it."""
    text = "x" * 50_000
    async with Database.open(None, SCHEMA) as database:
        for number in range(500):
            await database.write(note(f"{number} {text}"))
        assert [each.split()[0] for each in database.read(notes)] == [str(number) for number in range(500)]
