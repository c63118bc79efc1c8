"""Links with faults: whole labs whose servers cannot reach one another, or only slowly."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import trio

from maillab.faults.fault import Fault, Kind
from maillab.lab.spec import SMTP_PORT
from maillab.mailserver.connection import CONNECT_TIMEOUT_SECONDS
from maillab.network.network import NetworkStream
from maillab.smtp.client import REPLY_TIMEOUT_SECONDS
from tests.faults.direct import ANNA, BEN, DIRECT, arrived, replies, send, struck
from tests.labs import (
    FAR,
    FAR_ADDRESS,
    NORD,
    SUED,
    WITH_FAR,
    Visitor,
    foreign_server,
    hand_over,
    lab_second,
    memory_lab,
    records_of,
    subjects,
    visit,
)


async def test_a_refused_connection_is_tried_again(autojump_clock: object) -> None:
    """Refused twice, the mail arrives with the third attempt, and the fault is spent."""
    async with memory_lab(DIRECT) as lab:
        lab.faults.add(Fault("refuse", from_=NORD, to="sued.example", times=2))
        trace = await send(lab, "at last")
        await arrived(lab, "at last")

        first, second = struck(lab)
        assert first["reason"] == f"a connection from {NORD} to {SUED} is refused"
        assert (first["server"], first["trace"], first["queue_id"]) == (NORD, trace, f"{trace}-1-00")
        assert first["connection"] != second["connection"]
        assert set(replies(lab)) == {f"connection refused by {SUED} (172.16.2.1:25)"}
        assert lab.faults.is_spent("fault-1")


async def test_a_fault_has_its_place(autojump_clock: object) -> None:
    """Who comes from elsewhere, or goes elsewhere, does not meet it."""
    async with memory_lab(DIRECT) as lab:
        lab.faults.add(Fault("refuse", from_=SUED, to=NORD))
        lab.faults.add(Fault("refuse", from_="clients", to=SUED))
        lab.faults.add(Fault("partition", hosts=[NORD, SUED]))
        await send(lab, "x")
        await lab.wait_for_message(to=BEN)
        assert records_of(lab, "fault.injected") == []


@pytest.mark.parametrize("kind", ["blackhole", "partition"])
async def test_an_open_connection_falls_silent_and_goes_on(kind: str, autojump_clock: object) -> None:
    """A kept connection is silenced in the middle of its life, and after healing the same one brings the mail."""
    fault = Fault(kind, hosts=[NORD]) if kind == "partition" else Fault(kind, from_=NORD, to=SUED)
    async with memory_lab(DIRECT.replace("off", "opportunistic")) as lab:
        await send(lab, "before")
        await trio.sleep(1)
        lab.faults.add(fault)
        trace = await send(lab, "through")
        await trio.sleep(60)
        assert len(subjects(lab, BEN)) == 1
        (record,) = struck(lab)
        assert (record["trace"], record["server"]) == (trace, NORD)
        lab.faults.clear()
        healed_at = trio.current_time()
        await lab.wait_for_message(to=BEN, subject="through")
        assert trio.current_time() - healed_at < 1

        connections = records_of(lab, "connection.opened", side="client", server=NORD)
        assert [each["connection"] for each in connections] == [record["connection"]]
        await arrived(lab, "before", "through")
        assert replies(lab) == []


async def test_a_partition_hides_what_the_other_side_says(autojump_clock: object) -> None:
    """A server that stops, or closes an idle connection, is not heard across; its peer runs into its own timeout."""
    async with memory_lab(DIRECT) as lab:
        await send(lab, "before")
        await trio.sleep(1)
        lab.faults.add(Fault("partition", hosts=["nord.example", "ost.example"]))
        sent_at = trio.current_time()
        await send(lab, "later")
        with trio.fail_after(10_000):
            while not replies(lab):  # noqa: ASYNC110  nothing tells of it but the records
                await trio.sleep(1)
        assert trio.current_time() - sent_at == pytest.approx(REPLY_TIMEOUT_SECONDS, abs=2)
        assert replies(lab)[0] == f"no connection to {SUED} (172.16.2.1:25): No route to host"
        await trio.sleep(1000)
        (closed, *_) = records_of(lab, "connection.closed", side="client", server=NORD)
        assert closed["reason"] == "broken"
        lab.faults.clear()
        await arrived(lab, "before", "later")


async def test_nobody_connects_through_a_black_hole(autojump_clock: object) -> None:
    """The attempt ends with the client's own timeout, which the trace tells."""
    async with memory_lab(DIRECT) as lab:
        lab.faults.add(Fault(Kind.BLACKHOLE, to=SUED))
        await send(lab, "x")
        await trio.sleep(CONNECT_TIMEOUT_SECONDS + 1)
        assert replies(lab) == [f"no connection to {SUED} (172.16.2.1:25) within 30 s"]
        lab.faults.clear("fault-1")
        await arrived(lab, "x")


