"""Which host mail goes to: MX by preference, another one when the best is down, and none where there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs
import pytest
import trio
from trio.testing import MockClock

from tests.labs import (
    FAR,
    HANG_UP,
    NORD,
    RELAY,
    SUED,
    WITH_FAR,
    foreign_server,
    memory_lab,
    records_of,
    subjects,
)
from tests.mailserver.guests import guest

DIRECT = """
[lab]
name = "direct"
[[domain]]
name = "nord.example"
users = ["anna"]
aliases = { friends = ["ben@sued.example"] }
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
        start = trio.current_time()
        await lab.send(ANNA, "friends@nord.example")  # at RCPT an alias is taken, whatever it stands for
        await lab.wait_for_bounce(BEN)
        (failed,) = records_of(lab, "delivery.failed")
        assert failed["code"] == 556
        assert not records_of(lab, "connection.opened", side="client")
        assert trio.current_time() == start


async def test_what_is_known_to_be_in_vain_is_refused(autojump_clock: MockClock) -> None:
    """A recipient in a domain that takes no mail is refused at RCPT, by the server that would ask DNS (RFC 7505)."""
    async with memory_lab(DIRECT) as lab, guest(lab) as client:
        await client.say(f"MAIL FROM:<{ANNA}>")
        assert (await client.say(f"RCPT TO:<{BEN}>")).startswith("250 ")
        assert not records_of(lab, "dns.answered")  # nothing is looked up for a trace that does not need it
        lab.zones.set("sued.example", "MX", ["0 ."])
        refusal = "556 5.1.10 <ben@sued.example>: sued.example takes no mail (null MX)"
        assert await client.say(f"RCPT TO:<{BEN}>") == refusal
        assert [record["question"] for record in records_of(lab, "dns.answered")] == ["MX sued.example"]
        (refused,) = records_of(lab, "message.refused")
        assert (refused["code"], refused["recipients"]) == (556, [BEN])


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


RULES = """
[lab]
name = "rules"
[[domain]]
name = "nord.example"
users = ["anna"]
aliases = { friends = ["ben@sued.example"] }
[[domain]]
name = "sued.example"
users = ["ben"]
[retry]
after_seconds = [60]
"""


@attrs.frozen
class Rule:
    """What DNS says of sued.example, a name and a type to their values, and what comes of mail for it."""

    zone: Mapping[tuple[str, str], tuple[str, ...]]
    tried: tuple[str, ...]
    stored: bool = False
    status: str = ""
    deferred: str = ""


MX: Final = ("sued.example", "MX")
A: Final = ("sued.example", "A")
CASES: Final = {
    "the best of two": Rule({MX: ("20 mail.nord.example", "10 mail.sued.example")}, (SUED,), stored=True),
    "no MX: the domain is the host": Rule({MX: ()}, (SUED,), stored=True),
    "an MX that is an alias": Rule(
        {MX: ("10 mx.sued.example",), ("mx.sued.example", "CNAME"): ("mail.sued.example",)}, (SUED,), stored=True
    ),
    "an MX by another name of the host": Rule(
        {MX: ("10 mx.sued.example",), ("mx.sued.example", "A"): ("172.16.2.1",)}, (SUED,), stored=True
    ),
    "an MX without an address is passed over": Rule(
        {MX: ("5 gone.sued.example", "10 mail.sued.example")}, (SUED,), stored=True
    ),
    "an address where nobody is, and one where somebody is": Rule(
        {("mail.sued.example", "A"): ("172.16.99.1", "172.16.2.1")}, (SUED,), stored=True
    ),
    "an address where nobody is": Rule(
        {("mail.sued.example", "A"): ("172.16.99.1",)},
        (SUED,),
        deferred="no server of this lab is at mail.sued.example (172.16.99.1)",
    ),
    "null MX": Rule({MX: ("0 .",)}, ("sued.example",), status="5.1.10"),
    "neither MX nor address": Rule({MX: (), A: ()}, ("sued.example",), status="5.1.2"),
    "no implicit host beside an MX": Rule({MX: ("5 gone.sued.example",)}, ("sued.example",), status="5.4.4"),
    "the best is the sending host": Rule(
        {MX: ("5 mail.nord.example", "10 mail.sued.example")}, ("sued.example",), status="5.4.6"
    ),
    "no MX, and the domain is the sending host": Rule({MX: (), A: ("172.16.1.1",)}, ("sued.example",), status="5.4.6"),
    "a lookup that fails": Rule(
        {MX: ("5 a.sued.example",), ("a.sued.example", "CNAME"): ("a.sued.example",)},
        ("sued.example",),
        deferred="A a.sued.example: an alias that comes back to itself, a.sued.example -> a.sued.example",
    ),
}


