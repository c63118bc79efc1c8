"""The steps of an SVG ladder, drawn one below the other; what a step is shows in its shape, dash and colour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from maillab.trace.copies import State
from maillab.trace.paper import Paper, Value, wrap
from maillab.trace.steps import Kind, Role, Step
from maillab.trace.svg_layout import (
    ARROW_INSET,
    BLOCK_INSET,
    COMFORTABLE,
    LEADING,
    MARGIN,
    SMALL,
    TEXT,
    Layout,
    is_bad_news,
    is_bold,
    on_arrow,
    spoken,
)

ROWS_LIMIT_COUNT: Final = 12
"""Rows that one line of dialogue may take; its `title` holds all of it."""

_REPLY_DASH, _LOST_DASH, _NOTE_DASH = "6 4", "10 4 2 4", "2 3"
_LINE: Final[Mapping[str, Value]] = {"fill": "none", "stroke": "#000", "stroke_width": "1.5"}
_SURFACE: Final[Mapping[str, Value]] = {"fill": "#fff", "stroke": "#000", "stroke_linejoin": "round"}
_ENVELOPE: Final = "M-9 -6h18v12h-18zM-9 -6l9 7l9 -7"
_HOURGLASS: Final = "M-6 -9h12M-6 9h12M-5 -9c0 6 4 6 4 9s-4 3 -4 9M5 -9c0 6 -4 6 -4 9s4 3 4 9"


class StepPainter:
    """Draws steps downwards from `y`.

    Attributes:
        y: Where the next step begins.
        under: What lies on the lanes: torn time, dots.
        over: What lies on all: arrows, words.
    """

    def __init__(self, layout: Layout, paper_width: int, y: int) -> None:
        self._layout = layout
        self._paper_width = paper_width
        self.y = y
        self.under, self.over = Paper(), Paper()
        self._duties: dict[str, tuple[int, int]] = {}
        self._waiting: str | None = None

    def draw(self, step: Step, time: str, data: Mapping[str, Value]) -> None:
        """Draw `step` as a group that carries `data`; its title tells it whole."""
        self._waiting = step.source if step.kind is Kind.WAIT else None
        with self.over.group(class_=f"step {_look(step)}", **data):
            self.over.line("title", f"{step.at[11:]} {spoken(step)}".lstrip())
            match step.kind:
                case Kind.TITLE:
                    self._draw_title(step)
                case Kind.WAIT:
                    self._draw_wait(step)
                case Kind.MESSAGE if step.source != step.target:
                    self._draw_message(step, time)
                case Kind.NOTE:
                    self._draw_note(step, time)
                case _ if step.target:
                    self._draw_arrow(step, time)
                case _:
                    self._draw_mark(step, time)

    def draw_pause(self, words: str) -> None:
        """Nobody speaks for a while: dots on the lanes, and how long it was."""
        top = self.y + 6
        for x in self._layout.places.values():
            self.under.draw("rect", class_="paper", x=x - 3, y=top, width=6, height=20, fill="#fff")
            for y in (top + 4, top + 10, top + 16):
                self.under.draw("circle", class_="dot", cx=x, cy=y, r="1.5")
        with self.over.group(class_="pause"):
            self.over.write(self._layout.left, top + 14, [words], SMALL, "muted over")
        self.y += 26

    def duties(self) -> Paper:
        """Bars on the lanes: from when to when a server had to answer for the message."""
        paper = Paper()
        for server, (start, end) in self._duties.items():
            shape = {"x": self._layout.places[server] - 4, "y": start, "width": 8, "rx": 2}
            end = self.y if server == self._waiting else end
            paper.draw("rect", class_="duty", height=max(end - start, 10), **_SURFACE, **shape)
        return paper

    def _write_time(self, time: str, y: int) -> None:
        if time:
            self.over.write(self._layout.axis, y, [time], SMALL, "muted time", anchor="end")

    def _begin_duty(self, server: str, y: int) -> None:
        self._duties.setdefault(server, (y, y))

    def _go_on_with_duty(self, server: str, y: int) -> None:
        if server in self._duties:
            self._duties[server] = self._duties[server][0], y

    def _draw_title(self, step: Step) -> None:
        """A conversation begins: a plate over its two lanes."""
        left, right = sorted((self._layout.places[step.source], self._layout.places[step.target]))
        words = self._layout.beside(step)
        height = len(words.rows) * LEADING + 8
        top = self.y + 20
        self.over.path("rule", f"M{left} {top + height // 2}H{right}", stroke="#999")
        shape = {"x": words.x, "y": top, "width": words.width, "height": height, "rx": 12}
        self.over.draw("rect", class_="box", **_SURFACE, **shape)
        middle = words.x + words.width // 2
        self.over.write(middle, top + 16, words.rows, SMALL, anchor="middle", bold=True)
        self.y = top + height + 4

    def _draw_arrow(self, step: Step, time: str) -> None:
        """Words at the speaker's end of a line; how it is dashed and how it ends tell what it is."""
        source, target = self._layout.places[step.source], self._layout.places[step.target]
        way = 1 if target > source else -1
        room = abs(target - source) - 2 * ARROW_INSET if target != source else COMFORTABLE
        rows = wrap(on_arrow(step), room, TEXT, is_bold(step), ROWS_LIMIT_COUNT)
        base = self.y + 18
        y = base + LEADING * (len(rows) - 1) + 7
        self._write_time(time, base)
        answers = step.speaker in (Role.SERVER, Role.DNS)
        dash = _LOST_DASH if step.kind is Kind.LOST else _REPLY_DASH if answers else None
        if source == target:
            x, anchor = source + ARROW_INSET, "start"
            self.over.path("shaft", f"M{x - 9} {y}h30v8h-30", stroke_dasharray=dash, **_LINE)
            self._draw_head(step, x - 9, y + 8, -1)
        else:
            x, anchor = source + ARROW_INSET * way, "start" if way > 0 else "end"
            if step.speaker == Role.DNS:  # the one lane that may be far away: its words stand where they are heard
                x, anchor = target - ARROW_INSET * way, "end" if way > 0 else "start"
            end = target - 5 * way
            tip = end - (34 if step.kind is Kind.LOST else 10) * way
            self.over.path("shaft", f"M{source + 5 * way} {y}H{tip}", stroke_dasharray=dash, **_LINE)
            self._draw_head(step, end, y, way)
        self.over.write(x, base, rows, TEXT, "over", anchor=anchor, bold=is_bold(step))
        if step.kind in (Kind.STORED, Kind.LOST):
            self._go_on_with_duty(step.source, y)
        self.y = y + (12 if source == target else 4)

    def _draw_head(self, step: Step, x: int, y: int, way: int) -> None:
        """Filled for commands, open for replies, a letter box for mailboxes, a cross where nobody was reached."""
        head, line = self.over.path, dict(_LINE, stroke_linejoin="round")
        if step.kind is Kind.LOST:
            head("head", f"M{x - 22 * way - 6} {y - 6}l12 12m0 -12l-12 12", **line | {"stroke_width": "2.5"})
        elif step.kind is Kind.STORED:
            box = f"M{x} {y - 6}v12h{-14 * way}v-12zl{-7 * way} 6l{-7 * way} -6"
            head("head", box, **line | {"fill": "#fff"})
        elif step.speaker in (Role.SERVER, Role.DNS):
            head("head", f"M{x - 10 * way} {y - 5}L{x} {y}L{x - 10 * way} {y + 5}M{x} {y}h{-10 * way}", **line)
        else:
            head("head", f"M{x} {y}L{x - 11 * way} {y - 5}V{y + 5}z", **line | {"fill": "#000"})

    def _draw_message(self, step: Step, time: str) -> None:
        """The message itself: a thick arrow with its words inside."""
        source, target = self._layout.places[step.source], self._layout.places[step.target]
        way = 1 if target > source else -1
        rows = wrap(on_arrow(step), abs(target - source) - BLOCK_INSET - 28, TEXT, True)
        half = (len(rows) * LEADING + 10) // 2
        y = self.y + 12 + half
        base = y - half + 18
        self._write_time(time, base)
        start, end = source + 6 * way, target - 6 * way
        neck = end - 18 * way
        block = f"M{start} {y - half}H{neck}v-6L{end} {y}L{neck} {y + half + 6}v-6H{start}z"
        self.over.path("block", block, stroke_width=2, **_SURFACE)
        place = f"translate({start + 18 * way} {y})"
        self.over.path("icon", _ENVELOPE, transform=place, **_LINE)
        anchor = "start" if way > 0 else "end"
        self.over.write(source + BLOCK_INSET * way, base, rows, TEXT, anchor=anchor, bold=True)
        self._go_on_with_duty(step.source, y)
        self._begin_duty(step.target, y)
        self.y = y + half + 8

    def _draw_mark(self, step: Step, time: str) -> None:
        """A dot where a server takes the message in charge, a clock where it is put off, a stop sign where it ends."""
        x, words = self._layout.places[step.source], self._layout.beside(step)
        base = self.y + 20
        y = base - 4
        self._write_time(time, base)
        self.over.write(words.x, base, words.rows, TEXT, "over", bold=is_bold(step))
        if step.kind is Kind.TAKEN:
            self.over.draw("circle", class_="mark", cx=x, cy=y, r=6, stroke="#fff", stroke_width=2)
            self._begin_duty(step.source, y)
        elif step.speaker == "Deferred":
            self.over.draw("circle", class_="mark", cx=x, cy=y, r=9, stroke_width=2, **_SURFACE)
            self.over.path("shaft", f"M{x} {y - 5}v5l4 2", **_LINE)
        else:
            self.over.path("mark", _octagon(x, y), **_SURFACE, stroke_width=2)
            self.over.path("shaft", f"M{x - 3} {y - 3}l6 6m0 -6l-6 6", **_LINE)
        self._go_on_with_duty(step.source, y)
        self.y = base + LEADING * (len(words.rows) - 1) + 9

    def _draw_note(self, step: Step, time: str) -> None:
        """A leaf with a folded corner, hung on its lane."""
        x, words = self._layout.places[step.source], self._layout.beside(step)
        base = self.y + 22
        y = base - 4
        self._write_time(time, base)
        left, right = words.x, words.x + words.width
        top, bottom = base - 16, base + LEADING * (len(words.rows) - 1) + 8
        leaf = f"M{left} {top}H{right - 8}l8 8V{bottom}H{left}zM{right - 8} {top}v8h8"
        self.over.path("shaft", f"M{x} {y}H{left if left > x else right}", stroke_dasharray=_NOTE_DASH, **_LINE)
        self.over.path("mark", leaf, **_SURFACE)
        self.over.draw("circle", class_="mark", cx=x, cy=y, r=5, stroke_width="1.5", **_SURFACE)
        self.over.write(left + 10, base, words.rows, TEXT)
        self._go_on_with_duty(step.source, y)
        self.y = bottom + 2

    def _draw_wait(self, step: Step) -> None:
        """Time is torn; over the gap reaches only the duty of the server that waits."""
        words = self._layout.beside(step)
        top = self.y + 14
        height = len(words.rows) * LEADING + 30
        teeth = (self._paper_width - 2 * MARGIN) // 12
        there, back = "l6 -5l6 5" * teeth, "l-6 -5l-6 5" * teeth
        self.under.path("tear", f"M{MARGIN} {top}{there}v{height}{back}z", **_SURFACE)
        place = f"translate({self._layout.axis - 12} {top + height // 2})"
        self.over.path("icon", _HOURGLASS, transform=place, **_LINE)
        self.over.write(words.x, top + 27, words.rows, TEXT, bold=True)
        self._go_on_with_duty(step.source, top + height)
        self.y = top + height + 4


