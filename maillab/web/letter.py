"""One message as people look at it: its text, its HTML, its files, and the way that this copy came."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Final
from urllib.parse import quote

import attrs

from maillab.mail.message import Message
from maillab.mail.parts import TEXT_LIMIT_OCTETS, Part, Parts
from maillab.trace.path import Hop, Trace
from maillab.web.mail_html import CleanHtml, clean_html

PICTURES_LIMIT_OCTETS: Final = 4 << 20  # of all that are shown within the text
NAME_LIMIT: Final = 100  # characters of a file's name; 255 octets are what file systems take

_PICTURE_TYPES: Final = frozenset({"image/png", "image/gif", "image/jpeg", "image/webp"})
_SUFFIXES: Final[Mapping[str, str]] = {
    "text/plain": "txt",
    "text/html": "html",
    "message/rfc822": "eml",
    "message/delivery-status": "txt",
    "text/rfc822-headers": "txt",
    "application/pdf": "pdf",
    "image/png": "png",
    "image/gif": "gif",
    "image/jpeg": "jpg",
    "image/webp": "webp",
}
# What no file system takes, or what shows a name other than it is: controls, also those of the writing direction.
_NOT_IN_NAMES: Final = re.compile(
    '[\x00-\x1f\x7f-\x9f"*:<>?|\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]'
)
_DEVICES: Final = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?=\.|$)", re.IGNORECASE)  # of Windows


@attrs.frozen
class Letter:
    """A message, opened."""

    octets: bytes

    @cached_property
    def message(self) -> Message:
        return Message(self.octets)

    @cached_property
    def parts(self) -> Parts:
        return Parts.of(self.octets)

    @property
    def text(self) -> str:
        """Its plain text, else its HTML as source, else ""."""
        part = self.parts.text or self.parts.html
        return "" if part is None else part.text

    @property
    def source(self) -> str:
        """The octets as they came, for people: the beginning of a long message."""
        beginning = self.octets[:TEXT_LIMIT_OCTETS]
        try:
            return beginning.decode("utf-8", "strict" if beginning is self.octets else "ignore")
        except UnicodeDecodeError:
            return beginning.decode("latin-1")

    @cached_property
    def html(self) -> CleanHtml | None:
        """Its HTML, made harmless; None if it has none."""
        part = self.parts.html
        return None if part is None else clean_html(part.text, self._pictures())

    def part(self, number: str) -> Part | None:
        return next((part for part in self.parts.parts if part.number == number), None)

    def contents(self) -> dict[str, Any]:
        """What is to be seen of it, as JSON values."""
        parts = self.parts
        shown = [part for part in (parts.text, parts.html) if part is not None]
        return {
            "headers": [[field.name, field.text] for field in self.message.fields],
            "text": self.text,
            "has_html": parts.html is not None,
            "is_cut": any(part.text_is_cut for part in shown),
            "outside": [] if self.html is None else [*self.html.outside],
            "attachments": [
                {
                    "part": part.number,
                    "name": file_name(part),
                    "type": part.type,
                    "size_octets": len(part.octets),
                }
                for part in parts.attachments
            ],
            "all_attachments": parts.is_complete,
        }

    def path(self, trace: Trace | None) -> Iterator[dict[str, Any]]:
        """The way of this copy, its first server first: what its `Received` lines say, and whether that is so.

        Anybody can write such a line; one that the lab itself remembers is certain.
        """
        hops: Mapping[str, Hop] = {} if trace is None else {hop.queue_id: hop for hop in trace.hops}
        for line in reversed(self.message.received):
            if line is None:
                yield {"host": None, "certain": False}
                continue
            hop = hops.get(line.id)
            certain = hop is not None and hop.server == line.by
            yield {
                "host": line.by,
                "certain": certain,
                "queue_id": line.id,
                "at": hop.at if hop is not None and certain else None,
                "date": line.date,
                "from": line.from_name,
                "from_comment": line.from_comment,
                "with": line.with_,
            }

    def _pictures(self) -> dict[str, str]:
        """Those that the message brings along, as data URLs by their Content-ID."""
        found: dict[str, str] = {}
        room = PICTURES_LIMIT_OCTETS
        for part in self.parts.parts:
            if part.content_id and part.type in _PICTURE_TYPES and len(part.octets) <= room:
                room -= len(part.octets)
                found[part.content_id] = f"data:{part.type};base64,{base64.b64encode(part.octets).decode()}"
        return found


def file_name(part: Part) -> str:
    """A name for the part as a file: what its writer calls it, without anything that a folder or a reader trips on."""
    name = re.split(r"[/\\]", part.file_name)[-1]
    name = _NOT_IN_NAMES.sub("_", name).strip(" .")
    name = _DEVICES.sub(lambda device: f"{device[0]}_", name, count=1) if _DEVICES.match(name) else name
    stem, dot, suffix = name.rpartition(".")
    if len(name) > NAME_LIMIT:
        suffix = suffix[: NAME_LIMIT // 4]
        name = f"{stem[: NAME_LIMIT - len(suffix) - 1]}{dot}{suffix}" if stem else name[:NAME_LIMIT]
    return name or f"part-{part.number}.{_SUFFIXES.get(part.type, 'bin')}"


def disposition(name: str) -> tuple[str, str]:
    """The header that makes a browser save an answer as a file of that name (RFC 6266, RFC 8187)."""
    plain = "".join(character if character.isascii() and character not in '"\\%' else "_" for character in name)
    return "Content-Disposition", f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
