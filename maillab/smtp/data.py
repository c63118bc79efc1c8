"""The message on the wire: finding its end, taking dots out, putting them in (RFC 5321 section 4.5.2)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

END_OF_DATA: Final = b"\r\n.\r\n"
_LINE_START: Final = b"\r\n"
_CHUNK_OCTETS: Final = 1 << 18
_LAX_END: Final = re.compile(rb"(\r?\n)\.\r?\n")
_LAX_HELD: Final = re.compile(rb"\r?\n(?:\.\r?)?\Z|\r\Z")  # what may be the beginning of the end
_LAX_STUFFING: Final = re.compile(rb"(\n)\.")
_NEWLINE: Final = re.compile(rb"\r\n|\r|\n")


class DataReader:
    """Takes octets in any cutting; gives the message without the doubled dots until the one true end.

    Only CRLF.CRLF ends the data (RFC 5321 section 4.1.1.4); nothing that merely looks like it does.  What is held back
    between calls is never more than the four octets that may be the beginning of the end.
    """

    def __init__(self) -> None:
        # The data begin at the start of a line: as if a CRLF stood before them.  It is taken off the first chunk.
        self._held = _LINE_START
        self._virtual_octets = len(_LINE_START)

    def feed(self, octets: bytes) -> tuple[bytes, bytes | None]:
        """Take the next octets from the wire.

        Returns:
            The message octets that are certain now, and what follows the end of data, or None while it goes on.
        """
        octets = self._held + octets
        end = octets.find(END_OF_DATA)
        rest: bytes | None
        if end >= 0:
            rest = octets[end + len(END_OF_DATA) :]
            octets = octets[: end + len(_LINE_START)]
            self._held = b""
        else:
            rest = None
            keep = next((n for n in (4, 3, 2, 1) if octets.endswith(END_OF_DATA[:n])), 0)
            self._held = octets[len(octets) - keep :]
            octets = octets[: len(octets) - keep]
        if octets:
            # Every CRLF. in here is whole: its beginning is never let go while its dot may follow.
            octets = octets.replace(b"\r\n.", b"\r\n")[self._virtual_octets :]
            self._virtual_octets = 0
        return octets, rest


class LaxDataReader(DataReader):
    """As some servers do it, wrongly: LF alone ends a line too, and LF.LF the data.

    With such a server behind one that passes bare LF on, a message can smuggle in another: to be shown, not used.
    """

    def feed(self, octets: bytes) -> tuple[bytes, bytes | None]:
        octets = self._held + octets
        rest: bytes | None = None
        if match := _LAX_END.search(octets):
            rest = octets[match.end() :]
            octets, self._held = octets[: match.end(1)], b""
        else:
            held = _LAX_HELD.search(octets, max(0, len(octets) - len(END_OF_DATA)))
            keep = len(octets) - held.start() if held else 0
            octets, self._held = octets[: len(octets) - keep], octets[len(octets) - keep :]
        if octets:
            octets = _LAX_STUFFING.sub(rb"\1", octets)[self._virtual_octets :]
            self._virtual_octets = 0
        return octets, rest


class IncomingMessage:
    """A message that is coming in: gathered in one piece up to its limit; beyond it nothing is kept."""

    def __init__(self, limit_octets: int) -> None:
        self.size_octets = 0
        self._limit_octets = limit_octets
        self._octets = bytearray()

    @property
    def is_too_big(self) -> bool:
        return self.size_octets > self._limit_octets

    def add(self, octets: bytes) -> None:
        self.size_octets += len(octets)
        if self.is_too_big:
            self._octets.clear()
        else:
            self._octets += octets

    def take(self) -> bytes | None:
        """The whole message, or None if it was too big; then the next one may come."""
        octets = None if self.is_too_big else bytes(self._octets)
        self.drop()
        return octets

    def drop(self) -> None:
        self._octets = bytearray()
        self.size_octets = 0


def on_the_wire(octets: bytes) -> Iterator[bytes]:
    """A message as DATA sends it: dots doubled at line starts, CRLF.CRLF at the end, in chunks."""
    held = _LINE_START
    virtual_octets = len(_LINE_START)
    ready = b""  # a chunk waits for the next one, so that the last leaves together with the end
    for start in range(0, len(octets), _CHUNK_OCTETS):
        if ready:
            yield ready
        chunk = held + octets[start : start + _CHUNK_OCTETS]
        keep = next((n for n in (2, 1) if chunk.endswith(_LINE_START[:n])), 0)
        held = chunk[len(chunk) - keep :]
        ready = chunk[: len(chunk) - keep].replace(b"\r\n.", b"\r\n..")[virtual_octets:]
        virtual_octets = 0
    end = END_OF_DATA if held != _LINE_START else END_OF_DATA[len(_LINE_START) :]
    yield ready + held[virtual_octets:] + end


def has_bare_newline(octets: bytes) -> bool:
    """True when a CR or an LF stands on its own (RFC 5321 section 2.3.8 forbids both)."""
    pairs = octets.count(b"\r\n")
    return octets.count(b"\r") != pairs or octets.count(b"\n") != pairs


def with_whole_newlines(octets: bytes) -> bytes:
    """The same with CRLF for every CR or LF that stands on its own."""
    return _NEWLINE.sub(b"\r\n", octets)
