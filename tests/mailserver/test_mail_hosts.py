"""Which host mail goes to: MX by preference, another one when the best is down, and none where there is none."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tests.labs import NORD, RELAY, SUED, memory_lab, records_of

DIRECT = """
[lab]
name = "direct"
[[domain]]
name = "nord.example"
users = ["anna"]
[[domain]]
name = "sued.example"
users = ["ben"]
[[relay]]
host = "relay.example"
[retry]
after_seconds = [60]
give_up_after_seconds = 600
[dns]
records = [{ name = "sued.example", type = "MX", value = "20 relay.example" }]
"""
ANNA, BEN = "anna@nord.example", "ben@sued.example"


async def test_mail_goes_to_the_best_host(autojump_clock: MockClock) -> None:
    """Without a smarthost the MX is looked up, and the lookup is a record of the trace."""
    async with memory_lab(DIRECT) as lab:
        sent = await lab.send(ANNA, BEN)
        message = await lab.wait_for_message(to=BEN)
        assert message.path == [NORD, SUED]
        answered = records_of(lab, "dns.answered", trace=sent.trace, question="MX sued.example")
        assert [record["answers"] for record in answered] == [["10 mail.sued.example", "20 relay.example"]]


async def test_a_kept_connection_needs_no_lookup(autojump_clock: MockClock) -> None:
    """A second message at once goes over the connection that is there."""
    async with memory_lab(DIRECT) as lab:
        for subject in ("one", "two"):
            await lab.send(ANNA, BEN, subject=subject)
            await lab.wait_for_message(to=BEN, subject=subject)
        assert len(records_of(lab, "dns.answered", question="MX sued.example")) == 1


async def test_the_next_host_takes_it_when_the_best_is_down(autojump_clock: MockClock) -> None:
    """A host that refuses is passed over within one attempt; the backup keeps the mail, and does not ask itself."""
    async with memory_lab(DIRECT, only=[NORD, RELAY]) as lab:
        await lab.send(ANNA, BEN)
        await trio.sleep(30)
        (started, then) = records_of(lab, "delivery.started", server=NORD)
        assert (started["next_hop"], then["next_hop"]) == (SUED, RELAY)
        (passed,) = records_of(lab, "delivery.deferred", server=NORD)
        assert (passed["next_hop"], passed["retry_in_seconds"]) == (SUED, 0)
        (relayed,) = records_of(lab, "delivery.relayed", server=NORD)
        assert relayed["next_hop"] == RELAY
        # The relay is an MX host of the domain too: it leaves itself out and waits for the better one.
        assert {record["next_hop"] for record in records_of(lab, "delivery.deferred", server=RELAY)} == {SUED}


async def test_a_domain_that_takes_no_mail_fails_at_once(autojump_clock: MockClock) -> None:
    """A null MX fails without a connection, with the code of RFC 7505."""
    async with memory_lab(DIRECT) as lab:
        lab.zones.set("sued.example", "MX", ["0 ."])
        await lab.send(ANNA, BEN)
        await lab.wait_for_bounce(BEN)
        (failed,) = records_of(lab, "delivery.failed")
        assert failed["code"] == 556
        assert not records_of(lab, "connection.opened", side="client")
        assert trio.current_time() - autojump_clock.current_time() == pytest.approx(0)


async def test_a_changed_record_is_seen_by_the_next_attempt(autojump_clock: MockClock) -> None:
    """Mail that waits for a host that is gone leaves when the MX names another."""
    async with memory_lab(DIRECT, only=[NORD, RELAY]) as lab:
        lab.zones.set("sued.example", "MX", ["10 mail.sued.example"])
        await lab.send(ANNA, BEN)
        await trio.sleep(30)
        assert [record["next_hop"] for record in records_of(lab, "delivery.deferred", server=NORD)] == [SUED]
        lab.zones.set("sued.example", "MX", ["10 relay.example"])
        await trio.sleep(60)
        assert [record["next_hop"] for record in records_of(lab, "delivery.relayed", server=NORD)] == [RELAY]


async def test_a_domain_without_hosts_bounces(autojump_clock: MockClock) -> None:
    """Neither MX nor address: nobody will ever take it."""
    async with memory_lab(DIRECT) as lab:
        lab.zones.remove("sued.example", "MX")
        lab.zones.remove("sued.example", "A")
        await lab.send(ANNA, BEN)
        await lab.wait_for_bounce(BEN)
        (failed,) = records_of(lab, "delivery.failed")
        assert "sued.example" in failed["reply"]


async def test_without_an_mx_the_domain_itself_is_the_host(autojump_clock: MockClock) -> None:
    """RFC 5321 section 5.1: an address record stands in for an MX that is not there."""
    async with memory_lab(DIRECT) as lab:
        lab.zones.remove("sued.example", "MX")
        await lab.send(ANNA, BEN)
        assert (await lab.wait_for_message(to=BEN)).path == [NORD, SUED]
