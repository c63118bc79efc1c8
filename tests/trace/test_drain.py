from __future__ import annotations

import io
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import trio
import trio.lowlevel
from trio.testing import MockClock, wait_all_tasks_blocked

from maillab.trace import drain
from maillab.trace.drain import JsonLines, TextLines
from maillab.trace.record import Record
from maillab.trace.recorder import BACKLOG_LIMIT_RECORDS, Recorder

SHORT_SECONDS = 0.1
FAR_TOO_LONG_SECONDS = 30
DEV_FULL = Path("/dev/full")


@pytest.fixture
def records() -> Recorder:
    return Recorder("two-schools", "r8f3k2", lambda: 0.0)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The reading and the writing end of a pipe; closing the reading end frees a thread that hangs in it."""
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)
    os.close(writing)


@pytest.fixture
def full_disk() -> Iterator[int]:
    """A file on which every write fails with ENOSPC."""
    if not DEV_FULL.exists():
        pytest.skip("only Linux has /dev/full")
    with DEV_FULL.open("wb", buffering=0) as file:
        yield file.fileno()


def record_many(records: Recorder, count: int) -> None:
    log = records.bind(server="mail.nord.example", connection="c1")
    for number in range(count):
        log.record("smtp.command", verb="NOOP", line=f"NOOP {number}")


def numbers(octets: bytes) -> list[int]:
    return [orjson.loads(line)["seq"] for line in octets.splitlines()]


async def test_every_sink_gets_every_record_in_order(records: Recorder, tmp_path: Path) -> None:
    """Records made by many tasks, slower and faster than the drain, are all there at the end, lab.stopped last."""
    log_file = tmp_path / "records.jsonl"
    in_memory, text = io.BytesIO(), io.BytesIO()
    with log_file.open("wb") as file:
        sinks = JsonLines(file, "log file"), JsonLines(in_memory), TextLines(text, lambda record: record["event"])
        async with records.drained_to(*sinks):
            records.bind().record("lab.ready")

            async def session(pause: float) -> None:
                for _ in range(20):
                    record_many(records, 100)
                    await records.room()
                    await trio.sleep(pause)

            async with trio.open_nursery() as nursery:
                for pause in (0, 0, 0.001, 0.002):
                    nursery.start_soon(session, pause)
            records.bind().record("lab.stopped")
    assert records.seq == 8_002
    assert numbers(log_file.read_bytes()) == list(range(1, 8_003))
    assert in_memory.getvalue() == log_file.read_bytes()
    assert text.getvalue().splitlines()[-2:] == [b"smtp.command", b"lab.stopped"]
    assert len(text.getvalue().splitlines()) == 8_002


async def test_a_full_pipe_slows_acceptance_until_it_is_read(records: Recorder, pipe: tuple[int, int]) -> None:
    """`room` waits while nobody reads stdout, and returns when somebody does; nothing is lost."""
    reading, writing = pipe
    received = bytearray()
    let_in = trio.Event()

    async def accept() -> None:
        await records.room()
        let_in.set()

    async def read() -> None:
        while received.count(b"\n") < records.seq:
            received.extend(await trio.to_thread.run_sync(os.read, reading, 65536))

    async with records.drained_to(JsonLines(writing)):
        record_many(records, BACKLOG_LIMIT_RECORDS - 1)
        await records.room()
        record_many(records, BACKLOG_LIMIT_RECORDS)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept)
            await wait_all_tasks_blocked(0.05)
            assert not let_in.is_set()
            nursery.start_soon(read)
            await let_in.wait()
    assert numbers(bytes(received)) == list(range(1, 2 * BACKLOG_LIMIT_RECORDS))


async def test_a_pipe_that_nobody_reads_does_not_keep_the_lab(
    records: Recorder, pipe: tuple[int, int], tmp_path: Path
) -> None:
    """At the end a blocked sink is given up with one line, and the others still get everything."""
    complaints: list[str] = []
    log_file = tmp_path / "log.jsonl"
    with trio.fail_after(FAR_TOO_LONG_SECONDS), log_file.open("wb") as file:
        sinks = JsonLines(pipe[1]), JsonLines(file, "log file")
        async with records.drained_to(*sinks, complain=complaints.append, flush_seconds=SHORT_SECONDS):
            record_many(records, 3_000)
            records.bind().record("lab.stopped")
    assert numbers(log_file.read_bytes()) == list(range(1, 3_002))
    (complaint,) = complaints
    assert complaint.startswith("stdout: not read in time; up to ")


async def test_a_pipe_whose_reader_left_is_given_up_at_once(records: Recorder, tmp_path: Path) -> None:
    """`maillab up | head` goes on serving: one line of complaint, and the log file is complete."""
    complaints: list[str] = []
    reading, writing = os.pipe()
    os.close(reading)
    log_file = tmp_path / "log.jsonl"
    with log_file.open("wb") as file:
        sinks = JsonLines(writing), JsonLines(file, "log file")
        async with records.drained_to(*sinks, complain=complaints.append):
            record_many(records, 10)
            await trio.lowlevel.checkpoint()
            record_many(records, 10)
    os.close(writing)
    assert complaints == ["stdout: Broken pipe; the lab goes on without it"]
    assert numbers(log_file.read_bytes()) == list(range(1, 21))


async def test_where_there_is_room_again_records_go_on(
    records: Recorder, full_disk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that was full for a while: the file tells how many records it lacks, and has all that came after."""
    monkeypatch.setattr(drain, "AGAIN_SECONDS", 0.01)
    log_file = tmp_path / "records.jsonl"
    complaints: list[str] = []
    told = trio.Event()
    token = trio.lowlevel.current_trio_token()

    def complain(line: str) -> None:
        complaints.append(line)
        token.run_sync_soon(told.set)

    async with records.drained_to(JsonLines(full_disk, "log file"), complain=complain):
        record_many(records, 7)
        await told.wait()
        with log_file.open("wb") as file:
            os.dup2(file.fileno(), full_disk)
        await trio.sleep(0.05)
        told = trio.Event()
        record_many(records, 5)
        await told.wait()
        record_many(records, 2)
    lines = [orjson.loads(line) for line in log_file.read_bytes().splitlines()]
    assert [lines[0][key] for key in ("event", "count", "run", "lab")] == ["records.lost", 7, "r8f3k2", "two-schools"]
    assert [line["seq"] for line in lines[1:]] == [*range(8, 15)]
    assert complaints == [
        "log file: No space left on device; records are missing there until it can be written again",
        "log file: written again; 7 records are missing there",
    ]


