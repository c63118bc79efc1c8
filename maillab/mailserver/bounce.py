"""The notice that a message could not be delivered: composed here, sent from `<>` (RFC 5321 section 6.1).

Not here: the machine-readable report of RFC 3464; this notice is for people, in English and German.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from maillab.mail.address import Address
from maillab.mail.message import Message

_HEADER_SHOWN_OCTETS: Final = 1 << 14  # of the header that is quoted

_TEXT: Final = """\
This is the mail server at {host}.

Your message could not be delivered to:

{failures}

It is not tried again. The header of your message stands below.

--

Hier spricht der Mailserver {host}.

Ihre Nachricht konnte nicht zugestellt werden an:

{failures}

Es wird nicht weiter versucht. Der Kopf der Nachricht steht unten.

--

{header}"""


def compose_bounce(
    *,
    host: str,
    daemon: Address,
    to: Address,
    date: str,
    message_id: str,
    failures: Mapping[str, str],
    original: bytes,
) -> bytes:
    """A notice to `to` that the recipients in `failures` were not reached, each with its reason.

    Args:
        host: the server that speaks.
        daemon: the From address.
        to: who sent the message.
        date: RFC 5322 section 3.3.
        message_id: what stands between the angle brackets.
        failures: recipient to reason.
        original: the message that failed; its header is quoted.
    """
    header = Message(original).header[:_HEADER_SHOWN_OCTETS].decode("utf-8", "replace")
    shown = "\n".join(f"  <{recipient}>\n    {reason}" for recipient, reason in failures.items())
    text = _TEXT.format(host=host, failures=shown, header=header)
    fields = (
        f"From: Mail Delivery System <{daemon}>",
        f"To: <{to}>",
        "Subject: Undeliverable mail / Unzustellbare Mail",
        f"Date: {date}",
        f"Message-ID: <{message_id}>",
        "Auto-Submitted: auto-replied",  # RFC 3834 section 5
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
    )
    lines = [*fields, "", *text.replace("\r", "").rstrip("\n").split("\n"), ""]
    return "\r\n".join(lines).encode()
