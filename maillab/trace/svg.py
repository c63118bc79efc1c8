"""A trace as an SVG picture: the ladder for pages, slides and posters; it needs nothing but itself."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final

from maillab.trace.captions import NAMES_LIMIT_COUNT, fate, names_of, since
from maillab.trace.cells import visible
from maillab.trace.copies import State
from maillab.trace.paper import FONTS, STYLE, Paper, Value, measure, wrap
from maillab.trace.path import Trace
from maillab.trace.steps import Kind, Role, Step
from maillab.trace.story import PAUSE_SECONDS, Story
from maillab.trace.svg_layout import MARGIN, NAME, SMALL, TEXT, Heading, Layout
from maillab.trace.svg_steps import StepPainter, draw_sign
from maillab.trace.times import seconds
from maillab.trace.wording import ENGLISH, Wording

SUBJECT: Final = 22
SUBJECT_ROWS_LIMIT_COUNT: Final = 3
HEAD_LEADING: Final = 18

FOOT_LANES_FROM: Final = 900
"""Ladders higher than this name their lanes again at the foot."""

_CORNERS: Final = {Role.CLIENT: 16, Role.SERVER: 3, Role.MAILBOXES: 3, Role.DNS: 3}
_ICONS: Final = {
    Role.CLIENT: "M-9 -7h18v11h-18zM-12 7h24",
    Role.SERVER: "M-9 -8h18v7h-18zM-9 0h18v7h-18zM-5 -4.5h2M-5 3.5h2",
    Role.MAILBOXES: "M-11 -7h22v14h-22zM-11 -7l11 8l11 -8",
    Role.DNS: "M-9 -8h18v15h-18zM-4 -8v15M-1 -4h7M-1 0h7M-1 4h5",  # an address book
}


def draw_svg(trace: Trace, brief: bool = False, unfolded: Collection[str] = (), wording: Wording = ENGLISH) -> str:
    """Draw `trace` as one `<svg>` element, to stand alone or in a page; with `brief`, one arrow per hop.

    Every step is a `<g class="step">` with `data-seq`, `data-run` and `data-event` of the record that it tells, where
    it tells one; a bounce carries the trace at its other end in `data-trace`.  Steps of a conversation have its key
    in `data-talk`, to be named in `unfolded`, and the one that stands for all of it says how it is told in
    `data-fold`.
    """
    return _Picture(trace, Story(trace, brief, unfolded, wording), wording).draw()


class _Picture:
    """Head, ladder and foot of one trace."""

    def __init__(self, trace: Trace, story: Story, wording: Wording) -> None:
        self._trace = trace
        self._story = story
        self._wording = wording
        self._times = [wording.number(since(trace.started_at, step.at)) if step.at else "" for step in story.steps]
        self._layout = Layout.fitting(story.lanes, story.steps, self._times)
        self._width = self._layout.paper_width(story.steps)

    def draw(self) -> str:
        frame = Paper()
        top = self._draw_headings(frame, self._draw_head(frame), unit=self._unit())
        painter = StepPainter(self._layout, self._width, top + 14)
        earlier = ""
        for step, time in zip(self._story.steps, self._times, strict=True):
            if earlier and step.at and (silence_seconds := seconds(earlier, step.at)) >= PAUSE_SECONDS:
                painter.draw_pause(self._wording.later.format(time=self._wording.duration(silence_seconds)))
            painter.draw(step, time, self._data(step))
            # A wait is drawn as such, and what came before it is no pause any more.
            earlier = "" if step.kind is Kind.WAIT else step.at or earlier
        painter.y += 18
        bottom = painter.y
        y = self._draw_headings(frame, bottom) if bottom - top > FOOT_LANES_FROM else bottom
        height = self._draw_foot(frame, y + 22) + MARGIN
        rails = Paper()
        for x in self._layout.places.values():
            rails.path("rail", f"M{x} {top}V{bottom}", stroke="#999")
        return self._assemble(height, (rails, painter.under, painter.duties(), frame, painter.over))

    def _unit(self) -> str:
        has_hours = any(":" in time for time in self._times)
        return self._wording.time if has_hours else self._wording.seconds

    def _assemble(self, height: int, layers: tuple[Paper, ...]) -> str:
        sheet = Paper()
        name = "ladder-" + re.sub(r"[^0-9A-Za-z]", "", self._trace.id)
        with sheet.group(
            "svg",
            xmlns="http://www.w3.org/2000/svg",
            class_="maillab-ladder",
            viewBox=f"0 0 {self._width} {height}",
            width=self._width,
            height=height,
            font_family=FONTS,
            role="img",
            aria_labelledby=f"{name}-title {name}-desc",
            data_trace=self._trace.id,
        ):
            sheet.line("title", self._wording.way_of.format(subject=self._subject), id=f"{name}-title")
            sheet.line("desc", " ".join(self._in_words()), id=f"{name}-desc")
            sheet.line("style", STYLE)
            sheet.draw("rect", class_="paper", width=self._width, height=height, fill="#fff")
            for layer in layers:
                sheet.add(layer)
        return str(sheet)

    @property
    def _subject(self) -> str:
        return self._trace.subject or self._wording.no_subject

    def _names(self, *addresses: str) -> str:
        return names_of(addresses, self._wording)

    def _in_words(self) -> Iterator[str]:
        """For those who do not see the picture."""
        trace, wording = self._trace, self._wording
        sender, recipients = self._names(trace.sender), self._names(*trace.recipients)
        state = wording.states[trace.state]
        yield wording.in_words.format(trace=trace.id, state=state, sender=sender, recipients=recipients)
        hosts = ", ".join(visible(lane.name) for lane in self._story.lanes if lane.name)
        yield wording.step_count.format(count=len(self._story.steps), hosts=hosts)
        for _, line in self._fates():
            yield f"{line}."

    def _draw_head(self, paper: Paper) -> int:
        """Subject, envelope and outcome; returns where they end."""
        trace, wording = self._trace, self._wording
        room = self._width - 2 * MARGIN
        rows = wrap(self._subject, room, SUBJECT, True, SUBJECT_ROWS_LIMIT_COUNT)
        paper.write(MARGIN, MARGIN + SUBJECT, rows, SUBJECT, bold=True, leading=SUBJECT + 6)
        y = MARGIN + len(rows) * (SUBJECT + 6) + 6
        sender = wording.sender.format(names=self._names(trace.sender))
        recipients = wording.recipients.format(names=self._names(*trace.recipients))
        for line in (sender, recipients):
            y = _write_block(paper, line, MARGIN, y, room)
        y += 4
        draw_sign(paper, trace.state, MARGIN + 8, y + 9)
        state = wording.states[trace.state]
        paper.write(MARGIN + 22, y + TEXT, [state], TEXT, bold=True)
        indent = measure(state, TEXT, True) + 34
        y = _write_block(paper, " · ".join(self._facts()), MARGIN + indent, y, room - indent, "muted")
        if trace.parent:
            notice = wording.notice_about.format(trace=trace.parent)
            y = _write_block(paper, notice, MARGIN, y, room, "muted")
        return y + 18

    def _facts(self) -> Iterator[str]:
        trace, wording = self._trace, self._wording
        yield wording.trace.format(trace=trace.id)
        if trace.ended_at is not None:
            yield wording.after.format(time=wording.duration(seconds(trace.started_at, trace.ended_at)))
        yield f"{trace.started_at[:10]} {trace.started_at[11:-1]} UTC"

    def _draw_headings(self, paper: Paper, y: int, unit: str = "") -> int:
        """The lanes' names in boxes, with the role as icon and word; returns where they end."""
        headings = self._layout.headings
        rows = max((len(heading.names) + len(heading.details) for heading in headings), default=0)
        height = 32 + 18 * rows
        if unit:
            paper.write(self._layout.axis, y + height - 4, [unit], SMALL, "muted", anchor="end")
        for heading, x in zip(headings, self._layout.places.values(), strict=True):
            with paper.group(class_="lane", data_lane=heading.lane.name or heading.lane.role.value):
                free = rows - len(heading.names) - len(heading.details)
                _draw_heading(paper, heading, (x, y, height), y + 9 * free)
        return y + height

    def _draw_foot(self, paper: Paper, y: int) -> int:
        """What became of every copy; returns where it ends."""
        for state, line in self._fates():
            if state is not None:
                draw_sign(paper, state, MARGIN + 8, y + 9)
            y = _write_block(paper, line, MARGIN + 22, y, self._width - 2 * MARGIN - 22) + 4
        return y

    def _fates(self) -> Iterator[tuple[State | None, str]]:
        copies = list(self._trace.copies.values())
        for copy in copies[:NAMES_LIMIT_COUNT]:
            yield copy.state, f"{copy.recipient}: {fate(copy, self._wording)}"
        if len(copies) > NAMES_LIMIT_COUNT:
            more = len(copies) - NAMES_LIMIT_COUNT
            yield None, self._wording.more.format(names="", count=more).lstrip()

    def _data(self, step: Step) -> dict[str, Value]:
        data: dict[str, Value] = {"data_talk": step.talk or None, "data_fold": step.fold}
        record = step.record
        if record is None:
            return data
        data |= {"data_seq": record["seq"], "data_run": record["run"], "data_event": record["event"]}
        if record["event"] == "bounce.created":
            here = record.get("trace") == self._trace.id
            data["data_trace"] = record["for_trace" if here else "trace"]
        return data


