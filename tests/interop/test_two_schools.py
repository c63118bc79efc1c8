"""One mail from Anna to three people crosses the two schools."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
import trio

from maillab.mail.message import Message
from tests.interop.lab_process import LabProcess, records_in, run, with_free_ports
from tests.interop.stored_mail import as_sent, mails

NORD, RELAY, SUED = "mail.nord.example", "relay.example", "mail.sued.example"
ANNA, NILS = "anna@nord.example", "nils@nord.example"
BEN, BERTA = "ben@sued.example", "berta@sued.example"
MESSAGE: Final = (
    b"From: Anna <anna@nord.example>\r\n"
    b"subject:   Einladung\r\n\tzur Gartenparty\r\n"
    b"X-Odd:\r\n"
    b"Received: by a line that Anna made up\r\n"
    b"\r\n"
    b".\tone dot\r\n..two dots\r\n.\r\n...\r\n"
    b"Gr\xc3\xbc\xc3\x9fe, \xff\x80 and \x00\r\n"
    b"trailing space \r\n"
    b"\r\n\r\n"
)


class Sent:
    """A lab through which the mail has gone, and its data folder."""

    def __init__(self, lab: LabProcess, data: Path) -> None:
        self.lab = lab
        self.data = data

    def mail(self, server: str, mailbox: str) -> bytes:
        (octets,) = mails(self.data, server, mailbox)
        return octets


@pytest.fixture(scope="module")
def sent(swaks: str, tmp_path_factory: pytest.TempPathFactory) -> Sent:
    """Anna's mail, sent by swaks and come to rest, in a lab that has been stopped."""
    folder = tmp_path_factory.mktemp("two-schools")
    lab_file, data, mail = folder / "lab.toml", folder / "data", folder / "mail.eml"
    lab_file.write_text(with_free_ports("two-schools"), encoding="utf-8")
    mail.write_bytes(MESSAGE.removesuffix(b"\r\n"))  # swaks ends the message with a CRLF of its own

    async def send() -> LabProcess:
        async with trio.open_nursery() as nursery:
            lab = await LabProcess.start(nursery, lab_file, "--data", data)
            recipients = ",".join((BEN, BERTA, NILS))
            done = await run(
                swaks, "--server", lab.smtp(NORD), "--from", ANNA, "--to", recipients, "--data", f"@{mail}"
            )
            assert done.returncode == 0, done.stdout
            for mailbox in (BEN, BERTA, NILS):
                await lab.wait_for("message.stored", mailbox=mailbox)
            await lab.stop()
        return lab

    return Sent(trio.run(send), data)


def test_it_is_one_trace_with_three_hops(sent: Sent) -> None:
    """Nord is hop 1, the relay hop 2, sued hop 3, and the queue ids say so."""
    accepted = [record for record in sent.lab.records if record["event"] == "message.accepted"]
    assert [(record["server"], record["hop"]) for record in accepted] == [(NORD, 1), (RELAY, 2), (SUED, 3)]
    (trace,) = {record["trace"] for record in accepted}
    assert [record["queue_id"] for record in accepted] == [f"{trace}-{hop}-00" for hop in (1, 2, 3)]
    assert [record["recipients"] for record in accepted] == [[BEN, BERTA, NILS], [BEN, BERTA], [BEN, BERTA]]


def test_bens_copy_is_what_was_sent_octet_for_octet(sent: Sent) -> None:
    """Three servers put a line on top of it, and nothing else has changed: dots, 8-bit octets, folding, line ends."""
    received = sent.mail(SUED, BEN)
    assert as_sent(received, received_count=3) == MESSAGE
    lines = Message(received).received[:3]
    assert [line.by if line else None for line in lines] == [SUED, RELAY, NORD]
    assert sent.mail(SUED, BERTA) == received


def test_nils_copy_never_left_nord(sent: Sent) -> None:
    """It has the line of its own server alone, and no other server was asked to take mail for Nils."""
    assert as_sent(sent.mail(NORD, NILS), received_count=1) == MESSAGE
    attempted = [record["recipients"] for record in sent.lab.records if record["event"] == "delivery.started"]
    assert attempted == [[BEN, BERTA]] * 2
    commands = [record for record in sent.lab.records if record["event"] == "smtp.command" and record["server"] != NORD]
    assert commands
    assert not any("nils" in record["line"].lower() for record in commands)


def test_the_records_are_complete_and_in_order(sent: Sent) -> None:
    """One run, numbers without gaps, from the lab's first record to its last; stdout holds nothing else."""
    records = records_in(sent.lab.log)
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1))
    assert len({record["run"] for record in records}) == 1
    assert (records[0]["event"], records[-1]["event"]) == ("lab.ready", "lab.stopped")
    assert sent.lab.log.endswith(b"\n")
    assert sent.lab.complaints == b""