async def test_a_connection_that_is_being_opened_goes_through_when_healed(autojump_clock: object) -> None:
    """What hangs in a black hole is not lost with it."""
    async with memory_lab(DIRECT) as lab:
        lab.faults.add(Fault("blackhole", to=SUED))
        await send(lab, "x")
        await trio.sleep(10)
        lab.faults.clear()
        await arrived(lab, "x")
        assert replies(lab) == []


@pytest.mark.parametrize(("jitter_seconds", "most"), [(None, 0.0), (3, 3.0)])
async def test_a_slow_link_delays_both_ways(jitter_seconds: float | None, most: float, autojump_clock: object) -> None:
    """Each line takes so long, the record comes once for the connection, and nothing changes its order."""
    async with memory_lab(DIRECT) as lab:
        lab.faults.add(Fault("delay", from_=NORD, to=SUED, seconds=2, jitter_seconds=jitter_seconds))
        await send(lab, "slow", "line\n" * 40_000)
        message = await lab.wait_for_message(to=BEN, timeout_seconds=500)
        (record,) = struck(lab)
        assert record["reason"] == f"octets between {NORD} and {SUED} arrive 2 s late"
        (ehlo,) = [each for each in records_of(lab, "smtp.command", server=SUED) if each["verb"] == "EHLO"]
        (greeting,) = [each for each in records_of(lab, "smtp.reply", server=SUED) if each["code"] == 220]
        assert 4 <= lab_second(ehlo) - lab_second(greeting) <= 4 + 2 * most
        (accepted,) = records_of(lab, "message.accepted", server=SUED)
        (data,) = [each for each in records_of(lab, "smtp.command", server=SUED) if each["verb"] == "DATA"]
        assert 4 <= lab_second(accepted) - lab_second(data) <= 4.1 + 2 * most  # not two seconds for each chunk
        assert message.octets.count(b"line\r\n") == 40_000
        await arrived(lab, "slow")


async def test_a_narrow_link_takes_its_time(autojump_clock: object) -> None:
    """So many octets in a second, in small pieces, so that nobody believes the other one silent."""
    async with memory_lab(DIRECT) as lab:
        lab.faults.add(Fault("throttle", to=SUED, octets_per_second=1000))
        await send(lab, "narrow", "x" * 70 + "\n" + ("y" * 70 + "\n") * 999)
        await lab.wait_for_message(to=BEN, timeout_seconds=5000)
        (accepted,) = records_of(lab, "message.accepted", server=SUED)
        (data,) = [each for each in records_of(lab, "smtp.command", server=SUED) if each["verb"] == "DATA"]
        assert lab_second(accepted) - lab_second(data) == pytest.approx(accepted["size_octets"] / 1000, rel=0.05)
        assert len(struck(lab)) == 1
        await arrived(lab, "narrow")


async def test_a_slow_link_that_is_mended_brings_all_in_order(autojump_clock: object) -> None:
    """What was on the way when the fault was cleared arrives before what came after."""
    async with memory_lab(DIRECT) as lab:
        lab.faults.add(Fault("delay", seconds=20))
        await send(lab, "one")
        await trio.sleep(50)
        lab.faults.clear()
        await send(lab, "two")
        await arrived(lab, "one", "two")
        assert not any(each["reply"] for each in records_of(lab, "delivery.deferred"))


@pytest.mark.parametrize("after_octets", [0, 30, 3000])
async def test_a_connection_is_cut(after_octets: int, autojump_clock: object) -> None:
    """The other side gets so many octets and then a reset; the mail comes with the next attempt, once."""
    async with memory_lab(DIRECT) as lab:
        lab.faults.add(Fault("cut", from_=NORD, to=SUED, after_octets=after_octets, times=1))
        await send(lab, "whole", "line\n" * 2000)
        await arrived(lab, "whole")
        (record,) = struck(lab)
        assert record["reason"] == f"the connection from {NORD} to {SUED} is cut after {after_octets} octets"
        closed = records_of(lab, "connection.closed", side="server", server=SUED, connection=record["connection"])
        assert [each["reason"] for each in closed] == ["connection lost"]
        assert len(replies(lab)) == 1
        assert replies(lab)[0].startswith("connection lost")


async def test_a_short_connection_is_no_occasion_for_a_cut(autojump_clock: object) -> None:
    """Who says less than that is let through, and the fault goes on waiting."""
    async with memory_lab(DIRECT) as lab:
        lab.faults.add(Fault("cut", after_octets=100_000, times=1))
        await send(lab, "short")
        await arrived(lab, "short")
        assert not lab.faults.is_spent("fault-1")
        assert struck(lab) == []


async def until_closed(stream: NetworkStream) -> bytes:
    """What still comes over a connection, and b"!" where it ends with a reset."""
    heard = b""
    try:
        while octets := await stream.receive_some():
            heard += octets
    except trio.BrokenResourceError:
        return heard + b"!"
    return heard


