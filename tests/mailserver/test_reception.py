"""Reception: what is answered, what is kept, and that 250 is said only to what is safe."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

import pytest

from maillab import Lab
from maillab.mailserver.reception import RECEIVED_LIMIT
from maillab.smtp.limits import Limits
from tests.labs import NORD, RELAY, memory_lab, records_of, row_count, visit

ANNA: Final = "anna@nord.example"
NILS: Final = "nils@nord.example"
STRANGER: Final = "eve@elsewhere.example"
MESSAGE_LIMIT_OCTETS: Final = Limits().message_octets
RECIPIENTS_LIMIT: Final = Limits().recipients
TO_ANNA: Final = (f"MAIL FROM:<{STRANGER}>", f"RCPT TO:<{ANNA}>", "DATA")

ODD_OCTETS: Final = (
    b".a dot first\r\n..two\r\n.\r\n\r\n\r\n \t trailing space \r\n" + bytes(range(0x80, 0x100)) + b"\x00\x0b\r\n" * 2
)


def stored_octets(lab: Lab, mailbox: str = ANNA) -> list[bytes]:
    return [message.octets for message in lab.mailbox(mailbox).messages()]


async def test_keeps_every_octet(autojump_clock: object) -> None:
    """Dots, empty lines, 8-bit octets and NUL come out as they went in, below the lines that servers add."""
    header = b"Subject: odd\r\nFrom: eve\r\n\r\n"
    async with memory_lab() as lab, visit(lab, NORD) as visitor:
        assert (await visitor.say_all(TO_ANNA))[-1].startswith("354 ")
        lines = (header + ODD_OCTETS).split(b"\n")
        on_the_wire = b"\n".join(b"." + line if line.startswith(b".") else line for line in lines)
        assert (await visitor.give(on_the_wire + b".\r\n")).startswith("250 2.0.0 Ok: queued as ")

        (octets,) = stored_octets(lab)
        assert octets.startswith(f"Return-Path: <{STRANGER}>\r\nReceived: ".encode())
        assert octets.endswith(b"+0000\r\n" + header + ODD_OCTETS)
        (accepted,) = records_of(lab, "message.accepted")
        assert accepted["size_octets"] == len(header + ODD_OCTETS)


@pytest.mark.parametrize(
    ("hello", "parameters", "recipients", "line"),
    [
        pytest.param(
            "EHLO carol-pc",
            "",
            [ANNA],
            f"from carol-pc ([192.0.2.7])\r\n\tby {NORD} with ESMTP id TRACE-1-00\r\n\tfor <{ANNA}>;",
            id="one recipient",
        ),
        pytest.param(
            "EHLO carol-pc",
            "",
            [ANNA, NILS],
            f"from carol-pc ([192.0.2.7])\r\n\tby {NORD} with ESMTP id TRACE-1-00;",
            id="several, none of whom is given away",
        ),
        pytest.param(
            "HELO carol-pc",
            "",
            ["Postmaster"],
            f"from carol-pc ([192.0.2.7])\r\n\tby {NORD} with SMTP id TRACE-1-00;",
            id="HELO, and a postmaster without a domain",
        ),
        pytest.param(
            "EHLO [192.0.2.7]",
            " SMTPUTF8",
            [ANNA],
            f"from [192.0.2.7] ([192.0.2.7])\r\n\tby {NORD} with UTF8SMTP id TRACE-1-00\r\n\tfor <{ANNA}>;",
            id="SMTPUTF8",
        ),
    ],
)
async def test_writes_a_received_line(
    hello: str, parameters: str, recipients: Sequence[str], line: str, autojump_clock: object
) -> None:
    """The line says who the client claims to be, who it is, by whom, how, and for whom where that is one."""
    async with memory_lab() as lab, visit(lab, NORD, "192.0.2.7") as visitor:
        paths = [f"RCPT TO:<{recipient}>" for recipient in recipients]
        await visitor.say_all([hello, f"MAIL FROM:<{STRANGER}>{parameters}", *paths, "DATA"])
        await visitor.give(b"Subject: x\r\n\r\n.\r\n")

        (octets, *_) = stored_octets(lab)
        (accepted,) = records_of(lab, "message.accepted")
        whole = f"Received: {line.replace('TRACE', accepted['trace'])}\r\n\tThu, 01 Jan 2026 00:00:00 +0000\r\n"
        assert octets == f"Return-Path: <{STRANGER}>\r\n{whole}Subject: x\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (f"RCPT TO:<{ANNA}>", "250 2.1.5 "),
        ("RCPT TO:<postMASTER>", "250 2.1.5 "),
        ("RCPT TO:<nobody@nord.example>", "550 5.1.1 "),
        ("RCPT TO:<ben@sued.example>", "550 5.7.1 "),
        ("RCPT TO:<x@example.org>", "550 5.1.2 "),
        ("RCPT TO:<x@[127.0.0.1]>", "550 5.1.2 "),
        ("RCPT TO:<x@[IPv6:::1]>", "550 5.1.2 "),
        ("RCPT TO:<ben%sued.example@nord.example>", "550 5.1.1 "),
        ('RCPT TO:<"ben@sued.example"@nord.example>', "550 5.1.1 "),
        ("RCPT TO:<sued.example!ben@nord.example>", "550 5.1.1 "),
        ("RCPT TO:<jörg@nord.example>", "553 5.6.7 "),
    ],
)
async def test_answers_rcpt_by_the_route(line: str, reply: str, autojump_clock: object) -> None:
    """A recipient is judged at RCPT, and a refused one leaves the transaction open."""
    async with memory_lab() as lab, visit(lab, NORD) as visitor:
        assert (await visitor.say(f"MAIL FROM:<{STRANGER}>")).startswith("250 2.1.0 ")
        assert (await visitor.say(line)).startswith(reply)
        assert (await visitor.say(f"RCPT TO:<{NILS}>")).startswith("250 2.1.5 ")

        assert len(records_of(lab, "message.refused")) == (not reply.startswith("250"))


async def test_an_own_sender_may_write_to_the_lab_and_no_further(autojump_clock: object) -> None:
    """Domains outside the lab are refused at RCPT, by name."""
    async with memory_lab() as lab, visit(lab, NORD) as visitor:
        await visitor.say(f"MAIL FROM:<{ANNA}>")
        assert (await visitor.say("RCPT TO:<ben@sued.example>")).startswith("250 ")
        reply = await visitor.say("RCPT TO:<x@example.org>")

        assert reply == "550 5.1.2 <x@example.org>: no server of this lab takes mail for example.org"
        (passed,) = records_of(lab, "policy.checked")
        assert (passed["policy"], passed["result"], passed["reason"]) == ("relay", "passed", f"own sender {ANNA}")
        (refused,) = records_of(lab, "message.refused")
        assert (refused["code"], refused["sender"], refused["recipients"]) == (550, ANNA, ["x@example.org"])


async def test_records_why_a_relay_says_no(autojump_clock: object) -> None:
    """A denied relay is two records, joined to the dialogue: the policy, and the refusal."""
    async with memory_lab() as lab, visit(lab, NORD) as visitor:
        await visitor.say_all([f"MAIL FROM:<{STRANGER}>", "RCPT TO:<ben@sued.example>"])

        (checked,) = records_of(lab, "policy.checked")
        (refused,) = records_of(lab, "message.refused")
        assert (checked["policy"], checked["result"]) == ("relay", "refused")
        assert checked["reason"] == refused["reason"]
        assert (refused["connection"], refused["transaction"], refused["code"]) == ("c1", 1, 550)


async def test_one_mailbox_gets_one_copy(autojump_clock: object) -> None:
    """Whoever is named twice, in two ways or through an alias, finds the mail once."""
    async with memory_lab() as lab:
        await lab.send(STRANGER, [ANNA, "ANNA@nord.EXAMPLE", "team@nord.example"], subject="x", server=NORD)

        assert len(stored_octets(lab, ANNA)) == len(stored_octets(lab, NILS)) == 1
        assert {record["mailbox"] for record in records_of(lab, "message.stored")} == {ANNA, NILS}


async def test_refuses_what_runs_in_circles(autojump_clock: object) -> None:
    """A message with more than 50 Received lines is a loop: 554 5.4.6, for everybody."""
    line = b"Received: by somewhere.example; Mon, 23 Nov 2026 13:00:00 +0000\r\n"
    async with memory_lab() as lab, visit(lab, NORD) as visitor:
        await visitor.say_all(TO_ANNA)
        assert (await visitor.give(line * RECEIVED_LIMIT + b"\r\n.\r\n")).startswith("250 ")
        await visitor.say_all(TO_ANNA)
        reply = await visitor.give(line * (RECEIVED_LIMIT + 1) + b"\r\n.\r\n")

        assert reply == "554 5.4.6 Mail loop: 51 Received lines, 50 is the limit"
        (checked,) = records_of(lab, "policy.checked", policy="hops")
        assert (checked["result"], checked["reason"]) == ("refused", "51 Received lines")
        assert len(stored_octets(lab)) == 1


@pytest.mark.parametrize("octets", [b"bare\nLF\r\n", b"bare\rCR\r\n", b"x\r\n.\n\r\n", b"x\n.\r\n\r\n", b"\r\r\n"])
async def test_refuses_bare_line_ends(octets: bytes, autojump_clock: object) -> None:
    """A CR or LF on its own is refused with 550 5.6.0 after the true end of the message, and nothing is kept."""
    async with memory_lab() as lab, visit(lab, NORD) as visitor:
        await visitor.say_all(TO_ANNA)
        assert (await visitor.give(octets + b".\r\n")).startswith("550 5.6.0 ")
        assert (await visitor.say("NOOP")).startswith("250 ")  # the line behind was no command

        assert stored_octets(lab) == []
        assert row_count(lab.database, "message") == 0
        (refused,) = records_of(lab, "message.refused")
        assert (refused["code"], refused["recipients"]) == (550, [ANNA])


async def test_refuses_a_size_that_is_announced(autojump_clock: object) -> None:
    """MAIL with a SIZE over the limit is refused before an octet of it was sent; the limit itself is not."""
    async with memory_lab() as lab, visit(lab, NORD) as visitor:
        reply = await visitor.say(f"MAIL FROM:<{STRANGER}> SIZE={MESSAGE_LIMIT_OCTETS + 1}")
        assert reply.startswith("552 5.3.4 ")
        assert (await visitor.say(f"MAIL FROM:<{STRANGER}> SIZE={MESSAGE_LIMIT_OCTETS}")).startswith("250 ")

        assert [record["result"] for record in records_of(lab, "policy.checked", policy="size")] == ["refused"]


async def test_refuses_a_message_that_is_too_big(autojump_clock: object) -> None:
    """A message that grows over the limit is read to its end, dropped and refused; the next one is taken."""
    async with memory_lab() as lab, visit(lab, NORD) as visitor:
        await visitor.say_all(TO_ANNA)
        line = b"x" * 1022 + b"\r\n"
        assert (await visitor.give(line * (MESSAGE_LIMIT_OCTETS // 1024 + 1) + b".\r\n")).startswith("552 5.3.4 ")
        await visitor.say_all(TO_ANNA)
        assert (await visitor.give(b"\r\nsmall\r\n.\r\n")).startswith("250 ")

        assert len(stored_octets(lab)) == 1


async def test_takes_a_thousand_recipients(autojump_clock: object) -> None:
    """Recipient 1,001 is put off with 452 4.5.3, and the message goes to the others."""
    async with memory_lab() as lab, visit(lab, RELAY) as visitor:
        await visitor.say(f"MAIL FROM:<{STRANGER}>")
        replies = await visitor.say_all([f"RCPT TO:<user{n}@nord.example>" for n in range(RECIPIENTS_LIMIT)])
        assert {reply[:9] for reply in replies} == {"250 2.1.5"}
        assert (await visitor.say(f"RCPT TO:<{ANNA}>")).startswith("452 4.5.3 ")
        await visitor.say("DATA")
        assert (await visitor.give(b"\r\n.\r\n")).startswith("250 ")

        accepted = records_of(lab, "message.accepted", server=RELAY)[0]
        assert len(accepted["recipients"]) == RECIPIENTS_LIMIT


async def test_a_full_disk_is_answered_with_452(autojump_clock: object) -> None:
    """What cannot be stored is not acknowledged; what was, stays; and with room again the next mail is taken."""

    def limit_pages(db: sqlite3.Connection, room: int) -> None:
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count = {pages + room}")

    big = b"Subject: big\r\n\r\n" + b"x" * 70 * 1024 + b"\r\n.\r\n"
    async with memory_lab() as lab, visit(lab, NORD) as visitor:
        await visitor.say_all(TO_ANNA)
        await visitor.give(b"Subject: first\r\n\r\n.\r\n")
        await lab.database.write(lambda db: limit_pages(db, 2))
        await visitor.say_all(TO_ANNA)
        assert (await visitor.give(big)).startswith("452 4.3.1 ")
        (refused,) = records_of(lab, "message.refused")
        assert (refused["code"], refused["recipients"]) == (452, [ANNA])
        assert len(records_of(lab, "message.accepted")) == 1
        assert len(stored_octets(lab)) == 1

        await lab.database.write(lambda db: limit_pages(db, 1000))
        await visitor.say_all(TO_ANNA)
        assert (await visitor.give(big)).startswith("250 ")
        assert len(stored_octets(lab)) == 2


async def test_stores_a_message_once_for_all_its_mailboxes(autojump_clock: object) -> None:
    """However many people at one server get a message, its octets are there once."""
    async with memory_lab() as lab:
        await lab.send(STRANGER, [ANNA, NILS], subject="x", server=NORD)

        assert row_count(lab.database, "message") == 1
        assert stored_octets(lab, ANNA) == stored_octets(lab, NILS)


async def test_a_new_mail_forgets_the_last(autojump_clock: object) -> None:
    """RSET, EHLO and the end of a message each end a transaction: its recipients get nothing more."""
    async with memory_lab() as lab, visit(lab, NORD) as visitor:
        for ending in ("RSET", "EHLO visitor"):
            await visitor.say_all([f"MAIL FROM:<{STRANGER}>", f"RCPT TO:<{ANNA}>", ending])
        await visitor.say_all([f"MAIL FROM:<{STRANGER}>", f"RCPT TO:<{NILS}>", "DATA"])
        await visitor.give(b"\r\n.\r\n")

        assert (len(stored_octets(lab, ANNA)), len(stored_octets(lab, NILS))) == (0, 1)
        (accepted,) = records_of(lab, "message.accepted")
        assert (accepted["recipients"], accepted["transaction"]) == ([NILS], 3)


async def test_a_textbook_server_announces_no_enhanced_codes(autojump_clock: object) -> None:
    """The textbook's replies carry no enhanced codes and no queue id, and EHLO promises none."""
    lab_file = '[lab]\nname = "x"\nreplies = "filius-de"\n[[domain]]\nname = "nord.example"\nusers = ["anna"]\n'
    async with memory_lab(lab_file) as lab, visit(lab, NORD) as visitor:
        assert await visitor.say("HELO carol-pc") == "250 Hello carol-pc"
        assert await visitor.say(f"MAIL FROM:<{STRANGER}>") == "250 Sender OK"
        assert await visitor.say(f"RCPT TO:<{ANNA}>") == "250 Recipient OK"
        await visitor.say("DATA")
        assert await visitor.give(b"\r\n.\r\n") == "250 Mail queued for delivery"

        said = [record["line"] for record in records_of(lab, "smtp.reply")]
        assert "250-PIPELINING" in said
        assert not any("ENHANCEDSTATUSCODES" in line for line in said)
