"""A trace as a ladder: the sequence diagram in plain text, one lane per host, time running down."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Final

from maillab.trace.captions import NAMES_LIMIT_COUNT, fate, names_of, since
from maillab.trace.cells import visible, wrap
from maillab.trace.layout import Beside, OnArrows
from maillab.trace.path import Trace
from maillab.trace.steps import Kind
from maillab.trace.story import Story
from maillab.trace.wording import ENGLISH, Wording

LEAST_WIDTH: Final = 40
"""Narrower paper is taken for this wide: a lane and a word need some room."""


def draw_ladder(
    trace: Trace,
    width: int = 80,
    brief: bool = False,
    unfolded: Collection[str] = (),
    wording: Wording = ENGLISH,
) -> str:
    """Draw `trace` as text in lines of at most `width` cells (at least 40).

    Args:
        trace: What to draw.
        width: Columns of the terminal or the paper.
        brief: One arrow per hop, with queue id, duration and outcome, in place of the dialogue.
        unfolded: The keys of those conversations that are told line by line all the same.
        wording: The language.
    """
    width = max(width, LEAST_WIDTH)
    story = Story(trace, brief, unfolded, wording)
    times = [wording.number(since(trace.started_at, step.at)) if step.at else "" for step in story.steps]
    times_width = max(map(len, times), default=0)
    layout = OnArrows.fitting(width, times_width, story.lanes, story.steps) if len(story.lanes) > 1 else None
    drawn = layout or Beside(width, times_width, story.lanes, story.steps)
    rows = [*_head(trace, width, wording), "", *drawn.head()]
    for number, (step, time) in enumerate(zip(story.steps, times, strict=True)):
        if step.kind is Kind.TITLE and number:
            rows.append(drawn.blank())
        rows += drawn.draw(step, time)
    return "\n".join([*rows, "", *_foot(trace, width, wording)]) + "\n"


def _head(trace: Trace, width: int, wording: Wording) -> Iterator[str]:
    yield from wrap(visible(trace.subject or wording.no_subject), width, row_limit=3)
    yield from wrap(wording.sender.format(names=names_of([trace.sender], wording)), width)
    yield from wrap(wording.recipients.format(names=names_of(trace.recipients, wording)), width)
    facts = [wording.trace.format(trace=trace.id), wording.states[trace.state]]
    if trace.ended_at is not None:
        start, end = datetime.fromisoformat(trace.started_at), datetime.fromisoformat(trace.ended_at)
        facts.append(wording.after.format(time=wording.duration((end - start).total_seconds())))
    facts.append(f"{trace.started_at[:10]} {trace.started_at[11:-1]} UTC")
    yield from wrap(" · ".join(facts), width)
    if trace.parent:
        yield from wrap(wording.notice_about.format(trace=trace.parent), width)


def _foot(trace: Trace, width: int, wording: Wording) -> Iterator[str]:
    """What became of every copy."""
    copies = list(trace.copies.values())
    for copy in copies[:NAMES_LIMIT_COUNT]:
        yield from wrap(visible(f"{copy.recipient}: {fate(copy, wording)}"), width)
    if len(copies) > NAMES_LIMIT_COUNT:
        yield wording.more.format(names="", count=len(copies) - NAMES_LIMIT_COUNT).lstrip()
