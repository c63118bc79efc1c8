"""A `maillab up` of its own process that is attacked, and measured meanwhile."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import attrs
import trio

from maillab.network.endpoint import Endpoint
from tests.abuse.attacks import Attack, Strength
from tests.interop.lab_process import command, environment

LAB: Final = """\
[lab]
name = "under-attack"

[[domain]]
name = "nord.example"
users = ["anna"]
smtp = "127.0.0.1:0"
"""
PAUSE_SECONDS: Final = 0.05  # between two visits of the client that means well
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 10.0
GREETING_SECONDS: Final = 60.0  # only bounds a lab that hangs; how long it took is a figure
_KIB: Final = 1024


@attrs.frozen
class Figures:
    """What one attack did to the lab.

    Attributes:
        name: of the attack.
        heard: the codes of the server's last replies to the attacker.
        seconds: how long it took.
        growth_octets: the most memory it had, less what it had before the first attack.
        greetings: how many clients came meanwhile.
        slowest_seconds: how long the one of them waited who waited longest for the greeting.
    """

    name: str
    heard: str
    seconds: float
    growth_octets: int
    greetings: int
    slowest_seconds: float


class LabUnderAttack:
    """A lab in a process of its own."""

    def __init__(self, pid: int, server: Endpoint) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self._peak_reset = Path(f"/proc/{pid}/clear_refs")
        self._server = server
        self._memory_before = 0

    async def warm_up(self) -> None:
        """Let a mail in, so that what every lab needs sooner or later is there before it is measured."""
        async with await trio.open_tcp_stream(*self._server) as stream:
            await stream.send_all(
                b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<anna@nord.example>\r\nDATA\r\nSubject: x\r\n\r\n.\r\nQUIT\r\n"
            )
            async for _ in stream:
                pass
        self._memory_before = self._memory("VmRSS")

    async def suffer(self, attack: Attack, strength: Strength) -> Figures:
        """Measure `attack`; the peak of memory is of this attack alone."""
        self._peak_reset.write_text("5")  # Linux: VmHWM begins anew
        waits: list[float] = []
        started_at = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._visit_again_and_again, waits)
            heard = await attack.launch(self._server, strength)
            seconds = trio.current_time() - started_at
            await self._visit(waits)  # one comes after it at least
            nursery.cancel_scope.cancel()
        growth = self._memory("VmHWM") - self._memory_before
        return Figures(attack.name, heard, seconds, growth, len(waits), max(waits))

    async def _visit_again_and_again(self, waits: list[float]) -> None:
        while True:
            await self._visit(waits)
            await trio.sleep(PAUSE_SECONDS)

    async def _visit(self, waits: list[float]) -> None:
        """Connect, be greeted, say QUIT."""
        began_at = trio.current_time()
        with trio.fail_after(GREETING_SECONDS):
            async with await trio.open_tcp_stream(*self._server) as stream:
                greeting = await stream.receive_some()
                waits.append(trio.current_time() - began_at)
                assert greeting.startswith(b"220 "), greeting
                await stream.send_all(b"QUIT\r\n")
                async for _ in stream:
                    pass

    def _memory(self, key: str) -> int:
        lines = self._status.read_text().splitlines()
        return next(int(line.split()[1]) * _KIB for line in lines if line.startswith(f"{key}:"))


@contextlib.asynccontextmanager
async def lab_under_attack(folder: Path) -> AsyncIterator[LabUnderAttack]:
    """`maillab up` while the context lasts, its log read and thrown away; `folder` is for its lab file."""
    if sys.platform != "linux":
        raise RuntimeError("memory is measured by /proc, which Linux has")
    lab_file = folder / "lab.toml"
    lab_file.write_text(LAB)
    process = await trio.lowlevel.open_process(
        command("up", lab_file, "--log", "json"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env=environment(),
    )
    assert process.stdout is not None
    log = process.stdout
    try:
        async with trio.open_nursery() as nursery:
            first_line = b""
            with trio.fail_after(START_SECONDS):
                while b"\n" not in first_line:
                    octets = await log.receive_some()
                    assert octets, "the lab did not start"
                    first_line += octets
            (server,) = json.loads(first_line.partition(b"\n")[0])["servers"]
            nursery.start_soon(_read_on, log)
            lab = LabUnderAttack(process.pid, Endpoint.parse(server["smtp"]))
            await lab.warm_up()
            yield lab
            process.terminate()
            with trio.fail_after(STOP_SECONDS):
                assert await process.wait() == 0
            nursery.cancel_scope.cancel()
    finally:
        if process.returncode is None:
            process.kill()


async def _read_on(log: trio.abc.ReceiveStream) -> None:
    async for _ in log:
        pass
