"""Logging in and handing in: who may, where, and that no password is written down anywhere."""

from __future__ import annotations

import json
from typing import Final

import pytest

from maillab import Lab
from maillab.mail.message import Message
from maillab.mailserver.choices import Role
from tests.labs import NORD, RELAY, memory_lab, records_of, subjects
from tests.mailserver.guests import encoded, guest, plain

ANNA: Final = "anna@nord.example"
BEN: Final = "ben@sued.example"
PASSWORD: Final = "Grüße-geheim-4711"
WRONG: Final = "Verraten-Sie-nichts"
MAIL: Final = b"Subject: x\r\n\r\n"


def lab_file(more: str = "") -> str:
    """Nord, where Anna has a password, and Sued; `more` is about Nord."""
    return f"""
        [lab]
        name = "logins"

        [[domain]]
        name = "nord.example"
        users = [{{ name = "anna", password = "{PASSWORD}" }}, "nils"]
        {more}

        [[domain]]
        name = "sued.example"
        users = ["ben"]

        [[relay]]
        host = "relay.example"
    """


def everything(lab: Lab) -> str:
    """All records as they are written, and whatever may end in a log."""
    site = lab.servers[NORD].site
    return json.dumps([*lab.recorder.records], ensure_ascii=False) + repr((lab.spec, site, site.policy))


def assert_nothing_secret(lab: Lab, *secrets: str) -> None:
    told = everything(lab)
    for secret in (*secrets, *map(encoded, secrets)):
        assert secret not in told
        assert secret.rstrip("=") not in told


async def test_submission_wants_tls_then_a_login_then_mail(autojump_clock: object) -> None:
    """In clear AUTH is not offered and is refused with 538; MAIL before the login is refused with 530."""
    async with memory_lab(lab_file()) as lab, guest(lab, role=Role.SUBMISSION) as client:
        assert not any(keyword.startswith("AUTH") for keyword in await client.hello())
        assert (await client.log_in("anna", PASSWORD)).startswith("538 5.7.11 ")
        assert (await client.say(f"MAIL FROM:<{ANNA}>")).startswith("530 5.7.0 Log in first")

        await client.start_tls(lab)
        assert "AUTH PLAIN LOGIN" in await client.hello()
        assert (await client.say(f"MAIL FROM:<{ANNA}>")).startswith("530 5.7.0 ")
        assert await client.log_in("anna", PASSWORD) == f"235 2.7.0 Welcome {ANNA}"
        assert not any(keyword.startswith("AUTH") for keyword in await client.hello())
        assert (await client.send(ANNA, BEN, MAIL)).startswith("250 ")

        message = await lab.mailbox(BEN).wait_for_message()
        assert [received.with_ for received in message.message.received if received] == ["ESMTPS", "ESMTPSA"]
        assert_nothing_secret(lab, PASSWORD, f"\0anna\0{PASSWORD}")


