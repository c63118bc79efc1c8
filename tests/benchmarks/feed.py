"""The live feed: many viewers of one lab, while mail goes in at a steady pace."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Final

import attrs

from tests.benchmarks.lab_process import lab
from tests.benchmarks.load import Load, Task
from tests.benchmarks.processes import drive, free_ports, running
from tests.benchmarks.report import Scale, columns, part_of
from tests.benchmarks.viewers import Seen

RECORDS_PER_SECOND: Final = 1_000
RECORDS_PER_MESSAGE: Final = 9  # MAIL, RCPT, DATA and their replies; the last 250, accepted, stored
SETTLE_SECONDS: Final = 0.5  # the last frames are on their way
HEADINGS: Final = ("viewers", "records/s", "CPU of the lab", "record's age p50 ms", "p99 ms", "frames/s each", "losses")


@attrs.frozen
class FeedScenario:
    """How old a record is when a viewer has it, and what the viewers cost."""

    viewer_counts: tuple[int, ...] = (1, 30, 300)

    def run(self, scale: Scale) -> str:
        """Measure each number of viewers; gives the table."""
        rows = [HEADINGS, *(self._row(viewer_count, scale.messages) for viewer_count in self.viewer_counts)]
        return "\n".join([f"Live feed, {RECORDS_PER_SECOND} records/s", *columns(rows)])

    def _row(self, viewer_count: int, messages: int) -> tuple[str, ...]:
        task = Task(0, messages, sessions=1, messages_per_second=RECORDS_PER_SECOND / RECORDS_PER_MESSAGE)
        load, cpu_seconds, seen = watched(viewer_count, task)
        ages = sorted(seen.ages)
        return (
            str(viewer_count),
            f"{len(ages) / load.seconds:.0f}",
            f"{cpu_seconds / load.seconds:.0%}",
            f"{part_of(ages, 0.50) * 1e3:.0f}",
            f"{part_of(ages, 0.99) * 1e3:.0f}",
            f"{seen.frames / viewer_count / load.seconds:.0f}",
            str(seen.losses),
        )


def watched(viewer_count: int, task: Task) -> tuple[Load, float, Seen]:
    """Send the load to a lab of its own while so many look on; gives also the lab's CPU time, and what they saw."""
    (web_port,) = free_ports(1)
    command = [sys.executable, "-m", "tests.benchmarks.viewers", str(web_port), str(viewer_count)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with lab(durable=False, web=f"127.0.0.1:{web_port}") as server, running(command, **pipes) as viewers:
        assert viewers.stdin is not None  # both are pipes
        assert viewers.stdout is not None
        assert viewers.stdout.readline() == b"ready\n"
        cpu_seconds = server.cpu_seconds()
        load = drive(attrs.evolve(task, port=server.port))
        cpu_seconds = server.cpu_seconds() - cpu_seconds
        time.sleep(SETTLE_SECONDS)
        viewers.stdin.close()
        return load, cpu_seconds, Seen(**json.loads(viewers.stdout.readline()))