def _write_block(paper: Paper, text: str, x: int, y: int, room: int, look: str | None = None) -> int:
    """Text as wide as there is room; returns where it ends."""
    rows = wrap(text, room, TEXT)
    paper.write(x, y + TEXT, rows, TEXT, look, leading=HEAD_LEADING)
    return y + len(rows) * HEAD_LEADING


def _draw_heading(paper: Paper, heading: Heading, box: tuple[int, int, int], top: int) -> None:
    x, y, height = box
    role, half = heading.lane.role, heading.half
    shape: dict[str, Value] = {"x": x - half, "y": y, "width": 2 * half, "height": height, "rx": _CORNERS[role]}
    dash = "5 3" if role is Role.MAILBOXES else None
    paper.draw("rect", class_="box", fill="#fff", stroke="#555", stroke_dasharray=dash, **shape)
    title = heading.lane.title
    role_half = measure(title, SMALL) // 2
    place = f"translate({x - role_half - 4} {top + 18})"
    paper.path("icon", _ICONS[role], fill="none", stroke="#000", stroke_width="1.4", transform=place)
    paper.write(x - role_half + 14, top + 22, [title], SMALL, "muted")
    paper.write(x, top + 43, heading.names, NAME, anchor="middle", bold=True, leading=18)
    base = top + 43 + 18 * len(heading.names)
    paper.write(x, base, heading.details, SMALL, "muted", anchor="middle", leading=18)
