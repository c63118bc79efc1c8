"""The client's shell: whatever a server does, each recipient has one outcome."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import trio

from maillab.mail.address import Address
from maillab.mail.envelope import Envelope
from maillab.smtp.client import SmtpClient
from maillab.smtp.limits import Limits
from maillab.smtp.outcome import Delivered, Outcome
from maillab.trace.recorder import Recorder
from tests.smtp.list_host import ListHost, called
from tests.smtp.scripted_server import scripted

TEXT = b"Subject: x\r\n\r\nHello\r\n"
HELLO = """
    S: 220 relay.example
    C: EHLO mail.nord.example
    S: 250 relay.example
"""
PIPELINING_HELLO = """
    S: 220-relay.example
    S: 220 second line
    C: EHLO mail.nord.example
    S: 250-relay.example
    S: 250 PIPELINING
"""
UP_TO_DATA = """
    C: MAIL FROM:<anna@nord.example>
    S: 250 2.1.0 Ok
    C: RCPT TO:<ben@sued.example>
    S: 250 2.1.5 Ok
    C: DATA
"""
MESSAGE = """
    S: 354 go on
    C: Subject: x
    C:
    C: Hello
    C: .
"""


def to(*names: str, smtputf8: bool = False) -> Envelope:
    recipients = tuple(Address(name, "sued.example") for name in names)
    return Envelope(Address("anna", "nord.example"), recipients, smtputf8=smtputf8)


def shown(outcomes: Mapping[Address, Outcome]) -> dict[str, str]:
    """Each recipient with what became of it: "Failed 550 5.1.1 No such user"."""
    texts = {}
    for recipient, outcome in outcomes.items():
        reason = getattr(outcome, "reason", None) or (outcome.reply.text if outcome.reply else "")
        texts[recipient.local_part] = f"{type(outcome).__name__} {reason}"
    return texts


async def sent(script: str, envelope: Envelope, octets: bytes = TEXT) -> dict[str, str]:
    """What becomes of one message at a server that plays `script`."""
    async with scripted(script) as (client, _):
        await client.open()
        return shown(await client.send(envelope, octets))


async def test_without_pipelining_each_reply_is_waited_for() -> None:
    """A server that did not offer it hears one command at a time."""
    async with scripted(HELLO + UP_TO_DATA + MESSAGE + "S: 250 2.0.0 kept\nC: QUIT\nS: 221 bye") as (client, server):
        await client.open()
        assert shown(await client.send(to("ben"), TEXT)) == {"ben": "Delivered 250 2.0.0 kept"}
        assert client.usable
        await client.quit()
    assert [chunk.splitlines()[0] for chunk in server.chunks] == [
        b"EHLO mail.nord.example",
        b"MAIL FROM:<anna@nord.example>",
        b"RCPT TO:<ben@sued.example>",
        b"DATA",
        b"Subject: x",
        b"QUIT",
    ]


async def test_with_pipelining_commands_leave_together() -> None:
    """MAIL, each RCPT and DATA in one write; the outcomes still belong to their recipients."""
    script = """
    C: MAIL FROM:<anna@nord.example>
    C: RCPT TO:<ben@sued.example>
    C: RCPT TO:<nobody@sued.example>
    C: RCPT TO:<full@sued.example>
    C: RCPT TO:<berta@sued.example>
    C: DATA
    S: 250 2.1.0 Ok
    S: 250 2.1.5 Ok
    S: 550 5.1.1 No such user
    S: 450 4.2.2 Mailbox full
    S: 250 2.1.5 Ok
    S: 354 go on
    C: Subject: x
    C:
    C: Hello
    C: .
    S: 250 2.0.0 kept
    """
    async with scripted(PIPELINING_HELLO + script) as (client, server):
        await client.open()
        assert shown(await client.send(to("ben", "nobody", "full", "berta"), TEXT)) == {
            "ben": "Delivered 250 2.0.0 kept",
            "nobody": "Failed 550 5.1.1 No such user",
            "full": "Deferred 450 4.2.2 Mailbox full",
            "berta": "Delivered 250 2.0.0 kept",
        }
    assert server.chunks[1].count(b"\r\n") == 6


async def test_one_connection_takes_many_messages() -> None:
    """After each message the client is ready for the next one, also after one that was refused."""
    script = HELLO + UP_TO_DATA + MESSAGE + "S: 250 first" + UP_TO_DATA + MESSAGE + "S: 554 5.6.0 second"
    script += UP_TO_DATA + MESSAGE + "S: 250 third\nC: QUIT\nS: 221 bye"
    async with scripted(script) as (client, _):
        await client.open()
        outcomes = [shown(await client.send(to("ben"), TEXT))["ben"] for _ in range(3)]
        await client.quit()
    assert outcomes == ["Delivered 250 first", "Failed 554 5.6.0 second", "Delivered 250 third"]
    assert client.transaction_count == 3


@pytest.mark.parametrize(
    ("code", "outcome"), [("451 4.3.0", "Deferred"), ("550 5.7.1", "Failed"), ("552 5.3.4", "Failed")]
)
@pytest.mark.parametrize("hello", [HELLO, PIPELINING_HELLO], ids=["lockstep", "pipelining"])
async def test_a_refused_sender_is_everybodys_outcome(hello: str, code: str, outcome: str) -> None:
    """4yz and 5yz at MAIL count for all recipients, whatever is said to RCPT and DATA afterwards."""
    script = f"C: MAIL FROM:<anna@nord.example>\nS: {code} no\nC: QUIT\nS: 221 bye"
    if hello is PIPELINING_HELLO:
        script = f"""
        C: MAIL FROM:<anna@nord.example>
        C: RCPT TO:<ben@sued.example>
        C: RCPT TO:<berta@sued.example>
        C: DATA
        S: {code} no
        S: 503 5.5.1 no MAIL
        S: 250 whatever
        S: 503 5.5.1 no RCPT
        C: QUIT
        S: 221 bye
        """
    async with scripted(hello + script) as (client, _):
        await client.open()
        assert shown(await client.send(to("ben", "berta"), TEXT)) == {
            "ben": f"{outcome} {code} no",
            "berta": f"{outcome} {code} no",
        }
        await client.quit()


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        ("450 4.2.0 later", "Deferred 450 4.2.0 later"),
        ("550 5.1.1 no such user", "Failed 550 5.1.1 no such user"),
        ("552 too many recipients", "Deferred 552 too many recipients"),
    ],
)
async def test_a_refused_recipient_is_its_own_outcome(reply: str, outcome: str) -> None:
    """552 means 452 here (RFC 5321 section 4.5.3.1.10); without anybody left there is no DATA, and RSET follows."""
    script = f"""
    C: MAIL FROM:<anna@nord.example>
    S: 250 Ok
    C: RCPT TO:<ben@sued.example>
    S: {reply}
    C: RSET
    S: 250 Ok
    """
    assert await sent(HELLO + script, to("ben")) == {"ben": outcome}


@pytest.mark.parametrize(("reply", "outcome"), [("451 4.3.0 later", "Deferred"), ("554 5.3.0 never", "Failed")])
async def test_a_refused_data_is_the_outcome_of_those_who_were_accepted(reply: str, outcome: str) -> None:
    """RSET makes the connection ready again."""
    script = f"{HELLO}{UP_TO_DATA}S: {reply}\nC: RSET\nS: 250 Ok\nC: QUIT\nS: 221 bye"
    async with scripted(script) as (client, _):
        await client.open()
        assert shown(await client.send(to("ben"), TEXT)) == {"ben": f"{outcome} {reply}"}
        assert client.usable
        await client.quit()


@pytest.mark.parametrize(
    ("reply", "outcome"), [("452 4.3.1 disk full", "Deferred"), ("552 5.3.4 too big", "Failed"), ("250", "Delivered")]
)
async def test_the_reply_to_the_end_of_data_is_the_last_word(reply: str, outcome: str) -> None:
    """Only a 2yz there makes the message the server's duty; a reply may be a bare code."""
    assert await sent(f"{HELLO}{UP_TO_DATA}{MESSAGE}S: {reply}", to("ben")) == {"ben": f"{outcome} {reply}"}


