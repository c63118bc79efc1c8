"""Messages: octets that are never changed, and what can be read in them (RFC 5322).

A header is read as mildly as mail readers do: lines may end with LF alone, and the first line that is neither
a field nor the continuation of one ends the header, so that a mail typed without any header is all body.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Final

import attrs

from maillab.mail.encoded_words import decode_words
from maillab.mail.received import Received

HEADER_LIMIT_OCTETS: Final = 1 << 20  # Exim's header_maxsize; what a longer header holds is carried, but not read

_FIELD_NAME: Final = rb"[!-9;-~]+[ \t]*:"  # RFC 5322 section 3.6.8; white space before the colon: section 4.5.8
_BEGINS_WITH_FIELD: Final = re.compile(_FIELD_NAME)
_HEADER_END: Final = re.compile(rb"\n(?!" + _FIELD_NAME + rb"|[ \t])")
_LINE_END: Final = re.compile(rb"\r?\n")
_FIELD: Final = re.compile(rb"([!-9;-~]+)[ \t]*:[^\n]*\n?(?:[ \t][^\n]*\n?)*")
_RECEIVED: Final = re.compile(rb"\nreceived[ \t]*:")
_FOLDING: Final = re.compile(r"\r?\n[ \t]*|\t")  # RFC 5322 section 2.2.3
_NOT_FOR_EYES: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@attrs.frozen
class HeaderField:
    """One field of a header.

    Attributes:
        name: as written.
        octets: the whole field: its name, folded lines and last line end included.
    """

    name: str
    octets: bytes

    @property
    def value(self) -> bytes:
        """What stands behind the colon, still folded, without the last line end."""
        return self.octets.partition(b":")[2].rstrip(b"\r\n")

    @property
    def text(self) -> str:
        """The value for people: one line, decoded (RFC 2047), with control characters shown as U+FFFD."""
        try:
            text = self.value.decode("utf-8")
        except UnicodeDecodeError:
            text = self.value.decode("latin-1")  # typed without MIME; right more often than anything else
        text = text.strip(" \t\r\n")
        if text.isprintable() and "=?" not in text:
            return text
        return _NOT_FOR_EYES.sub("\N{REPLACEMENT CHARACTER}", decode_words(_FOLDING.sub(" ", text)))


@attrs.frozen
class Message:
    """A message as it was received; reading it never changes an octet."""

    octets: bytes

    @cached_property
    def header(self) -> bytes:
        """The header without the empty line behind it, `HEADER_LIMIT_OCTETS` of it at most."""
        if not _BEGINS_WITH_FIELD.match(self.octets, 0, HEADER_LIMIT_OCTETS):
            return b""
        end = _HEADER_END.search(self.octets, 0, HEADER_LIMIT_OCTETS)
        # A line that the limit cuts looks like no field: so the place that was found is looked at again, uncut.
        if end and _HEADER_END.match(self.octets, end.start()):
            return self.octets[: end.end()]
        return self.octets[:HEADER_LIMIT_OCTETS]

    @property
    def body(self) -> bytes:
        """What stands behind the header and its empty line."""
        start = 0
        if self.header:
            end = _HEADER_END.search(self.octets, len(self.header) - 1)  # further on if the limit has cut the header
            start = end.end() if end else len(self.octets)
        empty_line = _LINE_END.match(self.octets, start)
        return self.octets[empty_line.end() if empty_line else start :]

    @cached_property
    def fields(self) -> tuple[HeaderField, ...]:
        """All fields of the header, in their order."""
        return tuple(map(_field, _FIELD.finditer(self.header)))

    def first(self, name: str) -> HeaderField | None:
        """The topmost field of that name, in any case."""
        return next(self._named(name), None)

    def all(self, name: str) -> tuple[HeaderField, ...]:
        """All fields of that name, in any case, topmost first."""
        return tuple(self._named(name))

    @property
    def subject(self) -> str | None:
        """The subject for people, None if there is none."""
        field = self.first("Subject")
        return None if field is None else field.text

    @cached_property
    def received(self) -> tuple[Received | None, ...]:
        """The `Received:` fields, topmost (latest) first; None for one that does not say who wrote it."""
        return tuple(Received.parse(field.octets) for field in self._named("Received"))

    @property
    def hop_count(self) -> int:
        """How many `Received:` fields there are (RFC 5321 section 6.3)."""
        return len(_RECEIVED.findall(self._lines))

    def with_on_top(self, field_octets: bytes) -> Message:
        """The message with a field added on top, and nothing else changed.

        Only where the message begins with white space, an empty line is put between, as else its first line
        would continue the field.
        """
        empty_line = b"\r\n" if self.octets.startswith((b" ", b"\t")) else b""
        return Message(field_octets + empty_line + self.octets)

    @cached_property
    def _lines(self) -> bytes:
        """The header in lower case with a line end on top: fields are found by name without reading them all."""
        return b"\n" + self.header.lower()

    def _named(self, name: str) -> Iterator[HeaderField]:
        sought = b"\n" + name.lower().encode()
        position = self._lines.find(sought)
        while position >= 0:
            match = _FIELD.match(self.header, position)
            if match and match.end(1) - position == len(sought) - 1:
                yield _field(match)
            position = self._lines.find(sought, position + 1)


def _field(match: re.Match[bytes]) -> HeaderField:
    return HeaderField(match[1].decode("ascii"), match[0])
