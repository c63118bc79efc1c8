"""Whose turn it is in a dialogue that is typed by hand, as somebody sees who reads it."""

from __future__ import annotations

import enum
import re
from typing import Final

_FINAL_LINE: Final = re.compile(r"[0-9]{3}(?!-)")  # of a reply: RFC 5321 section 4.2.1


class Turn(enum.Enum):
    """Who is to speak next."""

    SERVER = "the server answers"
    COMMAND = "the client may say a command"
    TEXT = "the client says the message, to the line with the dot"
    NOBODY = "the server is about to close"


def after_server(turn: Turn, line: str) -> Turn:
    """Whose turn it is once the server has said `line`."""
    if not _FINAL_LINE.match(line):
        return turn
    match line[:3]:
        case "354":
            return Turn.TEXT
        case "221" | "421":  # RFC 5321 section 4.2.3: the server closes the channel
            return Turn.NOBODY
    return Turn.COMMAND


def after_client(turn: Turn, line: str) -> Turn:
    """Whose turn it is once the client has said `line`."""
    return Turn.TEXT if turn is Turn.TEXT and line != "." else Turn.SERVER