async def test_a_login_is_a_record(autojump_clock: object) -> None:
    """Who logged in or could not, and by which mechanism; the password is three stars."""
    async with memory_lab(lab_file()) as lab, guest(lab, role=Role.SUBMISSION, in_tls=True) as client:
        assert (await client.log_in("anna", WRONG)).startswith("535 5.7.8 ")
        assert (await client.log_in("eve", WRONG)).startswith("535 5.7.8 ")
        assert (await client.say("AUTH LOGIN")) == f"334 {encoded('Username:')}"
        assert (await client.say(encoded("Anna@Nord.example"))) == f"334 {encoded('Password:')}"
        assert (await client.say(encoded(PASSWORD))).startswith("235 ")

        failed = [(record["user"], record["mechanism"]) for record in records_of(lab, "auth.failed")]
        assert failed == [("anna", "PLAIN"), ("eve", "PLAIN")]
        (succeeded,) = records_of(lab, "auth.succeeded")
        assert (succeeded["user"], succeeded["mechanism"]) == ("Anna@Nord.example", "LOGIN")
        assert (succeeded["server"], succeeded["connection"]) == (NORD, "c1")
        lines = [record["line"] for record in records_of(lab, "smtp.command")][-5:]
        assert lines == ["AUTH PLAIN ***", "AUTH PLAIN ***", "AUTH LOGIN", "***", "***"]
        assert_nothing_secret(lab, PASSWORD, WRONG, f"\0anna\0{WRONG}", f"\0eve\0{WRONG}")


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(f"AUTH PLAIN {plain('anna', PASSWORD)}\n".encode(), id="LF alone"),
        pytest.param(f"AUTH {plain('anna', PASSWORD)}\r\n".encode(), id="no mechanism"),
        pytest.param(f"AUTH\tPLAIN {plain('anna', PASSWORD)}\r\n".encode(), id="a tab"),
        pytest.param(f"AUTH  PLAIN  {plain('anna', PASSWORD)}\r\n".encode(), id="two spaces"),
        pytest.param(f"auth plain {plain('anna', PASSWORD)}!\r\n".encode(), id="no base64"),
        pytest.param(f"AUTH PLAIN {plain('anna', PASSWORD)} \xe4\r\n".encode("latin-1"), id="no UTF-8"),
        pytest.param(f"AUTH PLAIN =\r\n{PASSWORD}\r\n".encode(), id="as it is, behind the mechanism"),
        pytest.param(f"AUTH PLAIN\r\n{plain('anna', PASSWORD)}\n".encode(), id="a response with LF alone"),
        pytest.param(f"AUTH LOGIN\r\n{PASSWORD}\r\n".encode(), id="as it is"),
        pytest.param(f"AUTH LOGIN\r\n{PASSWORD}\r\n".encode("latin-1"), id="as it is, in Latin-1"),
        pytest.param(f"AUTH LOGIN\r\n{PASSWORD}\n".encode(), id="as it is, with LF alone"),
        pytest.param(f"AUTH LOGIN\r\n{encoded('anna')}\r\n{PASSWORD}\r\n".encode(), id="user in base64, password not"),
        pytest.param(f"AUTH LOGIN {encoded('anna')}\r\n{encoded(PASSWORD)}\n".encode(), id="the last line with LF"),
    ],
)
async def test_a_password_that_was_mistyped_is_secret_too(octets: bytes, autojump_clock: object) -> None:
    """However wrongly somebody says a password to AUTH, it stands in no record."""
    async with memory_lab(lab_file()) as lab, guest(lab, role=Role.SUBMISSION, in_tls=True) as client:
        await client.give(octets)
        await client.say("*")
        assert (await client.say("QUIT")).startswith(("221 ", "250 ", "334 ", "5"))

        assert_nothing_secret(lab, PASSWORD, f"\0anna\0{PASSWORD}")


@pytest.mark.parametrize(
    ("user", "password", "mailbox"),
    [
        ("anna", PASSWORD, ANNA),
        ("ANNA", PASSWORD, ANNA),
        ("anna@NORD.example", PASSWORD, ANNA),
        ("nils", "nils", "nils@nord.example"),
        ("nils", "Nils", None),
        ("anna", "", None),
        ("anna", f"{PASSWORD} ", None),
        ("", "", None),
        ("ben", "ben", None),
        ("anna@sued.example", PASSWORD, None),
    ],
)
async def test_users_log_in_by_name_or_address(
    user: str, password: str, mailbox: str | None, autojump_clock: object
) -> None:
    """A server knows its own users, in any case, and takes their passwords to the letter."""
    async with memory_lab(lab_file()) as lab, guest(lab, role=Role.SUBMISSION, in_tls=True) as client:
        reply = await client.log_in(user, password)

        assert reply == (f"235 2.7.0 Welcome {mailbox}" if mailbox else "535 5.7.8 User name or password is wrong")


async def test_port_25_has_no_login(autojump_clock: object) -> None:
    """AUTH is for those who hand mail in; a server of another domain does not log in, nor does anybody at a relay."""
    async with memory_lab(lab_file()) as lab:
        for host in (NORD, RELAY):
            async with guest(lab, host, in_tls=True) as client:
                assert not any(keyword.startswith("AUTH") for keyword in await client.hello())
                assert (await client.log_in("anna", PASSWORD)).startswith("502 5.5.1 AUTH is not offered here")


