"""A second coming: known for each recipient, and only of those whom we believe."""

from __future__ import annotations

from typing import Final

import trio
from trio.testing import MockClock

from maillab import Lab
from maillab.faults.fault import Fault, Kind
from maillab.smtp.outcome import Delivered
from tests.labs import FAR, FAR_ADDRESS, NORD, RELAY, SUED, WITH_FAR, hand_over, memory_lab, records_of, row_count

ANNA: Final = "anna@nord.example"
NILS: Final = "nils@nord.example"
TRACE: Final = "1JD2V9XK3M4QZ"

BEN: Final = "ben@sued.example"
WITH_BACKUP: Final = """
    [lab]
    name = "with-backup"

    [[domain]]
    name = "nord.example"
    users = ["anna"]

    [[domain]]
    name = "sued.example"
    users = ["ben"]

    [[relay]]
    host = "relay.example"

    [dns]
    records = [{ name = "sued.example", type = "MX", value = "20 relay.example" }]
"""


def copies(lab: Lab, mailbox: str = ANNA) -> int:
    """How many messages are in a mailbox."""
    return len(lab.mailbox(mailbox).messages())


def forwarded(id_: str = "ABC") -> bytes:
    """A mail of the lab that a foreign server passes on under its own id."""
    id_clause = f" id {id_}" if id_ else ""
    return (
        f"Received: from {NORD} by {FAR} with ESMTP{id_clause}; Mon, 23 Nov 2026 13:00:00 +0000\r\n"
        f"Received: from x by {NORD} with ESMTP id {TRACE}-1-00; Mon, 23 Nov 2026 13:00:00 +0000\r\n"
        "Subject: x\r\n\r\n"
    ).encode()


async def test_drops_what_a_believed_peer_brings_again(autojump_clock: object) -> None:
    """The same message from the same host for the same recipient is answered with 250 and not kept again."""
    async with memory_lab(WITH_FAR) as lab:
        for _ in range(2):
            outcomes = await hand_over(lab, NORD, forwarded(), "x@far.example", ANNA, source=FAR_ADDRESS)
        (outcome,) = outcomes.values()

        assert isinstance(outcome, Delivered)
        assert outcome.reply.text == "250 2.0.0 Ok: ABC was here before"
        assert copies(lab) == len(records_of(lab, "message.accepted")) == 1
        assert row_count(lab.database, "message") == 1
        (duplicate,) = records_of(lab, "delivery.duplicate")
        assert (duplicate["trace"], duplicate["recipients"]) == (TRACE, [ANNA])
        assert (duplicate["previous_host"], duplicate["received_from_queue_id"]) == (FAR, f"{TRACE}-1-00")
        assert (duplicate["connection"], duplicate["transaction"]) == ("c2", 1)


async def test_takes_the_same_message_for_other_recipients(autojump_clock: object) -> None:
    """One queue id may rightly come twice: whoever has not had the message yet gets it, the others do not again."""
    async with memory_lab(WITH_FAR) as lab:
        await hand_over(lab, NORD, forwarded(), "x@far.example", ANNA, source=FAR_ADDRESS)
        await hand_over(lab, NORD, forwarded(), "x@far.example", ANNA, NILS, source=FAR_ADDRESS)

        assert copies(lab, ANNA) == copies(lab, NILS) == 1
        first, second = records_of(lab, "message.accepted")
        assert (first["queue_id"], first["recipients"]) == (f"{TRACE}-3-00", [ANNA])
        assert (second["queue_id"], second["recipients"]) == (f"{TRACE}-3-01", [NILS])
        (duplicate,) = records_of(lab, "delivery.duplicate")
        assert duplicate["recipients"] == [ANNA]


async def test_takes_another_copy_of_the_same_trace(autojump_clock: object) -> None:
    """A copy that a foreign server calls by another id is another copy."""
    async with memory_lab(WITH_FAR) as lab:
        for id_ in ("ABC", "DEF"):
            await hand_over(lab, NORD, forwarded(id_), "x@far.example", ANNA, source=FAR_ADDRESS)

        assert [record["queue_id"] for record in records_of(lab, "message.accepted")] == [
            f"{TRACE}-3-00",
            f"{TRACE}-3-01",
        ]
        assert copies(lab) == 2


async def test_takes_all_from_a_peer_that_writes_no_id(autojump_clock: object) -> None:
    """Where the line before ours tells no id, no two messages are taken for one."""
    async with memory_lab(WITH_FAR) as lab:
        for _ in range(2):
            await hand_over(lab, NORD, forwarded(""), "x@far.example", ANNA, source=FAR_ADDRESS)

        assert copies(lab) == 2
        assert records_of(lab, "delivery.duplicate") == []


async def test_takes_from_an_outside_client_as_often_as_it_likes(autojump_clock: object) -> None:
    """A stranger that sends one mail twice has sent two mails."""
    async with memory_lab(WITH_FAR) as lab:
        for _ in range(2):
            await hand_over(lab, NORD, forwarded(), "x@far.example", ANNA)

        assert copies(lab) == 2
        assert records_of(lab, "delivery.duplicate") == []


async def test_knows_a_copy_again_that_comes_by_way_of_the_backup(autojump_clock: MockClock) -> None:
    """Where the reply of the best host is lost, the next one takes the mail too; the best host drops that copy."""
    async with memory_lab(WITH_BACKUP) as lab:
        lab.faults.add(Fault(Kind.DISCONNECT, server=SUED, command="message", late=True, times=1))
        await lab.send(ANNA, BEN)
        await trio.sleep(1000)

        assert [record["next_hop"] for record in records_of(lab, "delivery.relayed")] == [RELAY, SUED]
        (duplicate,) = records_of(lab, "delivery.duplicate", server=SUED)
        assert (duplicate["previous_host"], duplicate["recipients"]) == (RELAY, [BEN])
        assert copies(lab, BEN) == 1


async def test_knows_a_copy_again_that_comes_straight_after_the_backups(autojump_clock: MockClock) -> None:
    """It is the same the other way round: the backup's reply is lost, and the next attempt reaches the best host."""
    async with memory_lab(WITH_BACKUP) as lab:
        refused = lab.faults.add(Fault(Kind.REFUSE, from_=NORD, to=SUED))
        lab.faults.add(Fault(Kind.DISCONNECT, server=RELAY, command="message", late=True, times=1))
        await lab.send(ANNA, BEN)
        await trio.sleep(1)
        lab.faults.clear(refused.name)
        await trio.sleep(1000)

        (duplicate,) = records_of(lab, "delivery.duplicate", server=SUED)
        assert duplicate["previous_host"] == NORD
        assert copies(lab, BEN) == 1
