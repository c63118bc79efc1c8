"""Delivery: connections that are kept, transactions of a hundred, and nothing lost or doubled on the way."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest
import trio

from maillab import Lab
from maillab.mailserver.delivery import CONNECTIONS_PER_NEXT_HOP, IDLE_SECONDS
from maillab.network.endpoint import Endpoint
from maillab.network.network import Network, NetworkStream
from tests.labs import (
    FAR,
    FAR_ADDRESS,
    HANG_UP,
    NORD,
    RELAY,
    SUED,
    WITH_FAR,
    foreign_server,
    lab_second,
    memory_lab,
    records_of,
    row_count,
    subjects,
)

ANNA: Final = "anna@nord.example"
FAR_IPV6: Final = WITH_FAR.replace(f"{FAR_ADDRESS}:25", "[2001:db8::1]:2600")
TWO_WAYS: Final = f"""
    [lab]
    name = "two-ways"

    [[domain]]
    name = "nord.example"
    users = ["anna"]

    [[domain]]
    name = "sued.example"
    users = [{", ".join(f'"u{n:03}"' for n in range(250))}]

    [[relay]]
    host = "relay.example"

    [retry]
    after_seconds = [7]
"""
"""Nord and Sued, with a relay that neither has to use."""

BEHIND_TUNNEL: Final = f"""
    [lab]
    name = "behind-tunnel"

    [[domain]]
    name = "nord.example"
    users = ["anna"]
    smarthost = "{FAR}"
    tls = "off"  # the tunnel listens in

    [[domain]]
    name = "sued.example"
    users = ["ben"]

    [[foreign]]
    host = "{FAR}"
    smtp = "{FAR_ADDRESS}:25"
