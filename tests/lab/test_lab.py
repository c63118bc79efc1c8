"""A running lab: one message across it, and what a program can do with it."""

from __future__ import annotations

import hashlib
from typing import Final

import pytest
import trio

from maillab import Lab, open_lab
from maillab.lab.post import MailRefusedError
from maillab.mail.address import AddressError
from maillab.network.memory import MemoryNetwork
from maillab.smtp.outcome import Delivered, Failed
from maillab.trace.copies import State
from tests.labs import (
    FAR_ADDRESS,
    NORD,
    RELAY,
    SUED,
    WITH_FAR,
    foreign_server,
    memory_lab,
    records_of,
)

ANNA: Final = "anna@nord.example"
NILS: Final = "nils@nord.example"
BEN: Final = "ben@sued.example"
BERTA: Final = "berta@sued.example"
OCTETS: Final = (
    "From: anna\r\nSubject: Grüße\r\n\r\n.dots\r\n..\r\n\r\n\r\nÄÖÜ and \x00\r\n.\r\nend without an empty line\r\n"
).encode()


class TestOneMessageToThreePeople:
    """anna@nord.example writes to Ben and Berta at the other school, and to Nils at her own."""

    async def test_is_one_trace(self, autojump_clock: object) -> None:
        """Three servers, three hops, one trace, and all copies are delivered."""
        async with memory_lab() as lab:
            sent = await self.send(lab)

            (trace,) = lab.traces
            assert trace.id == sent
            assert [(hop.server, hop.number) for hop in trace.hops] == [(NORD, 1), (RELAY, 2), (SUED, 3)]
            assert [hop.queue_id for hop in trace.hops] == [f"{sent}-1-00", f"{sent}-2-00", f"{sent}-3-00"]
            assert [hop.previous_queue_id for hop in trace.hops] == [None, f"{sent}-1-00", f"{sent}-2-00"]
            assert {name: copy.state for name, copy in trace.copies.items()} == dict.fromkeys(
                (BEN, BERTA, NILS), State.DELIVERED
            )
            assert (trace.subject, trace.sender, trace.recipients) == ("Grüße", ANNA, (BEN, BERTA, NILS))
            assert len(trace.conversations) == 3

    async def test_changes_nothing_but_the_lines_on_top(self, autojump_clock: object) -> None:
        """Ben's copy is what Anna sent, octet for octet, below one Received line of each server."""
        async with memory_lab() as lab:
            sent = await self.send(lab)

            (copy,) = lab.mailbox(BEN).messages()
            top = copy.octets.removesuffix(OCTETS)
            assert len(top) + len(OCTETS) == len(copy.octets)
            assert top.count(b"Received: ") == len(copy.message.received) == 3
            assert top.startswith(b"Return-Path: <anna@nord.example>\r\nReceived: ")
            lines = [
                (each.from_name, each.from_comment, each.by, each.with_, each.id, each.for_)
                for each in copy.message.received
                if each is not None
            ]
            assert lines == [
                (RELAY, f"{RELAY} [172.16.3.1]", SUED, "ESMTPS", f"{sent}-3-00", ""),
                (NORD, f"{NORD} [172.16.1.1]", RELAY, "ESMTPS", f"{sent}-2-00", ""),
                ("maillab-send", "[172.16.1.1]", NORD, "ESMTP", f"{sent}-1-00", ""),
            ]
            assert copy.path == [NORD, RELAY, SUED]
            sizes = [record["size_octets"] for record in records_of(lab, "message.accepted")]
            assert sizes[0] == len(OCTETS)
            assert sizes == sorted(set(sizes))
            (first, *_) = records_of(lab, "message.accepted")
            assert first["sha256"] == hashlib.sha256(OCTETS).hexdigest()

    async def test_does_not_leave_home_for_those_at_home(self, autojump_clock: object) -> None:
        """Nils's copy stays at Nord: no delivery names him, and it has one Received line."""
        async with memory_lab() as lab:
            await self.send(lab)

            (copy,) = lab.mailbox(NILS).messages()
            assert copy.path == [NORD]
            deliveries = [record for record in lab.recorder.records if record["event"].startswith("delivery.")]
            assert {name for record in deliveries for name in record["recipients"]} == {BEN, BERTA}
            (stored,) = records_of(lab, "message.stored", server=NORD)
            assert (stored["mailbox"], stored["uid"], stored["hop"]) == (NILS, 1, 1)

    async def test_travels_once_for_several_people(self, autojump_clock: object) -> None:
        """Recipients with the same way share one transaction as far as it leads."""
        async with memory_lab() as lab:
            await self.send(lab)

            relayed = records_of(lab, "delivery.relayed")
            assert [(record["server"], record["next_hop"], record["recipients"]) for record in relayed] == [
                (NORD, RELAY, [BEN, BERTA]),
                (RELAY, SUED, [BEN, BERTA]),
            ]
            assert [record["next_queue_id"] for record in relayed] == [
                record["queue_id"] for record in records_of(lab, "message.accepted")[1:]
            ]

    async def test_is_told_by_records_that_join(self, autojump_clock: object) -> None:
        """Records count without a gap; a connection has one id at both ends; dialogue joins by transaction."""
        async with memory_lab() as lab:
            await self.send(lab)
            await trio.sleep(60)
            records = list(lab.recorder.records)

            assert [record["seq"] for record in records] == [*range(1, len(records) + 1)]
            assert {(record["run"], record["lab"]) for record in records} == {(lab.recorder.run, "two-schools")}
            for event in ("connection.opened", "connection.closed"):
                ends = {
                    (record["server"], record["side"], record["connection"], record["peer_name"])
                    for record in records_of(lab, event)
                }
                assert ends == {
                    (NORD, "server", "c1", None),
                    (NORD, "client", "c2", RELAY),
                    (RELAY, "server", "c2", NORD),
                    (RELAY, "client", "c3", SUED),
                    (SUED, "server", "c3", RELAY),
                }
            for accepted in records_of(lab, "message.accepted"):
                verbs = [
                    record["verb"]
                    for record in records_of(lab, "smtp.command", connection=accepted["connection"], transaction=1)
                ]
                assert accepted["transaction"] == 1
                assert set(verbs) == {"MAIL", "RCPT", "DATA"}
                replies = records_of(lab, "smtp.reply", connection=accepted["connection"], transaction=1)
                assert replies[-1]["line"] == f"250 2.0.0 Ok: queued as {accepted['queue_id']}"
                assert {record["server"] for record in replies} == {accepted["server"]}

    @staticmethod
    async def send(lab: Lab) -> str:
        sent = await lab.send(ANNA, [BEN, BERTA, NILS], octets=OCTETS)
        await trio.sleep(1)
        assert sent.trace is not None
        return sent.trace


