"""A real Postfix as a `[[foreign]]` host: it takes mail from the lab, brings mail into it, and passes mail on."""

from __future__ import annotations

import smtplib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
import trio
import trustme

from maillab.mail.message import Message
from tests.interop.conftest import StartLab
from tests.interop.lab_process import WAIT_SECONDS, LabProcess, maillab
from tests.interop.postfix import Postfix, postfix_folder
from tests.interop.trust import start_trusted

NORD, SUED, FAR = "mail.nord.example", "mail.sued.example", "mail.postfix.example"
ANNA, BEN, FRITZ = "anna@nord.example", "ben@sued.example", "fritz@postfix.example"
MESSAGE: Final = "From: anna@nord.example\r\nSubject: Grüße\r\n\r\n.ein Punkt\r\n..zwei\r\n\r\n".encode()
LAB: Final = """\
[lab]
name = "with-postfix"

[[domain]]
name = "nord.example"
users = ["anna"]
smtp = "127.0.0.1:0"
{smarthost}

[[domain]]
name = "sued.example"
users = ["ben"]
smtp = "127.0.0.1:0"
tls = "{sued_tls}"

[[foreign]]
host = "{host}"
domains = ["{domain}"]
smtp = "{smtp}"

[retry]
after_seconds = [0.2]
"""

MakeLab = Callable[..., Path]


@pytest.fixture
def far(postfix: str) -> Iterator[Postfix]:
    with postfix_folder() as folder:
        yield Postfix(folder, FAR, "postfix.example")


@pytest.fixture
def make_lab(far: Postfix, tmp_path: Path) -> MakeLab:
    """Writes the lab file: two servers, and Postfix, which may be Nord's smarthost."""

    def make(smarthost: str = "", sued_tls: str = "opportunistic") -> Path:
        path = tmp_path / "lab.toml"
        line = f'smarthost = "{smarthost}"' if smarthost else ""
        text = LAB.format(smarthost=line, sued_tls=sued_tls, host=far.host, domain=far.domain, smtp=far.smtp)
        path.write_text(text)
        return path

    return make


async def send(host: str, port: int, sender: str, recipient: str) -> None:
    def send() -> None:
        with smtplib.SMTP(host, port, local_hostname="annas-pc") as client:
            client.sendmail(sender, recipient, MESSAGE, mail_options=["BODY=8BITMIME"])

    await trio.to_thread.run_sync(send)


async def delivered(far: Postfix) -> bytes:
    """The mail that Postfix has in its mailbox; it tells nobody when it comes."""
    with trio.fail_after(WAIT_SECONDS):
        while not far.mails():  # noqa: ASYNC110  another program's folder
            await trio.sleep(0.05)
    (mail,) = far.mails()
    return mail


def hosts_in(octets: bytes) -> list[str]:
    """Who wrote the Received lines, first hop first."""
    return [received.by for received in reversed(Message(octets).received) if received is not None]


async def test_postfix_takes_mail_from_the_lab(start_lab: StartLab, make_lab: MakeLab, far: Postfix) -> None:
    """Its mailbox has our octets below two Received lines; the dialogue is in our records, by the client's side."""
    far.configure({})
    with far.running():
        lab = await start_lab(make_lab())
        await send(*lab.smtp(NORD), ANNA, FRITZ)
        relayed = await lab.wait_for("delivery.relayed", next_hop=FAR)
        mail = await delivered(far)

    assert relayed["reply"].startswith("250 2.0.0 Ok: queued as ")
    assert hosts_in(mail) == [NORD, FAR]
    assert mail.endswith(MESSAGE.replace(b"\r\n", b"\n"))  # as Unix keeps mail
    assert f"id {relayed['queue_id']}\n".encode() in mail
    lines = [
        record["line"]
        for record in lab.records
        if record.get("connection") == relayed["connection"] and "line" in record
    ]
    assert f"RCPT TO:<{FRITZ}>" in lines


@pytest.mark.parametrize("postfix_tls", ["none", "may"])
async def test_postfix_brings_mail_into_the_lab(
    start_lab: StartLab, make_lab: MakeLab, far: Postfix, postfix_tls: str
) -> None:
    """With or without TLS; where Postfix got it from a stranger, the trace begins at the lab's first server."""
    lab = await start_lab(make_lab())
    far.configure({"sued.example": lab.smtp(SUED)}, smtp_tls_security_level=postfix_tls)
    with far.running():
        await send(*far.smtp, FRITZ, BEN)
        accepted = await lab.wait_for("message.accepted", server=SUED)
        await lab.wait_for("message.stored", mailbox=BEN)

    assert (accepted["sender"], accepted["hop"], accepted["received_from_queue_id"]) == (FRITZ, 1, None)
    opened = await lab.wait_for("connection.opened", connection=accepted["connection"])
    assert opened["peer_name"] == FAR
    started = [record for record in lab.records if record["event"] == "tls.started"]
    assert len(started) == (postfix_tls == "may")


