"""A queue that grows: many messages for a host that is dead, what they cost in memory, and how long a start takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs

from tests.benchmarks.load import Task
from tests.benchmarks.processes import drive
from tests.crash.lab_file import WEST, lab_file
from tests.crash.process import Process

MEMORY_LIMIT_OCTETS: Final = 200_000_000
START_LIMIT_SECONDS: Final = 1.0  # for each ten thousand messages in the queue, more than an empty lab takes
TEN_THOUSAND: Final = 10_000
MESSAGE_OCTETS: Final = 1024
_PARTS: Final = 10  # the load driver is started so often: a process that is killed alone, with all its memory
_SENDER, _DEAD = "wim@west.example", "x@dead.example"


@attrs.frozen
class Grown:
    """A lab and its queue.

    Attributes:
        count: messages that wait.
        empty_octets: memory of the process before the first of them.
        most_octets: the most that it ever had.
        messages_per_second: how fast they were taken.
    """

    count: int
    empty_octets: int
    most_octets: int
    messages_per_second: float

    @property
    def is_well(self) -> bool:
        return self.most_octets < MEMORY_LIMIT_OCTETS

    def line(self) -> str:
        return (
            f"{self.count:9,} messages {self.most_octets / 1e6:6.1f} MB at most, {self.empty_octets / 1e6:.1f} MB "
            f"before; taken at {self.messages_per_second:.0f}/s"
        )


@attrs.frozen
class Start:
    """A start of a lab that was killed with a long queue."""

    count: int
    seconds: float
    empty_seconds: float

    @property
    def seconds_per_ten_thousand(self) -> float:
        return (self.seconds - self.empty_seconds) / self.count * TEN_THOUSAND

    @property
    def is_well(self) -> bool:
        return self.seconds_per_ten_thousand < START_LIMIT_SECONDS

    def line(self) -> str:
        return (
            f"{self.count:9,} messages {self.seconds:6.2f} s until they are served, {self.empty_seconds:.2f} s with "
            f"none: {self.seconds_per_ten_thousand:.2f} s for each 10,000"
        )


def grow(folder: Path, count: int, *, durable: bool) -> Grown:
    """Let so many messages for a dead host wait; the process is killed at the end, with its data left in `folder`."""
    lab = lab_file(folder, retry="5, 30, 120, 600, 3600")
    arguments = [lab.path, *(["--data", folder / "data"] if durable else [])]
    with Process(*arguments, stderr=folder / "stderr") as process:
        process.wait_until_ready()
        empty_octets = process.memory_octets
        seconds = 0.0
        for _ in range(_PARTS):
            task = Task(
                lab.ports[WEST],
                count // _PARTS,
                pipelined=True,
                octets=MESSAGE_OCTETS,
                sender=_SENDER,
                recipient=_DEAD,
            )
            seconds += drive(task).seconds
        return Grown(count, empty_octets, process.most_memory_octets, count / seconds)


def starts(folder: Path, counts: tuple[int, ...]) -> Iterator[Start]:
    """Start a lab with nothing in its queue, and then with so many messages in it, as a kill left them."""
    empty_seconds = _start_seconds(folder / "0", 0)
    for count in counts:
        yield Start(count, _start_seconds(folder / str(count), count), empty_seconds)


def _start_seconds(folder: Path, count: int) -> float:
    folder.mkdir()
    grow(folder, count, durable=True)
    with Process(folder / "lab.toml", "--data", folder / "data", stderr=folder / "stderr") as process:
        return process.wait_until_ready()
