"""Who is told what: NOTIFY, delays, success, and reports that reach nobody."""

from __future__ import annotations

import pytest
import trio

from maillab import Lab
from maillab.mail.address import Address
from maillab.mail.envelope import Envelope, Notice
from maillab.smtp.client import SmtpClient
from tests.labs import NORD, WITH_FAR, foreign_server, memory_lab, records_of, subjects

ANNA, NILS, ZOE = "anna@nord.example", "nils@nord.example", "zoe@far.example"
LONG = WITH_FAR.replace("after_seconds = [5, 30, 120]", "after_seconds = [60]\n    warn_after_seconds = 150")
NOBODY = {"RCPT TO": ["550 5.1.1 nobody of that name"] * 9}
WITHOUT_DSN = {"EHLO": ["250-mail.far.example\r\n250 PIPELINING"] * 9}


async def send(lab: Lab, recipient: str, *notify: str, sender: str = ANNA) -> None:
    """Somebody writes to one recipient and says what is to be told."""
    target = lab.book.find(NORD, 25)
    assert target is not None
    to = Address.parse(recipient)
    notices = {to: Notice(tuple(notify), f"rfc822;{recipient}")} if notify else {}
    async with await lab.network.connect(target, None, None) as stream:
        client = SmtpClient(stream, "anna-pc")
        await client.open()
        envelope = Envelope(Address.parse(sender), (to,), ret="HDRS", envid="E1", notices=notices)
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


ALIASES = 'aliases = { friends = ["zoe@far.example"], office = ["nils", "zoe@far.example"] }'
WITH_FRIENDS = WITH_FAR.replace("[[foreign]]", f"{ALIASES}\n    [[foreign]]")


@pytest.mark.parametrize(("notify", "told"), [("NEVER", False), ("FAILURE", True)])
async def test_what_was_said_of_an_alias_holds_for_its_members(notify: str, told: bool, autojump_clock: object) -> None:
    """Who wants to hear nothing of an alias hears nothing of those behind it; else of the alias, by its name."""
    async with memory_lab(WITH_FRIENDS) as lab, foreign_server(lab, NOBODY):
        await send(lab, "friends@nord.example", notify)
        await trio.sleep(10)
        reports = [message.octets for message in lab.mailbox(ANNA).messages()]
        assert len(records_of(lab, "delivery.failed")) == 1
        assert len(reports) == told
        assert all(b"Original-Recipient: rfc822;friends@nord.example\r\n" in report for report in reports)


@pytest.mark.parametrize("recipients", [["office@nord.example"], ["office@nord.example", ZOE, NILS, "Zoe@FAR.example"]])
async def test_nobody_is_sent_two_copies(recipients: list[str], autojump_clock: object) -> None:
    """A member of a group who is also named has the mail once, at home and elsewhere, also when it had to wait."""
    script = {"RCPT": ["451 4.2.0 not now"], ".": ["451 4.2.0 not now"]}
    async with memory_lab(WITH_FRIENDS) as lab, foreign_server(lab, script) as far:
        await lab.send(ANNA, recipients, subject="Hello")
        await trio.sleep(200)
        assert subjects(lab, NILS) == ["Hello"]
        assert len(far.mails) == 1


@pytest.mark.parametrize("notify", ["SUCCESS", "DELAY"])
async def test_a_stranger_gets_nothing_but_failures_told_for(notify: str, autojump_clock: object) -> None:
    """Where the sender cannot be reached, nobody else has to read that all is well, or late."""
    text = LONG.replace("[[foreign]]", 'outgoing = "anyone"\n    [[foreign]]')
    async with memory_lab(text) as lab:
        for recipient in (NILS, ZOE):
            await send(lab, recipient, notify, sender="eve@elsewhere.example")
        await trio.sleep(500)
        assert lab.queue() != []
        assert records_of(lab, "bounce.created") == []
        assert subjects(lab, ANNA) == []  # the postmaster


async def test_a_report_that_fails_for_the_postmaster_too_ends(autojump_clock: object) -> None:
    """Neither the sender nor the postmaster, who lives elsewhere, can be reached: both are tried, and nobody else."""
    postmaster = 'aliases = { postmaster = ["chief@far.example"] }\n    outgoing = "anyone"'
    text = WITH_FAR.replace("[[foreign]]", f"{postmaster}\n    [[foreign]]")
    script = {"RCPT TO": ["550 5.1.1 nobody of that name"] * 99}
    async with memory_lab(text) as lab, foreign_server(lab, script):
        await send(lab, ZOE, sender="eve@far.example")
        await trio.sleep(1000)
        failed = [record["recipients"] for record in records_of(lab, "delivery.failed")]
        assert failed == [[ZOE], ["eve@far.example"], ["chief@far.example"]]
        assert len(records_of(lab, "bounce.created")) == 1
        assert lab.queue() == []


async def test_the_postmasters_copy_has_an_id_of_its_own(autojump_clock: object) -> None:
    """A report that comes back to where it was made is another hop there, and not the same message again."""
    text = WITH_FAR.replace("[[foreign]]", 'outgoing = "anyone"\n    [[foreign]]')
    async with memory_lab(text) as lab, foreign_server(lab, NOBODY):
        await send(lab, ZOE, sender="eve@far.example")
        await trio.sleep(1)
        (report,) = {record["trace"] for record in records_of(lab, "bounce.created")}
        accepted = records_of(lab, "message.accepted", trace=report)
        assert [record["queue_id"] for record in accepted] == [f"{report}-1-00", f"{report}-2-00"]
        assert [record["received_from_queue_id"] for record in accepted] == [None, f"{report}-1-00"]
        assert subjects(lab, ANNA) == ["Undeliverable mail"]


async def test_dates_are_real(autojump_clock: object) -> None:
    """A report tells when the mail came, and until when it is tried, in the time that the reader's clock shows."""
    async with memory_lab(LONG) as lab:
        lab.advance_clock(30 * 86400)
        await send(lab, ZOE)
        await trio.sleep(100)
        lab.advance_clock(600)
        octets = (await lab.wait_for_message(to=ANNA, subject="Delayed mail")).octets
        assert b"Arrival-Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n" in octets
        # 1000 s after it came, of which 700 have passed on the lab's clock and 100 on the reader's
        assert b"Will-Retry-Until: Thu, 01 Jan 2026 00:06:40 +0000\r\n" in octets


async def test_a_delay_is_no_bounce(autojump_clock: object) -> None:
    """Who waits for a bounce is not content with the notice that it takes long."""
    async with memory_lab(LONG) as lab:
        await send(lab, ZOE)
        with pytest.raises(trio.TooSlowError):
            await lab.wait_for_bounce(ZOE, timeout_seconds=500)
        assert subjects(lab, ANNA) == ["Delayed mail"]
        await lab.wait_for_bounce(ZOE, timeout_seconds=1000)
        assert subjects(lab, ANNA) == ["Delayed mail", "Undeliverable mail"]
