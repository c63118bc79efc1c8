"""What goes wrong when things are kept, in words that say how to mend it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Final

PRIMARY_CODE_MASK: Final = 0xFF  # https://sqlite.org/rescode.html: the low byte of an extended result code

_MEND: Final[Mapping[int, str]] = {
    sqlite3.SQLITE_BUSY: "another program holds it; close that program",
    sqlite3.SQLITE_CANTOPEN: "see that the folder exists and may be written",
    sqlite3.SQLITE_CORRUPT: "it is damaged; put a copy in its place, or move it away to begin anew",
    sqlite3.SQLITE_FULL: "make room on the disk",
    sqlite3.SQLITE_IOERR: "see that the disk is well and has room",
    sqlite3.SQLITE_NOTADB: "it is no SQLite file; move it away to begin anew, or give another folder",
    sqlite3.SQLITE_READONLY: "see that the file and its folder may be written",
}
_DAMAGE: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class StorageError(Exception):
    """What was to be kept is not kept: a failed commit, or a file that cannot be used.

    It is final.  After a failed fsync the kernel may have dropped the very pages that could not be written,
    so that a second fsync which succeeds proves nothing: nothing is tried again here.
    """


class Damaged(StorageError):  # noqa: N818  (a state of the file, told as such)
    """The file is not what it was; it is left as it is, for somebody to look at."""


class DataFolderInUse(Exception):  # noqa: N818  (a state of the folder, told as such)
    """Another process, or another lab of this one, keeps its data in this folder."""


def is_disk_trouble(error: BaseException) -> bool:
    """Whether `error` tells of the file or the disk, and not of the job that met it."""
    return isinstance(error, sqlite3.Error) and _primary_code(error) in _MEND


def storage_error(place: str, error: BaseException) -> StorageError:
    """The StorageError that says what happened to `place`, and how to mend it where that is known."""
    code = _primary_code(error)
    mend = _MEND.get(code)
    kind = Damaged if code in _DAMAGE else StorageError
    return kind(f"{place}: {error}; {mend}" if mend else f"{place}: {error}")


def _primary_code(error: BaseException) -> int:
    # An error that the sqlite3 module raises by itself, such as one for a closed connection, has no code.
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & PRIMARY_CODE_MASK
