"""A trace as a ladder: the sequence diagram in plain text, one lane per host, time running down."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from maillab.trace.cells import visible, wrap
from maillab.trace.copies import Copy, State
from maillab.trace.layout import Beside, OnArrows
from maillab.trace.path import Trace
from maillab.trace.steps import Kind, duration
from maillab.trace.story import Story

LEAST_WIDTH: Final = 40
"""Narrower paper is taken for this wide: a lane and a word need some room."""

NAMES_LIMIT_COUNT: Final = 20
"""So many recipients are named in the head and at the foot, then counted; a list may hold a thousand."""

DAY_SECONDS: Final = 86_400


def draw_ladder(trace: Trace, width: int = 80, brief: bool = False) -> str:
    """Draw `trace` as text in lines of at most `width` cells (at least 40).

    Args:
        trace: What to draw.
        width: Columns of the terminal or the paper.
        brief: One arrow per hop, with queue id, duration and outcome, in place of the dialogue.
    """
    width = max(width, LEAST_WIDTH)
    story = Story(trace, brief)
    times = [_since(trace.started_at, step.at) if step.at else "" for step in story.steps]
    times_width = max(map(len, times), default=0)
    layout = OnArrows.fitting(width, times_width, story.lanes, story.steps) if len(story.lanes) > 1 else None
    drawn = layout or Beside(width, times_width, story.lanes, story.steps)
    rows = [*_head(trace, width), "", *drawn.head()]
    for number, (step, time) in enumerate(zip(story.steps, times, strict=True)):
        if step.kind is Kind.TITLE and number:
            rows.append(drawn.blank())
        rows += drawn.draw(step, time)
    return "\n".join([*rows, "", *_foot(trace, width)]) + "\n"


def _since(start: str, at: str) -> str:
    """Seconds since the start, and days and hours where it takes so long."""
    seconds = (datetime.fromisoformat(at) - datetime.fromisoformat(start)).total_seconds()
    if seconds < 3600:
        return f"{seconds:.3f}"
    days, rest = divmod(int(seconds), DAY_SECONDS)
    clock = f"{rest // 3600}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{days} d {clock.zfill(8)}" if days else clock


def _head(trace: Trace, width: int) -> Iterator[str]:
    yield from wrap(visible(trace.subject or "(no subject)"), width, row_limit=3)
    yield from wrap(f"from {_names([trace.sender])}", width)
    yield from wrap(f"to {_names(trace.recipients)}", width)
    facts = [f"trace {trace.id}", trace.state.value]
    if trace.ended_at is not None:
        start, end = datetime.fromisoformat(trace.started_at), datetime.fromisoformat(trace.ended_at)
        facts.append(f"after {duration((end - start).total_seconds())}")
    facts.append(f"{trace.started_at[:10]} {trace.started_at[11:-1]} UTC")
    yield from wrap(" · ".join(facts), width)
    if trace.parent:
        yield from wrap(f"a notice about trace {trace.parent}", width)


def _names(addresses: list[str] | tuple[str, ...]) -> str:
    named = ", ".join(visible(address) or "<>" for address in addresses[:NAMES_LIMIT_COUNT])
    more = len(addresses) - NAMES_LIMIT_COUNT
    return f"{named} and {more} more" if more > 0 else named


def _foot(trace: Trace, width: int) -> Iterator[str]:
    """What became of every copy."""
    copies = list(trace.copies.values())
    for copy in copies[:NAMES_LIMIT_COUNT]:
        yield from wrap(visible(f"{copy.recipient}: {_fate(copy)}"), width)
    if len(copies) > NAMES_LIMIT_COUNT:
        yield f"and {len(copies) - NAMES_LIMIT_COUNT} more"


def _fate(copy: Copy) -> str:
    said = f", {copy.next_hop} said" if copy.next_hop and (copy.reply or "")[:3].isdigit() else ""
    reply = f"{said}: {copy.reply}" if copy.reply else ""
    match copy.state:
        case State.DELIVERED:
            return f"in the mailbox at {copy.server}, uid {copy.uid}"
        case State.FAILED:
            return f"failed at {copy.server}{reply}"
        case State.DEFERRED:
            return f"waits at {copy.server}{reply}"
        case State.RELAYED:
            return f"handed to {copy.next_hop} outside the lab"
        case State.UNDERWAY:
            return f"underway at {copy.server}"
