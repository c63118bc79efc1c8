"""The notice of failure: what it says, whom it reaches, and that it never answers itself."""

from __future__ import annotations

from typing import Final

import pytest
import trio

from maillab.trace.copies import State
from tests.labs import (
    FAR,
    FAR_ADDRESS,
    NORD,
    RELAY,
    SUED,
    WITH_FAR,
    foreign_server,
    hand_over,
    memory_lab,
    records_of,
    row_count,
    subjects,
)

ANNA: Final = "anna@nord.example"
SUBJECT: Final = "Undeliverable mail"
NOBODY: Final = {"RCPT TO": ["550 5.1.1 nobody of that name"] * 9}


async def test_reaches_the_sender(autojump_clock: object) -> None:
    """Who wrote to nobody is told so, from the null path, in a trace of its own that names its parent."""
    async with memory_lab() as lab:
        sent = await lab.send(ANNA, ["nobody@sued.example", "ben@sued.example"], subject="hello")
        await trio.sleep(1)

        (bounced,) = lab.mailbox(ANNA).messages()
        assert bounced.subject == SUBJECT
        assert bounced.octets.startswith(b"Return-Path: <>\r\n")
        assert b"  <nobody@sued.example>\r\n    550 5.1.1 <nobody@sued.example>: no such user" in bounced.octets
        assert b"ben@sued.example" not in bounced.octets.partition(b"Content-Type: message/rfc822")[0]
        assert subjects(lab, "ben@sued.example") == ["hello"]

        (created,) = records_of(lab, "bounce.created")
        assert (created["server"], created["trace"], created["hop"]) == (RELAY, bounced.trace, 1)
        assert (created["for_trace"], created["for_queue_id"]) == (sent.trace, f"{sent.trace}-2-00")
        assert created["recipients"] == ["nobody@sued.example"]
        first, second = records_of(lab, "message.accepted", trace=bounced.trace)
        assert (first["server"], first["hop"], first["sender"], first["for_trace"]) == (RELAY, 1, "", sent.trace)
        assert (second["server"], second["hop"]) == (NORD, 2)
        assert second["received_from_queue_id"] == first["queue_id"]

        assert sent.trace is not None
        trace = lab.trace_book.get(sent.trace)
        bounce = lab.trace_book.get(bounced.trace)
        assert trace is not None
        assert bounce is not None
        assert (trace.children, bounce.parent) == ((bounced.trace,), sent.trace)
        assert (trace.state, bounce.state) == (State.FAILED, State.DELIVERED)


async def test_has_a_received_line_of_its_own(autojump_clock: object) -> None:
    """The server that made it is its first hop, and says so by a Received line without a client."""
    async with memory_lab(WITH_FAR) as lab, foreign_server(lab, NOBODY):
        await lab.send(ANNA, "x@far.example", subject="hello")
        await trio.sleep(1)

        (bounced,) = lab.mailbox(ANNA).messages()
        (received,) = bounced.message.received
        assert received is not None
        assert (received.from_name, received.by, received.with_) == ("", NORD, "local")
        assert (received.id, received.for_) == (f"{bounced.trace}-1-00", ANNA)


async def test_is_one_for_all_that_failed_at_a_time(autojump_clock: object) -> None:
    """Recipients that fail in one attempt share a notice, each with its own reason."""
    script = {
        "RCPT TO:<a@far.example>": ["550 5.1.1 no a here"],
        "RCPT TO:<b@far.example>": ["550 5.7.1 b wants nothing"],
    }
    async with memory_lab(WITH_FAR) as lab, foreign_server(lab, script):
        await lab.send(ANNA, ["a@far.example", "b@far.example", "c@far.example"], subject="hello")
        await trio.sleep(1)

        (bounced,) = lab.mailbox(ANNA).messages()
        assert b"<a@far.example>\r\n    550 5.1.1 no a here\r\n" in bounced.octets
        assert b"<b@far.example>\r\n    550 5.7.1 b wants nothing\r\n" in bounced.octets
        (created,) = records_of(lab, "bounce.created")
        assert created["recipients"] == ["a@far.example", "b@far.example"]
        assert len(records_of(lab, "delivery.failed")) == 2


async def test_none_is_made_for_the_null_path(autojump_clock: object) -> None:
    """Mail from <> that fails is dropped: an answer to an answer would never end."""
    async with memory_lab(WITH_FAR) as lab, foreign_server(lab, NOBODY):
        await lab.send("", "x@far.example", subject="a notice", server=NORD)
        await trio.sleep(2000)

        (failed,) = records_of(lab, "delivery.failed")
        assert failed["recipients"] == ["x@far.example"]
        assert records_of(lab, "bounce.created") == []
        assert row_count(lab.database, "queue") == row_count(lab.database, "message") == 0


