"""`maillab up` as a process that may be killed at any moment."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.interop.lab_process import command, environment

READY_SECONDS: Final = 60.0  # they only bound a run that hangs
STOP_SECONDS: Final = 30.0
_READY: Final = b'"event":"lab.ready"'
_STATUS: Final = "/proc/{}/status"


class EndedTooSoonError(Exception):
    """The process ended instead of being ready; `str()` is what it said on stderr."""


class Process:
    """A running `maillab up`; leaving the context kills what still runs."""

    def __init__(self, *arguments: object, stderr: Path, within: Sequence[str] = ()) -> None:
        """`within` is what stands before it, such as strace; what it says on stderr is added to that file."""
        self._stderr = stderr
        self._ready = threading.Event()
        self.seconds_to_ready = 0.0
        """From the start of the process to the moment that its servers answer."""
        self._started = time.monotonic()
        with stderr.open("ab") as said:
            self._said_before = said.tell()
            self.popen = subprocess.Popen(
                [*within, *command("up", *arguments, "--log", "json")],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                env=environment(),
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def said(self) -> str:
        """What it said on stderr."""
        with self._stderr.open("rb") as said:
            said.seek(self._said_before)
            return said.read().decode(errors="replace")

    @property
    def is_ready(self) -> bool:
        """Whether its servers answer."""
        return self.seconds_to_ready > 0

    def wait_until_ready(self) -> float:
        """Wait for `lab.ready`; gives the seconds that it took.

        Raises:
            EndedTooSoonError: it ended before that.
            TimeoutError: it does neither.
        """
        if not self._ready.wait(READY_SECONDS):
            raise TimeoutError(f"not ready after {READY_SECONDS:.0f} s")
        if not self.seconds_to_ready:
            self.popen.wait()
            raise EndedTooSoonError(self.said)
        return self.seconds_to_ready

    def kill(self) -> None:
        """SIGKILL: it gets no chance to do anything."""
        if self.popen.poll() is None:
            self.popen.kill()
        self.wait()

    def stop(self) -> int:
        """SIGTERM, as a person or a system ends it; gives the exit code."""
        self.popen.terminate()
        return self.wait()

    def wait(self) -> int:
        """Until it has ended; gives the exit code."""
        code = self.popen.wait(STOP_SECONDS)
        self._reader.join()
        return code

    @property
    def memory_octets(self) -> int:
        """What it holds of the machine's memory now."""
        return self._status("VmRSS")

    @property
    def most_memory_octets(self) -> int:
        """The most that it ever held."""
        return self._status("VmHWM")

    def _status(self, field: str) -> int:
        lines = Path(_STATUS.format(self.popen.pid)).read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))

    def _read(self) -> None:
        """Read all that it says on stdout: a pipe that nobody reads makes the lab wait."""
        assert self.popen.stdout is not None  # it is a pipe
        said = b""
        while octets := os.read(self.popen.stdout.fileno(), 1 << 16):
            if not self.seconds_to_ready:
                said += octets
                if _READY in said:
                    self.seconds_to_ready = time.monotonic() - self._started
                    self._ready.set()
        self.popen.stdout.close()
        self._ready.set()
