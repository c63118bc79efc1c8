"""What a server adds to a mail that a person hands in (RFC 6409 section 8); between servers nothing is added."""

from __future__ import annotations

from maillab.mail.message import Message


def completed(message: Message, *, date: str, message_id: str) -> bytes:
    """The message with a Date and a Message-ID on top, as far as it has none.

    Args:
        message: as it was handed in; nothing else of it is changed.
        date: RFC 5322 section 3.3.
        message_id: what stands between the angle brackets.
    """
    fields = b""
    if message.first("Date") is None:
        fields += f"Date: {date}\r\n".encode()
    if message.first("Message-ID") is None:
        fields += f"Message-ID: <{message_id}>\r\n".encode()
    if fields and not message.header and not message.octets.startswith(b"\r\n"):
        fields += b"\r\n"  # a mail without a header has one now, and it ends here
    return fields + message.octets
