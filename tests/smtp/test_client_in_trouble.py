"""The client's shell where a server refuses, breaks off, falls silent or talks nonsense."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from maillab.smtp.client import END_OF_DATA_TIMEOUT_SECONDS, QUIT_TIMEOUT_SECONDS, REPLY_TIMEOUT_SECONDS
from maillab.smtp.outcome import UnusableError
from tests.smtp.scripted_server import scripted
from tests.smtp.test_client import HELLO, MESSAGE, PIPELINING_HELLO, TEXT, UP_TO_DATA, sent, shown, to


async def refusal(script: str) -> UnusableError:
    """Why a server that plays `script` cannot be used at all."""
    async with scripted(script) as (client, _):
        with pytest.raises(UnusableError) as caught:
            await client.open()
        assert not client.usable
        await client.quit()  # nothing is said any more
    return caught.value


@pytest.mark.parametrize("greeting", ["554 5.3.2 No SMTP here", "450 later", "250 Ok"])
async def test_a_greeting_other_than_220_ends_it(greeting: str) -> None:
    """RFC 5321 section 3.1: nothing is sent to a server that does not want any."""
    error = await refusal(f"S: {greeting}")
    assert str(error) == f"greeted with {greeting}"
    assert error.reply is not None


@pytest.mark.parametrize(
    "script",
    [
        "S: 550 go away\nC: HELO mail.nord.example\nS: 550 go away",
        "S: 450 later",
        "S: 421 too busy",
    ],
)
async def test_a_server_that_refuses_our_name_is_not_usable(script: str) -> None:
    """Refused twice, or for now."""
    error = await refusal("S: 220 relay.example\nC: EHLO mail.nord.example\n" + script)
    assert error.reply is not None


@pytest.mark.parametrize(
    "bad", ["HTTP/1.1 400 Bad Request", "25", "600 Ok", "250-a\n    S: 251 b", "(never stops talking)"]
)
@pytest.mark.parametrize("stage", ["greeting", "EHLO", "end of data"])
async def test_what_is_no_smtp_is_deferred(stage: str, bad: str) -> None:
    """Malformed and endless replies: the connection is dropped, the message is kept."""
    line = bad if bad.startswith("(") else f"S: {bad}"
    if stage == "end of data":
        outcomes = await sent(f"{HELLO}{UP_TO_DATA}{MESSAGE}{line}", to("ben"))
        assert outcomes["ben"].startswith("Deferred the server broke SMTP: ")
    else:
        before = "S: 220 relay.example\nC: EHLO mail.nord.example\n" if stage == "EHLO" else ""
        assert str(await refusal(before + line)).startswith("the server broke SMTP: ")


BEFORE: dict[str, str] = {
    "MAIL": "C: MAIL FROM:<anna@nord.example>\n",
    "RCPT": "C: MAIL FROM:<anna@nord.example>\nS: 250 Ok\nC: RCPT TO:<ben@sued.example>\n",
    "DATA": UP_TO_DATA,
    "end of data": UP_TO_DATA + MESSAGE,
}


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("(closes)", "the server closed the connection"),
        ("S: 421 4.3.2 stopping", "421 4.3.2 stopping"),
        ("S: 354 what", "the server broke SMTP: 354 in answer to "),
    ],
)
@pytest.mark.parametrize("stage", BEFORE)
async def test_a_connection_may_end_anywhere(stage: str, end: str, reason: str) -> None:
    """Closed, 421 or out of step: who has no answer yet is deferred, above all behind the final dot."""
    if stage == "DATA" and "354" in end:
        end, reason = "S: 250 what", "the server broke SMTP: 250 in answer to "
    async with scripted(HELLO + BEFORE[stage] + end) as (client, _):
        await client.open()
        outcomes = shown(await client.send(to("ben"), TEXT))
        assert outcomes["ben"].startswith(f"Deferred {reason}")
        assert not client.usable
        await client.quit()


async def test_what_was_answered_before_the_end_counts() -> None:
    """A recipient who was refused for good stays refused, though the server goes away right behind."""
    script = """
    C: MAIL FROM:<anna@nord.example>
    C: RCPT TO:<nobody@sued.example>
    C: RCPT TO:<ben@sued.example>
    C: DATA
    S: 250 Ok
    S: 550 5.1.1 No such user
    S: 421 4.3.2 stopping
    """
    assert await sent(PIPELINING_HELLO + script, to("nobody", "ben")) == {
        "nobody": "Failed 550 5.1.1 No such user",
        "ben": "Deferred 421 4.3.2 stopping",
    }


@pytest.mark.parametrize("stage", BEFORE)
async def test_a_silent_server_is_waited_for_a_while(stage: str, autojump_clock: MockClock) -> None:
    """Five minutes for a command, ten behind the final dot (RFC 5321 section 4.5.3.2), and then deferred."""
    seconds = END_OF_DATA_TIMEOUT_SECONDS if stage == "end of data" else REPLY_TIMEOUT_SECONDS
    assert await sent(HELLO + BEFORE[stage] + "(says nothing)", to("ben")) == {
        "ben": f"Deferred no answer for {seconds:.0f} seconds"
    }
    assert trio.current_time() == pytest.approx(seconds)


async def test_a_silent_greeting(autojump_clock: MockClock) -> None:
    """RFC 5321 section 4.5.3.2.1: five minutes."""
    assert str(await refusal("(says nothing)")) == "no answer for 300 seconds"


async def test_quit_is_polite_but_in_a_hurry(autojump_clock: MockClock) -> None:
    """The answer to QUIT is not waited for longer than a few seconds."""
    async with scripted(HELLO + "C: QUIT\n(says nothing)") as (client, _):
        await client.open()
        await client.quit()
        assert trio.current_time() == pytest.approx(QUIT_TIMEOUT_SECONDS)


async def test_a_server_that_does_not_read_is_deferred(autojump_clock: MockClock) -> None:
    """A message that nobody takes off the wire is given up."""
    outcomes = await sent(HELLO + UP_TO_DATA + "S: 354 go on\n(never stops talking)", to("ben"), b"x" * 500_000)
    assert outcomes == {"ben": "Deferred connection lost while the message was being sent"}


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ("S: 552 5.3.4 too big", "Failed 552 5.3.4 too big"),
        ("S: 451 4.3.0 disk full", "Deferred 451 4.3.0 disk full"),
        ("S: 421 4.3.2 stopping", "Deferred 421 4.3.2 stopping"),
        ("S: 250 2.0.0 half is enough", "Deferred connection lost while the message was being sent"),
        ("S: what", "Deferred connection lost while the message was being sent"),
        ("", "Deferred connection lost while the message was being sent"),
    ],
)
async def test_what_a_server_says_before_it_hangs_up_is_heard(said: str, outcome: str) -> None:
    """A refusal in the middle of a big message counts, an acceptance does not: nobody took half a message."""
    script = f"{HELLO}{UP_TO_DATA}S: 354 go on\n{said}\n(closes)"
    async with scripted(script) as (client, _):
        await client.open()
        assert shown(await client.send(to("ben"), b"x" * 500_000)) == {"ben": outcome}
        assert not client.usable


async def test_a_refusal_is_heard_though_nobody_reads(autojump_clock: MockClock) -> None:
    """A server that refuses early and stops reading is answered by its word, when patience is over."""
    script = f"{HELLO}{UP_TO_DATA}S: 354 go on\nS: 552 5.3.4 too big\n(waits)"
    assert await sent(script, to("ben"), b"x" * 500_000) == {"ben": "Failed 552 5.3.4 too big"}
