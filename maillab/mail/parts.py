"""MIME: what a message is made of, as far as somebody who reads it needs (RFC 2045, RFC 2046).

The splitting is our own, because it must be quick for any octets: it never goes back, and it is bounded in depth
and number.  What a part's own fields say is read by the standard library.

Not here: opening messages within messages (message/rfc822): each is one part, to be looked at as a file.
"""

from __future__ import annotations

import binascii
import codecs
import string
from collections.abc import Iterator
from email.message import Message as Fields
from functools import cached_property
from typing import Final

import attrs

from maillab.mail.encoded_words import MAIL_CHARSET, decode_words
from maillab.mail.message import HeaderField, Message

DEPTH_LIMIT: Final = 10  # multiparts within one another; what lies deeper is one part
PART_LIMIT_COUNT: Final = 200
TEXT_LIMIT_OCTETS: Final = 1 << 18  # of one part: nobody reads more; the whole is in the source

_DELIMITER_LIMIT_COUNT: Final = 10_000  # lines that only look like one are counted too
_BOUNDARY_LIMIT_OCTETS: Final = 70  # RFC 2046 section 5.1.1
_VALUE_LIMIT_OCTETS: Final = 4096  # of a field that is read for its parameters; Python takes square time for them
_DIGITS: Final = (string.ascii_letters + string.digits + "+/").encode()
_NO_DIGITS: Final = bytes(sorted(set(range(256)) - {*_DIGITS, ord("=")}))
_MULTIPART: Final = "multipart/"
_PLAIN, _MESSAGE = "text/plain", "message/rfc822"


@attrs.frozen
class Part:
    """One part that is no multipart.

    Attributes:
        number: as IMAP counts parts, "1" or "2.1" (RFC 9051 section 6.4.5.1).
        type: of its content, in lower case: "text/plain".
        charset: as it is called there; "" if it is not.
        is_attachment: its writer wants it to be a file (RFC 2183 section 2.2).
        file_name: as its writer calls it, whatever that is; "" if nothing.
        content_id: without its angle brackets; "" if none.
    """

    number: str
    type: str
    charset: str
    is_attachment: bool
    file_name: str
    content_id: str
    _encoding: str = attrs.field(repr=False)
    _body: bytes = attrs.field(repr=False)

    @cached_property
    def octets(self) -> bytes:
        """The content, decoded as well as can be (RFC 2045 section 6)."""
        if self._encoding == "base64":
            return _from_base64(self._body)
        if self._encoding == "quoted-printable":
            return binascii.a2b_qp(self._body)
        return self._body

    @property
    def text_is_cut(self) -> bool:
        return len(self.octets) > TEXT_LIMIT_OCTETS

    @property
    def text(self) -> str:
        """The content as text with LF, its beginning where it is long.

        Without a charset that fits, it is UTF-8, else Latin-1: typed without MIME.
        """
        octets = self.octets[:TEXT_LIMIT_OCTETS]
        charsets = [self.charset] if MAIL_CHARSET.fullmatch(self.charset) else []
        for charset in (*charsets, "utf-8"):
            try:
                decoder = codecs.getincrementaldecoder(charset)()
                return decoder.decode(octets, final=not self.text_is_cut).replace("\r\n", "\n")
            except (LookupError, ValueError):
                continue
        return octets.decode("latin-1").replace("\r\n", "\n")


@attrs.frozen
class Parts:
    """All parts of a message, in their order."""

    parts: tuple[Part, ...]
    is_complete: bool
    """Whether there were no more than are looked at."""

    @classmethod
    def of(cls, octets: bytes) -> Parts:
        """The parts of the message in `octets`; whatever these are, there is at least one."""
        found: list[Part] = []
        for part in _parts(Message(octets), "", 0, _PLAIN):
            if len(found) == PART_LIMIT_COUNT:
                return cls(tuple(found), is_complete=False)
            found.append(part)
        return cls(tuple(found), is_complete=True)

    @property
    def text(self) -> Part | None:
        """The one to be read: the first in plain text."""
        return self._first(_PLAIN)

    @property
    def html(self) -> Part | None:
        """The one to be read in colours: the first in HTML."""
        return self._first("text/html")

    @property
    def attachments(self) -> tuple[Part, ...]:
        """All that is not to be read at once."""
        return tuple(part for part in self.parts if part is not self.text and part is not self.html)

    def _first(self, kind: str) -> Part | None:
        return next((part for part in self.parts if part.type == kind and not part.is_attachment), None)


