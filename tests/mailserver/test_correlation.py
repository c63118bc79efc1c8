"""One trace over all hops, believed only of whom we believe."""

from __future__ import annotations

from typing import Final

import pytest

from maillab.mail.message import Message
from maillab.mailserver.correlation import Arrival, Neighbours, arrival
from maillab.trace.identity import QueueId
from tests.labs import FAR, FAR_ADDRESS, NORD, SUED, TWO_SCHOOLS, WITH_FAR, hand_over, memory_lab, records_of

TRACE: Final = "1JD2V9XK3M4QZ"
NEIGHBOURS: Final = Neighbours(
    lab_hosts=frozenset({"mail.nord.example", "relay.example", "mail.sued.example"}),
    foreign_hosts=frozenset({"mail.far.example", "mail.farther.example"}),
)


def received(by: str, id_: str) -> str:
    id_clause = f" id {id_}" if id_ else ""
    return f"Received: from x (x [192.0.2.1]) by {by} with ESMTP{id_clause};\r\n\tMon, 23 Nov 2026 13:00:00 +0000\r\n"


def mail(*lines: str) -> Message:
    return Message("".join((*lines, "Subject: hello\r\n\r\nbody\r\n")).encode())


def test_the_line_of_a_server_of_the_lab_continues_its_trace() -> None:
    """The hop is one more than that of the topmost line, and the lines below do not count again."""
    message = mail(received("relay.example", f"{TRACE}-2-01"), received("mail.nord.example", f"{TRACE}-1-00"))

    ways = (("relay.example", f"{TRACE}-2-01"), (NORD, f"{TRACE}-1-00"))
    assert arrival(message, NEIGHBOURS, SUED) == Arrival(QueueId(TRACE, 2, 1), 3, *ways[0], ways)


def test_a_host_name_is_the_same_in_any_case() -> None:
    """Names in `by` compare without case."""
    came = arrival(mail(received("Relay.EXAMPLE", f"{TRACE}-2-00")), NEIGHBOURS, SUED)

    assert came is not None
    assert came.previous_host == "relay.example"


def test_the_lines_of_foreign_hosts_are_skipped_and_counted() -> None:
    """Two foreign servers in between are two hops, and the last of them is whom we know the mail from."""
    message = mail(
        received("mail.farther.example", "4XyZ"),
        received("mail.far.example", "ABC"),
        received("mail.nord.example", f"{TRACE}-1-00"),
    )

    previous = ("mail.farther.example", "4XyZ")
    assert arrival(message, NEIGHBOURS, SUED) == Arrival(QueueId(TRACE, 1, 0), 4, *previous, (previous,))


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param((), id="no Received line"),
        pytest.param((received("mail.far.example", "ABC"),), id="only a foreign line"),
        pytest.param(
            (received("mx.elsewhere.example", "1"), received("mail.nord.example", f"{TRACE}-1-00")),
            id="a stranger's line on top",
        ),
        pytest.param(
            (received("mail.far.example", "A"), received("mx.elsewhere.example", "1"), received(NORD, f"{TRACE}-1-00")),
            id="a stranger's line below a foreign one",
        ),
        pytest.param((received("mail.nord.example", "ABC"),), id="an id of another form"),
        pytest.param((received("mail.nord.example", f"{TRACE}-0-00"),), id="hop 0"),
        pytest.param((received("mail.nord.example", f"{TRACE.lower()}-1-00"),), id="an id in lower case"),
        pytest.param((received("mail.nord.example", ""),), id="no id"),
        pytest.param(
            ("Received: with nothing\r\n", received("mail.nord.example", f"{TRACE}-1-00")), id="a line without by"
        ),
        pytest.param(
            (received("mail.nord.example", "ABC"), received("relay.example", f"{TRACE}-1-00")),
            id="a malformed id on top of a good one",
        ),
    ],
)
def test_everything_else_begins_a_trace(lines: tuple[str, ...]) -> None:
    """Lines that lead to no server of the lab, or to none of its ids, continue nothing."""
    assert arrival(mail(*lines), NEIGHBOURS, SUED) is None


def test_a_message_that_was_here_before_is_known_by_those_who_had_it_since() -> None:
    """What comes back to a server, as in a loop or from a list elsewhere, is no second coming of what it sent on."""
    message = mail(
        received("relay.example", f"{TRACE}-3-00"),
        received(SUED, f"{TRACE}-2-00"),
        received(NORD, f"{TRACE}-1-00"),
    )
    came = arrival(message, NEIGHBOURS, SUED)

    assert came is not None
    assert came.ways == (("relay.example", f"{TRACE}-3-00"),)


