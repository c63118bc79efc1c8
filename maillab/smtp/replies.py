"""What a server says: replies, and the three styles of wording them (RFC 5321 section 4.2).

A style changes words only.  Code and enhanced code (RFC 3463) of an answer are the same in every style, but the
textbook's styles leave the enhanced code out, as they do not announce ENHANCEDSTATUSCODES (RFC 2034).
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Mapping
from typing import Final

import attrs

from maillab.smtp.answers import Answer

REPLY_LINE_LIMIT_OCTETS: Final = 512  # RFC 5321 section 4.5.3.1.5, code and CRLF included
_VALUE_LIMIT_CHARACTERS: Final = 160  # what a client said is quoted back up to here


@attrs.frozen
class Reply:
    """One reply of one or more lines (RFC 5321 section 4.2.1).

    `lines` are the texts behind the code, the enhanced code not included.
    """

    code: int
    lines: tuple[str, ...] = ("",)
    enhanced: str | None = None

    @property
    def accepts(self) -> bool:
        """True for 2yz and 3yz."""
        return self.code < 400

    @property
    def transient(self) -> bool:
        """True for 4yz: the same may be accepted later."""
        return 400 <= self.code < 500

    @functools.cached_property
    def wire_lines(self) -> tuple[str, ...]:
        """The lines as sent, without CRLF."""
        enhanced = f"{self.enhanced} " if self.enhanced else ""
        last = len(self.lines) - 1
        return tuple(f"{self.code}{' ' if n == last else '-'}{enhanced}{text}" for n, text in enumerate(self.lines))

    @property
    def text(self) -> str:
        """The reply as one line for people: "550 5.1.1 No such user"."""
        words = (str(self.code), self.enhanced, *self.lines)
        return " ".join(word for word in words if word)


@functools.lru_cache(maxsize=128)  # most replies are said again and again
def to_octets(wire_lines: tuple[str, ...]) -> bytes:
    """Reply lines as they travel; what is no ASCII is shown by its escape."""
    longest = REPLY_LINE_LIMIT_OCTETS - len(b"\r\n")
    return b"".join(line.encode("ascii", "backslashreplace")[:longest] + b"\r\n" for line in wire_lines)


class ReplyStyle(enum.Enum):
    """Who is imitated: a server of today, or the school simulator Filius in German or English."""

    REALISTIC = "realistic"
    FILIUS_DE = "filius-de"
    FILIUS_EN = "filius-en"

    @property
    def enhanced_codes(self) -> bool:
        return self is ReplyStyle.REALISTIC

    def reply(self, answer: Answer, **values: object) -> Reply:
        """`answer` in this style, with `values` quoted so that they cannot break the line."""
        return self._worded(answer, values) if values else _constant_reply(self, answer)

    def _worded(self, answer: Answer, values: Mapping[str, object]) -> Reply:
        words = answer.value
        text = {
            ReplyStyle.REALISTIC: words.realistic,
            ReplyStyle.FILIUS_DE: words.filius_de,
            ReplyStyle.FILIUS_EN: words.filius_en,
        }[self]
        if values:
            text = text.format_map({name: quoted(str(value)) for name, value in values.items()})
        status = values.get("status", words.enhanced)
        return Reply(
            words.code,
            tuple(text.split("\n")),
            str(status) if status and self.enhanced_codes else None,
        )


@functools.cache  # one for each style and answer: most of what a server says is one of these
def _constant_reply(style: ReplyStyle, answer: Answer) -> Reply:
    return style._worded(answer, {})


def quoted(text: str) -> str:
    """`text` as it may stand in a reply: printable ASCII, not too long."""
    if not (text.isascii() and text.isprintable()):
        text = text.encode("unicode_escape").decode("ascii")
    if len(text) > _VALUE_LIMIT_CHARACTERS:
        return text[: _VALUE_LIMIT_CHARACTERS - 3] + "..."
    return text
