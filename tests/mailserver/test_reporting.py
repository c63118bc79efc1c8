"""Who is told what: NOTIFY, delays, success, and reports that reach nobody."""

from __future__ import annotations

import pytest
import trio

from maillab.mail.address import Address
from maillab.mail.envelope import Envelope, Notice
from maillab.smtp.client import SmtpClient
from tests.labs import NORD, WITH_FAR, foreign_server, memory_lab, records_of, subjects

ANNA, ZOE = "anna@nord.example", "zoe@far.example"
LONG = WITH_FAR.replace("after_seconds = [5, 30, 120]", "after_seconds = [60]\n    warn_after_seconds = 150")
NOBODY = {"RCPT TO": ["550 5.1.1 nobody of that name"] * 9}
WITHOUT_DSN = {"EHLO": ["250-mail.far.example\r\n250 PIPELINING"] * 9}


async def send(lab: object, recipient: str, *notify: str) -> None:
    """Anna writes to one recipient and says what she wants to be told."""
    from maillab import Lab

    assert isinstance(lab, Lab)
    target = lab.book.find(NORD, 25)
    assert target is not None
    to = Address.parse(recipient)
    notices = {to: Notice(tuple(notify), f"rfc822;{recipient}")} if notify else {}
    async with await lab.network.connect(target, None, None) as stream:
        client = SmtpClient(stream, "anna-pc")
        await client.open()
        envelope = Envelope(Address.parse(ANNA), (to,), ret="HDRS", envid="E1", notices=notices)
        await client.send(envelope, b"Subject: Hello\r\n\r\nHello\r\n")
        await client.quit()


@pytest.mark.parametrize(
    ("notify", "told"), [((), True), (("FAILURE",), True), (("NEVER",), False), (("SUCCESS", "DELAY"), False)]
)
async def test_a_failure_is_told_to_who_wants_to_hear(
    notify: tuple[str, ...], told: bool, autojump_clock: object
) -> None:
    """By default it is; NOTIFY says otherwise (RFC 3461 section 4.1)."""
    async with memory_lab(WITH_FAR) as lab, foreign_server(lab, NOBODY):
        await send(lab, ZOE, *notify)
        await trio.sleep(10)
        assert subjects(lab, ANNA) == (["Undeliverable mail"] if told else [])
        assert len(records_of(lab, "delivery.failed")) == 1


async def test_what_the_sender_said_stands_in_the_report(autojump_clock: object) -> None:
    """Its own name of the envelope and of the recipient, and as much of the message as it asked for."""
    async with memory_lab(WITH_FAR) as lab, foreign_server(lab, NOBODY):
        await send(lab, ZOE, "FAILURE")
        octets = (await lab.wait_for_message(to=ANNA)).octets
        assert b"Original-Envelope-Id: E1\r\n" in octets
        assert b"Original-Recipient: rfc822;zoe@far.example\r\n" in octets
        assert b"Content-Type: text/rfc822-headers" in octets


@pytest.mark.parametrize(("notify", "told"), [((), True), (("DELAY",), True), (("NEVER",), False)])
async def test_a_delay_is_told_once(notify: tuple[str, ...], told: bool, autojump_clock: object) -> None:
    """After `warn_after_seconds` the sender hears that it takes long, until when it is tried, and not again."""
    async with memory_lab(LONG) as lab:
        await send(lab, ZOE, *notify)
        await trio.sleep(140)
        assert subjects(lab, ANNA) == []
        await trio.sleep(600)
        assert subjects(lab, ANNA) == (["Delayed mail"] if told else [])
        if told:
            octets = lab.mailbox(ANNA).messages()[0].octets
            assert b"Action: delayed\r\nStatus: 4.4.1\r\n" in octets
            assert b"Will-Retry-Until: " in octets
        assert len(records_of(lab, "delivery.failed")) == 0


async def test_success_at_home_is_told_if_asked_for(autojump_clock: object) -> None:
    """A mailbox of this server: the report says delivered."""
    async with memory_lab(WITH_FAR) as lab:
        await send(lab, "nils@nord.example", "SUCCESS")
        octets = (await lab.wait_for_message(to=ANNA, subject="Delivered mail")).octets
        assert b"Action: delivered\r\nStatus: 2.1.5\r\n" in octets
        await send(lab, "nils@nord.example")
        await trio.sleep(1)
        assert len(subjects(lab, ANNA)) == 1


async def test_success_travels_with_the_mail(autojump_clock: object) -> None:
    """Where every hop knows DSN, the last one reports, and nobody else does."""
    async with memory_lab() as lab:
        await send(lab, "ben@sued.example", "SUCCESS")
        await lab.wait_for_message(to=ANNA, subject="Delivered mail")
        await trio.sleep(10)
        assert len(subjects(lab, ANNA)) == 1
        assert [record["server"] for record in records_of(lab, "bounce.created")] == ["mail.sued.example"]


async def test_the_last_server_that_knows_dsn_says_so(autojump_clock: object) -> None:
    """Handed to a server without DSN, success is all that can be reported: relayed (RFC 3461 section 5.2.2)."""
    async with memory_lab(WITH_FAR) as lab, foreign_server(lab, WITHOUT_DSN):
        await send(lab, ZOE, "SUCCESS")
        octets = (await lab.wait_for_message(to=ANNA, subject="Relayed mail")).octets
        assert b"Action: relayed\r\n" in octets


async def test_a_german_lab_writes_german(autojump_clock: object) -> None:
    """`[lab] language`, or replies as in a German textbook."""
    text = WITH_FAR.replace('name = "with-far"', 'name = "with-far"\n    language = "de"')
    async with memory_lab(text) as lab, foreign_server(lab, NOBODY):
        await send(lab, ZOE)
        octets = (await lab.wait_for_message(to=ANNA)).octets
        assert "konnte nicht zugestellt werden" in octets.decode()
        assert (await lab.wait_for_message(to=ANNA)).subject == "Unzustellbare Mail"


async def test_a_host_that_is_down_is_left_alone(autojump_clock: object) -> None:
    """Ten mails for a host that cannot be reached are one try at each of its times, and all leave when it is back."""
    async with memory_lab(LONG) as lab:
        for n in range(10):
            await lab.send(ANNA, ZOE, subject=str(n))
            await trio.sleep(1)
        assert len(records_of(lab, "delivery.started")) == 1
        assert len(records_of(lab, "delivery.deferred")) == 10
        async with foreign_server(lab) as far:
            await trio.sleep(120)
            assert len(far.mails) == 10


async def test_a_slow_destination_delays_no_other(autojump_clock: object) -> None:
    """While one host thinks for minutes, mail for another one passes."""
    text = LONG + '\n[[domain]]\nname = "sued.example"\nusers = ["ben"]\n'
    async with memory_lab(text) as lab, foreign_server(lab, thinks_seconds=300):
        for n in range(20):
            await lab.send(ANNA, ZOE, subject=str(n))
        start = trio.current_time()
        await lab.send(ANNA, "ben@sued.example")
        await lab.wait_for_message(to="ben@sued.example")
        assert trio.current_time() - start < 1
