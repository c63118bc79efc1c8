"""TLS between servers and towards clients: off, where it is offered, or nothing without it."""

from __future__ import annotations

from typing import Final

import pytest
import trio

from maillab import Lab, open_lab
from maillab.lab.load import parse_lab
from maillab.lab.mailbox import MailboxMessage
from maillab.network.endpoint import Endpoint
from maillab.network.memory import MemoryNetwork
from maillab.network.network import NetworkStream
from maillab.network.tls import HANDSHAKE_TIMEOUT_SECONDS, TlsError
from tests.labs import (
    FAR,
    FAR_ADDRESS,
    HANG_UP,
    NORD,
    SUED,
    WITH_FAR,
    foreign_server,
    memory_lab,
    records_of,
)
from tests.mailserver.guests import guest, trusting

ANNA: Final = "anna@nord.example"
BEN: Final = "ben@sued.example"
STRANGER: Final = "eve@elsewhere.example"
MAIL: Final = b"Subject: x\r\n\r\n"
OFFERS_TLS: Final = "250-far\r\n250 STARTTLS"


def two_servers(nord: str, sued: str) -> str:
    """Nord and Sued, each with its policy."""
    return f"""
        [lab]
        name = "two-servers"

        [[domain]]
        name = "nord.example"
        users = ["anna"]
        tls = "{nord}"

        [[domain]]
        name = "sued.example"
        users = ["ben"]
        tls = "{sued}"

        [retry]
        after_seconds = [5]
    """


def with_far(tls: str) -> str:
    """Nord with that policy, and a host that the lab does not start."""
    return WITH_FAR.replace('users = ["anna", "nils"]', f'users = ["anna", "nils"]\ntls = "{tls}"')


def protocol_of(message: MailboxMessage) -> str:
    """What the topmost Received line says behind "with"."""
    top = message.message.received[0]
    assert top is not None
    return top.with_


def protocol(lab: Lab, mailbox: str) -> str:
    """The same of the one message in a mailbox."""
    (message,) = lab.mailbox(mailbox).messages()
    return protocol_of(message)


async def test_a_server_that_requires_tls_takes_no_mail_in_clear(autojump_clock: object) -> None:
    """MAIL before TLS is refused with 530 5.7.0 and recorded; the same client is served inside TLS."""
    async with memory_lab(two_servers("required", "off")) as lab, guest(lab) as client:
        assert "STARTTLS" in await client.hello()
        assert await client.say(f"MAIL FROM:<{STRANGER}>") == "530 5.7.0 TLS first: say STARTTLS"
        (refused,) = records_of(lab, "message.refused")
        assert (refused["code"], refused["sender"]) == (530, STRANGER)
        assert (await client.say(f"RCPT TO:<{ANNA}>")).startswith("503 ")

        await client.start_tls(lab)
        assert (await client.send(STRANGER, ANNA, MAIL)).startswith("250 ")
        assert protocol(lab, ANNA) == "ESMTPS"


async def test_tls_is_a_record(autojump_clock: object) -> None:
    """The server says when a connection went into TLS, with version and cipher, between its other records."""
    async with memory_lab(two_servers("opportunistic", "off")) as lab, guest(lab, in_tls=True) as client:
        await client.say("NOOP")

        (started,) = records_of(lab, "tls.started")
        assert (started["server"], started["side"], started["connection"]) == (NORD, "server", "c1")
        assert started["version"].startswith("TLSv1.3 TLS_")
        verbs = [record["verb"] for record in records_of(lab, "smtp.command") if record["seq"] > started["seq"]]
        assert verbs == ["EHLO", "NOOP"]


async def test_tls_is_offered_once(autojump_clock: object) -> None:
    """Inside TLS it is neither offered nor started again, and what was said before is forgotten."""
    async with memory_lab(two_servers("opportunistic", "off")) as lab, guest(lab) as client:
        await client.say(f"MAIL FROM:<{STRANGER}>")
        assert (await client.say("STARTTLS")).startswith("503 ")  # not within a transaction
        await client.say("RSET")
        await client.start_tls(lab)

        assert "STARTTLS" not in await client.hello()
        assert (await client.say("STARTTLS")).startswith("503 5.5.1 TLS is on already")
        assert (await client.say(f"RCPT TO:<{ANNA}>")).startswith("503 ")


async def test_a_server_without_tls_offers_none(autojump_clock: object) -> None:
    """With `tls = "off"` there is no keyword and no command, no listener for it, and AUTH cannot be had."""
    async with memory_lab(two_servers("off", "off")) as lab, guest(lab) as client:
        assert not {"STARTTLS"} & await client.hello()
        assert (await client.say("STARTTLS")).startswith("502 5.5.1 ")

        (ready,) = records_of(lab, "lab.ready")
        assert [(server["submission"], server["submissions"]) for server in ready["servers"]] == [(None, None)] * 2


