"""Lines from standard input, be it a keyboard or a pipe, while other tasks go on."""

from __future__ import annotations

import os
from typing import Final

import trio

STDIN: Final = 0
_CHUNK_OCTETS: Final = 65536


class Keyboard:
    """Standard input, line by line.

    A thread reads it, as regular files and Windows consoles can be waited for in no other way.  The thread may be
    left behind: `os.read` holds no lock, of which Python would die at exit.
    """

    def __init__(self) -> None:
        self.is_terminal: Final = os.isatty(STDIN)
        self._octets = b""

    async def line(self) -> str | None:
        """The next line without its end; None at the end of input (Ctrl-D)."""
        while b"\n" not in self._octets:
            try:
                chunk = await trio.to_thread.run_sync(os.read, STDIN, _CHUNK_OCTETS, abandon_on_cancel=True)
            except OSError:  # standard input is closed
                chunk = b""
            if not chunk:
                rest, self._octets = self._octets, b""
                return _text(rest) if rest else None
            self._octets += chunk
        line, _, self._octets = self._octets.partition(b"\n")
        return _text(line)


def _text(line: bytes) -> str:
    return line.removesuffix(b"\r").decode("utf-8", errors="replace")