async def test_a_login_may_be_had_everywhere(autojump_clock: object) -> None:
    """With `auth = "everywhere"` port 25 offers it, inside TLS; who does not log in is served as before."""
    async with memory_lab(lab_file('auth = "everywhere"')) as lab:
        async with guest(lab) as client:
            assert (await client.log_in("anna", PASSWORD)).startswith("538 ")
            assert (await client.say("MAIL FROM:<eve@elsewhere.example>")).startswith("250 ")
        async with guest(lab, in_tls=True) as client:
            assert "AUTH PLAIN LOGIN" in await client.hello()
            assert (await client.log_in("anna", PASSWORD)).startswith("235 ")
            await client.send(ANNA, ANNA, MAIL)

        (message,) = lab.mailbox(ANNA).messages()
        assert [received.with_ for received in message.message.received if received] == ["ESMTPSA"]


async def test_a_password_may_go_in_clear(autojump_clock: object) -> None:
    """With `auth_without_tls` a login by hand is possible, for a lesson on why it should not be."""
    async with memory_lab(lab_file('auth_without_tls = true\ntls = "off"')) as lab:
        async with guest(lab, role=Role.SUBMISSION) as client:
            assert "AUTH PLAIN LOGIN" in await client.hello()
            assert (await client.log_in("anna", PASSWORD)).startswith("235 ")
            await client.send(ANNA, ANNA, MAIL)

        (message,) = lab.mailbox(ANNA).messages()
        assert [received.with_ for received in message.message.received if received] == ["ESMTPA"]
        assert_nothing_secret(lab, PASSWORD, f"\0anna\0{PASSWORD}")


async def test_outgoing_mail_may_need_a_login(autojump_clock: object) -> None:
    """With `outgoing = "authenticated"` an own sender's address alone opens no way out; a login does."""
    async with memory_lab(lab_file('outgoing = "authenticated"\nauth = "everywhere"')) as lab:
        async with guest(lab, in_tls=True) as client:
            reply = await client.send(ANNA, BEN, MAIL)
            assert reply == f"550 5.7.1 <{BEN}>: relay denied; log in before you send to other domains"
            await client.say("RSET")
            await client.log_in("anna", PASSWORD)
            assert (await client.send("somebody@else.example", BEN, MAIL)).startswith("250 ")
        await lab.mailbox(BEN).wait_for_message()

        assert [record["reason"] for record in records_of(lab, "policy.checked", result="passed")] == ["logged in"]


async def test_a_login_is_forgotten_by_nobody_else(autojump_clock: object) -> None:
    """One login per session: twice is 503, within a transaction too, and the next connection has to log in itself."""
    async with memory_lab(lab_file()) as lab:
        async with guest(lab, role=Role.SUBMISSION, in_tls=True) as client:
            await client.log_in("anna", PASSWORD)
            assert (await client.log_in("anna", PASSWORD)).startswith(f"503 5.5.1 You are logged in as {ANNA}")
            await client.say(f"MAIL FROM:<{ANNA}>")
            assert (await client.log_in("anna", PASSWORD)).startswith("503 ")
        async with guest(lab, role=Role.SUBMISSION, in_tls=True) as client:
            assert (await client.say(f"MAIL FROM:<{ANNA}>")).startswith("530 ")


async def test_who_guesses_passwords_is_shown_out(autojump_clock: object) -> None:
    """Several wrong logins end the session with 421."""
    async with memory_lab(lab_file()) as lab, guest(lab, role=Role.SUBMISSION, in_tls=True) as client:
        replies = [await client.log_in("anna", f"{WRONG}{n}") for n in range(10)]

        assert {reply[:3] for reply in replies[:-1]} == {"535"}
        assert replies[-1].startswith("421 4.7.0 ")
        assert await client.hear() == ""


