"""What a report says: the message that it is about, and those who were not reached (RFC 3464)."""

from __future__ import annotations

import email
import email.message
import email.policy
from collections.abc import Collection

import attrs

from maillab.mail.message import Message
from maillab.trace.identity import QueueId


@attrs.frozen
class Failure:
    """A recipient that was not reached.

    Attributes:
        recipient: as it was given.
        reply: what was said or happened, in a line.
        remote_host: who said it; "" if nobody did.
    """

    recipient: str
    reply: str
    remote_host: str = ""

    @property
    def code(self) -> int | None:
        """The reply code, where a host said it."""
        return int(self.reply[:3]) if self.remote_host and self.reply[:3].isdigit() else None


@attrs.frozen
class ReadReport:
    """A report as far as it tells of failures; `host` wrote it about the message that it called `queue_id`.

    `returned` is that message, or its header, with the line on top that the host had put there.
    """

    host: str
    queue_id: QueueId
    failures: tuple[Failure, ...]
    returned: bytes


def read_report(octets: bytes, hosts: Collection[str]) -> ReadReport | None:
    """What the report says; None where it is none of one of `hosts`, or tells of no failure."""
    parts = [*email.message_from_bytes(octets, policy=email.policy.SMTP).walk()]
    status = next((part for part in parts if part.get_content_type() == "message/delivery-status"), None)
    if status is None:
        return None
    blocks = [block for block in status.get_payload() if isinstance(block, email.message.Message)]
    host = _value(blocks[0], "Reporting-MTA") if blocks else ""
    failures = tuple(
        Failure(_value(block, "Final-Recipient"), _value(block, "Diagnostic-Code"), _value(block, "Remote-MTA"))
        for block in blocks
        if block["Action"] == "failed"
    )
    returned = next((_octets_of(part) for part in parts if "rfc822" in part.get_content_type()), b"")
    top = next(iter(Message(returned).received), None)
    queue_id = QueueId.parse(top.id) if top is not None and top.by == host else None
    if queue_id is None or host not in hosts or not failures:
        return None
    return ReadReport(host, queue_id, failures, returned)


def _value(block: email.message.Message, name: str) -> str:
    """What stands behind the type: "dns; mail.nord.example"."""
    return str(block[name] or "").partition(";")[2].strip()


def _octets_of(part: email.message.Message) -> bytes:
    """A message that came back, or its header."""
    payload = part.get_payload()
    inner = payload[0] if isinstance(payload, list) else payload
    return inner.as_bytes() if isinstance(inner, email.message.Message) else str(inner).encode(errors="surrogateescape")
