"""The client's shell and what a server offers: used where it is there, missed where it is needed."""

from __future__ import annotations

import attrs
import pytest

from maillab.mail.address import Address
from maillab.mail.envelope import Notice
from maillab.smtp.client import SmtpClient
from maillab.smtp.outcome import Delivered, Failed
from tests.smtp.list_host import ListHost, called
from tests.smtp.scripted_server import scripted
from tests.smtp.test_client import HELLO, MESSAGE, TEXT, UP_TO_DATA, sent, shown, to


@pytest.mark.parametrize(
    ("size", "octets", "fits"),
    [("20", b"x" * 21, False), ("20", b"x" * 20, True), ("0", b"x" * 21, True), ("", b"x", True)]
    + [(size, b"x", True) for size in ("many", "-1", "9" * 5000)],
)
async def test_a_message_over_the_servers_limit_is_not_sent(size: str, octets: bytes, fits: bool) -> None:
    """RFC 1870: failed before a word was said; 0 and nonsense are no limit. What is sent announces its size."""
    hello = f"S: 220 hi\nC: EHLO mail.nord.example\nS: 250-hi\nS: 250 SIZE {size}\n"
    mail = f"C: MAIL FROM:<anna@nord.example> SIZE={len(octets)}\nS: 451 later\n" if fits else ""
    outcomes = await sent(hello + mail, to("ben"), octets)
    assert outcomes == {
        "ben": "Deferred 451 later" if fits else "Failed the message has 21 octets, the next hop takes 20"
    }


async def test_smtputf8_is_not_sent_where_it_is_not_offered() -> None:
    """RFC 6531 section 3.2: failed with 5.6.7, and the connection serves the next message."""
    async with scripted(HELLO + UP_TO_DATA + MESSAGE + "S: 250 Ok") as (client, _):
        await client.open()
        (outcome,) = (await client.send(to("jürg", smtputf8=True), TEXT)).values()
        assert outcome == Failed("the next hop does not offer SMTPUTF8", status="5.6.7")
        assert shown(await client.send(to("ben"), TEXT)) == {"ben": "Delivered 250 Ok"}


async def test_what_is_offered_is_used() -> None:
    """Keywords in any case: SIZE, BODY and SMTPUTF8 stand behind MAIL."""
    script = """
    S: 220 hi
    C: EHLO mail.nord.example
    S: 250-hi
    S: 250-Size
    S: 250-8bitmime
    S: 250 SMTPUTF8
    C: MAIL FROM:<anna@nord.example> SIZE=21 BODY=8BITMIME SMTPUTF8
    S: 250 Ok
    C: RCPT TO:<jürg@sued.example>
    S: 450 later
    C: RSET
    S: 250 Ok
    """
    envelope = attrs.evolve(to("jürg", smtputf8=True), eight_bit=True)
    assert await sent(script, envelope, TEXT) == {"jürg": "Deferred 450 later"}


ASKED = attrs.evolve(
    to("ben", "berta"),
    ret="HDRS",
    envid="QQ314159",
    notices={Address("ben", "sued.example"): Notice(("SUCCESS", "DELAY"), "rfc822;benno@sued.example")},
)


async def test_dsn_parameters_are_passed_on_where_dsn_is_offered() -> None:
    """RFC 3461 section 5.2.1: as they came, and for those recipients about whom they were said."""
    script = """
    S: 220 hi
    C: EHLO mail.nord.example
    S: 250-hi
    S: 250 DSN
    C: MAIL FROM:<anna@nord.example> RET=HDRS ENVID=QQ314159
    S: 250 Ok
    C: RCPT TO:<ben@sued.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;benno@sued.example
    S: 450 later
    C: RCPT TO:<berta@sued.example>
    S: 450 later
    C: RSET
    S: 250 Ok
    """
    assert await sent(script, ASKED) == {"ben": "Deferred 450 later", "berta": "Deferred 450 later"}


async def test_dsn_parameters_are_kept_from_others() -> None:
    """A server without DSN would refuse them with 555."""
    script = f"{HELLO}{UP_TO_DATA}S: 450 later\nC: RSET\nS: 250 Ok"
    envelope = attrs.evolve(ASKED, recipients=ASKED.recipients[:1])
    assert await sent(script, envelope) == {"ben": "Deferred 450 later"}


async def test_dsn_parameters_reach_a_server_of_ours() -> None:
    """Client and server end to end: the envelope that is sent is the envelope that arrives."""
    host = ListHost()
    async with called(host) as caller:
        client = SmtpClient(caller.stream, "mail.nord.example")
        await client.open()
        outcomes = await client.send(ASKED, TEXT)
        assert all(isinstance(outcome, Delivered) for outcome in outcomes.values())
        await client.quit()
    assert host.messages == [(ASKED, TEXT)]
