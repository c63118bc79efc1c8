"""Relays: several in a row, and one that keeps mail until the next host is back."""

from __future__ import annotations

from typing import Final

import trio
from trio.testing import MockClock

from maillab.mailserver.delivery import CONNECTIONS_PER_NEXT_HOP
from tests.labs import NORD, SUED, memory_lab, records_of, subjects

ANNA: Final = "anna@nord.example"
BEN: Final = "ben@sued.example"
CHAIN: Final = """
[lab]
name = "chain"
[[domain]]
name = "nord.example"
users = ["anna"]
smarthost = "one.example"
[[domain]]
name = "sued.example"
users = ["ben"]
[[relay]]
host = "one.example"
smarthost = "two.example"
[[relay]]
host = "two.example"
smarthost = "three.example"
[[relay]]
host = "three.example"
[retry]
after_seconds = [60, 600, 3600]
"""
BACKUP: Final = """
[lab]
name = "backup"
[[domain]]
name = "nord.example"
users = ["anna"]
[[domain]]
name = "sued.example"
users = ["ben"]
[[relay]]
host = "backup.example"
relays_for = ["sued.example"]
[retry]
after_seconds = [60, 600, 3600]
[dns]
records = [{ name = "sued.example", type = "MX", value = "20 backup.example" }]
"""
GONE: Final = ["172.16.99.1"]
BACK: Final = ["172.16.2.1"]


async def test_mail_goes_through_several_relays(autojump_clock: MockClock) -> None:
    """Three smarthosts in a row, and the last one asks DNS."""
    async with memory_lab(CHAIN) as lab:
        await lab.send(ANNA, BEN, subject="Hello")
        message = await lab.wait_for_message(to=BEN)
        assert message.path == [NORD, "one.example", "two.example", "three.example", SUED]


async def test_what_the_last_server_refuses_comes_back_from_the_last_relay(autojump_clock: MockClock) -> None:
    """Each relay has done its part when the next one has the mail; one report comes, from the one that has it."""
    async with memory_lab(CHAIN) as lab:
        await lab.send(ANNA, "nobody@sued.example")
        report = await lab.wait_for_message(to=ANNA)
        assert report.path == ["three.example", NORD]
        await trio.sleep(10)
        assert len(records_of(lab, "bounce.created")) == 1


async def test_a_relay_drains_when_the_next_host_is_back(autojump_clock: MockClock) -> None:
    """Forty mails wait at the last relay; when their time comes, they leave over few connections, each once."""
    numbers = [str(n) for n in range(40)]
    async with memory_lab(CHAIN) as lab:
        lab.zones.set(SUED, "A", GONE)
        for number in numbers:
            await lab.send(ANNA, BEN, subject=number)
        await trio.sleep(30)
        assert [host for host, _ in lab.queue()] == ["three.example"] * 40
        lab.zones.set(SUED, "A", BACK)
        await trio.sleep(3600)
        assert sorted(subject or "" for subject in subjects(lab, BEN)) == sorted(numbers)
        assert lab.queue() == []
        opened = records_of(lab, "connection.opened", side="client", server="three.example")
        assert len(opened) <= CONNECTIONS_PER_NEXT_HOP
        assert records_of(lab, "delivery.duplicate") == []


async def test_new_mail_passes_the_backup_when_the_primary_is_back(autojump_clock: MockClock) -> None:
    """The backup takes what the primary cannot, and keeps it; new mail goes straight to the primary again."""
    async with memory_lab(BACKUP) as lab:
        lab.zones.set(SUED, "A", GONE)
        for n in range(20):
            await lab.send(ANNA, BEN, subject=f"old {n}")
        await trio.sleep(30)
        assert [host for host, _ in lab.queue()] == ["backup.example"] * 20
        lab.zones.set(SUED, "A", BACK)
        await lab.send(ANNA, BEN, subject="new")
        assert (await lab.wait_for_message(to=BEN, subject="new", timeout_seconds=1)).path == [NORD, SUED]
        lab.advance_clock(3600)
        await trio.sleep(1)
        assert len(subjects(lab, BEN)) == 21
        assert lab.queue() == []
        assert not records_of(lab, "bounce.created")