"""


def opened(lab: Lab, next_hop: str) -> int:
    """How many connections were made to `next_hop`, by what the sending side recorded."""
    return len(records_of(lab, "connection.opened", side="client", peer_name=next_hop))


async def test_one_connection_carries_many_messages(autojump_clock: object) -> None:
    """Messages that follow one another share a connection, each as a transaction of its own."""
    async with memory_lab() as lab:
        for n in range(5):
            await lab.send(ANNA, "ben@sued.example", subject=f"mail {n}")
            await trio.sleep(1)

        assert subjects(lab, "ben@sued.example") == [f"mail {n}" for n in range(5)]
        assert (opened(lab, RELAY), opened(lab, SUED)) == (1, 1)
        relayed = records_of(lab, "delivery.relayed", server=NORD)
        assert len({record["connection"] for record in relayed}) == 1
        assert [record["transaction"] for record in relayed] == [1, 2, 3, 4, 5]


async def test_an_idle_connection_is_closed_with_quit(autojump_clock: object) -> None:
    """A connection that carries nothing for six seconds ends politely, and both sides say so."""
    async with memory_lab() as lab:
        await lab.send(ANNA, "ben@sued.example", subject="x")
        await trio.sleep(60)

        (client,) = records_of(lab, "connection.closed", server=NORD, side="client")
        (server,) = records_of(lab, "connection.closed", server=RELAY, side="server")
        assert client["connection"] == server["connection"]
        assert (client["reason"], server["reason"]) == ("no more mail", "quit")
        assert lab_second(client) == IDLE_SECONDS
        said = records_of(lab, "smtp.command", server=RELAY, connection=client["connection"])
        assert said[-1]["verb"] == "QUIT"


@pytest.mark.parametrize(
    "last_words", [pytest.param(HANG_UP, id="silent"), pytest.param("421 4.4.2 you slept", id="421")]
)
async def test_a_stale_connection_is_replaced_at_once(last_words: str, autojump_clock: object) -> None:
    """A kept connection that the other side has given up is no reason to defer a message."""
    async with memory_lab(WITH_FAR) as lab, foreign_server(lab) as far:
        await lab.send(ANNA, "x@far.example", subject="first")
        await trio.sleep(1)
        far.script["MAIL"] = [last_words]
        await lab.send(ANNA, "x@far.example", subject="second")
        await trio.sleep(1)

        assert len(far.mails) == 2
        assert far.connection_count == opened(lab, FAR) == 2
        assert records_of(lab, "delivery.deferred") == []
        relayed = records_of(lab, "delivery.relayed")
        assert [record["attempt"] for record in relayed] == [1, 1]
        assert len({record["connection"] for record in relayed}) == 2
        first, second = records_of(lab, "connection.opened", side="client")
        (closed,) = records_of(lab, "connection.closed", side="client")
        assert closed["connection"] == first["connection"]
        assert second["seq"] > closed["seq"]


async def test_a_host_that_hangs_up_on_everybody_is_asked_again_later(autojump_clock: object) -> None:
    """A new connection that fails defers the message: only a kept one is replaced."""
    async with memory_lab(WITH_FAR) as lab, foreign_server(lab, {"MAIL": [HANG_UP]}) as far:
        await lab.send(ANNA, "x@far.example", subject="x")
        await trio.sleep(4)
        (deferred,) = records_of(lab, "delivery.deferred")
        assert (deferred["code"], far.connection_count) == (None, 1)
        await trio.sleep(2)

        assert (len(far.mails), far.connection_count) == (1, 2)


async def test_ten_connections_at_a_time(autojump_clock: object) -> None:
    """Many messages for a slow host go over ten connections side by side, and no more."""
    async with memory_lab(WITH_FAR) as lab, foreign_server(lab, thinks_seconds=2) as far:
        for n in range(25):
            await lab.send(ANNA, "x@far.example", subject=f"mail {n}")
        await trio.sleep(7)

        assert far.most_open_count == far.connection_count == CONNECTIONS_PER_NEXT_HOP
        assert len(far.mails) == 25
        assert {lab_second(record) for record in records_of(lab, "delivery.relayed")} == {2, 4, 6}
        await trio.sleep(10)
        assert far.open_count == 0


async def test_a_slow_host_holds_up_no_other(autojump_clock: object) -> None:
    """Each next hop has connections of its own, so that one that takes an hour delays only its own mail."""
    lab_file = WITH_FAR + '\n[[domain]]\nname = "sued.example"\nusers = ["ben"]\n'
    async with memory_lab(lab_file) as lab, foreign_server(lab, thinks_seconds=300):
        for _ in range(12):
            await lab.send(ANNA, "x@far.example", subject="slow")
        await lab.send(ANNA, "ben@sued.example", subject="fast")
        await lab.mailbox("ben@sued.example").wait_for_message(timeout_seconds=1)

        assert records_of(lab, "delivery.relayed", next_hop=FAR) == []


async def test_recipients_go_in_hundreds(autojump_clock: object) -> None:
    """250 recipients at one next hop are three transactions of one connection, each a queue id of its own there."""
    recipients = [f"u{n:03}@sued.example" for n in range(250)]
    async with memory_lab(TWO_WAYS) as lab:
        sent = await lab.send(ANNA, recipients, subject="x")
        await trio.sleep(1)

        accepted = records_of(lab, "message.accepted", server=SUED)
        assert [record["queue_id"] for record in accepted] == [f"{sent.trace}-2-0{copy}" for copy in range(3)]
        assert [len(record["recipients"]) for record in accepted] == [100, 100, 50]
        assert sorted(name for record in accepted for name in record["recipients"]) == recipients
        assert {record["received_from_queue_id"] for record in accepted} == {f"{sent.trace}-1-00"}
        assert opened(lab, SUED) == 1
        relayed = records_of(lab, "delivery.relayed")
        assert [record["next_queue_id"] for record in relayed] == [record["queue_id"] for record in accepted]
        assert len(records_of(lab, "message.stored")) == 250
        assert row_count(lab.database, "queue") == 0


async def test_mail_for_several_domains_goes_its_several_ways(autojump_clock: object) -> None:
    """Without a smarthost, one message is one delivery for each next hop, and waits for each by itself."""
    lab_file = WITH_FAR + '\n[[domain]]\nname = "sued.example"\nusers = ["ben"]\n'
    async with memory_lab(lab_file) as lab:
        await lab.send(ANNA, ["ben@sued.example", "x@far.example", "nils@nord.example"], subject="x")
        await trio.sleep(1)

        (relayed,) = records_of(lab, "delivery.relayed")
        (deferred,) = records_of(lab, "delivery.deferred")
        assert (relayed["recipients"], relayed["next_hop"]) == (["ben@sued.example"], SUED)
        assert (deferred["recipients"], deferred["next_hop"]) == (["x@far.example"], FAR)
        assert subjects(lab, "nils@nord.example") == subjects(lab, "ben@sued.example") == ["x"]
        assert row_count(lab.database, "queue") == 1


async def test_records_the_dialogue_with_a_foreign_host(autojump_clock: object) -> None:
    """The far side writes no records of ours, so the sending side takes the dialogue down, in its transaction."""
    async with memory_lab(WITH_FAR) as lab, foreign_server(lab):
        await lab.send(ANNA, "x@far.example", subject="x")
        await trio.sleep(1)

        (relayed,) = records_of(lab, "delivery.relayed")
        commands = records_of(lab, "smtp.command", connection=relayed["connection"])
        assert [record["verb"] for record in commands] == ["EHLO", "MAIL", "RCPT", "DATA"]
        assert [record.get("transaction") for record in commands] == [None, 1, 1, 1]
        assert {record["server"] for record in commands} == {NORD}
        assert (relayed["transaction"], relayed["reply"]) == (1, "250 2.0.0 far says yes")
        (to_far,) = records_of(lab, "connection.opened", side="client")
        assert (to_far["peer"], to_far["peer_name"]) == (f"{FAR_ADDRESS}:25", FAR)


async def test_names_an_ipv6_peer_in_brackets(autojump_clock: object) -> None:
    """An address with colons is told from its port, in records and in reasons."""
    async with memory_lab(FAR_IPV6) as lab:
        await lab.send(ANNA, "x@far.example", subject="x")
        await trio.sleep(1)

        (deferred,) = records_of(lab, "delivery.deferred")
        assert deferred["reply"] == f"connection refused by {FAR} ([2001:db8::1]:25)"


@asynccontextmanager
async def tunnel(network: Network, target: Endpoint) -> AsyncIterator[list[bytes]]:
    """Far, as a tunnel to `target` that loses the first reply to a message; yields what it lost."""
    lost: list[bytes] = []

    async def there(near: NetworkStream, far: NetworkStream) -> None:
        async for octets in near:
            await far.send_all(octets)
        await far.send_eof()

    async def serve(near: NetworkStream) -> None:
        async with near, await network.connect(target, FAR_ADDRESS, None) as far, trio.open_nursery() as nursery:
            nursery.start_soon(there, near, far)
            async for octets in far:
                if b"queued as" in octets and not lost:
                    lost.append(bytes(octets))
                    break
                await near.send_all(octets)
            nursery.cancel_scope.cancel()

    listener = await network.listen(Endpoint(FAR_ADDRESS, 25))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        yield lost
        nursery.cancel_scope.cancel()


async def test_a_lost_reply_makes_no_second_copy(autojump_clock: object) -> None:
    """The reply after the final dot is lost: the message is sent again, and the recipient has it once."""
    async with memory_lab(BEHIND_TUNNEL) as lab:
        target = lab.book.find(SUED, 25)
        assert target is not None
        async with tunnel(lab.network, target) as lost:
            sent = await lab.send(ANNA, "ben@sued.example", subject="x")
            await trio.sleep(60)

        assert len(lost) == 1
        assert subjects(lab, "ben@sued.example") == ["x"]
        (deferred,) = records_of(lab, "delivery.deferred")
        (relayed,) = records_of(lab, "delivery.relayed")
        (duplicate,) = records_of(lab, "delivery.duplicate")
        assert (deferred["attempt"], relayed["attempt"]) == (1, 2)
        assert (duplicate["server"], duplicate["trace"]) == (SUED, sent.trace)
        assert (duplicate["previous_host"], duplicate["recipients"]) == (NORD, ["ben@sued.example"])
        assert row_count(lab.database, "queue") == 0
        assert records_of(lab, "bounce.created") == []


async def test_what_could_not_be_written_down_is_kept_in_mind(autojump_clock: object) -> None:
    """A disk that is full just after a delivery costs neither the message nor a second one: the outcome waits."""
    async with memory_lab(TWO_WAYS) as lab:
        # A full disk at one moment: what the queue of Nord would write makes the file grow beyond its limit.
        await lab.database.write(
            lambda db: db.execute(
                "CREATE TRIGGER fill BEFORE DELETE ON queue_recipient WHEN (SELECT count(*) FROM filling) = 0"
                " BEGIN INSERT INTO filling VALUES (zeroblob(10000000)); END"
            )
        )
        await lab.database.write(lambda db: db.execute("CREATE TABLE filling (octets BLOB)"))
        await lab.database.write(lambda db: db.execute("PRAGMA max_page_count = 1000"))
        await lab.send(ANNA, "u000@sued.example", subject="x")
        await trio.sleep(1)
        assert row_count(lab.database, "queue") == 1
        assert subjects(lab, "u000@sued.example") == ["x"]
        assert records_of(lab, "delivery.relayed") == []  # nobody may believe what is not written down
        (failed,) = records_of(lab, "storage.failed")
        assert failed["error"].endswith("database or disk is full; make room on the disk")

        await lab.database.write(lambda db: db.execute("PRAGMA max_page_count = 100000"))
        await trio.sleep(10)
        assert row_count(lab.database, "queue") == 0
        assert subjects(lab, "u000@sued.example") == ["x"]
        assert len(records_of(lab, "delivery.relayed")) == 1
        assert records_of(lab, "delivery.duplicate") == []
        assert len(records_of(lab, "delivery.started")) == 1


async def test_a_fault_of_our_own_delays_one_message(autojump_clock: object) -> None:
    """A delivery that crashes is a record; the message stays in the queue, and everything else goes on."""

    def break_queue(db: sqlite3.Connection) -> None:
        db.execute(
            "CREATE TRIGGER fault BEFORE DELETE ON queue_recipient WHEN old.address = 'u001@sued.example'"
            " BEGIN SELECT RAISE(ABORT, 'a fault'); END"
        )

    async with memory_lab(TWO_WAYS, crash_ends_all=False) as lab:
        await lab.database.write(break_queue)
        crashing = await lab.send(ANNA, "u001@sued.example", subject="first")
        await lab.send(ANNA, "u002@sued.example", subject="second")
        await trio.sleep(1)
        (crash,) = records_of(lab, "connection.crashed")
        assert (crash["server"], crash["trace"]) == (NORD, crashing.trace)
        assert "a fault" in crash["error"]
        assert row_count(lab.database, "queue") == 1
        assert subjects(lab, "u002@sued.example") == ["second"]

        await lab.database.write(lambda db: db.execute("DROP TRIGGER fault"))
        await trio.sleep(10)
        assert row_count(lab.database, "queue") == 0
        assert subjects(lab, "u001@sued.example") == ["first"]
