"""The labs that ship do what they are there to show."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from maillab.lab.load import load_lab
from maillab.mailserver.reception import RECEIVED_LIMIT
from tests.labs import memory_lab, records_of, subjects

ANNA, BEN = "anna@nord.example", "ben@sued.example"


async def test_backup_mx(autojump_clock: MockClock) -> None:
    """With the best host gone the backup keeps the mail, and passes it on when it is back."""
    async with memory_lab(load_lab("backup-mx")) as lab:
        lab.zones.set("mail.sued.example", "A", ["172.16.99.1"])
        await lab.send(ANNA, BEN, subject="Hello")
        await trio.sleep(60)
        assert subjects(lab, BEN) == []
        assert [record["next_hop"] for record in records_of(lab, "delivery.relayed")] == ["backup.example"]
        lab.zones.set("mail.sued.example", "A", ["172.16.2.1"])
        lab.advance_clock(3600)
        message = await lab.wait_for_message(to=BEN)
        assert message.path == ["mail.nord.example", "backup.example", "mail.sued.example"]


async def test_bounce(autojump_clock: MockClock) -> None:
    """A typo in the address is found out behind the relay, and comes back."""
    async with memory_lab(load_lab("bounce")) as lab:
        await lab.send(ANNA, "bne@sued.example", subject="Typo")
        notice = await lab.wait_for_message(to=ANNA)
        assert notice.path == ["relay.example", "mail.nord.example"]
        assert b"550 5.1.1" in notice.octets


async def test_later(autojump_clock: MockClock) -> None:
    """Who is new has to come again, and the queue does."""
    async with memory_lab(load_lab("later")) as lab:
        await lab.send(ANNA, BEN, subject="Hello")
        await trio.sleep(1)
        (deferred,) = records_of(lab, "delivery.deferred")
        assert deferred["code"] == 451
        (checked,) = records_of(lab, "policy.checked", policy="greylist")
        assert checked["result"] == "deferred"
        lab.advance_clock(120)
        await lab.wait_for_message(to=BEN)
        await lab.send(ANNA, BEN, subject="Again")  # no longer new
        await lab.wait_for_message(to=BEN, subject="Again", timeout_seconds=5)


async def test_loop(autojump_clock: MockClock) -> None:
    """More than fifty Received lines are a loop: it ends there, and the sender hears of it once."""
    async with memory_lab(load_lab("loop")) as lab:
        sent = await lab.send(ANNA, BEN, subject="Where is it?")
        notice = await lab.wait_for_message(to=ANNA)
        assert b"5.4.6" in notice.octets
        await trio.sleep(60)
        assert len(subjects(lab, ANNA)) == 1
        assert len(records_of(lab, "bounce.created")) == 1
        assert len(records_of(lab, "message.accepted", trace=sent.trace)) == RECEIVED_LIMIT + 1
        (checked,) = records_of(lab, "policy.checked", policy="hops")
        assert (checked["result"], checked["reason"]) == ("refused", f"{RECEIVED_LIMIT + 1} Received lines")
        assert lab.queue() == []


async def test_five_days_of_retries(autojump_clock: MockClock) -> None:
    """The whole of the default plan, up to the report that it was in vain, in no time."""
    async with memory_lab(load_lab("backup-mx")) as lab:
        lab.zones.set("mail.sued.example", "A", ["172.16.99.1"])
        lab.zones.set("sued.example", "MX", ["10 mail.sued.example"])
        start = trio.current_time()
        await lab.send(ANNA, BEN, subject="Hello")
        await lab.wait_for_message(to=ANNA, subject="Undeliverable mail", timeout_seconds=10 * 86400)
        assert 5 * 86400 <= trio.current_time() - start < 5 * 86400 + 10
        assert subjects(lab, ANNA) == ["Delayed mail", "Undeliverable mail"]


async def test_faults(autojump_clock: MockClock) -> None:
    """Busy twice, then accepted with a reply that is lost, over a slow line; and Ben has one mail."""
    async with memory_lab(load_lab("faults")) as lab:
        await lab.send(ANNA, BEN, subject="Hello")
        await trio.sleep(600)
        assert subjects(lab, BEN) == ["Hello"]
        assert [fault.name for fault in lab.faults.faults] == ["busy", "slow", "lost-reply"]
        assert (lab.faults.fired_count("busy"), lab.faults.fired_count("lost-reply")) == (2, 1)
        assert lab.faults.fired_count("slow") >= 2  # once for each connection
        replies = [record["reply"] for record in records_of(lab, "delivery.deferred")]
        assert replies == ["450 4.2.0 Mailbox busy"] * 2
        (duplicate,) = records_of(lab, "delivery.duplicate")
        assert duplicate["recipients"] == [BEN]
        sent = await lab.send(ANNA, "x.550@sued.example", subject="Hello")
        notice = await lab.wait_for_message(to=ANNA)
        assert b"550 5.2.0" in notice.octets
        assert records_of(lab, "fault.injected", fault="fault-address")[0]["server"] == "mail.sued.example"
        assert sent.trace is not None
