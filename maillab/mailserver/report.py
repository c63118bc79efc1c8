"""Reports on deliveries: what a sender is told, for people and for programs (RFC 3464, RFC 6522).

Not here: `message/global-delivery-status` of RFC 6533; an address that is not ASCII is shown with escapes.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import attrs

from maillab.mail.address import Address
from maillab.mail.message import Message
from maillab.smtp.replies import quoted

_XTEXT_CHARACTER: Final = re.compile(r"\+([0-9A-F]{2})")  # RFC 3461 section 4
FULL_LIMIT_OCTETS: Final = 64 << 10  # a longer message comes back as its header, unless RET=FULL asked for all of it


class Action(enum.Enum):
    """What became of a recipient's copy (RFC 3464 section 2.3.3)."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"  # to a host that reports nothing more


@attrs.frozen
class RecipientReport:
    """One recipient's part.

    Attributes:
        address: the forward path, wire form.
        status: RFC 3463, "5.1.1".
        reason: what was said or happened, in a line.
        remote_host: who said it; "" if nobody did.
        orcpt: ORCPT as it was given, "rfc822;ben@sued.example" in xtext; None if it was not.
        retry_until: RFC 5322 date; "" where nothing is tried again.
    """

    address: str
    status: str
    reason: str
    remote_host: str = ""
    orcpt: str | None = None
    retry_until: str = ""


@attrs.frozen(kw_only=True)
class Report:
    """A report on one message, to be written to its sender.

    Attributes:
        action: the same for all `recipients`.
        host: who reports.
        daemon: the From address.
        to: who sent the message.
        date: RFC 5322 section 3.3; `arrival_date` is when the message was accepted, "" where nobody knows.
        message_id: what stands between the angle brackets.
        envid: the sender's own name for the envelope, as it was given, in xtext.
        ret: FULL or HDRS, as it was given.
        language: "de" or "en", of the part for people.
    """

    action: Action
    host: str
    daemon: Address
    to: Address
    date: str
    arrival_date: str
    message_id: str
    recipients: Sequence[RecipientReport]
    original: bytes
    envid: str | None = None
    ret: str | None = None
    language: str = "en"

    def to_octets(self) -> bytes:
        """The whole message: multipart/report with text, delivery status and the original or its header."""
        parts = (self._text(), self._status(), self._returned())
        boundary = self._boundary(parts)
        lines = [*self._header(boundary)]
        if not all(part.isascii() for part in parts):
            lines.append("Content-Transfer-Encoding: 8bit")  # RFC 2045 section 6.4: what its parts are, the whole is
        head = "".join(f"{line}\r\n" for line in lines).encode()
        body = b"".join(b"--" + boundary.encode() + b"\r\n" + part + b"\r\n" for part in parts)
        return head + b"\r\n" + body + b"--" + boundary.encode() + b"--\r\n"

    def _header(self, boundary: str) -> Iterator[str]:
        words = _WORDS[self.language]
        yield f"From: {words.name} <{self.daemon}>"
        yield f"To: <{self.to}>"
        yield f"Subject: {words.subject[self.action]}"
        yield f"Date: {self.date}"
        yield f"Message-ID: <{self.message_id}>"
        if original_id := Message(self.original).first("Message-ID"):
            yield f"References: {quoted(original_id.text)}"
        yield "Auto-Submitted: auto-replied"  # RFC 3834 section 5
        yield "MIME-Version: 1.0"
        yield "Content-Type: multipart/report; report-type=delivery-status;"
        yield f'\tboundary="{boundary}"'

    def _text(self) -> bytes:
        words = _WORDS[self.language]
        lines = [words.greeting.format(host=self.host), "", *words.text[self.action].split("\n"), ""]
        for recipient in self.recipients:
            lines += [f"  <{quoted(recipient.address)}>", f"    {quoted(recipient.reason)}"]
        fields = ("Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit", "")
        return "".join(f"{line}\r\n" for line in (*fields, *lines)).encode()

    def _status(self) -> bytes:
        lines = ["Content-Type: message/delivery-status", "", f"Reporting-MTA: dns; {self.host}"]
        if self.envid is not None:
            lines.append(f"Original-Envelope-Id: {_from_xtext(self.envid)}")
        if self.arrival_date:
            lines.append(f"Arrival-Date: {self.arrival_date}")
        for recipient in self.recipients:
            lines += ["", *self._recipient_fields(recipient)]
        return "".join(f"{line}\r\n" for line in lines).encode("ascii", "backslashreplace")

    def _recipient_fields(self, recipient: RecipientReport) -> Iterator[str]:
        if recipient.orcpt is not None:
            yield f"Original-Recipient: {_from_xtext(recipient.orcpt)}"
        yield f"Final-Recipient: rfc822; {quoted(recipient.address)}"
        yield f"Action: {self.action.value}"
        yield f"Status: {recipient.status}"
        if recipient.remote_host:
            yield f"Remote-MTA: dns; {recipient.remote_host}"
        yield f"Diagnostic-Code: {'smtp' if recipient.remote_host else 'x-maillab'}; {quoted(recipient.reason)}"
        if recipient.retry_until:
            yield f"Will-Retry-Until: {recipient.retry_until}"

    def _returned(self) -> bytes:
        """RFC 3461 section 4.3: all of the message where it failed and that was asked for, else its header."""
        whole = self.ret == "FULL" or (self.ret is None and len(self.original) <= FULL_LIMIT_OCTETS)
        if whole and self.action is Action.FAILED:
            kind, octets = "message/rfc822", self.original
        else:
            kind, octets = "text/rfc822-headers", Message(self.original).header
        encoding = "7bit" if octets.isascii() else "8bit"
        return f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode() + octets

    def _boundary(self, parts: Sequence[bytes]) -> str:
        """RFC 2046 section 5.1.1: a line that stands in none of the parts."""
        boundary = f"report-{self.message_id.partition('@')[0]}"
        while any(boundary.encode() in part for part in parts):
            boundary += "-"
        return boundary