async def test_everybody_refused_and_still_354() -> None:
    """RFC 2920 section 3.1: the pipelined DATA is answered with an empty message, and its 250 delivers nothing."""
    script = """
    C: MAIL FROM:<anna@nord.example>
    C: RCPT TO:<nobody@sued.example>
    C: DATA
    S: 250 Ok
    S: 550 5.1.1 No such user
    S: 354 go on
    C: .
    S: 250 2.0.0 kept
    C: QUIT
    S: 221 bye
    """
    async with scripted(PIPELINING_HELLO + script) as (client, _):
        await client.open()
        assert shown(await client.send(to("nobody"), TEXT)) == {"nobody": "Failed 550 5.1.1 No such user"}
        await client.quit()


async def test_ehlo_refused_then_helo() -> None:
    """RFC 5321 section 3.2: an old server is greeted the old way, and offers nothing."""
    script = """
    S: 220 old.example
    C: EHLO mail.nord.example
    S: 502 what?
    C: HELO mail.nord.example
    S: 250 hello
    """
    assert await sent(script + UP_TO_DATA + MESSAGE + "S: 250 Ok", to("ben")) == {"ben": "Delivered 250 Ok"}


async def test_dots_and_the_last_line_end_are_seen_to() -> None:
    """RFC 5321 section 4.5.2: dots are doubled at line starts, and the dot at the end stands on a line of its own."""
    script = """
    S: 354 go on
    C: ..
    C: ...x
    C: a.
    C: no end
    C: .
    S: 250 Ok
    """
    assert await sent(HELLO + UP_TO_DATA + script, to("ben"), b".\r\n..x\r\na.\r\nno end") == {
        "ben": "Delivered 250 Ok"
    }


