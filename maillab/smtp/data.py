"""The message on the wire: finding its end, taking dots out, putting them in (RFC 5321 section 4.5.2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

END_OF_DATA: Final = b"\r\n.\r\n"
_LINE_START: Final = b"\r\n"
_CHUNK_OCTETS: Final = 1 << 18


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