async def test_submissions_is_tls_from_the_first_octet(autojump_clock: object) -> None:
    """The greeting comes inside TLS; there is no STARTTLS, and a login as on submission."""
    async with memory_lab(lab_file()) as lab, guest(lab, role=Role.SUBMISSIONS) as client:
        keywords = await client.hello()
        assert "AUTH PLAIN LOGIN" in keywords
        assert "STARTTLS" not in keywords
        assert (await client.say("STARTTLS")).startswith("503 ")
        assert (await client.say(f"MAIL FROM:<{ANNA}>")).startswith("530 ")
        assert (await client.log_in("anna", PASSWORD)).startswith("235 ")
        assert (await client.send(ANNA, ANNA, MAIL)).startswith("250 ")

        (message,) = lab.mailbox(ANNA).messages()
        assert [received.with_ for received in message.message.received if received] == ["ESMTPSA"]
        (opened,) = records_of(lab, "connection.opened")
        (started,) = records_of(lab, "tls.started")
        assert (opened["protocol"], opened["connection"]) == ("submissions", started["connection"])
        assert lab.traces[0].conversations  # the dialogue is part of the trace, whatever the port


async def test_who_speaks_clear_to_submissions_is_let_go(autojump_clock: object) -> None:
    """A client that says EHLO where TLS is expected ends its connection, and no other."""
    async with memory_lab(lab_file()) as lab:
        target = lab.book.find(NORD, Role.SUBMISSIONS.value)
        assert target is not None
        async with await lab.network.connect(target, None, None) as stream:
            await stream.send_all(b"EHLO guest\r\n")
            async for _ in stream:
                pass  # an alert, perhaps

        (closed,) = records_of(lab, "connection.closed")
        assert closed["reason"].startswith("TLS: handshake failed")
        assert records_of(lab, "connection.crashed") == []


@pytest.mark.parametrize(
    ("sent", "added"),
    [
        (b"Subject: x\r\n\r\nHallo\r\n", ["Date", "Message-ID"]),
        (b"Subject: x\r\ndate: then\r\n\r\nHallo\r\n", ["Message-ID"]),
        (b"MESSAGE-ID: <1@x>\r\n\r\nHallo\r\n", ["Date"]),
        (b"Date: then\r\nMessage-ID: <1@x>\r\n\r\nHallo\r\n", []),
        (b"Hallo\r\n", ["Date", "Message-ID"]),
        (b" Hallo\r\n", ["Date", "Message-ID"]),
        (b"\r\nHallo\r\n", ["Date", "Message-ID"]),
        (b"", ["Date", "Message-ID"]),
    ],
)
async def test_mail_that_is_handed_in_is_completed(sent: bytes, added: list[str], autojump_clock: object) -> None:
    """Submission adds Date and Message-ID where they are missing, on top; nothing else of the mail is changed."""
    async with memory_lab(lab_file()) as lab, guest(lab, role=Role.SUBMISSIONS) as client:
        await client.log_in("anna", PASSWORD)
        await client.send(ANNA, ANNA, sent)

        (message,) = lab.mailbox(ANNA).messages()
        fields = [field for field in message.message.fields if field.name not in ("Return-Path", "Received")]
        new = [field for field in fields if field.name in added and field.octets not in sent]
        assert [field.name for field in new] == added
        if "Message-ID" in added:
            assert f"<{message.trace}@{NORD}>" in [field.text for field in new]
        if "Date" in added:
            assert new[0].text == "Thu, 01 Jan 2026 00:00:00 +0000"
        assert message.octets.endswith(sent)
        assert Message(message.octets).body.strip() == Message(sent).body.strip()


async def test_mail_on_port_25_is_never_completed(autojump_clock: object) -> None:
    """What a server is given by another stays as it is, also by somebody who has logged in."""
    async with memory_lab(lab_file('auth = "everywhere"')) as lab, guest(lab, in_tls=True) as client:
        await client.log_in("anna", PASSWORD)
        await client.send(ANNA, ANNA, b"Hallo\r\n")

        (message,) = lab.mailbox(ANNA).messages()
        assert [field.name for field in message.message.fields] == ["Return-Path", "Received"]
        assert subjects(lab, ANNA) == [None]