def _parts(entity: Message, number: str, depth: int, default_type: str) -> Iterator[Part]:
    fields = _read_fields(entity, default_type)
    kind = fields.get_content_type()
    if kind.startswith(_MULTIPART) and depth < DEPTH_LIMIT:
        bodies = _split(entity.body, _parameter(fields, "boundary").encode("latin-1", "replace"))
        inner_type = _MESSAGE if kind == "multipart/digest" else _PLAIN  # RFC 2046 section 5.1.5
        place = 0
        for place, body in enumerate(bodies, 1):
            yield from _parts(Message(body), f"{number}.{place}" if number else str(place), depth + 1, inner_type)
        if place:
            return
    yield Part(
        number or "1",
        _PLAIN if kind.startswith(_MULTIPART) else kind,  # one that cannot be opened: shown as it stands
        _parameter(fields, "charset"),
        fields.get_content_disposition() == "attachment",
        decode_words(_parameter(fields, "filename", "content-disposition") or _parameter(fields, "name")),
        str(fields.get("content-id", "")).strip().strip("<>"),
        str(fields.get("content-transfer-encoding", "")).strip().lower(),
        entity.body,
    )


def _read_fields(entity: Message, default_type: str) -> Fields:
    """The fields that tell about the content, for the standard library to read."""
    fields = Fields()
    fields.set_default_type(default_type)
    for name in ("content-type", "content-disposition", "content-transfer-encoding", "content-id"):
        if (field := entity.first(name)) is not None:
            fields[name] = _one_line(field)
    return fields


def _one_line(field: HeaderField) -> str:
    """The value without its folding (RFC 5322 section 2.2.3), its encoded words as they are."""
    octets = field.value[:_VALUE_LIMIT_OCTETS]
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        text = octets.decode("latin-1")
    return text.replace("\r", "").replace("\n", "").strip()


def _parameter(fields: Fields, name: str, field: str = "content-type") -> str:
    """A parameter of a field (RFC 2045 section 5.1, RFC 2231), or ""."""
    try:
        value = fields.get_param(name, "", field)
        if isinstance(value, tuple):  # RFC 2231: charset, language, octets as Latin-1
            charset, _, octets = value
            known = charset if charset and MAIL_CHARSET.fullmatch(charset) else "utf-8"
            return octets.encode("latin-1", "replace").decode(known, "replace")
    except (LookupError, TypeError, ValueError):  # numbered in a way that cannot be
        return ""
    return str(value)


def _split(body: bytes, boundary: bytes) -> Iterator[bytes]:
    """What stands between the delimiter lines (RFC 2046 section 5.1.1); the last one may be missing."""
    if not 0 < len(boundary) <= _BOUNDARY_LIMIT_OCTETS:
        return
    delimiter = b"\n--" + boundary
    lines = b"\n" + body  # so that each delimiter has a line end before it
    start = -1
    position = lines.find(delimiter)
    for _ in range(_DELIMITER_LIMIT_COUNT):
        if position < 0:
            break
        line_end = lines.find(b"\n", position + 1)
        rest = lines[position + len(delimiter) : line_end if line_end >= 0 else None]
        is_last = rest.startswith(b"--")
        if not (rest[2:] if is_last else rest).strip(b" \t\r"):
            if start >= 0:
                yield lines[start:position].removesuffix(b"\r")
            if is_last or line_end < 0:
                return
            start = line_end + 1
            position = lines.find(delimiter, line_end)
        else:
            position = lines.find(delimiter, position + 1)
    if start >= 0:
        yield lines[start:]


def _from_base64(octets: bytes) -> bytes:
    """What the digits say up to the padding; what is no digit is passed over (RFC 2045 section 6.8)."""
    digits = octets.translate(None, _NO_DIGITS).partition(b"=")[0]
    if len(digits) % 4 == 1:  # six bits are no octet
        digits = digits[:-1]
    return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))
