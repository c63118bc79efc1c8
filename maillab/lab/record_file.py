"""The records of a lab with `--data`: JSON lines beside the database, read again at the next start."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import orjson

from maillab.trace.drain import JsonLines
from maillab.trace.record import Record
from maillab.trace.recorder import MEMORY_RECORDS

FILE_NAME: Final = "records.jsonl"


def earlier_records(data: Path) -> Iterator[Record]:
    """The newest records of earlier runs, as many as memory keeps, oldest first.

    A last line that a crash cut off is left out.
    """
    file = data / FILE_NAME
    if not file.exists():
        return
    with file.open("rb") as lines:
        for line in itertools.islice(lines, max(0, _line_count(file) - MEMORY_RECORDS), None):
            with contextlib.suppress(orjson.JSONDecodeError):
                yield orjson.loads(line)


@contextlib.contextmanager
def record_file(data: Path) -> Iterator[JsonLines]:
    """A sink that appends to the data folder's records.

    A file that has grown to more than memory keeps is shortened first: this is the only time that nobody writes it.
    """
    file = data / FILE_NAME
    _shorten(file)
    with file.open("ab", buffering=0) as records:
        yield JsonLines(records.fileno(), str(file))


def _shorten(file: Path) -> None:
    """Keep the newest lines, and end a line that a crash cut off."""
    if not file.exists():
        return
    too_many = _line_count(file) - MEMORY_RECORDS
    if too_many > 0:
        shortened = file.with_suffix(".new")
        with file.open("rb") as lines, shortened.open("wb") as kept:
            kept.writelines(itertools.islice(lines, too_many, None))
        shortened.replace(file)
    with file.open("rb+") as lines:
        if lines.seek(0, os.SEEK_END):
            lines.seek(-1, os.SEEK_END)
            if lines.read(1) != b"\n":
                lines.write(b"\n")


def _line_count(file: Path) -> int:
    with file.open("rb") as lines:
        return sum(1 for _ in lines)
