"""What a sender wants to be told (RFC 3461): kept with the message, handed on, and heeded."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
import trio

from maillab import Lab
from tests.labs import NORD, SUED, WITH_FAR, foreign_server, memory_lab, records_of
from tests.mailserver.guests import Guest, guest

ANNA: Final = "anna@nord.example"
BEN: Final = "ben@sued.example"
MAIL: Final = f"MAIL FROM:<{ANNA}> RET=HDRS ENVID=QQ+2B314"
RCPT: Final = "NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Ben+2Bfriends@elsewhere.example"
KNOWS_DSN: Final = "250-far\r\n250-PIPELINING\r\n250 DSN"


async def hand_in(client: Guest, recipient: str, notice: str, mail: str = MAIL) -> None:
    assert (await client.say(mail)).startswith("250 ")
    assert (await client.say(f"RCPT TO:<{recipient}> {notice}".rstrip())).startswith("250 ")
    await client.say("DATA")
    assert (await client.give(b"Subject: x\r\n\r\n.\r\n")).startswith("250 ")


def lines(lab: Lab, server: str) -> list[str]:
    """What was said to `server` about sender and recipient."""
    commands = records_of(lab, "smtp.command", server=server)
    return [record["line"] for record in commands if record["verb"] in ("MAIL", "RCPT")]


async def test_is_handed_on_from_server_to_server(autojump_clock: object) -> None:
    """Every hop is asked the same as the first one, octet for octet."""
    async with memory_lab() as lab, guest(lab) as client:
        await hand_in(client, BEN, RCPT)
        await lab.mailbox(BEN).wait_for_message()

        mail, rcpt = lines(lab, SUED)
        assert mail.startswith(f"MAIL FROM:<{ANNA}> SIZE=")
        assert mail.endswith(" RET=HDRS ENVID=QQ+2B314")
        assert rcpt == f"RCPT TO:<{BEN}> {RCPT}"


async def test_each_recipient_has_a_notice_of_its_own(autojump_clock: object) -> None:
    """Who was named without anything is handed on without anything."""
    async with memory_lab() as lab, guest(lab) as client:
        await client.say(MAIL)
        await client.say_all([f"RCPT TO:<{BEN}> NOTIFY=NEVER", "RCPT TO:<berta@sued.example>"])
        await client.say("DATA")
        await client.give(b"\r\n.\r\n")
        await lab.mailbox("berta@sued.example").wait_for_message()

        assert lines(lab, SUED)[1:] == [f"RCPT TO:<{BEN}> NOTIFY=NEVER", "RCPT TO:<berta@sued.example>"]


@pytest.mark.parametrize("knows", [True, False])
async def test_is_said_only_to_who_knows_it(knows: bool, autojump_clock: object) -> None:
    """A next hop that offers DSN is told, one that does not is not."""
    script = {"EHLO": [KNOWS_DSN]} if knows else {}
    async with memory_lab(WITH_FAR) as lab, foreign_server(lab, script) as far, guest(lab) as client:
        await hand_in(client, "x@far.example", RCPT)
        await trio.sleep(1)

        mail, rcpt = (line for line in far.heard if line.startswith(("MAIL", "RCPT")))
        assert (mail, rcpt) == (
            (MAIL, f"RCPT TO:<x@far.example> {RCPT}") if knows else (f"MAIL FROM:<{ANNA}>", "RCPT TO:<x@far.example>")
        )


async def test_outlives_a_restart(tmp_path: Path) -> None:
    """What waits in a queue on disk waits with all that its sender has asked for."""
    async with memory_lab(WITH_FAR, data=tmp_path) as lab, guest(lab) as client:
        await hand_in(client, "x@far.example", RCPT)
    async with memory_lab(WITH_FAR, data=tmp_path) as lab:
        ((host, work),) = lab.queue()

        assert (host, work.entry.ret, work.entry.envid) == (NORD, "HDRS", "QQ+2B314")
        (recipient,) = work.recipients
        assert recipient.next_hop == "far.example"
        assert recipient.notice.notify == ("SUCCESS", "DELAY")
        assert recipient.notice.orcpt == "rfc822;Ben+2Bfriends@elsewhere.example"


@pytest.mark.parametrize(
    ("notice", "bounces"),
    [
        ("", True),
        ("NOTIFY=FAILURE", True),
        ("NOTIFY=success,failure", True),
        ("NOTIFY=NEVER", False),
        ("NOTIFY=SUCCESS,DELAY", False),
    ],
)
async def test_failures_are_told_to_who_wants_to_know(notice: str, bounces: bool, autojump_clock: object) -> None:
    """A mail that comes back brings a notice, unless its sender has said that it should not."""
    async with memory_lab() as lab, guest(lab) as client:
        await hand_in(client, "nobody@sued.example", notice)
        await trio.sleep(10)

        assert len(records_of(lab, "delivery.failed")) == 1
        assert len(records_of(lab, "bounce.created")) == len(lab.mailbox(ANNA).messages()) == bounces
        assert lab.queue() == []
