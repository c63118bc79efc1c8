"""A mail program's part: it writes the message, and hands it to a server by real SMTP."""

from __future__ import annotations

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


class MailRefusedError(Exception):
    """No recipient was taken; `str()` is what the server said."""


@attrs.frozen
class Sent:
    """What became of a mail at the first server; `trace` is None where its records are of another process."""

    trace: str | None
    outcomes: Mapping[Address, Outcome]


def written(sender: str, to: Sequence[str], subject: str, body: str, *, at: float, message_id: str) -> bytes:
    """A plain text message as a mail program writes it, with From, To, Subject, Date and Message-ID.

    `at` is in seconds since 1970; `message_id` is what stands left of the @.
    """
    utf8 = not all(address.isascii() for address in (sender, *to))
    message = EmailMessage(policy=SMTP.clone(utf8=utf8))
    message["From"] = sender or "MAILER-DAEMON"
    message["To"] = ", ".join(to)
    message["Subject"] = subject
    message["Date"] = mail_date(at)
    message["Message-ID"] = f"<{message_id}@{CLIENT_NAME}>"
    message.set_content(body)
    return bytes(message)


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
        raise MailRefusedError("; ".join(reasons))
    return Sent(traces[0] if traces else None, outcomes)
