"""Where the lanes of an SVG ladder stand: so far apart that every name and every word has its room."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Final

import attrs

from maillab.trace.cells import visible
from maillab.trace.paper import measure, wrap
from maillab.trace.steps import Kind, Lane, Role, Step

MARGIN: Final = 32
TEXT, SMALL, NAME = 13, 11, 14
"""Sizes of type in pixels: dialogue; times, roles and titles; hosts."""

LEADING: Final = 16
LEAST_WIDTH: Final = 560
LANE_GAP: Final = 150
HEADING_PADDING: Final = 28
TITLE_PADDING: Final = 28

ARROW_INSET: Final = 14
"""From a lane to the words on an arrow."""

BLOCK_INSET: Final = 40
"""From a lane to the words in the thick arrow of a message: an envelope stands before them."""

LANE_INSET: Final = 18
"""From a lane to the words beside it, past the sign that stands on it."""

COMFORTABLE: Final = 340
"""Words on an arrow are broken into rows from this width on; commands are not, they are read as typed."""

WORD_LIMIT: Final = 720
"""Wider words are broken inside: a name of 60 characters is not, a hostile line of 500 is."""


@attrs.frozen
class Words:
    """Rows of text beside a lane, and where they begin."""

    rows: Sequence[str]
    x: int
    width: int


@attrs.frozen
class Heading:
    """What stands in the box over a lane."""

    lane: Lane
    names: Sequence[str]
    details: Sequence[str]

    @classmethod
    def of(cls, lane: Lane) -> Heading:
        names = wrap(lane.name, WORD_LIMIT, NAME, True) if lane.name else []
        return cls(lane, names, wrap(lane.detail, WORD_LIMIT, SMALL) if lane.detail else [])

    @property
    def half(self) -> int:
        """Half the width of the box."""
        role = measure(self.lane.title, SMALL) + 28  # its icon stands before it
        names = [measure(row, NAME, True) for row in self.names]
        details = [measure(row, SMALL) for row in self.details]
        return (max([role, *names, *details]) + HEADING_PADDING + 1) // 2


@attrs.frozen
class Layout:
    """The columns of the picture: times end at `axis`, lanes stand at `places`."""

    axis: int
    headings: Sequence[Heading]
    places: Mapping[str, int]
    right: int
    """Where the last box ends."""

    @classmethod
    def fitting(cls, lanes: Sequence[Lane], steps: Sequence[Step], times: Sequence[str]) -> Layout:
        """The layout in which nothing of this story overlaps."""
        axis = MARGIN + max(measure(time, SMALL) for time in (*times, "seconds"))
        headings = [Heading.of(lane) for lane in lanes]
        gaps = _lane_gaps(headings, steps)
        first = axis + 20 + (headings[0].half if headings else 0)
        places = list(accumulate(gaps, initial=first))
        right = max((x + heading.half for x, heading in zip(places, headings, strict=False)), default=first)
        keys = [lane.key for lane in lanes]
        return cls(axis, headings, dict(zip(keys, places, strict=False)), max(right, LEAST_WIDTH - MARGIN))

    @property
    def left(self) -> int:
        """Where the first box begins."""
        return self.axis + 20

    def paper_width(self, steps: Sequence[Step]) -> int:
        """The width of the picture: that of its lanes, and of words to the right of the last one."""
        ends = [self.right]
        for step in steps:
            if step.kind is Kind.TITLE or not step.target:
                words = self.beside(step)
                ends.append(words.x + words.width)
            elif step.target == step.source:
                ends.append(self.places[step.source] + ARROW_INSET + COMFORTABLE)
        return max(ends) + MARGIN

    def beside(self, step: Step) -> Words:
        """Words at one lane: to its right, or to its left where the paper would end; of a title, over both lanes."""
        rows, width = _measured(step)
        x = self.places[step.source]
        if step.kind is Kind.TITLE:
            middle = (x + self.places[step.target]) // 2
            return Words(rows, max(self.left, min(middle - width // 2, self.right - width)), width)
        leftwards = x - LANE_INSET - width
        if x + LANE_INSET + width > self.right and leftwards >= self.left:
            return Words(rows, leftwards, width)
        return Words(rows, x + LANE_INSET, width)


def _measured(step: Step) -> tuple[list[str], int]:
    size = SMALL if step.kind is Kind.TITLE else TEXT
    rows = wrap(spoken(step), WORD_LIMIT, size, is_bold(step))
    padding = TITLE_PADDING if step.kind in (Kind.TITLE, Kind.NOTE) else 0
    return rows, max(measure(row, size, is_bold(step)) for row in rows) + padding


def _lane_gaps(headings: Sequence[Heading], steps: Sequence[Step]) -> list[int]:
    """Lanes so far apart that boxes stand side by side and words fit on their arrows, shortest arrows first."""
    gaps = [max(left.half + right.half + 24, LANE_GAP) for left, right in pairwise(headings)]
    for length, first, need in sorted(set(_spans([heading.lane.key for heading in headings], steps))):
        missing = need - sum(gaps[first : first + length])
        if missing > 0:
            for number in range(first, first + length):
                gaps[number] += -(-missing // length)
    return gaps


def _spans(keys: list[str], steps: Sequence[Step]) -> Iterator[tuple[int, int, int]]:
    """How many gaps an arrow, a title or a queue id crosses, the first of them, and the pixels that it needs."""
    for step in steps:
        if step.target and step.target != step.source:
            first, last = sorted((keys.index(step.source), keys.index(step.target)))
            yield last - first, first, _width_needed(step)
        elif step.kind is Kind.TAKEN and step.source != keys[-1]:
            yield 1, keys.index(step.source), _measured(step)[1] + 2 * LANE_INSET


def _width_needed(step: Step) -> int:
    if step.kind is Kind.TITLE:
        return _measured(step)[1] + 2 * ARROW_INSET
    text, bold = on_arrow(step), is_bold(step)
    width = measure(text, TEXT, bold)
    if step.kind is Kind.MESSAGE:
        return min(width, WORD_LIMIT) + BLOCK_INSET + 28
    if step.speaker != Role.CLIENT:
        width = min(width, max(COMFORTABLE, *(measure(word, TEXT, bold) for word in text.split(" "))))
    return min(width, WORD_LIMIT) + 2 * ARROW_INSET


def spoken(step: Step) -> str:
    return visible(step.spoken)


def on_arrow(step: Step) -> str:
    """The words of an arrow; its lanes say who speaks, and what it is that reaches them."""
    return visible(step.text) if step.speaker in (*Role, "Queued", "Stored") else spoken(step)


def is_bad_news(step: Step) -> bool:
    """True for a refusal (RFC 5321 section 4.2.1: 4yz and 5yz), and for what did not arrive or was given up."""
    if step.kind is Kind.LINE:
        return step.speaker == "Refused" or (step.speaker == Role.SERVER and step.text[:1] in ("4", "5"))
    return step.kind in (Kind.LOST, Kind.TROUBLE)


def is_bold(step: Step) -> bool:
    """What the eye shall find first, also on black and white paper."""
    return step.kind in (Kind.MESSAGE, Kind.TITLE, Kind.WAIT) or is_bad_news(step)