async def test_sends_by_the_senders_own_server(autojump_clock: object) -> None:
    """A mail is handed to the server of the sender's domain; a host, a domain or an address names another."""
    async with memory_lab() as lab:
        await lab.send(BEN, ANNA, subject="1")
        await lab.send("", ANNA, subject="2")
        for server in (SUED, "sued.example", "172.16.2.1"):
            await lab.send(ANNA, BEN, subject="3", server=server)

        accepted = records_of(lab, "message.accepted", hop=1)
        assert [record["server"] for record in accepted] == [SUED, NORD, SUED, SUED, SUED]


async def test_says_what_became_of_each_recipient(autojump_clock: object) -> None:
    """The outcomes at the first server are told, one for each recipient; the mail counts as sent if one is taken."""
    async with memory_lab() as lab:
        sent = await lab.send(ANNA, [NILS, "nobody@nord.example"], subject="x")

        outcomes = {str(recipient): type(outcome) for recipient, outcome in sent.outcomes.items()}
        assert outcomes == {NILS: Delivered, "nobody@nord.example": Failed}


async def test_knows_the_trace_where_the_reply_does_not_tell(autojump_clock: object) -> None:
    """A textbook's reply has no queue id, and the trace is known all the same."""
    async with open_lab("gartenparty", addressing="hosts", network=MemoryNetwork(), crash_ends_all=True) as lab:
        sent = await lab.send("carol@example.com", "bob@example.com", subject="Gartenparty")

        (message,) = lab.mailbox("bob@example.com").messages()
        assert sent.trace == message.trace
        (outcome,) = sent.outcomes.values()
        assert isinstance(outcome, Delivered)
        assert outcome.reply.text == "250 Mail queued for delivery"


@pytest.mark.parametrize(
    ("recipients", "reason"),
    [
        ("nobody@nord.example", "550 5.1.1 <nobody@nord.example>: no such user at nord.example"),
        ("x@example.org", "550 5.1.2 <x@example.org>: no server of this lab takes mail for example.org"),
    ],
)
async def test_a_refused_mail_is_an_error(recipients: str, reason: str, autojump_clock: object) -> None:
    """A mail that is taken for nobody raises what the server said."""
    async with memory_lab() as lab:
        with pytest.raises(MailRefusedError) as caught:
            await lab.send(ANNA, recipients, subject="x")

    assert str(caught.value) == reason


async def test_a_server_that_is_not_there_is_an_error(autojump_clock: object) -> None:
    """Handing a mail to a foreign host that nobody runs says so in one line, and to a stranger's host too."""
    async with memory_lab(WITH_FAR) as lab:
        with pytest.raises(MailRefusedError, match=rf"no connection to {FAR_ADDRESS}:25: "):
            await lab.send("x@far.example", ANNA, subject="x")
        with pytest.raises(LookupError, match=r"mx\.example\.org is no server of this lab"):
            await lab.send(ANNA, NILS, subject="x", server="mx.example.org")
        with pytest.raises(AddressError):
            await lab.send(ANNA, "nils", subject="x")


