"""Reports as RFC 3464 has them: what they say to people, and what programs can read in them."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage, Message

import attrs
import pytest

from maillab.mail.address import Address
from maillab.mailserver.report import FULL_LIMIT_OCTETS, Action, RecipientReport, Report
from maillab.mailserver.reporting import is_report

ORIGINAL = b"Subject: Hello\r\nMessage-ID: <1@nord.example>\r\n\r\nHello Ben\r\n"
REPORT = Report(
    action=Action.FAILED,
    host="mail.nord.example",
    daemon=Address("MAILER-DAEMON", "mail.nord.example"),
    to=Address.parse("anna@nord.example"),
    date="Mon, 23 Nov 2026 13:00:00 +0000",
    arrival_date="Mon, 23 Nov 2026 12:00:00 +0000",
    message_id="1JD2V9XK3M4QZ@mail.nord.example",
    recipients=[
        RecipientReport(
            "ben@sued.example", "5.1.1", "550 5.1.1 no such user", "mail.sued.example", "rfc822;ben@sued.example"
        ),
        RecipientReport("eve@sued.example", "4.4.7", "given up after 9 attempts: connection refused"),
    ],
    original=ORIGINAL,
)


def read(report: Report) -> EmailMessage:
    """The report as a mail program reads it."""
    message = email.message_from_bytes(report.to_octets(), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def parts(report: Report) -> tuple[EmailMessage, EmailMessage, EmailMessage]:
    """Text, delivery status, what is returned."""
    text, status, returned = read(report).iter_parts()
    assert isinstance(text, EmailMessage)
    assert isinstance(status, EmailMessage)
    assert isinstance(returned, EmailMessage)
    return text, status, returned


def groups(report: Report) -> list[Message]:
    """The groups of fields in the delivery status: the message's, then one for each recipient."""
    found = parts(report)[1].get_payload()
    assert isinstance(found, list)
    return [group for group in found if isinstance(group, Message)]


def test_is_a_multipart_report() -> None:
    """Three parts, the type that RFC 6522 names, and the marks that keep other machines from answering."""
    message = read(REPORT)
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert message["Auto-Submitted"] == "auto-replied"
    assert (message["To"], message["References"]) == ("anna@nord.example", "<1@nord.example>")
    assert [part.get_content_type() for part in message.iter_parts()] == [
        "text/plain",
        "message/delivery-status",
        "message/rfc822",
    ]
    assert is_report(REPORT.to_octets())
    assert not is_report(ORIGINAL)


def test_tells_programs_about_each_recipient() -> None:
    """A group of fields for the message, and one for each recipient (RFC 3464 section 2)."""
    of_message, ben, eve = groups(attrs.evolve(REPORT, envid="QQ+2B1"))  # xtext on the wire
    assert of_message["Reporting-MTA"] == "dns; mail.nord.example"
    assert of_message["Original-Envelope-Id"] == "QQ+1"
    assert of_message["Arrival-Date"] == "Mon, 23 Nov 2026 12:00:00 +0000"
    assert dict(ben.items()) == {
        "Original-Recipient": "rfc822;ben@sued.example",
        "Final-Recipient": "rfc822; ben@sued.example",
        "Action": "failed",
        "Status": "5.1.1",
        "Remote-MTA": "dns; mail.sued.example",
        "Diagnostic-Code": "smtp; 550 5.1.1 no such user",
    }
    assert (eve["Status"], eve["Remote-MTA"], "Original-Recipient" in eve) == ("4.4.7", None, False)


@pytest.mark.parametrize(
    ("language", "said"), [("en", "could not be delivered"), ("de", "konnte nicht zugestellt werden")]
)
def test_tells_people_in_their_language(language: str, said: str) -> None:
    """The first part is for the one who wrote: who was not reached, and why."""
    text, _, _ = parts(attrs.evolve(REPORT, language=language))
    words = text.get_content()
    for each in (said, "<ben@sued.example>", "550 5.1.1 no such user", "<eve@sued.example>", "mail.nord.example"):
        assert each in words


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("language", ["en", "de"])
def test_says_what_became_of_it(action: Action, language: str) -> None:
    """Each action has a subject and words of its own, in each language, in ASCII where a header wants it."""
    report = attrs.evolve(REPORT, action=action, language=language)
    assert {group["Action"] for group in groups(report)[1:]} == {action.value}
    assert read(report)["Subject"].isascii()


@pytest.mark.parametrize(
    ("action", "ret", "size_octets", "whole"),
    [
        (Action.FAILED, None, 100, True),
        (Action.FAILED, None, FULL_LIMIT_OCTETS + 1, False),
        (Action.FAILED, "FULL", FULL_LIMIT_OCTETS + 1, True),
        (Action.FAILED, "HDRS", 100, False),
        (Action.DELAYED, "FULL", 100, False),
        (Action.DELIVERED, "FULL", 100, False),
    ],
)
def test_brings_back_what_was_asked_for(action: Action, ret: str | None, size_octets: int, whole: bool) -> None:
    """All of it where it failed and RET says FULL, or nothing and it is short; else its header."""
    original = ORIGINAL + b"x" * (size_octets - len(ORIGINAL))
    octets = attrs.evolve(REPORT, action=action, ret=ret, original=original).to_octets()
    assert (b"Content-Type: message/rfc822" in octets) is whole
    assert (b"Content-Type: text/rfc822-headers" in octets) is not whole
    assert b"Subject: Hello\r\n" in octets
    assert (b"Hello Ben" in octets) is whole


@pytest.mark.parametrize(("language", "original"), [("en", ORIGINAL), ("de", ORIGINAL), ("en", ORIGINAL + b"\xe4\r\n")])
def test_says_whether_it_has_octets_beyond_ascii(language: str, original: bytes) -> None:
    """What a part is, the whole is too (RFC 2045 section 6.4)."""
    report = attrs.evolve(REPORT, language=language, original=original)
    whole = not report.to_octets().isascii()
    assert (read(report)["Content-Transfer-Encoding"] == "8bit") is whole


def test_what_is_returned_never_ends_the_report() -> None:
    """A message that holds the boundary of its own report is told apart from it."""
    boundary = read(REPORT).get_boundary()
    original = ORIGINAL + f"--{boundary}--\r\n".encode()
    assert len(list(read(attrs.evolve(REPORT, original=original)).iter_parts())) == 3


def test_nothing_that_is_quoted_makes_a_field() -> None:
    """What a hostile server or sender says stays where it is shown."""
    wicked = RecipientReport(
        "ben@sued.example",
        "5.0.0",
        "550 no\r\nX-Evil: 1\r\n\r\nboo",
        "mail.sued.example",
        "rfc822;ben+0D+0AX-Evil:1",
    )
    original = b"Message-ID: <1@x>\r\n\tX-Evil: 1\r\nSubject: x\r\n\r\n"
    report = attrs.evolve(REPORT, recipients=[wicked], original=original, ret="HDRS", envid="x+0D+0AX-Evil:1")
    assert "X-Evil" not in read(report)
    assert all("X-Evil" not in group for group in groups(report))