def test_a_line_that_was_cut_off_is_ended_first(tmp_path: Path) -> None:
    """A disk that takes a part of a line: what is written when it has room again begins on a line of its own."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with (tmp_path / "log").open("ab", buffering=0) as file:
        sink = JsonLines(file)
        resource.setrlimit(resource.RLIMIT_FSIZE, (14, hard))
        try:
            with pytest.raises(OSError, match="too large"):
                sink.write(b'{"seq":1}\n{"seq":2}\n')
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        sink.write(b'{"seq":3}\n')
        sink.write(b'{"seq":4}\n')
    assert (tmp_path / "log").read_bytes() == b'{"seq":1}\n{"se\n{"seq":3}\n{"seq":4}\n'


async def test_a_full_disk_is_one_complaint_and_no_more_waiting(records: Recorder, full_disk: int) -> None:
    """With its last sink given up, the recorder goes on in memory and never makes anybody wait."""
    complaints: list[str] = []
    complained = trio.Event()

    def complain(line: str) -> None:
        complaints.append(line)
        trio.from_thread.run_sync(complained.set)

    async with records.drained_to(JsonLines(full_disk, "log file"), complain=complain):
        record_many(records, 1)
        await complained.wait()
        await wait_all_tasks_blocked()
        record_many(records, 2 * BACKLOG_LIMIT_RECORDS)
        await records.room()
    assert complaints == ["log file: No space left on device; records are missing there until it can be written again"]
    assert len(records.records) == 2 * BACKLOG_LIMIT_RECORDS + 1


async def test_a_pipe_that_somebody_made_non_blocking_gets_everything(records: Recorder, pipe: tuple[int, int]) -> None:
    """A shared stdout may be non-blocking; records wait for it all the same."""
    reading, writing = pipe
    os.set_blocking(writing, False)
    received = bytearray()

    async def read(count: int) -> None:
        while received.count(b"\n") < count:
            received.extend(await trio.to_thread.run_sync(os.read, reading, 65536))

    async with trio.open_nursery() as nursery, records.drained_to(JsonLines(writing)):
        record_many(records, 5_000)
        await wait_all_tasks_blocked(0.01)
        nursery.start_soon(read, 5_000)
    assert numbers(bytes(received)) == list(range(1, 5_001))


async def test_a_cancelled_lab_still_tells_its_end(records: Recorder, tmp_path: Path) -> None:
    """Ctrl-C cancels everything around; what was recorded before the end is written."""
    log_file = tmp_path / "log.jsonl"
    with log_file.open("wb") as file, trio.CancelScope() as scope:
        async with records.drained_to(JsonLines(file)):
            try:
                scope.cancel()
                await trio.sleep_forever()
            finally:
                records.bind().record("lab.stopped")
    assert scope.cancelled_caught
    assert numbers(log_file.read_bytes()) == [1]


@pytest.mark.parametrize("sinks", [(), (JsonLines(io.BytesIO()),)])
async def test_what_the_block_raises_comes_out_as_it_is(records: Recorder, sinks: tuple[JsonLines, ...]) -> None:
    """An error of the lab is not wrapped into a group, and keeps its cause."""
    cause = OSError("busy port")
    with pytest.raises(RuntimeError) as caught:
        async with records.drained_to(*sinks):
            raise RuntimeError("cannot start") from cause
    assert caught.value.__cause__ is cause


async def test_sinks_in_memory_need_no_thread(records: Recorder, autojump_clock: MockClock) -> None:
    """A simulation under MockClock may keep its JSON lines: nothing waits for a thread, nothing is given up."""
    lines = io.BytesIO()
    async with records.drained_to(JsonLines(lines)):
        for _ in range(48):
            record_many(records, 500)
            await records.room()
            await trio.sleep(3600)
    assert numbers(lines.getvalue()) == list(range(1, 24_001))


async def test_only_what_was_recorded_meanwhile_goes_to_sinks(records: Recorder) -> None:
    """Before and after, records stay in memory; an earlier run's records are not written again."""
    lines = io.BytesIO()
    record_many(records, 1)
    async with records.drained_to(JsonLines(lines)):
        records.load([{"run": "before", "seq": 1}])
        record_many(records, 1)
    record_many(records, 1)
    assert numbers(lines.getvalue()) == [2]


async def test_text_that_no_encoding_has_is_written_escaped(records: Recorder) -> None:
    """A line function may return anything; the console gets UTF-8."""
    lines = io.BytesIO()

    def line(record: Record) -> str:
        return f"{record['event']} \udcff ü"

    async with records.drained_to(TextLines(lines, line)):
        records.bind().record("lab.ready")
    assert lines.getvalue() == "lab.ready \\udcff ü\n".encode()
