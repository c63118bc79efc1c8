"""STARTTLS (RFC 3207) on both sides: nothing that was said before survives it, nothing said behind it is heard."""

from __future__ import annotations

import ssl

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from maillab.mail.address import Address
from maillab.mail.envelope import Envelope
from maillab.network.memory_stream import MemoryStream, memory_streams
from maillab.network.network import NetworkStream
from maillab.network.tls import HANDSHAKE_TIMEOUT_SECONDS, TlsError, connect_tls, serve_tls
from maillab.smtp.client import SmtpClient
from maillab.smtp.limits import Limits
from maillab.smtp.outcome import Delivered, UnusableError
from maillab.trace.recorder import Recorder
from tests.smtp.certificates import client_context, server_context
from tests.smtp.list_host import CLIENT, SERVER, ListHost, called
from tests.smtp.scripted_server import scripted

HELLO = "EHLO client.example"
MAIL = "MAIL FROM:<anna@nord.example>"
ENVELOPE = Envelope(Address("anna", "nord.example"), (Address("ben", "x"),))
TLS_HELLO = """
    S: 220 relay.example
    C: EHLO mail.nord.example
    S: 250-relay.example
    S: 250 STARTTLS
    C: STARTTLS
"""


async def test_a_conversation_goes_on_in_tls() -> None:
    """220, a handshake, and a session that begins anew: EHLO is needed, and does not offer STARTTLS again."""
    host = ListHost()
    async with called(host) as caller:
        await caller.start_tls()
        replies = await caller.ask(MAIL, "AUTH PLAIN", HELLO, MAIL, "RSET", "STARTTLS", "STARTTLS x", "QUIT", "NOOP")
        assert [reply[:9] for reply in replies] == [
            *("503 5.5.1", "503 5.5.1", "250 mail.", "250 2.1.0", "250 2.0.0", "503 5.5.1", "501 5.5.4", "221 2.0.0"),
            "",
        ]
        assert "STARTTLS" not in replies[2]
        assert replies[5] == "503 5.5.1 TLS is on already"
    assert caller.ended == "quit"


async def test_the_transaction_of_before_is_forgotten() -> None:
    """RFC 3207 section 4.2; within a transaction STARTTLS is out of order anyway."""
    host = ListHost()
    async with called(host) as caller:
        await caller.hear()
        replies = await caller.ask(HELLO, MAIL, "STARTTLS", "RSET", "STARTTLS now")
        assert [reply[:3] for reply in replies] == ["250", "250", "503", "250", "501"]
        assert (await caller.ask("STARTTLS"))[0] == "220 2.0.0 Ready to start TLS"
        caller.stream = await connect_tls(caller.stream, client_context(), host.name)
        assert (await caller.ask("RCPT TO:<ben@x>"))[0].startswith("503 ")


@pytest.mark.parametrize("behind", ["NOOP\r\n", "\r\n", "x", f"{HELLO}\r\n{MAIL}\r\n"])
async def test_octets_behind_starttls_end_the_connection(behind: str) -> None:
    """Whoever was between the two may have put them there; they are not executed, before TLS or after it."""
    recorder = Recorder("test", "r1", trio.current_time)
    async with called(ListHost(), recorder.bind()) as caller:
        await caller.hear()
        await caller.stream.send_all(f"STARTTLS\r\n{behind}".encode())
        assert (await caller.hear()).startswith("421 4.7.0 mail.nord.example met octets behind STARTTLS; ")
        assert await caller.hear() == ""
    assert [record["line"] for record in recorder.records if record["event"] == "smtp.command"] == ["STARTTLS"]


@pytest.mark.parametrize("octets", [b"NOOP\r\n" * 10, b"\x16\x03\x01\x00\x05hello"])
async def test_a_failed_handshake_closes(octets: bytes) -> None:
    """What comes in clear behind the 220 is no TLS, and no command either."""
    async with called(ListHost()) as caller:
        await caller.hear()
        assert (await caller.ask("STARTTLS"))[0].startswith("220 ")
        await caller.stream.send_all(octets)
        while await caller.stream.receive_some():  # an alert
            pass
    assert str(caller.ended).startswith("TLS: handshake failed: ")


async def test_a_client_that_trusts_nobody_leaves() -> None:
    """Its side says why, and the server's conversation is over."""
    async with called(ListHost()) as caller:
        await caller.hear()
        await caller.ask("STARTTLS")
        with pytest.raises(TlsError, match=r"handshake failed: .*CERTIFICATE"):
            await connect_tls(caller.stream, ssl.create_default_context(), ListHost.name)
        await caller.stream.aclose()
    assert str(caller.ended).startswith("TLS: handshake failed: ")