def _look(step: Step) -> str:
    """The classes of a step: what it is, and whether it is bad news."""
    kind = step.kind.name.lower()
    if step.kind is Kind.LINE:
        kind = {Role.SERVER.value: "reply", Role.DNS.value: "lookup"}.get(step.speaker, "command")
    return f"{kind} bad" if is_bad_news(step) else kind


def _octagon(x: int, y: int) -> str:
    return f"M{x - 4} {y - 9}h8l5 5v8l-5 5h-8l-5 -5v-8z"


def draw_sign(paper: Paper, state: State, x: int, y: int) -> None:
    """A sign for a state: ticked when delivered, a crossed octagon when failed, a clock while open."""
    inside = {"fill": "none", "stroke": "#fff", "stroke_width": "1.8", "stroke_linecap": "round"}
    if state in (State.DELIVERED, State.RELAYED):
        paper.draw("circle", class_="sign-good", cx=x, cy=y, r=8)
        paper.path("inside", f"M{x - 4} {y}l3 3l5 -6", **inside)
    elif state is State.FAILED:
        paper.path("sign-bad", _octagon(x, y))
        paper.path("inside", f"M{x - 3} {y - 3}l6 6m0 -6l-6 6", **inside)
    else:
        paper.draw("circle", class_="sign-open", cx=x, cy=y, r=8)
        paper.path("inside", f"M{x} {y - 5}v5l4 2", **inside)
