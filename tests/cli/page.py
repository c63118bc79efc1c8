"""Commands, and the running labs that they ask."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import attrs
import trio
from click.testing import CliRunner, Result

from maillab import Lab, open_lab
from maillab.cli.main import cli
from maillab.lab.load import parse_lab
from maillab.network.endpoint import Endpoint
from maillab.network.memory import MemoryNetwork
from maillab.web.site import Website

WAIT_SECONDS: Final = 30.0  # for what takes a second; it only bounds a test that hangs
ANY_PORT: Final = Endpoint("127.0.0.1", 0)


@attrs.frozen
class Asked:
    """A lab, and what the shell says to the commands that are to ask it."""

    lab: Lab
    environment: dict[str, str]

    @property
    def url(self) -> str:
        return self.environment["MAILLAB_URL"]

    async def maillab(self, *arguments: str, said: str | bytes | None = None) -> Result:
        """Run a command to its end, with `said` as its standard input."""
        return await maillab(*arguments, said=said, **self.environment)

    @asynccontextmanager
    async def process(self, *arguments: str, **environment: str) -> AsyncIterator[Command]:
        """Run a command in a process of its own."""
        async with process(*arguments, **(self.environment | environment)) as running:
            yield running


@asynccontextmanager
async def asked_lab(lab: str = "two-schools", password: str = "", at: Endpoint = ANY_PORT) -> AsyncIterator[Asked]:
    """A lab (a name, or the text of a lab file) whose servers are in memory, with a page at a real port."""
    site = Website(at, password=password or None)
    spec = parse_lab(lab, "test") if "\n" in lab else lab
    async with open_lab(spec, addressing="hosts", network=MemoryNetwork(), page=site, crash_ends_all=True) as running:
        (ready,) = (record for record in running.recorder.records if record["event"] == "lab.ready")
        yield Asked(running, {"MAILLAB_URL": f"http://{ready['web']}", "MAILLAB_PASSWORD": password, "COLUMNS": "160"})


async def maillab(*arguments: str, said: str | bytes | None = None, **environment: str) -> Result:
    """Run a command to its end: in a thread, since it is a Trio program of its own."""
    invoke = functools.partial(CliRunner().invoke, cli, arguments, input=said, env=environment)
    return await trio.to_thread.run_sync(invoke)


class Command:
    """A command in a process of its own, for what is typed and interrupted."""

    def __init__(self, running: trio.Process) -> None:
        assert running.stdin is not None
        assert running.stdout is not None
        assert running.stderr is not None
        self.running = running
        self.typed = running.stdin
        self.output = Heard(running.stdout)
        self.errors = Heard(running.stderr)

    async def ended(self) -> int:
        """Its exit code."""
        with trio.fail_after(WAIT_SECONDS):
            return await self.running.wait()


class Heard:
    """What a command prints."""

    def __init__(self, stream: trio.abc.ReceiveStream) -> None:
        self._stream = stream
        self.octets = b""

    @property
    def text(self) -> str:
        return self.octets.decode()

    async def until(self, text: str) -> str:
        """All that was printed, once `text` was."""
        with trio.fail_after(WAIT_SECONDS):
            while text not in self.text:
                octets = await self._stream.receive_some()
                assert octets, f"{text!r} never came, but {self.text!r}"
                self.octets += octets
        return self.text

    async def rest(self) -> str:
        """All that it printed to its end."""
        with trio.fail_after(WAIT_SECONDS):
            async for octets in self._stream:
                self.octets += octets
        return self.text


@asynccontextmanager
async def process(*arguments: str, **environment: str) -> AsyncIterator[Command]:
    """Run a command in a process of its own; it is killed when the block leaves it running."""
    async with trio.open_nursery() as nursery:
        running: trio.Process = await nursery.start(
            functools.partial(
                trio.run_process,
                [sys.executable, "-m", "maillab", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                check=False,
                env={**os.environ, **environment},
            )
        )
        yield Command(running)
        nursery.cancel_scope.cancel()