@pytest.mark.parametrize("name", CASES)
async def test_a_rule_of_mail_hosts(name: str, autojump_clock: MockClock) -> None:
    """The rule in the case's name: RFC 5321 section 5.1, RFC 7505."""
    rule = CASES[name]
    async with memory_lab(RULES) as lab:
        for (owner, type_), values in rule.zone.items():
            if values:
                lab.zones.set(owner, type_, values)
            else:
                lab.zones.remove(owner, type_)
        await lab.send(ANNA, "friends@nord.example")  # at RCPT nothing is known of whom an alias stands for
        await trio.sleep(1)
        assert tuple(record["next_hop"] for record in records_of(lab, "delivery.started", server=NORD)) == rule.tried
        assert len(subjects(lab, BEN)) == rule.stored
        assert [record["reply"] for record in records_of(lab, "delivery.deferred")] == [*filter(None, [rule.deferred])]
        assert len(records_of(lab, "connection.opened", side="client")) == rule.stored
        reports = [message.octets for message in lab.mailbox(ANNA).messages()]
        assert [f"Status: {rule.status}\r\n".encode() in report for report in reports] == [True] * bool(rule.status)
        # Under whatever name it was found, a server of the lab is one: it tells its dialogue, and only once.
        rcpts = [record for record in records_of(lab, "smtp.command", verb="RCPT") if BEN in record["line"]]
        assert [record["server"] for record in rcpts] == [SUED] * rule.stored
        relayed = records_of(lab, "delivery.relayed")
        assert [(record["next_hop"], bool(record["next_queue_id"])) for record in relayed] == [
            (SUED, True)
        ] * rule.stored


WEST: Final = "mail.west.example"
WEST_ADDRESS: Final = "172.21.0.1"
TWO_HOSTS: Final = f"""{WITH_FAR}
    [[foreign]]
    host = "{WEST}"
    domains = ["west.example"]
    smtp = "{WEST_ADDRESS}:25"

    [dns]
    records = [{{ name = "far.example", type = "MX", value = "20 {WEST}" }}]
"""
"""Far, and West as the second mail host of its domain; both are for a test to run."""


@pytest.mark.parametrize(
    "script",
    [
        {"": ["554 5.3.2 no mail here"]},
        {"": ["421 4.3.2 not now"]},
        {"": [HANG_UP]},
        {"": ["hello"]},
        {"EHLO": ["550 5.0.0 no"], "HELO": ["550 5.0.0 no"]},
        {"MAIL": ["451 4.3.0 not now"]},
        {"RCPT": ["450 4.2.1 not now"]},
        {"RCPT": ["552 5.5.3 too many recipients"]},
        {"DATA": ["451 4.3.0 not now"]},
        {".": ["451 4.3.0 not now"]},
        {".": [HANG_UP]},
    ],
    ids=str,
)
async def test_the_next_host_is_tried(script: dict[str, list[str]], autojump_clock: MockClock) -> None:
    """Whatever a host says that means "not now", or that it takes no mail at all, the next one is asked at once."""
    async with (
        memory_lab(TWO_HOSTS) as lab,
        foreign_server(lab, script),
        foreign_server(lab, at=WEST_ADDRESS) as west,
    ):
        await lab.send(ANNA, "x@far.example")
        await trio.sleep(1)
        assert len(west.mails) == 1
        assert [record["next_hop"] for record in records_of(lab, "delivery.started")] == [FAR, WEST]
        (passed,) = records_of(lab, "delivery.deferred")
        assert (passed["next_hop"], passed["retry_in_seconds"]) == (FAR, 0)
        (relayed,) = records_of(lab, "delivery.relayed")
        assert (relayed["next_hop"], relayed["attempt"]) == (WEST, 1)