def test_lines_below_the_first_hop_are_no_way() -> None:
    """A stranger who writes lines of ours into two mails does not make them one."""
    message = mail(
        received("relay.example", f"{TRACE}-2-00"),
        received(NORD, f"{TRACE}-1-00"),
        received("relay.example", f"{TRACE}-2-00"),
    )
    came = arrival(message, NEIGHBOURS, SUED)

    assert came is not None
    assert came.ways == (("relay.example", f"{TRACE}-2-00"), (NORD, f"{TRACE}-1-00"))


FORGED: Final = mail(received("relay.example", f"{TRACE}-2-00"), received("mail.nord.example", f"{TRACE}-1-00")).octets


async def test_an_outside_client_begins_a_trace_whatever_it_brings(autojump_clock: object) -> None:
    """Received lines of the lab's servers in a stranger's mail are content: the trace is new, and the hop is 1."""
    async with memory_lab() as lab:
        await hand_over(lab, NORD, FORGED, "eve@elsewhere.example", "anna@nord.example")

        (accepted,) = records_of(lab, "message.accepted")
        assert accepted["trace"] != TRACE
        assert (accepted["hop"], accepted["received_from_queue_id"]) == (1, None)
        (stored,) = lab.mailbox("anna@nord.example").messages()
        assert stored.octets.endswith(FORGED)


async def test_the_address_of_a_server_of_the_lab_alone_makes_nobody_believed(autojump_clock: object) -> None:
    """Within one process the register says who calls, so that a client on a server's machine is an outside client."""
    async with memory_lab() as lab:
        address = lab.book.shown("relay.example")
        await hand_over(lab, NORD, FORGED, "eve@elsewhere.example", "anna@nord.example", source=address)

        (accepted,) = records_of(lab, "message.accepted")
        assert accepted["trace"] != TRACE
        (opened,) = records_of(lab, "connection.opened")
        assert opened["peer_name"] is None


async def test_a_foreign_host_passes_a_mail_on_and_the_trace_goes_on(autojump_clock: object) -> None:
    """A mail that comes back through a foreign server is still the same trace, that server counted as a hop."""
    octets = mail(received(FAR, "ABC"), received(NORD, f"{TRACE}-1-00")).octets
    async with memory_lab(WITH_FAR) as lab:
        await hand_over(lab, NORD, octets, "x@far.example", "anna@nord.example", source=FAR_ADDRESS)

        (accepted,) = records_of(lab, "message.accepted")
        assert (accepted["trace"], accepted["hop"]) == (TRACE, 3)
        assert accepted["received_from_queue_id"] == f"{TRACE}-1-00"
        assert accepted["queue_id"] == f"{TRACE}-3-00"
        (opened,) = records_of(lab, "connection.opened")
        assert opened["peer_name"] == FAR
        (stored,) = lab.mailbox("anna@nord.example").messages()
        own = stored.message.received[0]
        assert own is not None
        assert own.from_comment == f"{FAR} [{FAR_ADDRESS}]"


async def test_a_foreign_host_without_a_line_of_its_own_is_no_hop(autojump_clock: object) -> None:
    """Where a foreign server writes no Received line, the trace goes on from the lab's own."""
    octets = mail(received(NORD, f"{TRACE}-1-00")).octets
    async with memory_lab(WITH_FAR) as lab:
        await hand_over(lab, NORD, octets, "x@far.example", "anna@nord.example", source=FAR_ADDRESS)

        (accepted,) = records_of(lab, "message.accepted")
        assert (accepted["trace"], accepted["hop"]) == (TRACE, 2)


@pytest.mark.parametrize(
    "lines",
    [
        (received("mx.elsewhere.example", "1"), received(NORD, f"{TRACE}-1-00")),
        (received(FAR, "ABC"), received(NORD, "no-queue-id")),
        (),
    ],
)
async def test_a_foreign_hosts_own_mail_begins_a_trace(lines: tuple[str, ...], autojump_clock: object) -> None:
    """What a foreign server brings that did not come from the lab is new here."""
    async with memory_lab(WITH_FAR) as lab:
        await hand_over(lab, NORD, mail(*lines).octets, "x@far.example", "anna@nord.example", source=FAR_ADDRESS)

        (accepted,) = records_of(lab, "message.accepted")
        assert accepted["trace"] != TRACE
        assert (accepted["hop"], accepted["received_from_queue_id"]) == (1, None)


async def test_a_trace_runs_through_all_servers(autojump_clock: object) -> None:
    """Each server names the queue id that the one before it gave, and one trace has them all."""
    async with memory_lab(TWO_SCHOOLS) as lab:
        sent = await lab.send("anna@nord.example", "ben@sued.example", subject="x")
        await lab.mailbox("ben@sued.example").wait_for_message()

        accepted = records_of(lab, "message.accepted")
        assert [record["queue_id"] for record in accepted] == [f"{sent.trace}-{hop}-00" for hop in (1, 2, 3)]
        assert [record["received_from_queue_id"] for record in accepted] == [
            None,
            f"{sent.trace}-1-00",
            f"{sent.trace}-2-00",
        ]
