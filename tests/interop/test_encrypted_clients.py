"""Mail programs that are not ours hand mail in: with TLS that they check, with a password, and without either."""

from __future__ import annotations

import itertools
import shlex
import smtplib
import ssl
import sys
from pathlib import Path
from typing import Final

import pytest
import trio

from tests.interop.conftest import StartLab
from tests.interop.lab_process import LabProcess, run
from tests.interop.trust import TrustedLab, start_trusted

NORD, SUED = "mail.nord.example", "mail.sued.example"
ANNA, BEN = "anna@nord.example", "ben@sued.example"
PASSWORD: Final = "geheim 4711"
MESSAGE: Final = "From: anna@nord.example\r\nTo: ben@sued.example\r\nSubject: Grüße\r\n\r\n.Punkt\r\nEnde\r\n".encode()
LAB: Final = f"""\
[lab]
name = "two-schools-with-passwords"

[[domain]]
name = "nord.example"
users = [{{ name = "anna", password = "{PASSWORD}" }}]
outgoing = "authenticated"
auth = "everywhere"
smtp = "127.0.0.1:0"

[[domain]]
name = "sued.example"
users = ["ben"]
tls = "required"
smtp = "127.0.0.1:0"
"""


@pytest.fixture
async def trusted(start_lab: StartLab, tmp_path: Path) -> TrustedLab:
    """Two servers that encrypt what goes between them, and a file with what to trust."""
    lab_file = tmp_path / "lab.toml"
    lab_file.write_text(LAB)
    return await start_trusted(start_lab, lab_file, tmp_path)


async def arrived(lab: LabProcess, number: int, *, mechanism: str) -> None:
    """The mail of that number came in with TLS and a login, went on in TLS, and nothing tells the password."""
    await lab.wait_for("message.stored", mailbox=BEN, uid=number)
    accepted = [record for record in lab.records if record["event"] == "message.accepted" and record["server"] == NORD]
    came_over = {"connection": accepted[number - 1]["connection"], "server": NORD}
    records = [record for record in lab.records if came_over.items() <= record.items()]
    assert [record["mechanism"] for record in records if record["event"] == "auth.succeeded"] == [mechanism]
    assert [record["side"] for record in records if record["event"] == "tls.started"] == ["server"]
    assert any(record["event"] == "tls.started" and record["server"] == SUED for record in lab.records)
    assert b"4711" not in lab.log + lab.complaints


async def test_smtplib_logs_in_and_checks_the_name(trusted: TrustedLab) -> None:
    """With a context that trusts the lab alone, Python checks the certificate for the address that it calls."""
    context = ssl.create_default_context(cafile=str(trusted.certificate))

    def send(role: str) -> None:
        host, port = trusted.place(NORD, role)
        at_once = role == "submissions"
        with smtplib.SMTP_SSL(host, port, context=context) if at_once else smtplib.SMTP(host, port) as client:
            if not at_once:
                client.ehlo()
                assert not client.has_extn("auth")
                client.starttls(context=context)
                client.ehlo()
                assert not client.has_extn("starttls")
            assert client.login("anna", PASSWORD)[0] == 235
            assert client.sendmail(ANNA, [BEN], MESSAGE, mail_options=["BODY=8BITMIME"]) == {}

    for number, role in enumerate(("smtp", "submission", "submissions"), 1):
        await trio.to_thread.run_sync(send, role)
        await arrived(trusted.process, number, mechanism="PLAIN")


async def test_who_does_not_know_the_lab_does_not_trust_it(
    trusted: TrustedLab, swaks: str, curl: str, msmtp: str
) -> None:
    """Without the lab's certificate every program ends the handshake and sends nothing, and the lab goes on."""
    host, port = trusted.place(NORD, "submission")

    def fail() -> None:
        with smtplib.SMTP(host, port) as client, pytest.raises(ssl.SSLCertVerificationError):
            client.starttls(context=ssl.create_default_context())

    await trio.to_thread.run_sync(fail)
    programs: list[list[object]] = [
        [swaks, "--server", f"{host}:{port}", "--from", ANNA, "--to", BEN, "--tls", "--tls-verify"],
        [curl, "-sS", f"smtp://{host}:{port}", "--ssl-reqd", "--mail-from", ANNA, "--mail-rcpt", BEN, "-T", "-"],
        [msmtp, "--file=/dev/null", f"--host={host}", f"--port={port}", f"--from={ANNA}", "--tls=on", BEN],
    ]
    for program, exit_code in zip(programs, (29, 60, 69), strict=True):  # 69 is EX_UNAVAILABLE of sysexits.h
        assert (await run(*program, stdin=MESSAGE)).returncode == exit_code
    said = {record["line"] for record in trusted.process.records if record["event"] == "smtp.command"}
    assert not any(line.startswith(("AUTH", "MAIL")) for line in said)
    assert "STARTTLS" in said


