"""The data folder: its lock, and its one SQLite file, opened only when it is ours and whole."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from maillab.storage.errors import DataFolderInUse, StorageError, storage_error
from maillab.storage.wholeness import check_contents, check_files

DATABASE_NAME: Final = "lab.db"
LOCK_NAME: Final = "lock"

APPLICATION_ID: Final = int.from_bytes(b"mlab")  # PRAGMA application_id; `file lab.db` shows it
FORMAT_VERSION: Final = 1  # PRAGMA user_version; counts up whenever a table of any room changes

BUSY_TIMEOUT_SECONDS: Final = 2.0  # somebody looks into the file with the sqlite3 program, and holds it
CACHE_KIBIBYTES: Final = 16_384  # the indexes of 100,000 waiting messages
WAL_LIMIT_OCTETS: Final = 64 * 1024 * 1024  # a longer log, left by large mail, is cut back after a checkpoint
STATEMENT_COUNT: Final = 256  # more than all rooms together have, so that none is ever parsed twice


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder`, which is made when missing, against every other lab.

    The lock is the kernel's (`flock`) and ends with the process, however that ends; the file `lock` stays.

    Raises:
        DataFolderInUse: somebody else holds it.
        StorageError: the folder cannot be made, written or locked.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK_NAME).open("a+", encoding="ascii")
    except OSError as error:
        raise StorageError(f"{folder}: {error.strerror}; give a folder that may be written") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise DataFolderInUse(
                f"{folder} is in use by process {lock.read().strip() or 'unknown'}; "
                "stop the lab that runs there, or give another folder"
            ) from None
        except OSError as error:
            raise StorageError(f"{folder}: {error.strerror}; give a folder that can be locked") from error
        with suppress(OSError):  # a full disk; the name is for people, and the lock holds without it
            os.ftruncate(lock.fileno(), 0)
            os.write(lock.fileno(), f"{os.getpid()}\n".encode())
        yield


def open_file(file: Path, schema: Sequence[str]) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    """Open `file`, made from `schema` when missing: one connection that writes, one that only reads.

    Nothing is ever repaired, deleted or converted: a file that is not ours or not whole is left as it is.

    Raises:
        StorageError: no SQLite file, another program's, of another version, or damaged.
    """
    check_files(file)
    writer = _connect(str(file.absolute()), uri=False)
    try:
        _prepare(writer, file, schema)
        reader = _connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
    except sqlite3.Error as error:
        writer.close()
        raise storage_error(str(file), error) from error
    except BaseException:
        writer.close()
        raise
    return writer, reader


def open_memory(schema: Sequence[str], kept: sqlite3.Connection | None = None) -> sqlite3.Connection:
    """A database that is gone when its connection is closed, or with the process: a new one, or `kept`.

    What does not fit into SQLite's cache waits in a temporary file, which has no name and is never synced: a long
    queue does not eat the machine.
    """
    connection = kept or _connect("", uri=False)
    if _is_empty(connection):
        _pragma(connection, "journal_mode = MEMORY")
        _pragma(connection, f"cache_size = -{CACHE_KIBIBYTES}")
        _create(connection, schema)
    return connection


def _connect(name: str, *, uri: bool) -> sqlite3.Connection:
    # isolation_level None: BEGIN and COMMIT are ours to say.  check_same_thread: a connection is opened in
    # one thread and used in another, but never in two at once.
    try:
        return sqlite3.connect(
            name,
            uri=uri,
            timeout=BUSY_TIMEOUT_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=STATEMENT_COUNT,
        )
    except sqlite3.Error as error:
        raise storage_error(name, error) from error


def _pragma(connection: sqlite3.Connection, pragma: str) -> object:
    row = connection.execute(f"PRAGMA {pragma}").fetchone()
    return row[0] if row else None


def _is_empty(connection: sqlite3.Connection) -> bool:
    (count,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    return bool(count == 0)


def _prepare(connection: sqlite3.Connection, file: Path, schema: Sequence[str]) -> None:
    is_new = _is_empty(connection)
    if not is_new:
        _check(connection, file, schema)
    if (mode := _pragma(connection, "journal_mode = WAL")) != "wal":
        raise StorageError(f"{file}: this disk keeps no write-ahead log (journal mode {mode}); give another folder")
    # FULL: an fsync at each COMMIT, before it returns.  That is what stands behind a 250.
    _pragma(connection, "synchronous = FULL")
    _pragma(connection, "temp_store = MEMORY")
    _pragma(connection, f"cache_size = -{CACHE_KIBIBYTES}")
    _pragma(connection, f"journal_size_limit = {WAL_LIMIT_OCTETS}")
    if is_new:
        _create(connection, schema)


def _check(connection: sqlite3.Connection, file: Path, schema: Sequence[str]) -> None:
    if _pragma(connection, "application_id") != APPLICATION_ID:
        raise StorageError(f"{file}: this SQLite file belongs to another program; give another folder")
    if (version := _pragma(connection, "user_version")) != FORMAT_VERSION:
        raise StorageError(
            f"{file}: its format is {version}, and this maillab reads format {FORMAT_VERSION}; "
            "use the maillab that wrote it, or give another folder"
        )
    check_contents(connection, file, schema)


def _create(connection: sqlite3.Connection, schema: Sequence[str]) -> None:
    # One transaction: whoever is killed here leaves an empty file, which is made anew the next time.
    tables = "\n".join(schema)
    connection.executescript(
        f"BEGIN;\n{tables}\nPRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {FORMAT_VERSION};\nCOMMIT;"
    )
