"""Paper for a picture in SVG: how wide text is, how it wraps, and elements in which nothing a mail says is markup."""

from __future__ import annotations

import html
import math
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from string import Template
from typing import Final

from maillab.trace.cells import ELLIPSIS, visible

FONTS: Final = "'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
"""Fonts of the reader's machine; none is fetched."""

BOLD: Final = 1.15
"""Bold is so much wider, at most over a word."""

_EMS: Final[Mapping[float, str]] = {
    0.30: "'Iijl",
    0.35: " ,./:;\\|",
    0.40: "()-[]ft",
    0.45: "!r",
    0.50: '"*J`·',
    0.55: "csz",
    0.60: "?L_kvxy",
    0.65: "$0123456789FTabdeghnopqu{}",
    0.70: "ABEKPSVXYZ",
    0.75: "CNRU",
    0.80: "&DGHOQ",
    0.85: "#+<=>^w~",
    0.90: "M",
    1.00: "%Wm",
    1.05: "@",
}
"""Characters by width in em: the widest of Arial's metrics (Liberation Sans) and DejaVu Sans, rounded up."""

_EM_OF: Final = {char: em for em, chars in _EMS.items() for char in chars}
_WIDE_EM: Final = 1.05
_UNKNOWN_EM: Final = 1.0

_LIGHT: Final = {
    "paper": "#ffffff", "ink": "#1c2530", "muted": "#5a6673", "rail": "#9aa5b1", "faint": "#eef2f6",
    "client": "#0b4f9e", "message": "#8a4b00", "glow": "#ffe9c7", "stored": "#176b34", "trouble": "#a8201a",
    "alarm": "#fdecea", "lookup": "#6b3fa0",
}  # fmt: skip
_DARK: Final = {
    "paper": "#12181f", "ink": "#e8edf2", "muted": "#a3b0bd", "rail": "#5d6a77", "faint": "#1e2731",
    "client": "#7db8ff", "message": "#ffc46b", "glow": "#4a3410", "stored": "#74d694", "trouble": "#ff9a92",
    "alarm": "#3d1a1a", "lookup": "#c9a6ff",
}  # fmt: skip
Value = str | int | None
"""What an attribute may be; None is left out."""

_COLOURS: Final = Template(
    ".maillab-ladder .paper{fill:$paper}"
    ".maillab-ladder text{fill:$ink}"
    ".maillab-ladder text.over{stroke:$paper}"
    ".maillab-ladder .muted{fill:$muted}"
    ".maillab-ladder .rail,.maillab-ladder .rule{stroke:$rail}"
    ".maillab-ladder .dot{fill:$rail}"
    ".maillab-ladder .box,.maillab-ladder .tear{fill:$faint;stroke:$muted}"
    ".maillab-ladder .icon,.maillab-ladder .note .shaft{stroke:$ink}"
    ".maillab-ladder .duty{fill:$glow;stroke:$message}"
    ".maillab-ladder .command .shaft,.maillab-ladder .command .head{stroke:$client}"
    ".maillab-ladder .command .head{fill:$client}"
    ".maillab-ladder .reply .shaft,.maillab-ladder .reply .head{stroke:$muted}"
    ".maillab-ladder .lookup .shaft,.maillab-ladder .lookup .head{stroke:$lookup}"
    ".maillab-ladder .message .shaft,.maillab-ladder .message .head{stroke:$message}"
    ".maillab-ladder .message .block{fill:$glow;stroke:$message}"
    ".maillab-ladder .stored .shaft,.maillab-ladder .stored .head{stroke:$stored}"
    ".maillab-ladder .stored .head{fill:$paper}"
    ".maillab-ladder .taken .mark{fill:$message;stroke:$paper}"
    ".maillab-ladder .bad .shaft,.maillab-ladder .bad .head,.maillab-ladder .bad .mark{stroke:$trouble}"
    ".maillab-ladder .bad text:not(.time){fill:$trouble}"
    ".maillab-ladder .bad .mark{fill:$paper}"
    ".maillab-ladder .note .mark{fill:$alarm;stroke:$trouble}"
    ".maillab-ladder .sign-good{fill:$stored}"
    ".maillab-ladder .sign-bad{fill:$trouble}"
    ".maillab-ladder .sign-open{fill:$message}"
    ".maillab-ladder .inside{stroke:$paper}"
)
STYLE: Final = (
    ".maillab-ladder text{direction:ltr;unicode-bidi:isolate;white-space:pre}"
    ".maillab-ladder .time{font-variant-numeric:tabular-nums}"
    ".maillab-ladder .over{paint-order:stroke;stroke-width:5px;stroke-linejoin:round}"
    + _COLOURS.substitute(_LIGHT)
    + "@media screen and (prefers-color-scheme:dark){"
    + _COLOURS.substitute(_DARK)
    + "}"
)
"""Colours only: every shape, dash and width stands in the elements, and paper in a printer stays white."""