def _from_xtext(text: str) -> str:
    """What a DSN parameter means (RFC 3461 section 6.3 wants it decoded), fit to stand in a field."""
    return quoted(_XTEXT_CHARACTER.sub(lambda match: chr(int(match[1], 16)), text))


@attrs.frozen
class _Words:
    """The part for people in one language."""

    name: str
    greeting: str
    subject: Mapping[Action, str]
    text: Mapping[Action, str]


_WORDS: Final[Mapping[str, _Words]] = {
    "en": _Words(
        "Mail Delivery System",
        "This is the mail server {host}.",
        {
            Action.FAILED: "Undeliverable mail",
            Action.DELAYED: "Delayed mail",
            Action.DELIVERED: "Delivered mail",
            Action.RELAYED: "Relayed mail",
        },
        {
            Action.FAILED: "Your message could not be delivered, and is not tried again. It concerns:",
            Action.DELAYED: "Your message could not be delivered yet. You need do nothing: it is tried again.\n"
            "It concerns:",
            Action.DELIVERED: "As you asked to be told: your message is in the mailbox of:",
            Action.RELAYED: "As you asked to be told: your message was handed to a server\nthat reports no more, for:",
        },
    ),
    "de": _Words(
        "Mailzustellung",
        "Hier spricht der Mailserver {host}.",
        {
            Action.FAILED: "Unzustellbare Mail",
            Action.DELAYED: "Mail verspaetet sich",
            Action.DELIVERED: "Zugestellte Mail",
            Action.RELAYED: "Weitergegebene Mail",
        },
        {
            Action.FAILED: "Ihre Nachricht konnte nicht zugestellt werden und wird nicht weiter versucht.\nBetroffen:",
            Action.DELAYED: "Ihre Nachricht konnte noch nicht zugestellt werden. Sie müssen nichts tun:\n"
            "es wird weiter versucht. Betroffen:",
            Action.DELIVERED: "Wie gewünscht die Meldung: Ihre Nachricht liegt im Postfach von:",
            Action.RELAYED: "Wie gewünscht die Meldung: Ihre Nachricht ging an einen Server,\n"
            "der nichts weiter meldet, für:",
        },
    ),
}
