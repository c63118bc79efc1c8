"""Mail programs that are not ours hand mail to a lab."""

from __future__ import annotations

import smtplib
from hashlib import sha256
from pathlib import Path

import pytest
import trio

from tests.interop.conftest import StartLab
from tests.interop.lab_process import run

NORD = "mail.nord.example"
SUED = "mail.sued.example"
ANNA, BEN, BERTA = "anna@nord.example", "ben@sued.example", "berta@sued.example"
MESSAGE = "From: anna@nord.example\r\nSubject: Grüße\r\n\r\n.ein Punkt\r\n..zwei\r\n.\r\nEnde\r\n".encode()


async def test_smtplib_sends_across_domains(start_lab: StartLab, two_schools: Path) -> None:
    """The client says EHLO, finds the extensions it knows, and its octets arrive as they were."""
    lab = await start_lab(two_schools)

    def send() -> dict[str, str]:
        with smtplib.SMTP(*lab.smtp(NORD)) as client:
            assert client.sendmail(ANNA, [BEN], MESSAGE, mail_options=["BODY=8BITMIME"]) == {}
            return client.esmtp_features

    features = await trio.to_thread.run_sync(send)
    assert {"size", "8bitmime", "pipelining", "enhancedstatuscodes", "smtputf8"} <= features.keys()
    accepted = await lab.wait_for("message.accepted", server=NORD)
    assert accepted["sha256"] == sha256(MESSAGE).hexdigest()
    stored = await lab.wait_for("message.stored", mailbox=BEN)
    assert (stored["trace"], stored["hop"]) == (accepted["trace"], 3)


async def test_smtplib_is_told_of_each_refused_recipient(start_lab: StartLab, two_schools: Path) -> None:
    """Who is known gets the mail; who is not is told by code and enhanced code, and so is a domain of nowhere."""
    lab = await start_lab(two_schools)
    nobody, elsewhere = "nobody@nord.example", "carol@elsewhere.example"

    def send() -> tuple[dict[str, tuple[int, bytes]], smtplib.SMTPRecipientsRefused]:
        with smtplib.SMTP(*lab.smtp(NORD)) as client:
            refused = client.sendmail(ANNA, [nobody, "nils@nord.example", elsewhere], MESSAGE)
            with pytest.raises(smtplib.SMTPRecipientsRefused) as everybody:
                client.sendmail("stranger@elsewhere.example", [BEN], MESSAGE)
            return refused, everybody.value

    refused, everybody = await trio.to_thread.run_sync(send)
    assert {name: (code, text.split()[0]) for name, (code, text) in refused.items()} == {
        nobody: (550, b"5.1.1"),
        elsewhere: (550, b"5.1.2"),
    }
    assert everybody.recipients[BEN][1].startswith(b"5.7.1 ")
    await lab.wait_for("message.stored", mailbox="nils@nord.example")


async def test_smtplib_sends_many_mails_over_one_connection(start_lab: StartLab, two_schools: Path) -> None:
    """Each mail is a transaction of its own, with a trace of its own."""
    lab = await start_lab(two_schools)

    def send() -> None:
        with smtplib.SMTP(*lab.smtp(SUED)) as client:
            for _ in range(3):
                client.sendmail(ANNA, [BEN], MESSAGE)

    await trio.to_thread.run_sync(send)
    await lab.wait_for("message.stored", uid=3)
    accepted = [record for record in lab.records if record["event"] == "message.accepted"]
    assert [record["transaction"] for record in accepted] == [1, 2, 3]
    assert len({record["connection"] for record in accepted}) == 1
    assert len({record["trace"] for record in accepted}) == 3


async def test_swaks_pipelines(start_lab: StartLab, two_schools: Path, swaks: str) -> None:
    """Commands that come in one write are answered one by one, in order."""
    lab = await start_lab(two_schools)
    done = await run(
        swaks, "--pipeline", "--server", lab.smtp(NORD), "--from", ANNA, "--to", f"{BEN},nobody@nord.example,{BERTA}"
    )
    assert done.returncode == 0
    answers = [line.split()[1:3] for line in done.stdout.decode().splitlines() if line.startswith(("<- ", "<**"))]
    assert answers[-7:] == [
        ["250", "2.1.0"],
        ["250", "2.1.5"],
        ["550", "5.1.1"],
        ["250", "2.1.5"],
        ["354", "End"],
        ["250", "2.0.0"],
        ["221", "2.0.0"],
    ]
    await lab.wait_for("message.stored", mailbox=BERTA)


async def test_swaks_is_refused_to_relay(start_lab: StartLab, two_schools: Path, swaks: str) -> None:
    """A server sends nothing to other domains for strangers; swaks ends with its code for refused recipients."""
    lab = await start_lab(two_schools)
    done = await run(swaks, "--server", lab.smtp(NORD), "--from", "eve@elsewhere.example", "--to", BEN)
    assert done.returncode == 24
    assert b"<** 550 5.7.1 <ben@sued.example>: relay denied;" in done.stdout


async def test_curl_uploads_a_mail(start_lab: StartLab, two_schools: Path, curl: str, tmp_path: Path) -> None:
    """A file goes to two recipients; dots and 8-bit octets arrive as they were."""
    lab = await start_lab(two_schools)
    (tmp_path / "mail.eml").write_bytes(MESSAGE)
    done = await run(
        *(curl, "--silent", "--show-error", f"smtp://{lab.smtp(NORD)}/annas-pc", "--mail-from", ANNA),
        *("--mail-rcpt", BEN, "--mail-rcpt", BERTA, "--upload-file", tmp_path / "mail.eml"),
    )
    assert (done.returncode, done.stderr) == (0, b"")
    accepted = await lab.wait_for("message.accepted", server=NORD)
    assert accepted["sha256"] == sha256(MESSAGE).hexdigest()
    assert accepted["recipients"] == [BEN, BERTA]
    await lab.wait_for("message.stored", mailbox=BEN)
    await lab.wait_for("message.stored", mailbox=BERTA)


async def test_curl_is_told_that_nobody_has_the_name(start_lab: StartLab, two_schools: Path, curl: str) -> None:
    """The program fails and shows the server's code."""
    lab = await start_lab(two_schools)
    done = await run(
        *(curl, "--silent", "--show-error", f"smtp://{lab.smtp(NORD)}", "--mail-from", ANNA),
        *("--mail-rcpt", "nobody@nord.example", "--upload-file", "-"),
        stdin=MESSAGE,
    )
    assert done.returncode != 0
    assert b"550" in done.stderr
