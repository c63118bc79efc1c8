"""What commands print: tables for people, JSON for programs, and nothing that a terminal would obey."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import click
import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from maillab.trace.cells import visible

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


def show_table(headings: Iterable[str], rows: Iterable[Iterable[object]], *, whole: str = "") -> None:
    """Print a table; what is too long for a cell goes on in its next line, so that nothing is cut off.

    The column `whole` is never broken: its ids are to be copied.
    """
    table = Table()
    for heading in headings:
        table.add_column(heading, overflow="fold", no_wrap=heading == whole)
    for row in rows:
        table.add_row(*map(_cell, row))
    Console().print(table)


def harmless_text(text: str) -> str:
    """`text` of several lines, in which nothing but the line ends moves the cursor."""
    return "\n".join(visible(line.expandtabs()) for line in text.splitlines())


def when(at: str) -> str:
    """An RFC 3339 time (UTC), as a table shows it: to the second."""
    return at[:19].replace("T", " ")


def _cell(value: object) -> Text:
    """A cell with `value`, each line of it harmless; it is text, and never the markup of Rich."""
    return Text("" if value is None else harmless_text(str(value)))
