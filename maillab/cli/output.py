"""What commands print: tables for people, JSON for programs, and nothing that a terminal would obey."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

import click
import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from maillab.trace.cells import visible

CELL_COLUMNS: Final = 8  # an address in fewer is no pleasure to read
BORDER_COLUMNS: Final = 3  # a bar and two blanks for each column
EDGE_COLUMNS: Final = 1

# orjson escapes C0; what may stand bare in JSON and yet moves a terminal: DEL, C1, line separators, and the marks
# of Unicode annex 9 that turn a line around.
_UNSAFE_IN_JSON: Final = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def harmless_json(document: object, options: int = 0) -> str:
    """`document` as JSON, the same for every reader, in which no control character stands bare."""
    text = orjson.dumps(document, option=options).decode("utf-8")
    return _UNSAFE_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def show_json(document: object) -> None:
    """Print `document` as JSON, indented."""
    click.echo(harmless_json(document, orjson.OPT_INDENT_2))


def show_table(headings: Sequence[str], rows: Iterable[Iterable[object]], *, nothing: str, whole: str = "") -> None:
    """Print a table; what is too long for a cell goes on in its next line, so that nothing is cut off.

    Where there is too little room for that many columns, a row becomes lines, as psql's expanded display has it.

    Args:
        headings: one for each column.
        rows: their cells.
        nothing: what is said where there is no row.
        whole: the column that is never broken: its ids are to be copied.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    console = Console()
    if not cells:
        click.echo(harmless_text(nothing))
    elif _least_width(headings, cells, whole) > console.width:
        _show_lines(headings, cells)
    else:
        table = Table()
        for heading in headings:
            table.add_column(heading, overflow="fold", no_wrap=heading == whole)
        for row in cells:
            table.add_row(*row)
        console.print(table)


def _least_width(headings: Sequence[str], rows: Sequence[Sequence[Text]], whole: str) -> int:
    """The columns of a terminal in which the table can still be read."""
    least = EDGE_COLUMNS
    for heading, *cells in zip(headings, *rows, strict=True):
        widest = max(
            Text(heading).cell_len, *(line.cell_len for cell in cells for line in cell.split(allow_blank=True))
        )
        least += (widest if heading == whole else min(widest, CELL_COLUMNS)) + BORDER_COLUMNS
    return least


def _show_lines(headings: Sequence[str], rows: Sequence[Sequence[Text]]) -> None:
    """A line for each cell; rows that go on with the one before (their first cell is empty) stand close to it."""
    width = max(map(len, headings))
    for n, row in enumerate(rows):
        if n and row[0]:
            click.echo()
        for heading, cell in zip(headings, row, strict=True):
            if cell:
                click.echo(f"{heading:{width}}  " + cell.plain.replace("\n", "\n" + " " * (width + 2)))


def harmless_text(text: str) -> str:
    """`text` of several lines, in which nothing but the line ends moves the cursor."""
    return "\n".join(visible(line.expandtabs()) for line in text.splitlines())


def when(at: str) -> str:
    """An RFC 3339 time (UTC), as a table shows it: to the second."""
    return at[:19].replace("T", " ")


def _cell(value: object) -> Text:
    """A cell with `value`, each line of it harmless; it is text, and never the markup of Rich."""
    return Text("" if value is None else harmless_text(str(value)))