async def test_writes_a_message_that_mail_programs_read(autojump_clock: object) -> None:
    """Subject, body and addresses come out as they were given, in any script."""
    async with memory_lab() as lab:
        await lab.send(ANNA, [NILS, BEN], subject="Grüße — 你好", body=".dot\nzweite Zeile äöü\n")

        (message,) = lab.mailbox(NILS).messages()
        assert message.subject == "Grüße — 你好"
        header = message.message
        assert [field.text for name in ("From", "To", "Date") for field in header.all(name)] == [
            ANNA,
            f"{NILS}, {BEN}",
            "Thu, 01 Jan 2026 00:00:00 +0000",
        ]
        assert header.first("Message-ID") is not None
        assert header.body.replace(b"=\r\n", b"").startswith(b".dot\r\n")


async def test_waits_for_a_message(autojump_clock: object) -> None:
    """One that is there is given at once, one that is to come when it comes, one that never comes is an error."""
    async with memory_lab() as lab, trio.open_nursery() as nursery:
        nils = lab.mailbox(NILS)

        async def send_later() -> None:
            await trio.sleep(3)
            await lab.send(ANNA, NILS, subject="first")
            await trio.sleep(3)
            await lab.send(ANNA, NILS, subject="second")

        nursery.start_soon(send_later)
        assert (await nils.wait_for_message()).subject == "first"
        assert trio.current_time() - (start := trio.current_time()) == 0
        assert (await nils.wait_for_message()).uid == 1
        assert trio.current_time() == start
        assert (await nils.wait_for_message(subject="second")).uid == 2
        assert trio.current_time() == start + 3
        with pytest.raises(trio.TooSlowError):
            await nils.wait_for_message(subject="third", timeout_seconds=5)
        assert trio.current_time() == start + 8


async def test_knows_its_mailboxes(autojump_clock: object) -> None:
    """Every user has a mailbox from the start, found by the address in any case; nobody else has one."""
    async with memory_lab() as lab:
        assert lab.mailboxes() == {ANNA: NORD, NILS: NORD, BEN: SUED, BERTA: SUED}
        assert (lab.mailbox("Anna@NORD.example").address, lab.mailbox(ANNA).messages()) == (ANNA, [])
        for nobody in ("eve@nord.example", "team@nord.example", "no address", ""):
            with pytest.raises(LookupError, match=r"there are anna@nord\.example"):
                lab.mailbox(nobody)


async def test_lists_traces_newest_first(autojump_clock: object) -> None:
    """The last mail that was sent comes first."""
    async with memory_lab() as lab:
        for subject in ("1", "2", "3"):
            await lab.send(ANNA, NILS, subject=subject)
            await trio.sleep(1)

        assert [trace.subject for trace in lab.traces] == ["3", "2", "1"]


async def test_waits_for_a_bounce(autojump_clock: object) -> None:
    """A test can wait for the notice that somebody was not reached, by that address in any case."""
    async with memory_lab() as lab:
        sent = await lab.send(ANNA, "Nobody@sued.example", subject="x")
        bounce = await lab.wait_for_bounce("nobody@SUED.example")

        assert bounce.parent == sent.trace
        with pytest.raises(trio.TooSlowError):
            await lab.wait_for_bounce(BEN)


async def test_shows_what_waits_and_tries_it_at_once(autojump_clock: object) -> None:
    """The queue tells what waits, at which host and for whom, and `retry_now` does not wait for the plan."""
    async with memory_lab(WITH_FAR) as lab:
        sent = await lab.send(ANNA, "x@far.example", subject="x")
        await trio.sleep(10)
        ((host, work),) = lab.queue()
        assert (host, work.entry.queue_id, work.entry.sender) == (NORD, f"{sent.trace}-1-00", ANNA)
        (recipient,) = work.recipients
        assert (recipient.address, recipient.next_hop, recipient.attempts) == ("x@far.example", "far.example", 2)
        assert "connection refused" in recipient.last_reply

        async with foreign_server(lab) as far:
            assert await lab.retry_now(work.entry.queue_id) == [NORD]
            await trio.sleep(1)
            assert (len(far.mails), lab.queue()) == (1, [])
        with pytest.raises(LookupError):
            await lab.retry_now(work.entry.queue_id)


async def test_a_message_outlives_the_lab(autojump_clock: object) -> None:
    """What was waited for can be read when the lab is gone; what was only listed says that it is too late."""
    async with memory_lab() as lab:
        await lab.send(ANNA, NILS, subject="x")
        waited_for = await lab.wait_for_message(to=NILS)
        (listed,) = lab.mailbox(NILS).messages()

    assert waited_for.subject == "x"
    with pytest.raises(RuntimeError, match=rf"message 1 of {NILS} cannot be read: the lab has ended"):
        assert listed.octets