async def test_postfix_checks_the_labs_certificate(
    start_lab: StartLab, make_lab: MakeLab, far: Postfix, tmp_path: Path
) -> None:
    """Told to trust the lab's authority and to verify the name, Postfix does, and finds it right."""
    trusted = await start_trusted(start_lab, make_lab(sued_tls="required"), tmp_path)
    lab = trusted.process
    far.configure(
        {"sued.example": lab.smtp(SUED)},
        smtp_tls_security_level="verify",
        smtp_tls_verify_cert_match=SUED,
        smtp_tls_CAfile=str(far.readable(trusted.certificate.read_bytes())),
        smtp_tls_loglevel="1",
    )
    with far.running():
        await send(*far.smtp, FRITZ, BEN)
        await lab.wait_for("message.stored", mailbox=BEN)
        assert "Verified TLS connection established to" in far.log


async def test_the_lab_encrypts_towards_postfix(start_lab: StartLab, make_lab: MakeLab, far: Postfix) -> None:
    """Where Postfix offers STARTTLS, the lab uses it, though it knows nothing of who has signed for it."""
    certificate = trustme.CA().issue_cert(FAR)
    pem = far.readable(
        b"".join([certificate.private_key_pem.bytes(), *(each.bytes() for each in certificate.cert_chain_pems)])
    )
    far.configure(
        {}, smtpd_tls_security_level="encrypt", smtpd_tls_chain_files=str(pem), smtpd_tls_received_header="yes"
    )
    with far.running():
        lab = await start_lab(make_lab())
        await send(*lab.smtp(NORD), ANNA, FRITZ)
        relayed = await lab.wait_for("delivery.relayed", next_hop=FAR)
        mail = await delivered(far)

    (started,) = [record for record in lab.records if record["event"] == "tls.started"]
    assert (started["side"], started["peer_name"], started["connection"]) == ("client", FAR, relayed["connection"])
    received = Message(mail).received[0]
    assert received is not None
    assert received.with_ == "ESMTPS"


async def through_postfix(lab: LabProcess) -> tuple[str, bytes]:
    """A mail from Anna to Ben, which takes the way through Postfix; its trace, and the ladder."""
    await send(*lab.smtp(NORD), ANNA, BEN)
    first = await lab.wait_for("message.accepted", server=NORD)
    second = await lab.wait_for("message.accepted", server=SUED)
    await lab.wait_for("message.stored", mailbox=BEN)
    assert second["trace"] == first["trace"]
    assert (first["hop"], second["hop"]) == (1, 3)  # Postfix was the second
    assert second["received_from_queue_id"] == first["queue_id"] == f"{first['trace']}-1-00"
    await lab.wait_for("delivery.relayed", server=NORD, next_hop=FAR)
    ladder = await maillab("trace", first["trace"], "--from-log", "-", stdin=lab.log)
    assert ladder.returncode == 0
    return first["trace"], ladder.stdout


async def test_a_trace_runs_through_postfix(start_lab: StartLab, make_lab: MakeLab, far: Postfix) -> None:
    """Nord's smarthost is Postfix, which brings the mail to Sued: one trace, three hops, by Received alone."""
    lab = await start_lab(make_lab(smarthost=FAR))
    far.configure({"sued.example": lab.smtp(SUED)})
    with far.running():
        trace, ladder = await through_postfix(lab)

    assert trace.encode() in ladder
    assert FAR.encode() in ladder


async def test_postfix_is_told_what_the_sender_wants_to_know(
    start_lab: StartLab, make_lab: MakeLab, far: Postfix
) -> None:
    """DSN parameters go through both: Postfix offers the extension, and hands them on to the lab again."""
    lab = await start_lab(make_lab(smarthost=FAR))
    far.configure({"sued.example": lab.smtp(SUED)})

    def send_with_notice() -> None:
        with smtplib.SMTP(*lab.smtp(NORD)) as client:
            client.ehlo()
            assert client.mail(ANNA, ["RET=HDRS", "ENVID=QQ314"])[0] == 250
            assert client.rcpt(BEN, ["NOTIFY=FAILURE", f"ORCPT=rfc822;{BEN}"])[0] == 250
            assert client.data(MESSAGE)[0] == 250

    with far.running():
        await trio.to_thread.run_sync(send_with_notice)
        await lab.wait_for("message.stored", mailbox=BEN)

    said = [record["line"] for record in lab.records if record["event"] == "smtp.command" and record["server"] == SUED]
    (mail,) = (line for line in said if line.startswith("MAIL"))
    (rcpt,) = (line for line in said if line.startswith("RCPT"))
    assert {"RET=HDRS", "ENVID=QQ314"} <= set(mail.split())
    assert rcpt.split()[1:] == [f"TO:<{BEN}>", f"ORCPT=rfc822;{BEN}", "NOTIFY=FAILURE"]
