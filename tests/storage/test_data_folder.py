"""The data folder: who may have it, and what is said when its file cannot be used."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
import trio

from maillab.storage.database import Database, DataFolderInUse, StorageError
from tests.storage.test_database import SCHEMA, note, notes

TOP: Final = Path(__file__).parents[2]

HOLD: Final = """
import pathlib, sys
from maillab.storage.data_folder import locked
with locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""

WRITE_UNTIL_KILLED: Final = """
import itertools, pathlib, sys, trio
from maillab.storage.database import Database
from tests.storage.test_database import SCHEMA, note

async def write(database, name):
    for number in itertools.count():
        print(await database.write(note(f"{name}.{number}")), flush=True)

async def main():
    async with Database.open(pathlib.Path(sys.argv[1]), SCHEMA) as database, trio.open_nursery() as nursery:
        for name in range(10):
            nursery.start_soon(write, database, name)

trio.run(main)
"""


def test_a_folder_is_held_by_one_process(tmp_path: Path) -> None:
    """A second process is told who has the folder; when the first is killed, the folder is free."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(DataFolderInUse, match=f"{tmp_path} is in use by process {holder.pid}; stop"):
            open_and_close(tmp_path)
        holder.kill()
    open_and_close(tmp_path)


async def test_a_folder_is_held_by_one_lab_of_a_process(tmp_path: Path) -> None:
    """Two labs of one process cannot share a folder either; when the first has ended, the second may."""
    async with Database.open(tmp_path, SCHEMA):
        with pytest.raises(DataFolderInUse, match=f"in use by process {os.getpid()}"):
            async with Database.open(tmp_path, SCHEMA):
                pass
    async with Database.open(tmp_path, SCHEMA):
        pass


def open_and_close(folder: Path) -> list[str]:
    """Open the folder as a lab does; gives the notes in it."""

    async def main() -> list[str]:
        async with Database.open(folder, SCHEMA) as database:
            return database.read(notes)

    return trio.run(main)


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    """A process that is killed in the midst of its writes has kept every one that it had acknowledged."""
    for round_ in range(3):
        folder = tmp_path / str(round_)
        with subprocess.Popen(
            [sys.executable, "-c", WRITE_UNTIL_KILLED, str(folder)], stdout=subprocess.PIPE, text=True, cwd=TOP
        ) as writer:
            assert writer.stdout is not None
            acknowledged = [writer.stdout.readline() for _ in range(200 + 50 * round_)]
            writer.kill()
            acknowledged += [line for line in writer.stdout if line.endswith("\n")]
        assert {line.strip() for line in acknowledged} <= set(open_and_close(folder))


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    """Something else in the place of lab.db is one clear error, and is not touched."""
    file = tmp_path / "lab.db"
    file.write_bytes(b"Dear diary, " * 1000)
    with pytest.raises(StorageError, match=r"lab\.db: .*; it is no SQLite file; move it away"):
        open_and_close(tmp_path)
    assert file.read_bytes() == b"Dear diary, " * 1000


def test_the_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    """An SQLite file without our mark is refused, and no table of ours gets into it."""
    file = tmp_path / "lab.db"
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE bookmark (url)")
    connection.close()
    before = file.read_bytes()
    with pytest.raises(StorageError, match=r"lab\.db: .* belongs to another program; give another folder"):
        open_and_close(tmp_path)
    assert file.read_bytes() == before


def test_another_version_is_left_alone(tmp_path: Path) -> None:
    """A file of a later format says which format it has, which one is read here, and what to do."""
    open_and_close(tmp_path)
    file = tmp_path / "lab.db"
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = file.read_bytes()
    with pytest.raises(StorageError, match=r"lab\.db: its format is 99, and this maillab reads format 1; use"):
        open_and_close(tmp_path)
    assert file.read_bytes() == before


@pytest.mark.parametrize("damage", ["overwritten", "cut"])
def test_a_damaged_file_is_left_alone(tmp_path: Path, damage: str) -> None:
    """A file with a page overwritten or the end cut off is found damaged at the start, and not touched."""

    async def fill() -> None:
        async with Database.open(tmp_path, SCHEMA) as database:
            for number in range(20):
                await database.write(note(f"{number} " + "x" * 3000))

    trio.run(fill)
    file = tmp_path / "lab.db"
    whole = file.read_bytes()
    page = 4096
    damaged = whole[: -5 * page] if damage == "cut" else whole[: 3 * page] + b"\xa5" * page + whole[4 * page :]
    file.write_bytes(damaged)
    with pytest.raises(StorageError, match=r"lab\.db: .*damaged.*move it away"):
        open_and_close(tmp_path)
    assert file.read_bytes() == damaged


def test_an_empty_file_is_begun_anew(tmp_path: Path) -> None:
    """A process that is killed while it makes the file leaves an empty one, and the next start goes on."""
    (tmp_path / "lab.db").touch()
    assert open_and_close(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file in the place of the folder is one clear error."""
    (tmp_path / "data").touch()
    with pytest.raises(StorageError, match=f"{tmp_path / 'data'}: .*; give a folder that may be written"):
        open_and_close(tmp_path / "data")


def test_a_database_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    """A folder in the place of lab.db is one clear error."""
    (tmp_path / "lab.db").mkdir()
    with pytest.raises(StorageError, match=r"lab\.db: unable to open database file; see that the folder"):
        open_and_close(tmp_path)