async def test_a_handshake_is_not_waited_for_for_ever(autojump_clock: MockClock) -> None:
    """Half a minute, however impatient the server is with commands, and then no word in clear."""
    async with called(ListHost(Limits(command_timeout_seconds=5))) as caller:
        await caller.hear()
        await caller.ask("STARTTLS")
        assert await caller.stream.receive_some() == b""
        assert trio.current_time() == pytest.approx(HANDSHAKE_TIMEOUT_SECONDS)
    assert caller.ended == "TLS: no handshake within 30 s"


async def test_a_server_that_stops_says_nothing_in_a_handshake(autojump_clock: MockClock) -> None:
    """A line in clear would be no TLS record."""
    async with called(ListHost()) as caller:
        await caller.hear()
        await caller.ask("STARTTLS")
        await wait_all_tasks_blocked()
        caller.server.cancel()
        assert await caller.stream.receive_some() == b""


async def test_mail_from_client_to_server_in_tls() -> None:
    """Our own client against our own server: the description of both sides is the same, and mail arrives."""
    host = ListHost()
    async with called(host) as caller:
        client = SmtpClient(caller.stream, "mail.sued.example")
        await client.open()
        assert client.offers_tls
        assert (await client.start_tls(client_context(), host.name)).startswith("TLSv1.3 ")
        assert not client.offers_tls
        (outcome,) = (await client.send(ENVELOPE, b"hello\r\n")).values()
        assert isinstance(outcome, Delivered)
        await client.quit()
    assert host.messages == [(ENVELOPE, b"hello\r\n")]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("S: 454 4.7.0 not now", "refused STARTTLS: 454 4.7.0 not now"),
        ("S: 220 go\nS: 250 injected", "octets in clear behind the reply to STARTTLS"),
        ("S: 220 go\n(closes)", "TLS: handshake failed: "),
        ("S: 220-go\n(closes)", "the server closed the connection"),
        ("S: 354 what", "the server broke SMTP: 354 in answer to StartTls"),
    ],
)
async def test_a_client_gives_up_what_is_not_safe(script: str, reason: str) -> None:
    """A refusal, or replies in clear behind the 220 (an attack): the connection is not used any more."""
    async with scripted(TLS_HELLO + script) as (client, _):
        await client.open()
        with pytest.raises(UnusableError, match=f"^{reason}"):
            await client.start_tls(client_context(), "relay.example")
        assert not client.usable


async def test_what_was_offered_in_clear_is_forgotten() -> None:
    """RFC 3207 section 4.2: the client asks again inside TLS, and believes only that."""
    near, far = memory_streams(CLIENT, SERVER, lambda: None)
    client = SmtpClient(near, "mail.nord.example")

    async def serve() -> None:
        await far.send_all(b"220 hi\r\n")
        await far.receive_some()
        await far.send_all(b"250-hi\r\n250-SIZE 10\r\n250-PIPELINING\r\n250 STARTTLS\r\n")
        await far.receive_some()
        await far.send_all(b"220 go\r\n")
        stream = await serve_tls(far, server_context("relay.example"))
        assert await stream.receive_some() == b"EHLO mail.nord.example\r\n"
        await stream.send_all(b"250-hi\r\n250 8BITMIME\r\n")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        await client.open()
        await client.start_tls(client_context(), "relay.example")
        assert client.extensions == {"8BITMIME": ""}


async def _tls_pair() -> tuple[NetworkStream, NetworkStream, MemoryStream]:
    """Two ends in TLS, and what the first one is inside of."""
    near, far = memory_streams(CLIENT, SERVER, lambda: None)
    ends: list[NetworkStream] = []

    async def serve() -> None:
        ends.append(await serve_tls(far, server_context("relay.example")))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        client = await connect_tls(near, client_context(), "relay.example")
    return client, ends[0], near


@pytest.mark.parametrize("politely", [True, False])
async def test_an_end_with_or_without_close_notify_is_an_end(politely: bool) -> None:
    """Many programs just close; it is as if they had said so."""
    client, server, inside = await _tls_pair()
    await client.send_all(b"QUIT\r\n")
    assert await server.receive_some() == b"QUIT\r\n"
    await (client if politely else inside).aclose()
    assert await server.receive_some() == b""
    await server.aclose()


async def test_octets_that_were_tampered_with_break_the_connection() -> None:
    """They are no end."""
    client, server, inside = await _tls_pair()
    await inside.send_all(b"\x17\x03\x03\x00\x20" + b"x" * 32)
    with pytest.raises(trio.BrokenResourceError):
        await server.receive_some()
    await server.aclose()
    await client.aclose()
