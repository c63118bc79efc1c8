"""`maillab watch`: what happens, while it happens."""

from __future__ import annotations

import json
import signal

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from maillab.cli.watch import HOP_EVENTS, show_in_order
from maillab.trace.record import EVENTS, Record
from tests.cli.page import Asked, asked_lab, process


async def one_mail(asked: Asked, subject: str = "Hallo") -> None:
    await asked.lab.send("anna@nord.example", "ben@sued.example", subject=subject)
    await asked.lab.mailbox("ben@sued.example").wait_for_message(subject=subject)


async def test_a_line_for_each_hop_until_ctrl_c(asked: Asked) -> None:
    """Each step of a message is a line, without the dialogue and, as this is no terminal, without colours."""
    async with asked.process("watch") as command:
        await command.errors.until(f"watching two-schools at {asked.url}; Ctrl-C ends\n")
        await one_mail(asked, "Hallo\u202e")
        await command.output.until("stored for ben@sued.example, uid 1\n")
        command.running.send_signal(signal.SIGINT)
        lines = (await command.output.rest()).splitlines()
        assert await command.ended() == 0
        assert (await command.errors.rest()).count("\n") <= 2  # and the end of the line with ^C
    assert sum("accepted as" in line for line in lines) == 3
    assert sum("relayed to relay.example" in line for line in lines) == 1
    assert not any("Server: " in line for line in lines)
    assert all(line.isprintable() for line in lines)


async def test_json_with_dialogue_is_a_log(asked: Asked) -> None:
    """What it prints can be drawn by `trace --from-log`: every record as one line of JSON."""
    async with asked.process("watch", "--json", "--dialogue") as command:
        await command.errors.until("watching")
        before = asked.lab.recorder.seq
        await one_mail(asked)
        await wait_all_tasks_blocked(0.05)
        latest = asked.lab.recorder.records[-1]
        await command.output.until(f'"seq":{latest["seq"]},')
        command.running.send_signal(signal.SIGINT)
        log = await command.output.rest()
    records = [json.loads(line) for line in log.splitlines()]
    assert records[: latest["seq"] - before] == asked.lab.recorder.after(before)[: latest["seq"] - before]
    assert any(record["event"] == "smtp.command" for record in records)


async def test_several_labs_are_merged() -> None:
    """Each is followed, and all is shown together."""
    async with asked_lab() as one, asked_lab() as other:
        environment = one.environment | {"MAILLAB_URL": f"{one.url} {other.url}"}
        async with process("watch", "--json", **environment) as command:
            await command.errors.until(f"at {one.url}")
            await command.errors.until(f"at {other.url}")
            await one_mail(other, "second")
            await one_mail(one, "first")
            await command.output.until(one.lab.recorder.run)
            await command.output.until(other.lab.recorder.run)
            command.running.send_signal(signal.SIGINT)
            records = [json.loads(line) for line in (await command.output.rest()).splitlines()]
    assert {record["run"] for record in records} == {one.lab.recorder.run, other.lab.recorder.run}


async def test_one_of_several_labs_that_is_not_there_is_told(asked: Asked) -> None:
    """The others would hide that it is missing, so nothing is watched."""
    result = await asked.maillab("watch", "--url", asked.url, "--url", "127.0.0.1:1")
    assert result.exit_code == 1
    assert "no lab answers at http://127.0.0.1:1 " in result.stderr


async def test_records_are_shown_by_their_time(autojump_clock: MockClock) -> None:
    """An earlier record of another lab that comes a little later is shown before; each lab keeps its order."""
    shown: list[Record] = []
    incoming, records = trio.open_memory_channel[Record](10)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(show_in_order, records, shown.append, 0.25)
        await incoming.send({"at": "2026-11-23T13:00:00.002Z", "run": "b", "seq": 1})
        await incoming.send({"at": "2026-11-23T13:00:00.002Z", "run": "b", "seq": 2})
        await trio.sleep(0.2)
        assert shown == []
        await incoming.send({"at": "2026-11-23T13:00:00.001Z", "run": "a", "seq": 7})
        await trio.sleep(0.3)
        assert [record["seq"] for record in shown] == [7, 1, 2]
        await incoming.send({"at": "2026-11-23T13:00:00.000Z", "run": "a", "seq": 8})
        await trio.sleep(0.3)
        assert [record["seq"] for record in shown] == [7, 1, 2, 8]
        nursery.cancel_scope.cancel()


async def test_without_a_window_a_record_is_shown_at_once(autojump_clock: MockClock) -> None:
    """One lab tells in order by itself: there is nothing to wait for."""
    shown: list[Record] = []
    incoming, records = trio.open_memory_channel[Record](10)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(show_in_order, records, shown.append, 0.0)
        await incoming.send({"at": "2026-11-23T13:00:00.002Z"})
        await wait_all_tasks_blocked()
        assert len(shown) == 1
        assert trio.current_time() == 0
        nursery.cancel_scope.cancel()


def test_hops_are_events() -> None:
    """What is shown without --dialogue is in the closed list of events."""
    assert EVENTS.keys() >= HOP_EVENTS
