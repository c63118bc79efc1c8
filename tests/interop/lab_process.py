"""A lab as people run it: `maillab up` in a process of its own, told about by the JSON lines on its stdout."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import trio

from maillab.network.endpoint import Endpoint
from maillab.trace.record import Record

WAIT_SECONDS: Final = 60.0  # for what happens in milliseconds: it only bounds a test that hangs
STOP_SECONDS: Final = 5.0  # what `maillab up` promises: Ctrl-C and SIGTERM end it within five seconds
LABS: Final = Path(__file__).parent.parent.parent / "labs"

Outcome = subprocess.CompletedProcess[bytes]


def with_free_ports(lab: str) -> str:
    """The file of a lab that ships, with `smtp = "127.0.0.1:0"` for every server."""
    text = (LABS / lab / "lab.toml").read_text(encoding="utf-8")
    return re.sub(r"(?m)^\[\[(?:domain|relay)\]\]$", r'\g<0>\nsmtp = "127.0.0.1:0"', text)


def command(*arguments: object) -> list[str]:
    """`maillab` with these arguments, as this Python runs it."""
    return [sys.executable, "-m", "maillab", *map(str, arguments)]


def environment() -> dict[str, str]:
    """Ours, without what would change a `maillab` command, and without the one listener whose port is fixed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAILLAB_")}
    return kept | {"MAILLAB_WEB": "off"}


async def run(*words: object, stdin: bytes = b"") -> Outcome:
    """Run a program to its end; its exit code is for the test to judge."""
    with trio.fail_after(WAIT_SECONDS):
        return await trio.run_process(
            [*map(str, words)],
            stdin=stdin,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env=environment(),
        )


async def maillab(*arguments: object, stdin: bytes = b"") -> Outcome:
    """Run a `maillab` command to its end."""
    return await run(*command(*arguments), stdin=stdin)


def records_in(log: bytes) -> list[Record]:
    """The records of a log, without a last line that is not whole yet."""
    return [json.loads(line) for line in log.splitlines(keepends=True) if line.endswith(b"\n")]


def said(record: Record, event: str, keys: dict[str, Any]) -> bool:
    return record["event"] == event and all(record.get(key) == value for key, value in keys.items())


class LabProcess:
    """A running `maillab up`."""

    def __init__(self, process: trio.Process) -> None:
        self.process = process
        self.log = b""
        """Everything from stdout, octet for octet."""
        self.complaints = b""
        """Everything from stderr."""
        self._unread = trio.CancelScope()
        self._news = trio.lowlevel.ParkingLot()
        self._ended = trio.Event()

    @classmethod
    async def start(cls, nursery: trio.Nursery, *arguments: object, within: Sequence[str] = ()) -> LabProcess:
        """Start `maillab up` with these arguments, and wait until the lab runs; `within` is what stands before it."""
        process = await trio.lowlevel.open_process(
            [*within, *command("up", *arguments, "--log", "json")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        )
        lab = cls(process)
        nursery.start_soon(lab._read_stdout)
        nursery.start_soon(lab._read_stderr)
        await lab.wait_for("lab.ready")
        return lab

    @property
    def records(self) -> list[Record]:
        """What has come so far."""
        return records_in(self.log)

    def smtp(self, host: str) -> Endpoint:
        """Where the server of that host name listens."""
        servers = next(record["servers"] for record in self.records if record["event"] == "lab.ready")
        return Endpoint.parse(next(server["smtp"] for server in servers if server["host"] == host))

    async def wait_for(self, event: str, **keys: object) -> Record:
        """The first record of `event` that says all of `keys`."""
        seen_count = 0
        with trio.fail_after(WAIT_SECONDS):
            while True:
                records = self.records
                for record in records[seen_count:]:
                    if said(record, event, keys):
                        return record
                seen_count = len(records)
                if self._ended.is_set():
                    raise AssertionError(f"the lab ended without {event} {keys}: {self.complaints.decode()}")
                await self._news.park()

    async def wait_for_news(self) -> None:
        """Until the next records come."""
        with trio.fail_after(WAIT_SECONDS):
            await self._news.park()

    def stop_reading(self) -> None:
        """Leave stdout unread from now on."""
        self._unread.cancel()

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it as a person or a system does; it ends in time, and well."""
        self.process.send_signal(number)
        with trio.fail_after(STOP_SECONDS):
            exit_code = await self.process.wait()
        assert exit_code == 0, self.complaints.decode()
        await self._read_all()

    async def kill(self) -> None:
        """End it without giving it a chance to do anything."""
        self.process.kill()
        with trio.fail_after(WAIT_SECONDS):
            await self.process.wait()
        await self._read_all()

    async def _read_all(self) -> None:
        with trio.fail_after(WAIT_SECONDS):
            await self._ended.wait()

    async def _read_stdout(self) -> None:
        assert self.process.stdout is not None
        with self._unread:
            async for octets in self.process.stdout:
                self.log += octets
                self._news.unpark_all()
        self._ended.set()
        self._news.unpark_all()

    async def _read_stderr(self) -> None:
        assert self.process.stderr is not None
        async for octets in self.process.stderr:
            self.complaints += octets
