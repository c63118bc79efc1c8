"""The text of a message, for people: the first plain part, decoded, and never more than they would read."""

from __future__ import annotations

from email.message import Message as Part
from email.parser import BytesParser
from email.policy import compat32
from typing import Final

TEXT_LIMIT_OCTETS: Final = 1 << 18  # of the message: what lies behind is not looked at


def text_of(octets: bytes) -> str:
    """The text of the message in `octets`: its plain text, else its HTML as source, else "".

    Read by the standard library's mildest rules; where even these fail (a thousand parts nested in one another),
    what stands behind the header.
    """
    octets = octets[:TEXT_LIMIT_OCTETS]
    try:
        message = BytesParser(policy=compat32).parsebytes(octets)
        parts = [part for part in message.walk() if not part.is_multipart()]
        for kind in ("text/plain", "text/html"):
            for part in parts:
                if part.get_content_type() == kind and part.get_content_disposition() != "attachment":
                    return _decoded(part).replace("\r\n", "\n")
    except (RecursionError, ValueError, LookupError, AttributeError, TypeError):
        return octets.replace(b"\r\n", b"\n").partition(b"\n\n")[2].decode("utf-8", "replace")
    return ""


def _decoded(part: Part) -> str:
    octets = part.get_payload(decode=True)
    if not isinstance(octets, bytes):
        return ""
    try:
        return octets.decode(part.get_content_charset("utf-8"))
    except (LookupError, ValueError):  # typed without MIME, or of a charset that nobody knows
        return octets.decode("latin-1") if not _is_utf8(octets) else octets.decode()


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True
