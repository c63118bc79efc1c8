"""Is the database file whole?  Asked before anything is done with it, as SQLite mends in its own way: by deleting."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from maillab.storage.errors import Damaged

# https://sqlite.org/fileformat2.html#walformat: the header, and the two magic numbers it begins with.
_LOG_HEADER_OCTETS: Final = 32
_LOG_MAGIC: Final = (0x377F0682, 0x377F0683)
_LOG_CHECKED_OCTETS: Final = 24  # of the header, by the checksum that is the rest of it

READ_LIMIT_OCTETS: Final = 1 << 30
MEND: Final = "put a copy in its place, or move it away to begin anew"


def check_files(file: Path) -> None:
    """See that the log beside `file` is one, and belongs to it.

    SQLite takes a log without a header for an empty one, and deletes a log whose database is empty; what was
    committed last stands nowhere else.

    Raises:
        Damaged: it does not.
    """
    log = file.with_name(f"{file.name}-wal")
    log_octets = log.stat().st_size if log.exists() else 0
    if not log_octets:
        return
    if not file.exists() or not file.stat().st_size:
        found = "empty" if file.exists() else "missing"
        raise Damaged(
            f"{file}: {found}, and {log.name} beside it is not; "
            f"put a copy of both in their place, or move {log.name} away to begin anew"
        )
    with log.open("rb") as octets:
        header = octets.read(_LOG_HEADER_OCTETS)
    if not _is_log_header(header):
        raise Damaged(
            f"{log}: damaged (it does not begin as a write-ahead log does); "
            f"put a copy in its place, or move it away to go on without what was committed last"
        )


def check_contents(connection: sqlite3.Connection, file: Path, schema: Sequence[str]) -> None:
    """See that every page is in order, and that no table is missing.

    Reading every page takes 1.3 s for a gigabyte, and is worth it: who starts a lab is there to mend it, and nothing
    was answered yet.  A file of more than `READ_LIMIT_OCTETS` is not read; damage shows where it is met.

    Raises:
        Damaged: something is not.
    """
    is_read = file.stat().st_size <= READ_LIMIT_OCTETS
    if is_read and (found := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        detail = str(found).splitlines()[-1]  # above it stands the name of the database, "main"
        raise Damaged(f"{file}: damaged ({detail}); {MEND}")
    if missing := sorted(_names(schema) - _names_in(connection)):
        raise Damaged(f"{file}: damaged (no {', no '.join(missing)}); {MEND}")


def _is_log_header(header: bytes) -> bool:
    if len(header) < _LOG_HEADER_OCTETS or (magic := int.from_bytes(header[:4])) not in _LOG_MAGIC:
        return False
    order: Final = "big" if magic & 1 else "little"
    one = two = 0
    for at in range(0, _LOG_CHECKED_OCTETS, 8):
        one = (one + int.from_bytes(header[at : at + 4], order) + two) & 0xFFFFFFFF
        two = (two + int.from_bytes(header[at + 4 : at + 8], order) + one) & 0xFFFFFFFF
    return header[_LOG_CHECKED_OCTETS:] == one.to_bytes(4) + two.to_bytes(4)


def _names(schema: Sequence[str]) -> set[str]:
    """The tables and indexes that `schema` makes: "table message"."""
    model = sqlite3.connect(":memory:")
    try:
        model.executescript("\n".join(schema))
        return _names_in(model)
    finally:
        model.close()


def _names_in(connection: sqlite3.Connection) -> set[str]:
    rows = connection.execute("SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'")
    return {f"{kind} {name}" for kind, name in rows}
