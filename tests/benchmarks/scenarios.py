"""What is measured: mail into one server, and mail from one domain to another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import Final

import attrs

from tests.benchmarks import postfix
from tests.benchmarks.crowd import CrowdScenario
from tests.benchmarks.feed import FeedScenario
from tests.benchmarks.lab_process import FAR_RECIPIENT, lab
from tests.benchmarks.load import Task
from tests.benchmarks.processes import TICK_SECONDS, Server, discarding_server, drive
from tests.benchmarks.report import Measurement, Scale, table

Start = Callable[[], AbstractContextManager[Server]]

LARGE_OCTETS: Final = 50 * 1024
DURABLE: Final = partial(lab, durable=True)
IN_MEMORY: Final = partial(lab, durable=False)


FULL: Final = Scale(messages=5_000, rounds=5)
QUICK: Final = Scale(messages=1_000, rounds=3)


@attrs.frozen
class Scenario:
    """One comparison.

    Attributes:
        title: what is sent, and how.
        task: the load; its port and count are filled in.
        servers: by name; the first is held against the others.
        crossing: measured until the last message lies in the last mailbox, instead of until it was accepted.
        part: of the messages of a scale; large and lonely messages take longer.
    """

    title: str
    task: Task
    servers: Mapping[str, Start]
    crossing: bool = False
    part: float = 1.0

    def run(self, scale: Scale) -> str:
        """Measure all servers by turns; gives the table."""
        measured: dict[str, list[Measurement]] = {name: [] for name in self.servers}
        for _ in range(scale.rounds):
            for name, start in self.servers.items():
                with start() as server:
                    measured[name].append(self._measure(server, scale))
        return table(self.title, measured)

    def _measure(self, server: Server, scale: Scale) -> Measurement:
        task = attrs.evolve(self.task, port=server.port)
        warm_up = attrs.evolve(task, messages=min(scale.warm_up_messages, scale.messages))
        drive(warm_up)
        if self.crossing:
            server.wait_until_stored(warm_up.messages)
        task = attrs.evolve(task, messages=max(1, round(scale.messages * self.part)))
        cpu_seconds = server.cpu_seconds()
        load = drive(task)
        seconds = load.seconds
        if self.crossing:
            seconds = server.wait_until_stored(warm_up.messages + task.messages) - load.first_reply_at
        cpu_seconds = max(server.cpu_seconds() - cpu_seconds, TICK_SECONDS)
        return Measurement(task.messages / seconds, cpu_seconds / task.messages, load.waits)


def _ingest(title: str, task: Task, part: float = 1.0) -> Scenario:
    servers: Mapping[str, Start] = {"durable": DURABLE, "aiosmtpd": discarding_server, "in memory": IN_MEMORY}
    return Scenario(f"Mail into one server, {title}", task, servers, part=part)


_POSTFIX_TOO: Final[Mapping[str, Start]] = {"durable": DURABLE, "postfix": postfix.two_postfixes}

SCENARIOS: Final[Mapping[str, Scenario | FeedScenario | CrowdScenario]] = {
    "ingest": _ingest("1 KiB, 20 kept sessions, each line waits for its reply", Task(0, 0)),
    "ingest-pipelined": _ingest("1 KiB, 20 kept sessions, pipelined", Task(0, 0, pipelined=True)),
    "ingest-one-each": _ingest("1 KiB, a connection for each message, 20 at a time", Task(0, 0, kept=False), part=0.4),
    "ingest-large": _ingest(
        "50 KiB, 20 kept sessions, pipelined", Task(0, 0, pipelined=True, octets=LARGE_OCTETS), part=0.4
    ),
    "crossing": Scenario(
        "Mail from domain to domain, 1 KiB, 20 kept sessions, pipelined; from the first 250 to the last mailbox",
        Task(0, 0, pipelined=True, recipient=FAR_RECIPIENT),
        _POSTFIX_TOO if postfix.why_not() is None else {"durable": DURABLE},
        crossing=True,
    ),
    "feed": FeedScenario(),
    "crowd": CrowdScenario(),
}
