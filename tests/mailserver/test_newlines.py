"""Bare CR and LF: refused, mended or passed on, and the attack that lives by them."""

from __future__ import annotations

from typing import Final

import pytest
import trio

from maillab import Lab
from tests.labs import NORD, SUED, memory_lab, records_of, row_count, subjects
from tests.mailserver.guests import guest

ANNA: Final = "anna@nord.example"
BEN: Final = "ben@sued.example"
ODD: Final = b"Subject: x\r\n\r\none\ntwo\rthree\r\r\nfour\n\rfive\r\n"
SMUGGLED: Final = (
    "MAIL FROM:<headmaster@sued.example>\r\nRCPT TO:<ben@sued.example>\r\nDATA\r\n"
    "Subject: No school tomorrow\r\n\r\nSigned, your headmaster\r\n"
)


def lab_file(nord: str, sued: str = "reject") -> str:
    """Nord and Sued, each with what it does about bare newlines."""
    return f"""
        [lab]
        name = "newlines"

        [[domain]]
        name = "nord.example"
        users = ["anna"]
        bare_newlines = "{nord}"

        [[domain]]
        name = "sued.example"
        users = ["ben"]
        bare_newlines = "{sued}"
    """


def contents(lab: Lab, mailbox: str) -> list[bytes]:
    """What lies in a mailbox, without the lines that servers have put on top."""
    return [message.octets.partition(b"+0000\r\n")[2] for message in lab.mailbox(mailbox).messages()]


@pytest.mark.parametrize(
    ("policy", "reply", "result", "stored"),
    [
        ("reject", "550 5.6.0 ", "refused", []),
        ("normalize", "250 2.0.0 ", "mended", [b"Subject: x\r\n\r\none\r\ntwo\r\nthree\r\n\r\nfour\r\n\r\nfive\r\n"]),
        ("lax", "250 2.0.0 ", "passed", [ODD]),
    ],
)
async def test_bare_newlines_by_policy(
    policy: str, reply: str, result: str, stored: list[bytes], autojump_clock: object
) -> None:
    """A message with line ends of its own kind is refused, mended or taken as it is, and a record says which."""
    async with memory_lab(lab_file(policy)) as lab, guest(lab) as client:
        assert (await client.send("eve@elsewhere.example", ANNA, ODD)).startswith(reply)
        assert (await client.say("NOOP")).startswith("250 ")

        assert contents(lab, ANNA) == stored
        (checked,) = records_of(lab, "policy.checked")
        assert (checked["policy"], checked["result"]) == ("bare-newlines", result)


@pytest.mark.parametrize("policy", ["reject", "normalize", "lax"])
async def test_good_mail_is_nobodys_case(policy: str, autojump_clock: object) -> None:
    """A message whose every line ends with CR LF is taken as it is under any policy, and nothing is recorded."""
    good = b"Subject: x\r\n\r\n\r\n one\r\n\r\n"
    async with memory_lab(lab_file(policy)) as lab, guest(lab) as client:
        await client.send("eve@elsewhere.example", ANNA, good)

        assert contents(lab, ANNA) == [good]
        assert records_of(lab, "policy.checked") == []


async def test_mending_makes_no_message_too_big(autojump_clock: object) -> None:
    """A message that grows over the limit when it is mended is refused as any other that is too big."""
    text = "[limits]\nmessage_octets = 1000\n" + lab_file("normalize")
    async with memory_lab(text) as lab, guest(lab) as client:
        assert (await client.send("eve@elsewhere.example", ANNA, b"\n" * 600 + b"\r\n")).startswith("552 5.3.4 ")
        assert row_count(lab.database, "message") == 0


@pytest.mark.parametrize("false_end", ["\n.\n", "\n.\r\n"])
async def test_a_lax_server_takes_a_false_end(false_end: str, autojump_clock: object) -> None:
    """What is one message to everybody else is two to a server that takes LF.LF for its end."""
    smuggling = f"Subject: hello\r\n\r\nHi Ben{false_end}{SMUGGLED}".encode()
    async with memory_lab(lab_file("reject", "lax")) as lab, guest(lab, SUED) as client:
        replies = [await client.send(ANNA, BEN, smuggling)] + [await client.hear() for _ in range(4)]

        assert [reply[:3] for reply in replies] == ["250", "250", "250", "354", "250"]
        assert subjects(lab, BEN) == ["hello", "No school tomorrow"]
        senders = [record["sender"] for record in records_of(lab, "message.accepted")]
        assert senders == [ANNA, "headmaster@sued.example"]


@pytest.mark.parametrize(
    ("nord", "sued"),
    [
        ("reject", "reject"),
        ("reject", "lax"),
        ("normalize", "lax"),
        ("normalize", "reject"),
        ("normalize", "normalize"),
    ],
)
@pytest.mark.parametrize("false_end", ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r", "\r\n\0.\r\n", "\r.\r\n"])
async def test_nothing_is_smuggled_through_a_strict_server(
    false_end: str, nord: str, sued: str, autojump_clock: object
) -> None:
    """However lax the server behind it is, one message that goes in at Nord is at most one at Sued."""
    smuggling = f"Subject: hello\r\n\r\nHi Ben{false_end}{SMUGGLED}".encode()
    async with memory_lab(lab_file(nord, sued)) as lab, guest(lab) as client:
        reply = await client.send(ANNA, BEN, smuggling)
        assert (await client.say("NOOP")).startswith("250 ")
        await trio.sleep(1)

        has_bare = "\0" not in false_end
        taken = nord == "normalize" or not has_bare
        assert reply.startswith("250 " if taken else "550 5.6.0 ")
        assert subjects(lab, BEN) == ["hello"] * taken
        assert len(records_of(lab, "message.accepted", server=SUED)) == taken
        assert {record["sender"] for record in records_of(lab, "message.accepted")} <= {ANNA}
        # What Nord passes on has no newline of its own kind any more.
        assert records_of(lab, "policy.checked", policy="bare-newlines", server=SUED) == []


async def test_a_lax_server_in_the_middle_smuggles_for_others(autojump_clock: object) -> None:
    """One message goes in at Nord, two come out at Sued, and the second is from somebody whom Nord never saw.

    The attacker doubles the dot of the false end: Nord takes one of the two out, and hands LF.LF on.
    """
    smuggling = f"Subject: hello\r\n\r\nHi Ben\n..\n{SMUGGLED}".encode()
    async with memory_lab(lab_file("lax", "lax")) as lab, guest(lab, NORD) as client:
        assert (await client.send(ANNA, BEN, smuggling)).startswith("250 ")
        await trio.sleep(1)

        assert len(records_of(lab, "message.accepted", server=NORD)) == 1
        accepted = records_of(lab, "message.accepted", server=SUED)
        assert [record["sender"] for record in accepted] == [ANNA, "headmaster@sued.example"]
        assert subjects(lab, BEN) == ["hello", "No school tomorrow"]


async def test_an_answer_too_many_is_not_taken_for_the_next_one(autojump_clock: object) -> None:
    """The replies to a smuggled message answer nothing of Nord's: its next mail goes over a new connection."""
    smuggling = f"Subject: hello\r\n\r\nHi Ben\n..\n{SMUGGLED}".encode()
    async with memory_lab(lab_file("lax", "lax")) as lab, guest(lab, NORD) as client:
        await client.send(ANNA, BEN, smuggling)
        await trio.sleep(1)
        await lab.send(ANNA, "nobody@sued.example", subject="second")
        await lab.wait_for_bounce("nobody@sued.example")

        (failed,) = records_of(lab, "delivery.failed")
        assert failed["reply"].startswith("550 5.1.1 ")
