"""Where the lanes of a ladder stand, and how one step is drawn between them.

Two layouts: `OnArrows` writes the words on the arrows, under headed lanes, where there is room for it; `Beside` draws
narrow numbered lanes and writes the words in a column of their own.  Neither ever cuts a name short.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Final

import attrs

from maillab.trace.cells import Cells, visible, width_of, wrap
from maillab.trace.steps import Kind, Lane, Role, Step

LINE_ROWS_LIMIT_COUNT: Final = 6
"""Rows that one line of dialogue may take; RFC 5321 allows 512 octets, and a lab shall survive more."""

_MARKS: Final = {Kind.TAKEN: "●", Kind.TROUBLE: "✕", Kind.NOTE: "○"}
_ARROW_ENDS: Final = 7  # "── " before the words and " ─►" after them, and the lane itself
_WORDS_ON_ARROW_OFFSET: Final = 4
_COMFORTABLE_OCTETS: Final = 60


@attrs.frozen
class Sheet:
    """The width of the paper and where its lanes stand."""

    width: int
    times_width: int
    columns: tuple[int, ...]
    keys: tuple[str, ...]

    def column(self, key: str) -> int:
        return self.columns[self.keys.index(key)]

    def row(self, time: str = "", rail: str = "│") -> Cells:
        cells = Cells(self.width)
        cells.put(0, time.rjust(self.times_width))
        for column in self.columns:
            cells.put(column, rail)
        return cells

    def draw_arrow(self, cells: Cells, step: Step) -> None:
        """An arrow from lane to lane; `┼` where it crosses one, `✕` where it breaks off."""
        source, target = self.column(step.source), self.column(step.target)
        rightwards = target > source
        left, right = min(source, target), max(source, target)
        line, start = ("═", "╞╡") if step.kind is Kind.MESSAGE else ("─", "├┤")
        for column in range(left + 1, right):
            cells.put(column, ("╪" if line == "═" else "┼") if column in self.columns else line)
        cells.put(source, start[0 if rightwards else 1])
        head = target - 1 if rightwards else target + 1
        if source == target:
            cells.put(source + 1, "↩")
        elif step.kind is Kind.LOST:
            cells.put(head, " ")
            cells.put(head - 1 if rightwards else head + 1, "✕" if abs(target - source) > 2 else line)
        else:
            cells.put(head, "►" if rightwards else "◄")


class OnArrows:
    """The words stand on the arrows, the names over their lanes."""

    def __init__(self, sheet: Sheet, lanes: Sequence[Lane]) -> None:
        self._sheet = sheet
        self._lanes = lanes

    @classmethod
    def fitting(cls, width: int, times_width: int, lanes: Sequence[Lane], steps: Sequence[Step]) -> OnArrows | None:
        """The layout for these lanes, or None where the words would not fit on the arrows."""
        widths = [max(map(width_of, _heading(lane))) for lane in lanes]
        # Over the first lane the names begin at it, over the last one they end there, so that no margin is lost.
        outer = {0, len(lanes) - 1}
        halves = [size if number in outer else size // 2 + 1 for number, size in enumerate(widths)]
        least = [left + right + 1 for left, right in pairwise(halves)]
        most = list(least)
        keys = tuple(lane.key for lane in lanes)
        for step in steps:
            if not step.target or step.kind is Kind.TITLE:
                continue
            first, last = sorted((keys.index(step.source), keys.index(step.target)))
            if first == last:
                return None
            text = _on_arrow(step)
            room = sum(least[first : last - 1])
            size = max(max(map(width_of, text.split(" "))), -(-width_of(text) // 2) + 4)
            if step.speaker in (Role.CLIENT, "Queued"):
                size = width_of(text)  # MAIL FROM:<...> is not broken
            need = size + _ARROW_ENDS
            least[last - 1] = max(least[last - 1], need - room)
            most[last - 1] = max(most[last - 1], min(width_of(text), _COMFORTABLE_OCTETS) + _ARROW_ENDS - room)
        left_margin = times_width + 2
        spare = width - left_margin - sum(least) - 1
        if spare < 0:
            return None
        # Those which need least to get all their words on one row get it first.
        for number in sorted(range(len(least)), key=lambda number: most[number] - least[number]):
            extra = min(max(most[number] - least[number], 0), spare)
            least[number] += extra
            spare -= extra
        columns = tuple(accumulate(least, initial=left_margin))
        return cls(Sheet(width, times_width, columns, keys), lanes)

    def head(self) -> Iterator[str]:
        headings = [_heading(lane) for lane in self._lanes]
        for level in range(max(map(len, headings))):
            cells = Cells(self._sheet.width)
            for number, heading in enumerate(headings):
                if level < len(heading):
                    size, column = width_of(heading[level]), self._sheet.columns[number]
                    last = number == len(headings) - 1
                    cells.put(column - (0 if number == 0 else size - 1 if last else size // 2), heading[level])
            yield str(cells)
        yield self.blank()

    def blank(self) -> str:
        """A row in which nothing happens."""
        return str(self._sheet.row())

    def draw(self, step: Step, time: str) -> Iterator[str]:
        if not step.target or step.kind is Kind.TITLE:
            yield from self._draw_at_lane(step, time)
            return
        left = min(self._sheet.column(step.source), self._sheet.column(step.target))
        span = abs(self._sheet.column(step.source) - self._sheet.column(step.target))
        *before, last = wrap(_on_arrow(step), span - _ARROW_ENDS, LINE_ROWS_LIMIT_COUNT)
        for text in before:
            cells = self._sheet.row(time)
            cells.put(left + _WORDS_ON_ARROW_OFFSET, text)
            yield str(cells)
            time = ""
        cells = self._sheet.row(time)
        self._sheet.draw_arrow(cells, step)
        cells.put(left + _WORDS_ON_ARROW_OFFSET - 1, f" {last} ")
        yield str(cells)

    def _draw_at_lane(self, step: Step, time: str) -> Iterator[str]:
        """Words at one lane: to its right, or to its left where there is more room."""
        sheet = self._sheet
        column = sheet.column(step.source)
        if step.kind is Kind.TITLE:
            column = min(column, sheet.column(step.target))
        text = _spoken(step)
        right_room, left_room = sheet.width - column - 2, column - sheet.times_width - 3
        rightwards = width_of(text) <= right_room or right_room >= left_room
        for number, words in enumerate(wrap(text, right_room if rightwards else left_room)):
            cells = sheet.row(time if number == 0 else "", "┆" if step.kind is Kind.WAIT else "│")
            if number == 0 and step.kind in _MARKS:
                cells.put(column, _MARKS[step.kind])
            start = column + 2 if rightwards else column - 1 - width_of(words)
            cells.put(start - 1, f" {words} ")
            yield str(cells)


class Beside:
    """The lanes are narrow and numbered; the words stand in a column to their right."""

    def __init__(self, width: int, times_width: int, lanes: Sequence[Lane], steps: Sequence[Step]) -> None:
        self._lanes = lanes
        first = times_width + 2
        arrows = (step for step in steps if step.target and step.speaker)
        longest = max((width_of(_spoken(step)) for step in arrows), default=0)
        room = width - first - 3 - min(longest, _COMFORTABLE_OCTETS)
        gap = max(4, min(9, room // max(len(lanes) - 1, 1)))
        if first + gap * (len(lanes) - 1) > width - 3:
            gap = 2
        columns = tuple(first + gap * number for number in range(len(lanes)))
        self._sheet = Sheet(width, times_width, columns, tuple(lane.key for lane in lanes))
        self._text_column = columns[-1] + 3

    def head(self) -> Iterator[str]:
        for sign, lane in zip(self._signs(), self._lanes, strict=True):
            words = f"{sign}  {' '.join(_heading(lane))}"
            for text in wrap(words, self._sheet.width - self._sheet.columns[0]):
                yield " " * self._sheet.columns[0] + text
        yield ""
        cells = Cells(self._sheet.width)
        for sign, column in zip(self._signs(), self._sheet.columns, strict=True):
            cells.put(column, sign)
        yield str(cells)

    def blank(self) -> str:
        """A row in which nothing happens."""
        return str(self._sheet.row())

    def _signs(self) -> list[str]:
        number = 0
        signs = []
        for lane in self._lanes:
            number += lane.role is Role.SERVER
            signs.append(str(number) if lane.role is Role.SERVER else lane.role[0])
        return signs

    def draw(self, step: Step, time: str) -> Iterator[str]:
        sheet = self._sheet
        rail = "┆" if step.kind is Kind.WAIT else "│"
        first = sheet.row(time, rail)
        if step.target and step.kind is not Kind.TITLE:
            sheet.draw_arrow(first, step)
        elif step.kind in _MARKS:
            first.put(sheet.column(step.source), _MARKS[step.kind])
        text, column = visible(step.text), self._text_column
        speaker = f"{step.label or step.speaker}: " if step.speaker else ""
        room = sheet.width - column - len(speaker)
        longest = max(map(width_of, text.split(" ")))
        if longest > room:
            # A name that the column would cut goes below, over the lanes and as far left as it needs.
            first.put(column, speaker)
            yield str(first)
            whole = width_of(text)
            need = whole if whole <= sheet.width else longest
            first, speaker = sheet.row("", rail), ""
            column = max(0, min(sheet.columns[0] + 2, sheet.width - need))
            room = sheet.width - column
        for number, words in enumerate(wrap(text, room, LINE_ROWS_LIMIT_COUNT)):
            cells = first if number == 0 else sheet.row("", rail)
            if number == 0:
                cells.put(column, speaker)
            cells.put(column + len(speaker), words.ljust(room) if column < self._text_column else words)
            yield str(cells)


def _heading(lane: Lane) -> list[str]:
    return [visible(text) for text in (lane.title, lane.name, lane.detail) if text]


def _on_arrow(step: Step) -> str:
    """The words of an arrow; its lanes say who speaks, and what it is that reaches them."""
    told_by_lanes = step.speaker in (*Role, "Queued", "Stored")
    return visible(step.text) if told_by_lanes else _spoken(step)


def _spoken(step: Step) -> str:
    return visible(step.spoken)
