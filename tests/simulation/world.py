"""One run: a plan happens, all is healed, and the lab goes on until it is at rest."""

from __future__ import annotations

import hashlib
import traceback
from typing import Final

import attrs
import orjson
import trio
import trio.testing

from maillab.lab.lab import Lab
from tests.simulation.client import Attempt, send
from tests.simulation.determinism import chance_of, seeded_scheduling
from tests.simulation.machine import Machine, Wire
from tests.simulation.plan import CLIENT_ADDRESS, Jump, Plan, Shock
from tests.simulation.process import Ended, Process, Told

LOOK_AGAIN_SECONDS: Final = 100.0
SILENCE_SECONDS: Final = 4000.0  # longer than anybody waits: what is open then will be open for ever


@attrs.frozen
class Stored:
    """A message in a mailbox, as its reader gets it."""

    host: str
    mailbox: str
    uid: int
    queue_id: str
    octets: bytes


@attrs.define(eq=False)
class Run:
    """All that a run has left behind; the ledger judges it.

    Attributes:
        restless: why the lab did not come to rest; "" where it did.
        rows: how many rows are left in tables that should be empty, by what is wrong with them.
        open_count: connections that nobody has closed after a long silence.
    """

    plan: Plan
    attempts: list[Attempt] = attrs.field(factory=list)
    told: list[Told] = attrs.field(factory=list)
    ended: list[Ended] = attrs.field(factory=list)
    jumps: list[Jump] = attrs.field(factory=list)
    stored: list[Stored] = attrs.field(factory=list)
    rows: dict[str, int] = attrs.field(factory=dict)
    restless: str = ""
    open_count: int = 0
    send_count: int = 0
    reset_count: int = 0

    @property
    def digest(self) -> str:
        """Equal for equal runs: of all records, all that clients heard, and all that is in the mailboxes."""
        seen = hashlib.sha256()
        for told in self.told:
            seen.update(orjson.dumps((told.process, told.life, told.record)))
        for attempt in self.attempts:
            seen.update(orjson.dumps((attempt.name, attempt.at, attempt.verdict.value, attempt.said)))
        for stored in self.stored:
            seen.update(f"{stored.mailbox} {stored.uid} {stored.queue_id}".encode() + stored.octets)
        return seen.hexdigest()


class _World:
    """A run while it happens."""

    def __init__(self, plan: Plan) -> None:
        self.run = Run(plan)
        self._plan = plan
        self._ahead_seconds = 0.0
        self._wire = Wire(plan.weather, chance_of(plan.seed, "wire"))
        self._processes = [
            Process(plan, number, self._wire, self.run.told, self.run.ended, lambda: self._ahead_seconds)
            for number in range(len(plan.processes))
        ]

    async def happen(self) -> None:
        async with trio.open_nursery() as lab:
            for process in self._processes:
                lab.start_soon(process.run)
            for process in self._processes:
                await process.begun.wait()
            async with trio.open_nursery() as events:
                self._start_clients(events)
                for jump in self._plan.jumps:
                    events.start_soon(self._jump, jump)
                for shock in self._plan.shocks:
                    events.start_soon(self._shock, shock)
                events.start_soon(self._heal)
            await self._rest()
            await self._collect([await process.is_up() for process in self._processes])
            lab.cancel_scope.cancel()
        for process in self._processes:
            process.disk.close()

    def _start_clients(self, events: trio.Nursery) -> None:
        address_of = {server.host: server.address for server in self._plan.spec.servers}
        machine = Machine(self._wire, [CLIENT_ADDRESS])
        for letter in self._plan.letters:
            events.start_soon(send, letter, machine, address_of[letter.server], self.run.attempts)

    async def _jump(self, jump: Jump) -> None:
        await trio.sleep(jump.at)
        self.run.jumps.append(Jump(trio.current_time(), jump.seconds))
        self._ahead_seconds += jump.seconds
        for process in self._processes:
            if process.lab is not None:
                process.lab.advance_clock(jump.seconds)

    async def _shock(self, shock: Shock) -> None:
        await trio.sleep(shock.at)
        for process in self._processes:
            process.want(shock.fault)
        await trio.sleep(max(0.0, min(shock.seconds, self._plan.heal_at - shock.at)))
        for process in self._processes:
            process.end(shock.fault)

    async def _heal(self) -> None:
        await trio.sleep(self._plan.heal_at)
        self._wire.is_healed = True
        for process in self._processes:
            process.heal()

    async def _rest(self) -> None:
        """Wait until nothing is queued anywhere; healed, that takes no longer than the longest of all retries."""
        retry = self._plan.spec.retry
        limit_seconds = 2 * retry.give_up_after_seconds + 10 * SILENCE_SECONDS
        with trio.move_on_after(limit_seconds) as scope:
            while any(self._queued(process) for process in self._processes):  # noqa: ASYNC110  of many places, none tells
                await trio.sleep(LOOK_AGAIN_SECONDS)
        if scope.cancelled_caught:
            self.run.restless = f"mail is still queued {limit_seconds:.0f} s after all was healed"
        await trio.sleep(SILENCE_SECONDS)

    def _queued(self, process: Process) -> int:
        return _count(process, "SELECT count(*) FROM queue_recipient") if process.lab is not None else 1

    async def _collect(self, labs: list[Lab]) -> None:
        run = self.run
        for process, lab in zip(self._processes, labs, strict=True):
            for mailbox, host in lab.mailboxes().items():
                for message in lab.mailbox(mailbox).messages():
                    run.stored.append(Stored(host, mailbox, message.uid, message.entry.queue_id, message.octets))
            for wrong, query in ORPHANS.items():
                run.rows[wrong] = run.rows.get(wrong, 0) + _count(process, query)
        run.open_count = sum(len(machine.streams) for machine in set(self._wire.machines.values()))
        run.send_count, run.reset_count = self._wire.send_count, self._wire.reset_count


ORPHANS: Final = {
    "queue rows": "SELECT count(*) FROM queue",
    "recipients without a message": "SELECT count(*) FROM queue_recipient",
    "messages whose uses are miscounted": (
        "SELECT count(*) FROM message WHERE uses <>"
        " (SELECT count(*) FROM mailbox_entry WHERE mailbox_entry.message_id = message.message_id"
        " AND mailbox_entry.server = message.server)"
    ),
    "messages without octets": (
        "SELECT count(*) FROM message WHERE message_id NOT IN (SELECT message_id FROM message_octets)"
    ),
    "octets of no message": (
        "SELECT count(*) FROM message_octets WHERE message_id NOT IN (SELECT message_id FROM message)"
    ),
    "mailbox entries without a message": (
        "SELECT count(*) FROM mailbox_entry WHERE message_id NOT IN (SELECT message_id FROM message)"
    ),
    "UIDs that will be given again": (
        "SELECT count(*) FROM mailbox_entry JOIN mailbox USING (server, mailbox) WHERE uid >= next_uid"
    ),
}


def _count(process: Process, query: str) -> int:
    (count,) = process.disk.execute(query).fetchone()
    return int(count)


def happen(plan: Plan) -> Run:
    """Let `plan` happen, from the first octet to rest."""
    world = _World(plan)
    with seeded_scheduling(plan.seed):
        try:
            trio.run(world.happen, clock=trio.testing.MockClock(autojump_threshold=0))
        except Exception as error:
            world.run.restless = "".join(traceback.format_exception(error))
    return world.run
