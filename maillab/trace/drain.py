"""Where records leave the process: rendered once per batch, written by a thread, complete and in order."""

from __future__ import annotations

import contextlib
import errno
import io
import math
import os
import select
from collections import deque
from collections.abc import Callable, Sequence
from typing import BinaryIO, Final

import orjson
import trio

from maillab.trace.record import Record

BATCH_LIMIT_RECORDS: Final = 1_000
LINGER_SECONDS: Final = 0.01  # between batches, so that they fill: a thread call costs as much as thirty records
FLUSH_SECONDS: Final = 2.0  # what sinks get to take the rest at the end; a lab stops within 5 s
FLUSH_WITHOUT_ONE_SECONDS: Final = 1.0  # and again, when one of them was given up
AGAIN_SECONDS: Final = 1.0  # before a disk that was full is tried again
_MAY_PASS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})
COMPLAINT_SECONDS: Final = 0.5  # stderr may be the very pipe that nobody reads

Rendering = Callable[[Sequence[Record]], bytes]


def json_lines(records: Sequence[Record]) -> bytes:
    """One line of JSON per record."""
    return b"".join([orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE) for record in records])


def to_stderr(line: str) -> None:
    """Say `line` on stderr; not through `sys.stderr`, whose lock a blocked thread would keep at exit."""
    os.write(2, f"{line}\n".encode(errors="backslashreplace"))


class Sink:
    """Renders records and writes them to one file."""

    def __init__(self, file: int | BinaryIO, name: str, render: Rendering) -> None:
        """`file` stays the caller's to close; `name` is what a complaint calls it."""
        self.name = name
        self.render = render
        self.missing_count = 0
        """Records that it could not take since the last one that it took."""
        self.again_at = -math.inf
        """Before that there is no use in trying."""
        self._file = _descriptor(file)
        self._given_up = False
        self._is_cut = False  # what was written last ends within a line

    @property
    def may_block(self) -> bool:
        """Whether writing is work for a thread; a file in memory is none, not even under MockClock."""
        return isinstance(self._file, int)

    def give_up(self) -> None:
        """Write nothing more, not even in a thread left behind: the file's number may soon be another file's."""
        self._given_up = True

    def write(self, octets: bytes) -> None:
        """Write all of `octets`.

        Raises:
            OSError: the file cannot take them (EPIPE, ENOSPC, ...).
        """
        if not isinstance(self._file, int):
            self._file.write(octets)
            return
        rest = memoryview(b"\n" + octets if self._is_cut else octets)
        self._is_cut = False
        while rest and not self._given_up:
            try:
                rest = rest[os.write(self._file, rest) :]
                self._is_cut = bool(rest)
            except BlockingIOError:  # a terminal or pipe that another of its owners made non-blocking
                select.select([], [self._file], [])


class JsonLines(Sink):
    """JSON lines, for programs."""

    def __init__(self, file: int | BinaryIO, name: str = "stdout") -> None:
        super().__init__(file, name, json_lines)


class TextLines(Sink):
    """One line of text per record, for people."""

    def __init__(self, file: int | BinaryIO, line: Callable[[Record], str], name: str = "stdout") -> None:
        def render(records: Sequence[Record]) -> bytes:
            return "".join([f"{line(record)}\n" for record in records]).encode(errors="backslashreplace")

        super().__init__(file, name, render)