async def test_a_failed_handshake_ends_the_connection(autojump_clock: object) -> None:
    """A client that goes on in clear behind STARTTLS is not listened to, and nothing of it is carried out."""
    async with memory_lab(two_servers("opportunistic", "off")) as lab, guest(lab) as client:
        await client.say("STARTTLS")
        assert await client.give(f"MAIL FROM:<{STRANGER}>\r\n".encode()) in ("", "\x15\x03\x01")  # perhaps an alert

        (closed,) = records_of(lab, "connection.closed")
        assert closed["reason"].startswith("TLS: handshake failed")
        assert [record["verb"] for record in records_of(lab, "smtp.command")] == ["EHLO", "STARTTLS"]


@pytest.mark.parametrize(
    ("nord", "sued", "with_"),
    [
        ("off", "off", "ESMTP"),
        ("off", "opportunistic", "ESMTP"),
        ("opportunistic", "off", "ESMTP"),
        ("opportunistic", "opportunistic", "ESMTPS"),
        ("opportunistic", "required", "ESMTPS"),
        ("required", "opportunistic", "ESMTPS"),
        ("required", "required", "ESMTPS"),
    ],
)
async def test_servers_encrypt_where_both_can(nord: str, sued: str, with_: str, autojump_clock: object) -> None:
    """Mail between two servers is encrypted when both know how; the Received line and one record say so."""
    async with memory_lab(two_servers(nord, sued)) as lab, guest(lab, in_tls=nord == "required") as client:
        await client.send(ANNA, BEN, MAIL)
        await lab.mailbox(BEN).wait_for_message()

        assert protocol(lab, BEN) == with_
        (relayed_over,) = {record["connection"] for record in records_of(lab, "connection.opened", side="client")}
        started = records_of(lab, "tls.started", connection=relayed_over)
        assert [record["server"] for record in started] == ([SUED] if with_ == "ESMTPS" else [])


async def test_what_may_not_go_in_clear_waits(autojump_clock: object) -> None:
    """Where the next hop offers no STARTTLS and the sender requires it, the message is deferred, and says why."""
    async with memory_lab(two_servers("required", "off")) as lab, guest(lab, in_tls=True) as client:
        await client.send(ANNA, BEN, MAIL)
        await trio.sleep(1)

        (deferred,) = records_of(lab, "delivery.deferred")
        assert deferred["reply"] == f"{SUED} does not offer STARTTLS, and {NORD} sends nothing in clear"
        assert [record["verb"] for record in records_of(lab, "smtp.command", server=SUED)] == ["EHLO", "QUIT"]


async def test_what_comes_in_clear_is_sent_back(autojump_clock: object) -> None:
    """Where the next hop requires TLS and the sender has none, the 530 is final, and the sender is told."""
    async with memory_lab(two_servers("off", "required")) as lab:
        await lab.send(ANNA, BEN, subject="x")
        await lab.wait_for_bounce(BEN)

        (failed,) = records_of(lab, "delivery.failed")
        assert (failed["code"], failed["reply"]) == (530, "530 5.7.0 TLS first: say STARTTLS")


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        pytest.param(["220 go on"], f"TLS: no handshake within {HANDSHAKE_TIMEOUT_SECONDS:.0f} s", id="no handshake"),
        pytest.param(["454 4.7.0 not now"], "refused STARTTLS: 454 4.7.0 not now", id="refused"),
        pytest.param([HANG_UP], "the server closed the connection", id="hung up"),
    ],
)
async def test_falls_back_to_clear_where_it_may(answers: list[str], reason: str, autojump_clock: object) -> None:
    """A STARTTLS that comes to nothing is not tried again: the message goes in clear over a new connection."""
    script = {"EHLO": [OFFERS_TLS] * 2, "STARTTLS": answers}
    async with memory_lab(with_far("opportunistic")) as lab, foreign_server(lab, script) as far:
        await lab.send(ANNA, "x@far.example", subject="x")
        await trio.sleep(HANDSHAKE_TIMEOUT_SECONDS + 1)

        assert (len(far.mails), far.connection_count) == (1, 2)
        assert far.heard.count("STARTTLS") == 1
        assert records_of(lab, "delivery.deferred") == records_of(lab, "tls.started") == []
        first, *_ = records_of(lab, "connection.closed", side="client")
        assert first["reason"] == reason


@pytest.mark.parametrize("answer", ["220 go on", "454 4.7.0 not now"])
async def test_does_not_fall_back_where_tls_is_required(answer: str, autojump_clock: object) -> None:
    """A handshake that fails defers the message, and no part of it was said in clear."""
    script = {"EHLO": [OFFERS_TLS], "STARTTLS": [answer]}
    async with memory_lab(with_far("required")) as lab, foreign_server(lab, script) as far:
        async with guest(lab, in_tls=True) as client:
            await client.send(ANNA, "x@far.example", MAIL)
        await trio.sleep(HANDSHAKE_TIMEOUT_SECONDS + 1)

        (deferred,) = records_of(lab, "delivery.deferred", attempt=1)
        assert "TLS" in deferred["reply"]
        assert (far.mails, [line for line in far.heard if line.startswith("MAIL")]) == ([], [])


