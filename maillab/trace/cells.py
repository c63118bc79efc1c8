"""Text in the cells of a terminal: how wide it is, how it wraps, and how control characters are shown."""

from __future__ import annotations

import unicodedata
from typing import Final

ELLIPSIS: Final = "…"


def visible(text: str) -> str:
    r"""`text` with all that a terminal would obey instead of show written out: ESC becomes \x1b.

    Control, format (right-to-left overrides) and unassigned characters, surrogates and odd spaces are written as
    Python would; so nobody's subject can move the cursor or turn the line around.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _written_out(char) for char in text)


def _written_out(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def char_width(char: str) -> int:
    """Cells of one character: 0 for combining marks, 2 for wide ones (Unicode annex 11)."""
    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def width_of(text: str) -> int:
    """Cells of `text` in a monospaced font."""
    return len(text) if text.isascii() else sum(map(char_width, text))


def wrap(text: str, width: int, row_limit: int = 0) -> list[str]:
    """`text` in rows of at most `width` cells, broken at spaces; only a word wider than a row is broken inside.

    With `row_limit`, what does not fit into so many rows is dropped by whole words and an ellipsis says so.
    """
    rows: list[str] = []
    row = ""
    for word in text.split(" "):
        for piece in _pieces(word, width):
            longer = f"{row} {piece}" if row else piece
            if row and width_of(longer) > width:
                rows.append(row)
                row = piece
            else:
                row = longer
    rows.append(row)
    if row_limit and len(rows) > row_limit:
        rows = rows[:row_limit]
        rows[-1] = _elided(rows[-1], width)
    return rows


def _pieces(word: str, width: int) -> list[str]:
    if width_of(word) <= width:
        return [word]
    pieces, piece = [], ""
    for char in word:
        if piece and width_of(piece) + char_width(char) > width:
            pieces.append(piece)
            piece = ""
        piece += char
    return [*pieces, piece]


def _elided(row: str, width: int) -> str:
    """`row` with an ellipsis at its end, less as many whole words as that needs."""
    while row and width_of(row) + 2 > width:
        row = row.rpartition(" ")[0]
    return f"{row} {ELLIPSIS}".lstrip()


class Cells:
    """One line of cells to write into at any column; wide and combining characters keep the columns true."""

    def __init__(self, width: int) -> None:
        self._cells = [" "] * width

    def put(self, column: int, text: str) -> None:
        """Write `text` over what stands at `column` and after; what does not fit is left out."""
        for char in text:
            width = char_width(char)
            if column + width > len(self._cells):
                return
            if width == 0:
                if column:
                    self._cells[column - 1] += char
                continue
            self._cells[column] = char
            if width == 2:
                self._cells[column + 1] = ""
            column += width

    def __getitem__(self, column: int) -> str:
        return self._cells[column]

    def __str__(self) -> str:
        return "".join(self._cells).rstrip()
