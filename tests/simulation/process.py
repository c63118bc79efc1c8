"""A process that runs some servers of the lab: it lives, dies by its crashes, and lives again from what it has kept."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import attrs
import trio

from maillab import Lab, open_lab
from maillab.faults.fault import Fault
from maillab.trace.record import Record
from tests.simulation.determinism import chance_of
from tests.simulation.disk import Disk, new_disk
from tests.simulation.machine import Machine, Wire
from tests.simulation.plan import Crash, Death, Plan, Trigger

RECORDS_LIMIT_COUNT: Final = 60_000  # of a whole run: more is a lab that will not come to rest


@attrs.frozen
class Told:
    """A record, and who wrote it when; what a process had not written when it died is in none."""

    process: int
    life: int
    record: Record


@attrs.frozen
class Ended:
    """The end of a life that was not the last one."""

    process: int
    life: int
    at: float
    crash: Crash
    commit_untold: bool
    """The last COMMIT was in the same instant: what it did may be in no record."""


class CrashedError(Exception):
    """Our own code failed; the simulation knows nothing worse."""


class Process:
    """Some servers, one database, one life after the other."""

    def __init__(
        self, plan: Plan, number: int, wire: Wire, told: list[Told], ended: list[Ended], ahead: Callable[[], float]
    ) -> None:
        """`ahead` tells how far the lab's clock was moved on meanwhile."""
        self.hosts: Sequence[str] = plan.processes[number]
        self.disk: Disk = new_disk()
        self.begun = trio.Event()
        """It runs, or has died before it did."""
        self.lab: Lab | None = None
        """None while it is down."""
        self._plan = plan
        self._number = number
        self._wire = wire
        self._told = told
        self._ended = ended
        self._ahead = ahead
        self._crashes = deque(crash for crash in plan.crashes if crash.process == number)
        self._crash: Crash | None = None  # what this life ends by, if it does
        self._counts = dict.fromkeys(Trigger, 0)
        self._life = 0
        self._machine: Machine | None = None
        self._scope = trio.CancelScope()
        self._down_seconds = 0.0
        self._up = trio.Event()
        self._heal = trio.Event()
        self._faults: dict[str, Fault] = {}

    async def run(self) -> None:
        """Live until cancelled."""
        while True:
            self._life += 1
            await self._live()
            self._up = trio.Event()
            with trio.move_on_after(self._down_seconds):
                await self._heal.wait()

    async def is_up(self) -> Lab:
        """Wait for it; gives the lab."""
        await self._up.wait()
        assert self.lab is not None
        return self.lab

    def want(self, fault: Fault) -> None:
        """From now on, in this life and the next ones."""
        self._faults[fault.name] = fault
        if self.lab is not None:
            self.lab.faults.add(fault)

    def end(self, fault: Fault) -> None:
        """Not any more."""
        del self._faults[fault.name]
        if self.lab is not None:
            self.lab.faults.clear(fault.name)

    def heal(self) -> None:
        """No crash any more, and back to life."""
        self._crashes.clear()
        self._crash = None
        self._heal.set()

    async def _live(self) -> None:
        plan, number = self._plan, self._number
        self._crash = self._crashes.popleft() if self._crashes else None
        self._counts = dict.fromkeys(Trigger, 0)
        self._scope = trio.CancelScope()
        addresses = [server.address for server in plan.spec.servers if server.host in self.hosts]
        machine = self._machine = Machine(self._wire, addresses, self._last_octets, self._end)
        disk = self.disk
        disk.is_cut = False
        disk.before_commit = lambda: self._count(Trigger.BEFORE_COMMIT)
        disk.after_commit = lambda: self._count(Trigger.AFTER_COMMIT)
        chance = chance_of(plan.seed, "process", number, self._life)
        try:
            with self._scope:
                async with (
                    trio.open_nursery() as nursery,
                    open_lab(
                        plan.spec,
                        memory=disk,
                        only=() if len(plan.processes) == 1 else self.hosts,
                        network=machine,
                        chance=chance,
                        crash_ends_all=True,
                    ) as lab,
                ):
                    for record in lab.recorder.records:
                        self._hear(record)
                    lab.recorder.add_listener(self._hear)
                    if ahead_seconds := self._ahead():
                        lab.advance_clock(ahead_seconds)
                    for fault in self._faults.values():
                        lab.faults.add(fault)
                    self.lab = lab
                    self._up.set()
                    self.begun.set()
                    if self._crash is not None and self._crash.trigger is Trigger.TIME:
                        nursery.start_soon(self._end_at, self._crash)
                    await trio.sleep_forever()
        except Exception as error:
            if not machine.is_dead:
                raise CrashedError(f"{', '.join(self.hosts)}: {error!r}") from error
        finally:
            self.lab = None
            self.begun.set()
            machine.is_dead = True

    async def _end_at(self, crash: Crash) -> None:
        await trio.sleep(crash.count)
        if crash is self._crash:
            self._end()

    def _hear(self, record: Record) -> None:
        assert self._machine is not None
        if self._machine.is_dead:
            return
        self._told.append(Told(self._number, self._life, record))
        if len(self._told) > RECORDS_LIMIT_COUNT:
            raise CrashedError(f"the lab does not come to rest: {len(self._told)} records")
        self._count(Trigger.RECORD)

    def _count(self, trigger: Trigger) -> None:
        crash = self._crash
        if crash is None or crash.trigger is not trigger:
            return
        self._counts[trigger] += 1
        if self._counts[trigger] == crash.count:
            self._end()

    def _last_octets(self, octets: bytes) -> int | None:
        """How much of `octets` leaves, if these are the last."""
        crash = self._crash
        if crash is None or crash.trigger is not Trigger.SEND:
            return None
        self._counts[Trigger.SEND] += 1
        if self._counts[Trigger.SEND] != crash.count:
            return None
        return self._wire.chance.choice((0, len(octets) // 2, len(octets)))

    def _end(self) -> None:
        """The end of this life, now."""
        crash, self._crash = self._crash, None
        machine = self._machine
        if crash is None or machine is None or machine.is_dead:
            return
        untold = self.disk.last_commit_at == trio.current_time() and crash.death is not Death.STOP
        self._ended.append(Ended(self._number, self._life, trio.current_time(), crash, untold))
        self._down_seconds = crash.down_seconds
        if crash.death is not Death.STOP:
            self.disk.is_cut = True
            machine.die(silently=crash.death is Death.SILENT)
        self._scope.cancel()