async def test_clients_meet_faults_where_they_are_accepted(autojump_clock: object) -> None:
    """Refused, cut, delayed, silent: whoever is no server of the lab, by whatever program."""
    async with memory_lab(DIRECT) as lab:
        target = lab.book.find(SUED, SMTP_PORT)
        assert target is not None
        faults: Iterable[Fault] = (
            Fault("refuse", from_="clients", to=SUED, times=1),
            Fault("cut", from_="clients", to=SUED, after_octets=10, times=1),
        )
        for fault in faults:
            lab.faults.add(fault)
        async with await lab.network.connect(target, None, None) as refused:
            assert await until_closed(refused) == b"!"
        async with await lab.network.connect(target, None, None) as cut:
            visitor = Visitor(cut)
            await visitor.hear()
            await cut.send_all(b"NOOP\r\nNOOP\r\n")
            assert await until_closed(cut) == b"250 2.0.0 Ok\r\n!"[-1:]
        lab.faults.clear()

        lab.faults.add(Fault("delay", from_="clients", seconds=1))
        begun_at = trio.current_time()
        async with visit(lab, SUED) as visitor:
            assert trio.current_time() - begun_at == pytest.approx(3)  # greeting, EHLO and its answer
            assert (await visitor.say("NOOP")).startswith("250")
            lab.faults.clear()
            lab.faults.add(Fault("blackhole", from_="clients", to=SUED))
            with trio.move_on_after(60) as waiting:
                await visitor.say("NOOP")
            assert waiting.cancelled_caught
            lab.faults.clear()
            assert (await visitor.hear()).startswith("250")
        assert {each["server"] for each in records_of(lab, "fault.injected")} == {SUED}
        reasons = [each["reason"] for each in records_of(lab, "fault.injected")]
        assert reasons[0] == f"a connection from a client to {SUED} is refused"
        await send(lab, "afterwards")
        await arrived(lab, "afterwards")


async def test_the_page_is_never_cut_off(autojump_clock: object) -> None:
    """What is no listener for mail has no faults: they could not be cleared any more."""
    async with memory_lab(DIRECT) as lab:
        listener = await lab.network.listen(lab.servers[SUED].site.book.find(SUED, SMTP_PORT)._replace(port=8025))  # type: ignore[union-attr]
        lab.faults.add(Fault("refuse"))
        client = await lab.network.connect(listener.local, None, None)
        server = await listener.accept()
        await client.send_all(b"GET /")
        assert await server.receive_some() == b"GET /"
        for end in (client, server, listener):
            await end.aclose()


async def test_a_fault_after_some_occasions(autojump_clock: object) -> None:
    """`after` lets the first connections pass, and each connection is one occasion, however much it carries."""
    async with memory_lab(DIRECT) as lab:
        lab.faults.add(Fault("delay", from_=NORD, to=SUED, seconds=1, after=1, times=1))
        for number in range(3):
            await send(lab, f"mail {number}")
            await trio.sleep(100)  # the connection is given up meanwhile
        (record,) = struck(lab)
        opened = records_of(lab, "connection.opened", side="client", server=NORD)
        assert [each["connection"] for each in opened].index(record["connection"]) == 1
        await arrived(lab, "mail 0", "mail 1", "mail 2")


async def test_a_foreign_host_meets_faults_where_it_is_accepted(autojump_clock: object) -> None:
    """It is no client, and nobody else could slow down what it sends."""
    async with memory_lab(WITH_FAR) as lab:
        lab.faults.add(Fault("refuse", from_="clients"))
        lab.faults.add(Fault("delay", from_=FAR, to=NORD, seconds=1))
        begun_at = trio.current_time()
        await hand_over(lab, NORD, b"Subject: x\r\n\r\n", "x@far.example", ANNA, source=FAR_ADDRESS)
        assert trio.current_time() - begun_at > 5
        (record,) = struck(lab, "fault-2")
        assert record["reason"] == f"octets between {FAR} and {NORD} arrive 1 s late"
        assert subjects(lab, ANNA) == ["x"]


@pytest.mark.parametrize("kind", ["refuse", "partition", "blackhole"])
async def test_a_foreign_host_can_be_out_of_reach(kind: str, autojump_clock: object) -> None:
    """Mail to it waits, and arrives afterwards, once."""
    fault = Fault(kind, hosts=[FAR]) if kind == "partition" else Fault(kind, to="far.example")
    async with memory_lab(WITH_FAR) as lab, foreign_server(lab) as server:
        lab.faults.add(fault)
        await lab.send(ANNA, "x@far.example")
        await trio.sleep(100)
        assert server.connection_count == 0
        lab.faults.clear()
        await trio.sleep(200)
        assert len(server.mails) == 1
