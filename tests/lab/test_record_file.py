"""The records of a lab with `--data`: kept, bounded, and readable after a crash."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from maillab.lab import record_file as records
from maillab.trace.record import Record
from maillab.trace.recorder import MEMORY_RECORDS


def write(data: Path, octets: bytes) -> None:
    (data / records.FILE_NAME).write_bytes(octets)


def lines(*numbers: int) -> bytes:
    return b"".join(orjson.dumps({"seq": number}) + b"\n" for number in numbers)


def kept(data: Path) -> list[int]:
    return [record["seq"] for record in records.earlier_records(data)]


def append(data: Path, record: Record) -> None:
    """Write one record as a lab does."""
    with records.record_file(data) as sink:
        sink.write(orjson.dumps(record) + b"\n")


def test_there_is_nothing_at_first(tmp_path: Path) -> None:
    """A new data folder has no records, and the first run begins the file."""
    assert kept(tmp_path) == []
    append(tmp_path, {"seq": 1})

    assert kept(tmp_path) == [1]


def test_each_run_appends(tmp_path: Path) -> None:
    """Records of earlier runs stay, in their order."""
    for number in range(3):
        append(tmp_path, {"seq": number})

    assert kept(tmp_path) == [0, 1, 2]


@pytest.mark.parametrize("cut", [b'{"seq":3,"at":"2026', b'{"seq":3', b"{", b'{"subject":"Gr\xc3'])
def test_a_line_that_a_crash_cut_off_is_left_out(tmp_path: Path, cut: bytes) -> None:
    """Half a record is nothing, and the next run's first record does not stick to it."""
    write(tmp_path, lines(1, 2) + cut)
    assert kept(tmp_path) == [1, 2]
    append(tmp_path, {"seq": 4})

    assert kept(tmp_path) == [1, 2, 4]


def test_an_empty_file_is_no_trouble(tmp_path: Path) -> None:
    """A file that a crash left empty is begun."""
    write(tmp_path, b"")
    append(tmp_path, {"seq": 1})

    assert kept(tmp_path) == [1]


@pytest.mark.parametrize("cut", [b"", b'{"seq":10,"a'])
def test_the_file_does_not_grow_without_end(tmp_path: Path, cut: bytes) -> None:
    """At a start the oldest lines go, as many as memory would not keep; a line that was cut off spoils nothing."""
    write(tmp_path, lines(*range(MEMORY_RECORDS + 5)) + cut)
    append(tmp_path, {"seq": -1})

    *earlier, last = kept(tmp_path)
    assert last == -1
    assert earlier == [*range(MEMORY_RECORDS + 5)][-len(earlier) :]
    assert len(earlier) >= MEMORY_RECORDS - 2
    assert (tmp_path / records.FILE_NAME).read_bytes().count(b"\n") == MEMORY_RECORDS + 1
    assert [path.name for path in tmp_path.iterdir()] == [records.FILE_NAME]