class Drain:
    """Takes records from Trio's thread and brings them to the sinks, batch by batch."""

    def __init__(
        self, sinks: Sequence[Sink], complain: Callable[[str], object], flush_seconds: float = FLUSH_SECONDS
    ) -> None:
        """`complain` is called in a thread, with one line; `flush_seconds` bounds what comes after `close`."""
        self._sinks = list(sinks)
        self._complain = complain
        self._flush_seconds = flush_seconds
        self._backlog: deque[Record] = deque()
        self._in_work_count = 0
        self._filled = trio.Event()
        self._closed = trio.Event()
        self._shortened = trio.lowlevel.ParkingLot()
        self._deadline = math.inf
        self._writing = trio.CancelScope()

    @property
    def backlog_count(self) -> int:
        """How many records are not yet at every sink."""
        return len(self._backlog) + self._in_work_count

    def add(self, record: Record) -> None:
        if self._sinks:
            self._backlog.append(record)
            self._filled.set()

    def close(self) -> None:
        """No more records come: `run` writes what is there, within bounded time, and ends."""
        self._deadline = self._writing.deadline = trio.current_time() + self._flush_seconds
        self._closed.set()
        self._filled.set()

    async def below(self, limit: int) -> None:
        """Wait until fewer than `limit` records wait, be it that nobody is left to take them."""
        while self.backlog_count >= limit:
            await self._shortened.park()

    async def run(self) -> None:
        """Bring records to the sinks until `close`, which must follow even when all around is cancelled."""
        with trio.CancelScope(shield=True):  # a cancelled lab still tells its end; `close` bounds every write
            while self._backlog or not self._closed.is_set():
                if not self._backlog:
                    self._filled = trio.Event()
                    await self._filled.wait()
                    continue
                await self._write_batch()
                if len(self._backlog) < BATCH_LIMIT_RECORDS:
                    with trio.move_on_after(LINGER_SECONDS):
                        await self._closed.wait()

    async def _write_batch(self) -> None:
        batch = [self._backlog.popleft() for _ in range(min(BATCH_LIMIT_RECORDS, len(self._backlog)))]
        self._in_work_count = len(batch)
        rendered: dict[Rendering, bytes] = {}
        for sink in tuple(self._sinks):
            await self._write(sink, batch, rendered)
        self._in_work_count = 0
        self._shortened.unpark_all()

    async def _write(self, sink: Sink, batch: Sequence[Record], rendered: dict[Rendering, bytes]) -> None:
        if trio.current_time() < sink.again_at and not self._closed.is_set():
            sink.missing_count += len(batch)
            return

        def write() -> None:
            if sink.render not in rendered:
                rendered[sink.render] = sink.render(batch)
            lost = sink.render([_lost(batch[0], sink.missing_count)]) if sink.missing_count else b""
            sink.write(lost + rendered[sink.render])

        with trio.CancelScope(deadline=self._deadline) as self._writing:
            try:
                if sink.may_block:
                    # A thread that hangs in a full pipe is left behind; it ends with the process or the pipe.
                    await trio.to_thread.run_sync(write, abandon_on_cancel=True)
                else:
                    write()
            except OSError as error:
                failure = f"{error.strerror or error}; the lab goes on without it"
                if error.errno in _MAY_PASS:
                    await self._pass_over(sink, len(batch), error)
                    return
            else:
                if sink.missing_count:
                    await self._say(f"{sink.name}: written again; {sink.missing_count} records are missing there")
                    sink.missing_count = 0
                return
        if self._writing.cancelled_caught:
            failure = f"not read in time; up to {self.backlog_count} records are lost"
        await self._give_up(sink, failure)

    async def _pass_over(self, sink: Sink, count: int, error: OSError) -> None:
        """The disk may have room again, or be well again: until then, records pass it by."""
        if not sink.missing_count:
            await self._say(f"{sink.name}: {error.strerror}; records are missing there until it can be written again")
        sink.missing_count += count
        sink.again_at = trio.current_time() + AGAIN_SECONDS

    async def _say(self, line: str) -> None:
        with trio.move_on_after(COMPLAINT_SECONDS), contextlib.suppress(OSError):
            await trio.to_thread.run_sync(self._complain, line, abandon_on_cancel=True)

    async def _give_up(self, sink: Sink, reason: str) -> None:
        self._sinks.remove(sink)
        sink.give_up()
        await self._say(f"{sink.name}: {reason}")
        if not self._sinks:
            self._backlog.clear()
        elif self._closed.is_set():
            self._deadline = max(self._deadline, trio.current_time() + FLUSH_WITHOUT_ONE_SECONDS)


def _lost(record: Record, count: int) -> Record:
    """Stands where so many records before `record` are missing; it has no number, as they have theirs."""
    return {key: record[key] for key in ("run", "at", "lab")} | {"event": "records.lost", "count": count}


def _descriptor(file: int | BinaryIO) -> int | BinaryIO:
    """The number of `file`, or `file` itself where it has none (`io.BytesIO`).

    Numbers, since a thread that hangs in a buffered write holds the buffer's lock: Python dies of that at exit.
    """
    if isinstance(file, int):
        return file
    try:
        number = file.fileno()
    except io.UnsupportedOperation:
        return file
    file.flush()
    return number
