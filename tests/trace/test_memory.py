"""The last records: as a list would have them, in little room."""

from __future__ import annotations

import tracemalloc
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maillab.trace.book import TraceBook
from maillab.trace.ladder import draw_ladder
from maillab.trace.memory import BLOCK_RECORDS, RecordMemory
from maillab.trace.record import Record
from maillab.trace.recorder import Recorder
from tests.trace import scenes
from tests.trace.scribe import Line, Scribe

SCENES = {
    name: scene
    for name, scene in vars(scenes).items()
    if callable(scene) and getattr(scene, "__module__", "") == scenes.__name__ and name != "split_in_two"
}
NOON = 1795435200.0


def filled(limit: int, count: int) -> tuple[RecordMemory, list[Record]]:
    """A memory that was given so many records, and what it is to hold."""
    memory = RecordMemory(limit)
    for number in range(count):
        memory.append({"seq": number, "line": "Grüße"})
    return memory, [{"seq": number, "line": "Grüße"} for number in range(max(0, count - limit), count)]


COUNTS = st.integers(0, 5 * BLOCK_RECORDS)


@given(st.integers(1, 3 * BLOCK_RECORDS), COUNTS)
def test_it_holds_the_last_of_what_it_was_given(limit: int, count: int) -> None:
    """Forwards, backwards and counted, it is the end of the list of all records, exactly `limit` long."""
    memory, expected = filled(limit, count)
    assert list(memory) == expected
    assert list(reversed(memory)) == expected[::-1]
    assert len(memory) == len(expected)
    assert memory.ever_count == count


@given(st.integers(1, 3 * BLOCK_RECORDS), COUNTS, st.integers(-2000, 2000))
def test_a_place_in_it_is_a_place_in_the_list(limit: int, count: int, index: int) -> None:
    """Indexes from both ends, and those that are none."""
    memory, expected = filled(limit, count)
    if -len(expected) <= index < len(expected):
        assert memory[index] == expected[index]
    else:
        with pytest.raises(IndexError, match=f"record {index} of {len(expected)}"):
            memory[index]


@given(COUNTS, st.integers(0, 1500), st.one_of(st.none(), st.integers(-1500, 1500)))
def test_a_part_of_it_is_a_part_of_the_list(count: int, start: int, stop: int | None) -> None:
    """Slices give lists."""
    memory, expected = filled(700, count)
    assert memory[start:stop] == expected[start:stop]
    assert memory[:stop:3] == expected[:stop:3]


@given(st.integers(1, 3 * BLOCK_RECORDS), COUNTS, COUNTS)
def test_who_has_taken_some_goes_on_behind_them(limit: int, count: int, taken: int) -> None:
    """`after` counts from the first record ever, and passes over what is forgotten."""
    memory, expected = filled(limit, count)
    assert list(memory.after(taken)) == [record for record in expected if record["seq"] >= taken]


def test_a_reader_is_not_disturbed_by_what_comes() -> None:
    """Who has begun to read reads what there was, though records come and go meanwhile."""
    memory, expected = filled(700, 700)
    reading = iter(memory)
    read = list(islice(reading, 10))
    for number in range(2000):
        memory.append({"seq": number})
    assert read + list(reading) == expected


def test_a_record_takes_little_room() -> None:
    """Twenty thousand records of many mails take less than a hundred octets each; as dicts it is ten times that."""
    recorder = Recorder("lab", "r1", lambda: NOON)
    tracemalloc.start()
    try:
        for number in range(20_000):
            log = recorder.bind(server="mail.nord.example", connection=f"c{number}", transaction=number)
            log.record("smtp.command", verb="RCPT", line=f"RCPT TO:<user{number}@sued.example>")
        octets, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert octets / 20_000 < 100


@pytest.mark.parametrize("scene", SCENES)
def test_a_packed_trace_is_the_trace(scene: str) -> None:
    """A trace whose records are long packed and forgotten is drawn, listed and judged as one whose are not."""
    memory, as_they_are, packed = RecordMemory(1), TraceBook(), TraceBook()
    for record in SCENES[scene]().records:
        as_they_are.add(record)
        # Each is the first of a block, so that all but the last two are packed when the next one comes.
        packed.add(record, memory.append(record))
        for number in range(BLOCK_RECORDS - 1):
            memory.append({"seq": number})
    for number in range(2 * BLOCK_RECORDS + 1):
        memory.append({"seq": number})
    assert [trace.id for trace in packed.traces()] == [trace.id for trace in as_they_are.traces()]
    for trace in as_they_are.traces():
        again = packed.get(trace.id)
        assert again is not None
        assert again.summary() == trace.summary()
        assert again.records == trace.records
        assert draw_ladder(again, 100) == draw_ladder(trace, 100)


def test_traces_of_before_take_little_room() -> None:
    """Two thousand traces take less than three kilobytes each, with all that was said."""
    scribe = Scribe()
    for number in range(2000):
        line = Line(scribe, f"c{number}", "mail.nord.example")
        line.greet("anna-pc")
        trace = f"1JD2V9XK{number:05}"
        line.mail(1, scenes.ANNA, [scenes.NILS], [scenes.NILS], trace=trace, queue_id=f"{trace}-1-00")
        line.quit()
    book = TraceBook()
    tracemalloc.start()
    try:
        for record in scribe.records:
            book.add({**record})
        octets, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert octets / 2000 < 3000
    assert len(book.traces()) == 2000


def test_the_connections_of_a_killed_process_are_forgotten() -> None:
    """A process that was killed never said that its connections closed; when it is known to be over, they are gone."""
    scribe = Scribe("r1")
    for number in range(20):
        Line(scribe, f"c{number}", "mail.nord.example").greet("anna-pc")
    book = TraceBook()
    for record in scribe.records:
        book.add(record)
    assert book.remembered_connections == 20
    book.end_run("another")
    assert book.remembered_connections == 20
    book.end_run("r1")
    assert book.remembered_connections == 0