async def test_one_that_fails_itself_ends_there(autojump_clock: object) -> None:
    """A sender who is nobody at a server that would know gets a notice sent, and its failure makes no other."""
    async with memory_lab() as lab:
        await hand_over(lab, RELAY, b"Subject: x\r\n\r\n", "ghost@nord.example", "nobody@sued.example")
        await trio.sleep(1)

        (created,) = records_of(lab, "bounce.created")
        accepted = records_of(lab, "message.accepted", trace=created["trace"])[0]
        assert accepted["recipients"] == ["ghost@nord.example"]
        assert [record["recipients"] for record in records_of(lab, "delivery.failed")] == [
            ["nobody@sued.example"],
            ["ghost@nord.example"],
        ]
        assert row_count(lab.database, "queue") == 0
        # It is nobody's any more, and ends where a teacher sees it: at the relay's postmaster.
        assert subjects(lab, ANNA) == [SUBJECT]


@pytest.mark.parametrize("sender", ["ghost@nord.example", "eve@elsewhere.example"])
async def test_goes_to_the_postmaster_where_the_sender_is_nobody(sender: str, autojump_clock: object) -> None:
    """A sender whom mail cannot reach is not answered; the server's own postmaster reads what went wrong."""
    lab_file = WITH_FAR.replace("[[foreign]]", 'outgoing = "anyone"\n    [[foreign]]')
    async with memory_lab(lab_file) as lab, foreign_server(lab, NOBODY):
        await lab.send(sender, "x@far.example", subject="hello", server=NORD)
        await trio.sleep(1)

        assert subjects(lab, ANNA) == [SUBJECT]  # the first user is postmaster
        (accepted,) = records_of(lab, "message.accepted", sender="")
        assert accepted["recipients"] == [ANNA]


async def test_a_relays_notice_to_its_postmaster_finds_a_person(autojump_clock: object) -> None:
    """A relay has no mailboxes, so that its postmaster's mail goes on to a domain that it serves."""
    async with memory_lab() as lab:
        await hand_over(lab, RELAY, b"Subject: x\r\n\r\n", "eve@elsewhere.example", "nobody@sued.example")
        await trio.sleep(1)

        assert subjects(lab, ANNA) == [SUBJECT]


async def test_goes_to_all_members_of_a_group_that_wrote(autojump_clock: object) -> None:
    """A notice to an alias reaches its members, here and elsewhere."""
    async with memory_lab() as lab:
        await lab.send("team@nord.example", "nobody@sued.example", subject="x")
        await trio.sleep(1)

        for member in (ANNA, "nils@nord.example", "ben@sued.example"):
            assert subjects(lab, member) == [SUBJECT]


async def test_wakes_the_delivery_to_a_host_that_nothing_waited_for(autojump_clock: object) -> None:
    """A notice leaves at once, over a way that was not used before."""
    async with memory_lab() as lab:
        sent = await lab.send("ben@sued.example", "nobody@nord.example", subject="x")
        await lab.mailbox("ben@sued.example").wait_for_message(subject=SUBJECT, timeout_seconds=1)
        await trio.sleep(1)

        assert sent.trace is not None
        (created,) = records_of(lab, "bounce.created", for_trace=sent.trace)
        (relayed,) = records_of(lab, "delivery.relayed", trace=created["trace"])
        assert (relayed["server"], relayed["next_hop"]) == (RELAY, SUED)


async def test_reaches_a_foreign_sender(autojump_clock: object) -> None:
    """Who wrote from a foreign server is answered there."""
    lab_file = WITH_FAR + '\n[[domain]]\nname = "sued.example"\nusers = ["ben"]\n[[relay]]\nhost = "relay.example"\n'
    async with memory_lab(lab_file) as lab, foreign_server(lab) as far:
        octets = b"Subject: hello\r\n\r\n"
        await hand_over(lab, RELAY, octets, "x@far.example", "nobody@sued.example", source=FAR_ADDRESS)
        await trio.sleep(1)

        assert "MAIL FROM:<>" in far.heard
        assert "RCPT TO:<x@far.example>" in far.heard
        (mail,) = far.mails
        assert SUBJECT.encode() in mail
        (relayed,) = records_of(lab, "delivery.relayed", next_hop=FAR)
        assert relayed["next_queue_id"] is None  # a foreign server has ids of its own
