"""Servers as processes: started, measured by the CPU time that the system accounts to them, stopped."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import attrs

from tests.benchmarks.load import Load, Task

START_TIMEOUT_SECONDS: Final = 30.0
STOP_TIMEOUT_SECONDS: Final = 10.0
STORED_TIMEOUT_SECONDS: Final = 300.0
POLL_SECONDS: Final = 0.02
TICK_SECONDS: Final = 1 / os.sysconf("SC_CLK_TCK")  # no CPU time is known more finely
# Fields of /proc/PID/stat behind the name in brackets, proc(5): session; utime, stime, cutime, cstime.
_SESSION: Final = 3
_TIMES: Final = slice(11, 15)


@attrs.frozen
class Server:
    """A server that runs.

    Attributes:
        pids: of its first processes, each of which leads a session of its own.
        port: where mail goes in.
        stored_count: how many messages lie in the last mailbox; None where they are thrown away.
    """

    pids: tuple[int, ...]
    port: int
    stored_count: Callable[[], int] | None = None

    def cpu_seconds(self) -> float:
        """CPU time of all its processes, those that have ended included."""
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                fields = stat.read_text().rpartition(")")[2].split()
                if int(fields[_SESSION]) in self.pids:
                    ticks += sum(map(int, fields[_TIMES]))
        return ticks * TICK_SECONDS

    def wait_until_stored(self, count: int) -> float:
        """Wait until `count` messages are stored; gives the time, in seconds since 1970."""
        assert self.stored_count is not None  # else there is nothing to wait for
        deadline = time.monotonic() + STORED_TIMEOUT_SECONDS
        while (stored := self.stored_count()) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{stored} of {count} messages stored after {STORED_TIMEOUT_SECONDS:.0f} s")
            time.sleep(POLL_SECONDS)
        return time.time()


@contextlib.contextmanager
def running(command: list[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run `command` in a session of its own; SIGTERM ends it, and its rest with it."""
    process = subprocess.Popen(command, start_new_session=True, **options)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


@contextlib.contextmanager
def discarding_server() -> Iterator[Server]:
    """The SMTP server aiosmtpd, with a handler that throws mail away."""
    command = [sys.executable, "-m", "tests.benchmarks.discard"]
    with running(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None  # it is a pipe
        yield Server((process.pid,), int(process.stdout.readline()))


def drive(task: Task) -> Load:
    """Send the load from a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.load"]
    done = subprocess.run(command, input=json.dumps(attrs.asdict(task)).encode(), stdout=subprocess.PIPE, check=True)
    return Load(**json.loads(done.stdout))


def wait_for(what: str, process: subprocess.Popen[bytes], ready: Callable[[], bool]) -> None:
    """Wait until a server that was started is `ready`."""
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while not ready():
        if process.poll() is not None:
            raise RuntimeError(f"{what} ended at once, with code {process.returncode}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not start within {START_TIMEOUT_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)


def free_ports(count: int) -> list[int]:
    """Ports that nobody has now, for a server that cannot be asked which one it took."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True
