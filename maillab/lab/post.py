"""A mail program's part: it writes the message, and hands it to a server by real SMTP."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final

import attrs
import trio

from maillab.mail.address import Address
from maillab.mail.date import mail_date
from maillab.mail.envelope import Envelope
from maillab.network.endpoint import Endpoint
from maillab.network.network import Network
from maillab.smtp.client import SmtpClient
from maillab.smtp.outcome import Delivered, Outcome, UnusableError
from maillab.trace.record import Record
from maillab.trace.recorder import Recorder

CLIENT_NAME: Final = "maillab-send"  # what it says in EHLO
_FOLDING: Final = "\r\n "  # RFC 5322 section 2.2.3
_MESSAGE_ID: Final = re.compile(r"<[!-;=?-~]{1,900}>")  # RFC 5322 section 3.6.4, and what fits into a line of 998


class MailRefusedError(Exception):
    """No recipient was taken; `str()` is what the server said, and `outcomes` to whom, as far as it got."""

    def __init__(self, reason: str, outcomes: Mapping[Address, Outcome] | None = None) -> None:
        super().__init__(reason)
        self.outcomes: Mapping[Address, Outcome] = outcomes or {}


@attrs.frozen
class Sent:
    """What became of a mail at the first server; `trace` is None where its records are of another process."""

    trace: str | None
    outcomes: Mapping[Address, Outcome]


def written(
    sender: str,
    to: Sequence[str],
    subject: str,
    body: str,
    *,
    at: float,
    message_id: str,
    in_reply_to: str = "",
    references: Sequence[str] = (),
) -> bytes:
    """A plain text message as a mail program writes it, with From, To, Subject, Date and Message-ID.

    Args:
        sender: the address of From.
        to: the addresses of To.
        subject: of one line, in any script.
        body: the text.
        at: of Date, in seconds since 1970.
        message_id: what stands left of its @.
        in_reply_to: the Message-ID that is answered, with its angle brackets (RFC 5322 section 3.6.4).
        references: those of the whole conversation, oldest first.

    Raises:
        ValueError: something cannot stand in a header.
    """
    utf8 = not all(address.isascii() for address in (sender, *to))
    message = EmailMessage(policy=SMTP.clone(utf8=utf8))
    message["From"] = sender or "MAILER-DAEMON"
    message["To"] = ", ".join(to)
    message["Subject"] = subject
    message["Date"] = mail_date(at)
    message["Message-ID"] = f"<{message_id}@{CLIENT_NAME}>"
    message.set_content(body)
    header, empty_line, content = bytes(message).partition(b"\r\n\r\n")
    answered = [_ids_field("In-Reply-To", (in_reply_to,)), _ids_field("References", references)]
    return b"\r\n".join([header, *filter(None, answered)]) + empty_line + content


def _ids_field(name: str, message_ids: Sequence[str]) -> bytes:
    """A field of message ids, one a line; the standard library would put a long one into an encoded word."""
    wanted = [*filter(None, message_ids)]
    if wrong := [message_id for message_id in wanted if not _MESSAGE_ID.fullmatch(message_id)]:
        raise ValueError(f"{name}: {wrong[0]!r} is no message id like <1@example.com>")
    return f"{name}: {_FOLDING.join(wanted)}".encode() if wanted else b""


async def submit(
    network: Network,
    target: Endpoint,
    recorder: Recorder,
    sender: str,
    recipients: Sequence[str],
    octets: bytes,
    tls: ssl.SSLContext | None = None,
) -> Sent:
    """Hand `octets` to the server at `target`; with `tls` inside TLS.

    Raises:
        MailRefusedError: the server took it for nobody, or cannot be reached.
        AddressError: an address that is none.
    """
    reverse_path = Address.parse(sender) if sender else None
    forward_paths = tuple(Address.parse(recipient) for recipient in recipients)
    smtputf8 = not all(path is None or path.is_ascii for path in (reverse_path, *forward_paths))
    envelope = Envelope(reverse_path, forward_paths, eight_bit=not octets.isascii(), smtputf8=smtputf8)
    traces: list[str] = []
    connections: set[str] = set()
    try:
        stream = await network.connect(target, None, None)
    except OSError as error:
        raise MailRefusedError(f"no connection to {target}: {error.strerror or error}") from None

    def listen(record: Record) -> None:
        # A reply in a textbook's style tells no queue id, but the server's records do.
        if record["event"] == "connection.opened" and record["peer"] == str(stream.local):
            connections.add(record["connection"])
        elif record["event"] == "message.accepted" and record.get("connection") in connections:
            traces.append(record["trace"])

    recorder.add_listener(listen)
    try:
        client = SmtpClient(stream, CLIENT_NAME)
        await client.open()
        if tls is not None:
            await client.start_tls(tls, target.host)
        outcomes = await client.send(envelope, octets)
        await client.quit()
    except UnusableError as error:
        raise MailRefusedError(str(error)) from None
    finally:
        recorder.remove_listener(listen)
        await trio.aclose_forcefully(stream)
    if not any(isinstance(outcome, Delivered) for outcome in outcomes.values()):
        reasons = {outcome.reason: None for outcome in outcomes.values() if not isinstance(outcome, Delivered)}
        raise MailRefusedError("; ".join(reasons), outcomes)
    return Sent(traces[0] if traces else None, outcomes)