@pytest.mark.parametrize(
    "script", [{"MAIL": ["550 5.7.1 no"]}, {"RCPT": ["550 5.1.1 no"]}, {".": ["554 5.6.0 no"]}], ids=str
)
async def test_who_is_refused_for_good_asks_nobody_else(
    script: dict[str, list[str]], autojump_clock: MockClock
) -> None:
    """5yz to the mail itself is final, whatever other hosts there are (RFC 5321 section 5.1)."""
    async with (
        memory_lab(TWO_HOSTS) as lab,
        foreign_server(lab, script),
        foreign_server(lab, at=WEST_ADDRESS) as west,
    ):
        await lab.send(ANNA, "x@far.example")
        await trio.sleep(1)
        assert west.connection_count == 0
        assert len(records_of(lab, "delivery.failed", next_hop=FAR)) == 1


async def test_only_who_was_put_off_is_brought_to_the_next_host(autojump_clock: MockClock) -> None:
    """One is taken, one refused, one put off: each record names the host that said so, and nobody gets two copies."""
    script = {
        "RCPT TO:<later@far.example>": ["451 4.2.0 not now"],
        "RCPT TO:<never@far.example>": ["550 5.1.1 nobody of that name"],
    }
    async with (
        memory_lab(TWO_HOSTS) as lab,
        foreign_server(lab, script) as far,
        foreign_server(lab, at=WEST_ADDRESS) as west,
    ):
        await lab.send(ANNA, ["now@far.example", "later@far.example", "never@far.example"])
        await trio.sleep(1)
        assert (len(far.mails), len(west.mails)) == (1, 1)
        assert [line for line in west.heard if line.startswith("RCPT")] == ["RCPT TO:<later@far.example>"]
        told = {
            (record["event"], record["next_hop"], *sorted(record["recipients"]))
            for event in ("delivery.started", "delivery.deferred", "delivery.failed", "delivery.relayed")
            for record in records_of(lab, event)
        }
        assert told == {
            ("delivery.started", FAR, "later@far.example", "never@far.example", "now@far.example"),
            ("delivery.deferred", FAR, "later@far.example"),
            ("delivery.started", WEST, "later@far.example"),
            ("delivery.failed", FAR, "never@far.example"),
            ("delivery.relayed", FAR, "now@far.example"),
            ("delivery.relayed", WEST, "later@far.example"),
        }
        (to_far, to_west) = records_of(lab, "delivery.relayed")
        assert to_far["connection"] != to_west["connection"]
        assert lab.queue() == []


async def test_a_kept_connection_that_puts_off_is_not_the_last_word(autojump_clock: MockClock) -> None:
    """The second message is put off by the host that took the first one, and goes to the other host."""
    script = {"MAIL": ["250 2.1.0 fine", "451 4.3.0 no more"]}
    async with (
        memory_lab(TWO_HOSTS) as lab,
        foreign_server(lab, script) as far,
        foreign_server(lab, at=WEST_ADDRESS) as west,
    ):
        for _ in range(2):
            await lab.send(ANNA, "x@far.example")
            await trio.sleep(1)
        assert (len(far.mails), len(west.mails), far.connection_count) == (1, 1, 1)
        assert len(records_of(lab, "dns.answered", question="MX far.example")) == 1


async def test_a_kept_connection_ends_with_the_record_that_led_to_it(autojump_clock: MockClock) -> None:
    """When DNS names another host, the next message goes there, however fresh the connection to the old one is."""
    async with (
        memory_lab(TWO_HOSTS) as lab,
        foreign_server(lab) as far,
        foreign_server(lab, at=WEST_ADDRESS) as west,
    ):
        await lab.send(ANNA, "x@far.example")
        await trio.sleep(1)
        lab.zones.set("far.example", "MX", [f"10 {WEST}"])
        await lab.send(ANNA, "x@far.example")
        await trio.sleep(1)
        assert (len(far.mails), len(west.mails)) == (1, 1)


async def test_each_address_of_a_host_is_tried(autojump_clock: MockClock) -> None:
    """A host with several addresses is asked at each, in their order, before it is down (RFC 5321 section 5.1)."""
    async with memory_lab(DIRECT, only=[NORD, RELAY]) as lab:
        lab.zones.set("mx.sued.example", "A", ["172.16.2.1", "172.16.3.1"])
        lab.zones.set("sued.example", "MX", ["10 mx.sued.example"])
        await lab.send(ANNA, BEN)
        await trio.sleep(1)
        (passed,) = records_of(lab, "delivery.deferred", server=NORD)
        assert passed["reply"] == "connection refused by mail.sued.example (172.16.2.1:25)"
        (opened,) = records_of(lab, "connection.opened", side="client", server=NORD)
        assert (opened["peer"], opened["peer_name"]) == ("172.16.3.1:25", RELAY)