async def test_swaks_logs_in(trusted: TrustedLab, swaks: str) -> None:
    """STARTTLS or TLS at once, verified, and either mechanism, at each listener."""
    ways = [("submission", "--tls"), ("submissions", "--tlsc"), ("smtp", "--tls")]
    for number, ((role, tls), mechanism) in enumerate(itertools.product(ways, ("PLAIN", "LOGIN")), 1):
        done = await run(
            *(swaks, "--server", trusted.place(NORD, role), "--from", ANNA, "--to", BEN),
            *(tls, "--tls-verify", "--tls-ca-path", trusted.certificate),
            *("--auth", mechanism, "--auth-user", "anna", "--auth-password", PASSWORD),
        )
        assert done.returncode == 0, done.stdout.decode()
        assert f"235 2.7.0 Welcome {ANNA}" in done.stdout.decode()
        await arrived(trusted.process, number, mechanism=mechanism)


async def test_swaks_is_told_what_is_missing(trusted: TrustedLab, swaks: str) -> None:
    """Without TLS, a login or the right password, submission takes nothing, and says why."""
    login = ("--auth-user", "anna", "--auth-password", "x")
    server = trusted.place(NORD, "submission")
    for options, exit_code, answer in (
        ((), 23, "530 5.7.0 Log in first"),
        (("--auth", "PLAIN", *login), 28, "Host did not advertise authentication"),
        (("--tls",), 23, "530 5.7.0 Log in first"),
        (("--tls", "--auth", "LOGIN", *login), 28, "535 5.7.8 User name or password is wrong"),
        (("--tls", "--auth", "PLAIN", *login), 28, "535 5.7.8 User name or password is wrong"),
    ):
        done = await run(swaks, "--server", server, "--from", ANNA, "--to", BEN, *options)
        assert answer in (done.stdout + done.stderr).decode()
        assert done.returncode == exit_code
    assert not [record for record in trusted.process.records if record["event"] == "message.accepted"]


async def test_curl_logs_in(trusted: TrustedLab, curl: str) -> None:
    """The scheme or an option asks for TLS; curl checks certificate and name, and sends octet for octet."""
    ways = [("submissions", "smtps", []), ("submission", "smtp", ["--ssl-reqd"]), ("smtp", "smtp", ["--ssl-reqd"])]
    for number, (role, scheme, options) in enumerate(ways, 1):
        done = await run(
            *(curl, "--silent", "--show-error", f"{scheme}://{trusted.place(NORD, role)}/annas-pc", *options),
            *("--cacert", trusted.certificate, "--user", f"anna:{PASSWORD}"),
            *("--mail-from", ANNA, "--mail-rcpt", BEN, "--upload-file", "-"),
            stdin=MESSAGE,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        await arrived(trusted.process, number, mechanism="PLAIN")


async def test_msmtp_logs_in(trusted: TrustedLab, msmtp: str) -> None:
    """A program that stands in for sendmail on many machines, with GnuTLS instead of OpenSSL."""
    ways = [("submission", "on"), ("submissions", "off"), ("smtp", "on")]
    for number, ((role, starttls), mechanism) in enumerate(itertools.product(ways, ("plain", "login")), 1):
        host, port = trusted.place(NORD, role)
        done = await run(
            *(msmtp, "--file=/dev/null", f"--host={host}", f"--port={port}", f"--from={ANNA}"),
            *("--tls=on", f"--tls-starttls={starttls}", f"--tls-trust-file={trusted.certificate}"),
            *(f"--auth={mechanism}", "--user=anna"),
            f"--passwordeval={shlex.join([sys.executable, '-c', f'print({PASSWORD!a})'])}",
            BEN,
            stdin=MESSAGE.replace(b"\r\n", b"\n"),
        )
        assert (done.returncode, done.stderr) == (0, b"")
        await arrived(trusted.process, number, mechanism=mechanism.upper())


async def test_who_has_no_password_is_served_by_port_25(trusted: TrustedLab, swaks: str, msmtp: str, curl: str) -> None:
    """Mail for a server's own users needs neither login nor TLS, whatever program brings it."""
    server = trusted.place(NORD, "smtp")
    stranger = "eve@elsewhere.example"
    programs: list[list[object]] = [
        [swaks, "--server", server, "--from", stranger, "--to", ANNA],
        [msmtp, "--file=/dev/null", f"--host={server.host}", f"--port={server.port}", f"--from={stranger}", ANNA],
        [curl, "-sS", f"smtp://{server}", "--mail-from", stranger, "--mail-rcpt", ANNA, "--upload-file", "-"],
    ]
    for uid, program in enumerate(programs, 1):
        done = await run(*program, stdin=MESSAGE.replace(b"\r\n", b"\n") if msmtp in program else MESSAGE)
        assert done.returncode == 0, done.stdout + done.stderr
        await trusted.process.wait_for("message.stored", mailbox=ANNA, uid=uid)
    assert not [record for record in trusted.process.records if record["event"] == "tls.started"]