@pytest.mark.parametrize("tls", ["required", "opportunistic"])
async def test_octets_behind_the_220_are_an_attack(tls: str, autojump_clock: object) -> None:
    """Replies that somebody has put in front of TLS are never taken for the server's: the connection is dropped."""
    injected = "220 go on\r\n250-far\r\n250 DSN\r\n250 2.0.0 taken"
    async with (
        memory_lab(with_far(tls)) as lab,
        foreign_server(lab, {"EHLO": [OFFERS_TLS], "STARTTLS": [injected]}),
    ):
        async with guest(lab, in_tls=True) as client:
            await client.send(ANNA, "x@far.example", MAIL)
        await trio.sleep(1)

        (deferred,) = records_of(lab, "delivery.deferred")
        assert deferred["reply"] == "octets in clear behind the reply to STARTTLS"


async def test_tells_of_tls_with_a_host_of_another_process(autojump_clock: object) -> None:
    """Towards a server that runs elsewhere, the sending side takes down that it is encrypted, and the dialogue."""
    network, spec = MemoryNetwork(), parse_lab(two_servers("required", "required"), "test")
    async with (
        open_lab(spec, network=network, only=[NORD], crash_ends_all=True) as north,
        open_lab(spec, network=network, only=[SUED], crash_ends_all=True) as south,
    ):
        async with guest(north, in_tls=True) as client:
            await client.send(ANNA, BEN, MAIL)
        await south.mailbox(BEN).wait_for_message()

        (started,) = records_of(north, "tls.started", side="client")
        assert (started["server"], started["peer_name"]) == (NORD, SUED)
        assert started["version"].startswith("TLSv1.3 ")
        lines = [record["line"] for record in records_of(north, "smtp.command", connection=started["connection"])]
        assert lines[:3] == [f"EHLO {NORD}", "STARTTLS", f"EHLO {NORD}"]


@pytest.mark.parametrize("name", [NORD, "nord.example", "172.16.1.1", "localhost", "127.0.0.1", "::1"])
async def test_a_certificate_names_the_server(name: str, autojump_clock: object) -> None:
    """Who trusts the lab finds the host by its name, its domain, its address and as this machine."""
    async with memory_lab(two_servers("opportunistic", "off")) as lab, guest(lab) as client:
        await client.say("STARTTLS")
        await client.encrypt(trusting(lab), name)

        assert "STARTTLS" not in await client.hello()


@pytest.mark.parametrize("name", [SUED, "sub.nord.example", "172.16.2.1"])
async def test_a_certificate_names_nobody_else(name: str, autojump_clock: object) -> None:
    """A client that meant another host is told."""
    async with memory_lab(two_servers("opportunistic", "off")) as lab, guest(lab) as client:
        await client.say("STARTTLS")
        with pytest.raises(TlsError, match="handshake failed: CERTIFICATE_VERIFY_FAILED"):
            await client.encrypt(trusting(lab), name)


async def test_a_stale_connection_is_encrypted_again(autojump_clock: object) -> None:
    """A kept connection that is replaced is replaced by one in TLS."""
    async with memory_lab(two_servers("opportunistic", "opportunistic")) as lab:
        for n in range(3):
            await lab.send(ANNA, BEN, subject=str(n))
            await trio.sleep(1 if n else 60)

        assert [protocol_of(message) for message in lab.mailbox(BEN).messages()] == ["ESMTPS"] * 3
        assert len(records_of(lab, "tls.started", server=SUED)) == 2


async def silent_server(stream: NetworkStream) -> None:
    """Accept, and say nothing."""
    async for _ in stream:
        pass


async def test_a_host_that_never_greets_is_given_up(autojump_clock: object) -> None:
    """A connection without a greeting is closed after the time of RFC 5321, and the message waits."""
    async with memory_lab(with_far("opportunistic")) as lab, trio.open_nursery() as nursery:
        listener = await lab.network.listen(Endpoint(FAR_ADDRESS, 25))
        nursery.start_soon(trio.serve_listeners, silent_server, [listener])
        await lab.send(ANNA, "x@far.example", subject="x")
        await trio.sleep(301)

        (deferred,) = records_of(lab, "delivery.deferred")
        (closed,) = records_of(lab, "connection.closed", side="client", peer_name=FAR)
        assert deferred["reply"] == closed["reason"] == "no answer for 300 seconds"
        nursery.cancel_scope.cancel()


async def test_a_program_hands_mail_in_as_the_server_wants_it(autojump_clock: object) -> None:
    """`Lab.send` speaks TLS to a server that takes nothing in clear, by whatever name it is called."""
    async with memory_lab(two_servers("required", "off")) as lab:
        for name in (None, NORD, "nord.example", "172.16.1.1"):
            await lab.send(ANNA, ANNA, subject="x", server=name)

        assert [protocol_of(message) for message in lab.mailbox(ANNA).messages()] == ["ESMTPS"] * 4