async def test_any_octets_reach_a_server_of_ours() -> None:
    """Client and server end to end: dots, 8-bit and NUL arrive as they were sent, message after message."""
    messages = [b".\r\n", b"..\r\n.\r\n", b"", bytes(range(256)) + b"\r\n", b"\r\n.\r\n" * 300]
    host = ListHost(Limits(message_octets=1 << 20))
    async with called(host) as caller:
        client = SmtpClient(caller.stream, "mail.nord.example")
        await client.open()
        for octets in messages:
            (outcome,) = (await client.send(to("ben"), octets)).values()
            assert isinstance(outcome, Delivered)
        await client.quit()
    assert host.messages == [
        (Envelope(Address("anna", "nord.example"), to("ben").recipients), each) for each in messages
    ]


async def test_the_dialogue_is_recorded_where_a_log_is_given() -> None:
    """Each command and reply line once; MAIL to the end of data carry the transaction, QUIT does not."""
    recorder = Recorder("test", "r1", trio.current_time)
    log = recorder.bind(connection="c1")
    async with scripted(HELLO + UP_TO_DATA + MESSAGE + "S: 250 2.0.0 kept\nC: QUIT\nS: 221 bye", log) as (client, _):
        await client.open()
        await client.send(to("ben"), TEXT)
        await client.quit()
    assert [line_of(record) for record in recorder.records] == [
        ("-", "220 relay.example"),
        ("-", "EHLO mail.nord.example"),
        ("-", "250 relay.example"),
        (1, "MAIL FROM:<anna@nord.example>"),
        (1, "250 2.1.0 Ok"),
        (1, "RCPT TO:<ben@sued.example>"),
        (1, "250 2.1.5 Ok"),
        (1, "DATA"),
        (1, "354 go on"),
        (1, "250 2.0.0 kept"),
        ("-", "QUIT"),
        ("-", "221 bye"),
    ]


def line_of(record: dict[str, Any]) -> tuple[object, str]:
    return record.get("transaction", "-"), record["line"]