def measure(text: str, size: int, bold: bool = False) -> int:
    """Pixels that `text` takes at most in fonts of this kind, as it is shown."""
    ems = sum(map(_em, visible(text)))
    return math.ceil(ems * size * (BOLD if bold else 1))


def _em(char: str) -> float:
    known = _EM_OF.get(char)
    if known is not None:
        return known
    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    if unicodedata.east_asian_width(char) in ("W", "F"):
        return _WIDE_EM
    return _EM_OF.get(unicodedata.normalize("NFD", char)[0], _UNKNOWN_EM)  # ü is as wide as u


def wrap(text: str, width: int, size: int, bold: bool = False, row_limit: int = 0) -> list[str]:
    """`text` as it is shown, in rows of at most `width` pixels, broken at spaces; a wider word is broken inside.

    With `row_limit`, an ellipsis stands for what does not fit into so many rows.
    """
    rows: list[str] = []
    row = ""
    for word in visible(text).split(" "):
        if row and measure(f"{row} {word}", size, bold) <= width:
            row = f"{row} {word}"
            continue
        if row:
            rows.append(row)
        *whole, row = _pieces(word, width, size, bold)
        rows += whole
        if row_limit and len(rows) > row_limit:
            break
    rows.append(row)
    if row_limit and len(rows) > row_limit:
        room = width - measure(ELLIPSIS, size, bold)
        rows[row_limit - 1] = _pieces(rows[row_limit - 1], room, size, bold)[0] + ELLIPSIS
        del rows[row_limit:]
    return rows


def _pieces(word: str, width: int, size: int, bold: bool) -> list[str]:
    """A word cut at every `width` pixels, in time that grows with its length only."""
    room = width / (size * (BOLD if bold else 1))
    pieces, piece, taken = [], "", 0.0
    for char in word:
        em = _em(char)
        if piece and taken + em > room:
            pieces.append(piece)
            piece, taken = "", 0.0
        piece, taken = piece + char, taken + em
    return [*pieces, piece]


class Paper:
    """Elements in the order in which they are painted."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def draw(self, tag: str, /, **attributes: Value) -> None:
        """One element; `class_` and `data_seq` become `class` and `data-seq`, None is left out."""
        self._parts.append(f"<{tag}{_attributes(attributes)}/>")

    def path(self, look: str, d: str, /, **attributes: Value) -> None:
        self.draw("path", class_=look, d=d, **attributes)

    def line(self, tag: str, text: str, /, **attributes: Value) -> None:
        """An element that holds nothing but text."""
        self._parts.append(f"<{tag}{_attributes(attributes)}>{_escaped(text)}</{tag}>")

    def write(
        self,
        x: int,
        y: int,
        rows: Sequence[str],
        size: int,
        look: str | None = None,
        *,
        anchor: str = "start",
        bold: bool = False,
        leading: int = 16,
    ) -> None:
        """Rows of text, the first one standing on `y`."""
        if not rows:
            return
        weight = "bold" if bold else None
        with self.group("text", class_=look, font_size=size, font_weight=weight, text_anchor=anchor):
            for number, row in enumerate(rows):
                self.line("tspan", row, x=x, y=y + number * leading)

    @contextmanager
    def group(self, tag: str = "g", /, **attributes: Value) -> Iterator[None]:
        self._parts.append(f"<{tag}{_attributes(attributes)}>")
        yield
        self._parts.append(f"</{tag}>")

    def add(self, other: Paper) -> None:
        """Paint `other` over all that stands here so far."""
        self._parts += other._parts

    def __str__(self) -> str:
        return "".join(f"{part}\n" if part.endswith(("/>", "</g>", "</text>")) else part for part in self._parts)


def _attributes(attributes: Mapping[str, Value]) -> str:
    named = ((name.rstrip("_").replace("_", "-"), value) for name, value in attributes.items() if value is not None)
    return "".join(f' {name}="{_escaped(str(value))}"' for name, value in named)


def _escaped(text: str) -> str:
    """Text for content and attributes: markup as entities, and no character that XML forbids (XML 1.0 section 2.2)."""
    return html.escape(visible(text))
