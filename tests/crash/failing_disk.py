"""A disk that fails: strace lets each write and each sync of the data folder fail in turn, once, under a real lab."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import smtplib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Final

import attrs

from maillab.lab.record_file import FILE_NAME
from maillab.storage.data_folder import DATABASE_NAME, LOCK_NAME
from tests.crash.audit import Verdict, find, judge, waiting_count
from tests.crash.lab_file import NOBODY, NORD, SUED, USERS, WEST, LabFile, lab_file
from tests.crash.load import Ledger, Mail, send
from tests.crash.process import EndedTooSoonError, Process

CALLS: Final = ("pwrite64", "fdatasync", "fsync", "write")
ERRORS: Final = ("EIO", "ENOSPC")
PACKAGE: Final = "strace"
REPLY_LIMIT_SECONDS: Final = 10.0  # more is a lab that hangs
SETTLE_SECONDS: Final = 0.3
DRAIN_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.02
_FILES: Final = (DATABASE_NAME, f"{DATABASE_NAME}-wal", FILE_NAME)

# From, to: stored here; over the relay; straight; to nobody over the relay, and straight.
_SCENARIO: Final = (
    (NORD, USERS[NORD][1]),
    (NORD, USERS[SUED][0]),
    (WEST, USERS[SUED][1]),
    (NORD, NOBODY[1]),
    (WEST, NOBODY[0]),
    (SUED, USERS[WEST][0]),
)


@attrs.frozen
class Fault:
    """One call that fails.

    Attributes:
        call: write or sync, by its name in the kernel.
        error: what it fails with.
        number: which one, counted from 1 in each thread of the process.
    """

    call: str
    error: str
    number: int

    def __str__(self) -> str:
        return f"{self.call} {self.number} {self.error}"


@attrs.frozen
class Failed:
    """What came of it.

    Attributes:
        struck: how many calls failed; none when there were not so many calls.
        started: whether the lab started in spite of it.
        replies: how often each code came after the data.
        slowest_seconds: the longest that a client waited for a reply.
        refused_but_there: mails that were refused and lie in a mailbox all the same.
        verdict: of every mail, after a restart on a disk that is well.
        said: the lab's stderr under the fault.
    """

    fault: Fault
    struck: int
    started: bool
    replies: dict[int, int]
    slowest_seconds: float
    refused_but_there: int
    verdict: Verdict
    said: str

    @property
    def is_well(self) -> bool:
        return (
            self.verdict.is_well
            and self.slowest_seconds < REPLY_LIMIT_SECONDS
            and not self.verdict.unsure
            and not self.refused_but_there
            and self.replies.keys() <= {250, 451, 452}
            and "Traceback" not in self.said
        )

    def line(self) -> str:
        replies = ", ".join(f"{count} x {code}" for code, count in sorted(self.replies.items())) or "no start"
        return f"{self.fault!s:20} struck {self.struck}; {replies}; {'well' if self.is_well else f'NOT WELL {self}'}"


class FailingDisk:
    """Runs the scenario once for each fault, each time with a data folder as a first start has left it."""

    def __init__(self, folder: Path, seed: int = 1) -> None:
        self._folder = folder
        self._chance = Random(seed)
        self._lab = lab_file(folder)
        with Process(self._lab.path, "--data", folder / "fresh", stderr=folder / "stderr") as process:
            process.wait_until_ready()
            assert process.stop() == 0, process.said

    def run(self, fault: Fault) -> Failed:
        """Let one call fail under the scenario, kill or stop the lab, start it again, and see what there is."""
        data = self._folder / "data"
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(self._folder / "fresh", data)
        (data / LOCK_NAME).write_bytes(b"")  # whose number stands in it is to be the one of this start
        log = self._folder / "strace"
        ledger = Ledger()
        slowest_seconds = 0.0
        started = True
        process = Process(
            self._lab.path, "--data", data, stderr=self._folder / "stderr", within=_strace(data, fault, log)
        )
        with process, _below(process, data) as end:
            try:
                process.wait_until_ready()
            except EndedTooSoonError:
                started = False
            else:
                slowest_seconds = _scenario(self._lab, ledger, self._chance)
                time.sleep(SETTLE_SECONDS)
                # By turns: a kill finds what lies in the log, a stop has something to say about the disk.
                end(signal.SIGKILL if fault.number % 2 else signal.SIGTERM)
        self._restart(data)
        found = find([data], ledger)
        return Failed(
            fault=fault,
            struck=log.read_text(encoding="utf-8").count("(INJECTED)"),
            started=started,
            replies=ledger.replies,
            slowest_seconds=slowest_seconds,
            refused_but_there=sum(key in ledger.refused for key, _ in found.stored | found.bounced),
            verdict=judge(ledger, found),
            said=process.said,
        )

    def _restart(self, data: Path) -> None:
        with Process(self._lab.path, "--data", data, stderr=self._folder / "stderr") as process:
            process.wait_until_ready()
            deadline = time.monotonic() + DRAIN_SECONDS
            while waiting_count([data]):
                assert time.monotonic() < deadline, "the queue is not drained"
                time.sleep(POLL_SECONDS)
            assert process.stop() == 0, process.said


@contextlib.contextmanager
def _below(process: Process, data: Path) -> Iterator[Callable[[signal.Signals], None]]:
    """The lab itself, which strace has started: gives what sends it a signal.  It does not outlive strace."""

    def end(number: signal.Signals) -> None:
        os.kill(int((data / LOCK_NAME).read_text(encoding="ascii")), number)

    try:
        yield end
        process.wait()
    finally:
        with contextlib.suppress(ProcessLookupError, ValueError):
            end(signal.SIGKILL)


def _strace(data: Path, fault: Fault, log: Path) -> list[str]:
    paths = [word for name in _FILES for word in ("-P", str(data / name))]
    calls = ",".join(CALLS)
    inject = f"inject={fault.call}:error={fault.error}:when={fault.number}"
    return ["strace", "-f", "--seccomp-bpf", "-qq", "-o", str(log), *paths, "-e", f"trace={calls}", "-e", inject]


def _scenario(lab: LabFile, ledger: Ledger, chance: Random) -> float:
    """One mail after the other, each over a connection of its own; gives the longest time that one took."""
    slowest_seconds = 0.0
    for number, (host, recipient) in enumerate(_SCENARIO):
        sender = USERS[host][0]
        key = f"disk-{number}-{chance.getrandbits(32):08x}"
        text = f"From: <{sender}>\r\nTo: <{recipient}>\r\nSubject: {key}\r\n\r\n{chance.randbytes(300).hex()}\r\n"
        began = time.monotonic()
        with (
            contextlib.suppress(smtplib.SMTPException, OSError),
            smtplib.SMTP("127.0.0.1", lab.ports[host], timeout=REPLY_LIMIT_SECONDS) as client,
        ):
            client.ehlo("a-client.example")
            send(client, Mail(key, sender, (recipient,), text.encode()), ledger)
        slowest_seconds = max(slowest_seconds, time.monotonic() - began)
    return slowest_seconds


def each_fault() -> Iterator[Iterator[Fault]]:
    """For each call and error, one fault after the other; whoever takes them stops when there was no such call."""
    for call in CALLS:
        for error in ERRORS:
            yield (Fault(call, error, number) for number in range(1, 1000))
