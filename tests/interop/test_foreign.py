"""A `[[foreign]]` host, which the lab does not start: mail goes to it, and comes through it."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import trio

from maillab.mail.message import Message
from tests.interop.conftest import StartLab
from tests.interop.foreign_host import QUEUED, ForeignHost
from tests.interop.lab_process import LabProcess, maillab

NORD, SUED, FAR = "mail.nord.example", "mail.sued.example", "mx.far.example"
ANNA, BEN, FRITZ = "anna@nord.example", "ben@sued.example", "fritz@far.example"
MESSAGE: Final = b"From: anna@nord.example\r\nSubject: Post\r\n\r\n.ein Punkt\r\n"
LAB: Final = """\
[lab]
name = "two-schools-and-a-stranger"

[[domain]]
name = "nord.example"
users = ["anna"]
smarthost = "{far}"
smtp = "127.0.0.1:0"

[[domain]]
name = "sued.example"
users = ["ben"]
smtp = "127.0.0.1:0"

[[foreign]]
host = "{far}"
domains = ["far.example"]
smtp = "{smtp}"

[retry]
after_seconds = [0.2]
"""


@pytest.fixture
def far() -> Iterator[ForeignHost]:
    host = ForeignHost(FAR)
    yield host
    host.close()


@pytest.fixture
def lab_file(far: ForeignHost, tmp_path: Path) -> Path:
    """Two servers of the lab, and a stranger who takes all mail that leaves nord."""
    path = tmp_path / "lab.toml"
    path.write_text(LAB.format(far=FAR, smtp=far.smtp))
    return path


async def send(lab: LabProcess, recipient: str) -> str:
    """Send the message from Anna by smtplib; gives the trace."""

    def send() -> None:
        with smtplib.SMTP(*lab.smtp(NORD)) as client:
            client.sendmail(ANNA, recipient, MESSAGE)

    await trio.to_thread.run_sync(send)
    accepted = await lab.wait_for("message.accepted", server=NORD, recipients=[recipient])
    return str(accepted["trace"])


async def test_a_server_that_is_not_ours_receives(start_lab: StartLab, lab_file: Path, far: ForeignHost) -> None:
    """It gets the octets with our one line on top; what was said is written down by our side of the connection."""
    lab = await start_lab(lab_file)
    async with far.listening():
        trace = await send(lab, FRITZ)
        relayed = await lab.wait_for("delivery.relayed", trace=trace, next_hop=FAR)
    assert f"{relayed['code']} {relayed['reply']}".endswith(QUEUED)
    (taken,) = far.taken
    assert (taken.sender, taken.recipients) == (ANNA, [FRITZ])
    message = Message(taken.octets)
    assert message.received[0] is not None
    assert message.received[0].id == f"{trace}-1-00"
    assert taken.octets == message.fields[0].octets + MESSAGE
    spoken = [record for record in lab.records if record.get("connection") == relayed["connection"]]
    assert {record["server"] for record in spoken} == {NORD}
    assert f"RCPT TO:<{FRITZ}>" in [record["line"] for record in spoken if record["event"] == "smtp.command"]
    drawn = await maillab("trace", trace, "--from-log", "-", "--width", 80, stdin=lab.log)
    assert f"Server {FAR}" in drawn.stdout.decode()
    assert f"{FRITZ}: " in drawn.stdout.decode()


async def test_the_trace_comes_through_a_server_that_is_not_ours(
    start_lab: StartLab, lab_file: Path, far: ForeignHost
) -> None:
    """Its own `Received` line is skipped and counted as a hop; below it stands ours, with the trace."""
    lab = await start_lab(lab_file)
    far.passes_on_to = lab.smtp(SUED)
    async with far.listening():
        trace = await send(lab, BEN)
        accepted = await lab.wait_for("message.accepted", server=SUED)
        stored = await lab.wait_for("message.stored", mailbox=BEN)
        await lab.wait_for("delivery.relayed", next_hop=FAR)
    assert (accepted["trace"], accepted["hop"]) == (trace, 3)
    assert accepted["queue_id"] == f"{trace}-3-00"
    assert accepted["received_from_queue_id"] == f"{trace}-1-00"
    assert stored["trace"] == trace
    opened = await lab.wait_for("connection.opened", connection=accepted["connection"])
    assert opened["peer_name"] == FAR
    drawn = (await maillab("trace", "--from-log", "-", "--brief", stdin=lab.log)).stdout.decode()
    assert [drawn.index(f"Server {host}") for host in (NORD, FAR, SUED)] == sorted(
        drawn.index(f"Server {host}") for host in (NORD, FAR, SUED)
    )
    assert f"{BEN}: in the mailbox at {SUED}, uid 1" in drawn


async def test_mail_waits_for_a_server_that_is_not_there_yet(
    start_lab: StartLab, lab_file: Path, far: ForeignHost
) -> None:
    """Nobody listens: the mail is deferred; somebody does: it is delivered, in one trace."""
    lab = await start_lab(lab_file)
    trace = await send(lab, FRITZ)
    deferred = await lab.wait_for("delivery.deferred", trace=trace)
    assert "refused" in deferred["reply"]
    async with far.listening():
        relayed = await lab.wait_for("delivery.relayed", trace=trace)
    assert relayed["attempt"] > 1
    assert len(far.taken) == 1
