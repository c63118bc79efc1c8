"""SIGKILL at random moments, under load, again and again; at the end nothing may be lost and nothing twice."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Final

import attrs

from tests.crash.audit import Verdict, find, judge, open_traces, waiting_count
from tests.crash.lab_file import HOSTS, LabFile, lab_file
from tests.crash.load import Ledger, clients
from tests.crash.process import Process

CLIENT_COUNT: Final = 6
LIFE_SECONDS: Final = 1.5  # how long a process lives at most, once its servers answer
YOUNG_SHARE: Final = 0.25  # of the kills come before that, while it starts
YOUNG_SECONDS: Final = 1.2
DRAIN_SECONDS: Final = 180.0  # it only bounds a run that hangs
POLL_SECONDS: Final = 0.1


@attrs.frozen
class Killed:
    """What came of it.

    Attributes:
        verdict: of every mail.
        kills: how often a process was killed.
        young_kills: how many of them before its servers answered.
        slowest_start_seconds: from the start of a process to `lab.ready`.
        open_traces: traces that the records leave open at the end.
        complaints: what the processes said on stderr.
    """

    verdict: Verdict
    kills: int
    young_kills: int
    slowest_start_seconds: float
    open_traces: list[str]
    complaints: str


@attrs.define
class _Member:
    """One of the processes that are the lab together."""

    arguments: Sequence[object]
    data: Path
    process: Process


def kill_again_and_again(
    folder: Path,
    rounds: int,
    *,
    apart: bool,
    seed: int,
    tell: Callable[[str], object] = lambda _: None,
) -> Killed:
    """Run a lab in `folder`, and kill it `rounds` times under load.

    Args:
        folder: for the lab file and the data.
        rounds: how often to kill.
        apart: whether each server is a process of its own (`--only`); they are killed in turn.
        seed: of the moments and of the mail.
        tell: takes a line about each kill.
    """
    chance = Random(seed)
    lab = lab_file(folder)
    ledger = Ledger()
    young_count = 0
    slowest = 0.0
    with _lab(lab, folder, apart=apart) as members:
        with clients(lab.ports, ledger, CLIENT_COUNT, seed):
            for round_ in range(rounds):
                member = members[round_ % len(members)]
                if chance.random() < YOUNG_SHARE:
                    time.sleep(chance.random() * YOUNG_SECONDS)
                    young_count += not member.process.is_ready
                else:
                    slowest = max(slowest, member.process.wait_until_ready())
                    time.sleep(chance.random() * LIFE_SECONDS)
                member.process.kill()
                tell(f"{round_ + 1:3} killed {member.data.name}; {len(ledger.acknowledged):,} acknowledged")
                member.process = Process(*member.arguments, stderr=folder / "stderr")
            for member in members:
                slowest = max(slowest, member.process.wait_until_ready())
        _drain(members)
        for member in members:
            assert member.process.stop() == 0, member.process.said
    data = [member.data for member in members]
    return Killed(
        verdict=judge(ledger, find(data, ledger)),
        kills=rounds,
        young_kills=young_count,
        slowest_start_seconds=slowest,
        open_traces=open_traces(data),
        complaints=(folder / "stderr").read_text(encoding="utf-8"),
    )


@contextlib.contextmanager
def _lab(lab: LabFile, folder: Path, *, apart: bool) -> Iterator[list[_Member]]:
    members: list[_Member] = []
    try:
        for hosts in [[host] for host in HOSTS] if apart else [[]]:
            data = folder / (hosts[0] if hosts else "data")
            arguments = (lab.path, "--data", data, *(word for host in hosts for word in ("--only", host)))
            members.append(_Member(arguments, data, Process(*arguments, stderr=folder / "stderr")))
        for member in members:
            member.process.wait_until_ready()
        yield members
    finally:
        for member in members:
            member.process.kill()


def _drain(members: Sequence[_Member]) -> None:
    deadline = time.monotonic() + DRAIN_SECONDS
    while count := waiting_count(member.data for member in members):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{count} messages still wait after {DRAIN_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)
