"""A trace as a Mermaid sequence diagram, for pages, merge requests and slides."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from maillab.trace.cells import visible
from maillab.trace.path import Trace
from maillab.trace.steps import Kind, Lane, Role, Step
from maillab.trace.story import Story
from maillab.trace.wording import ENGLISH, Wording

_NOT_PLAIN: Final = re.compile(r"[^\w .,()/@=_'…·+:-]")
"""What Mermaid or a browser may read as more than text: `;` ends a statement, `#` begins an entity, `%%` a comment
or a directive, `<` HTML, `$$` a formula."""

_KEYWORD: Final = re.compile(r"\bend\b|style|classdef", re.IGNORECASE)
"""`end` closes a block wherever it stands, and after the other two Mermaid drops a semicolon of our entity codes."""

_ARROWS: Final = {Kind.MESSAGE: "->>", Kind.LINE: "->>", Kind.STORED: "-)", Kind.LOST: "-x"}


def draw_mermaid(trace: Trace, brief: bool = False, unfolded: Collection[str] = (), wording: Wording = ENGLISH) -> str:
    """Draw `trace` as a `sequenceDiagram`; with `brief`, one arrow per hop in place of the dialogue.

    The conversations that are `unfolded`, by their keys, are told line by line all the same.
    """
    story = Story(trace, brief, unfolded, wording)
    names = {lane.key: f"lane{number}" for number, lane in enumerate(story.lanes)}
    rows = ["sequenceDiagram"]
    rows += [f"    participant {names[lane.key]} as {_heading(lane)}" for lane in story.lanes]
    if names:
        over = _span([names[story.lanes[0].key], names[story.lanes[-1].key]])
        sender = wording.sender.format(names=trace.sender or "<>")
        recipients = wording.recipients.format(names=", ".join(trace.recipients))
        head = f"{trace.subject or wording.no_subject} · {sender} {recipients}"
        facts = f"{wording.trace.format(trace=trace.id)} · {wording.states[trace.state]}"
        rows += [f"    Note over {over}: {_plain(words)}" for words in (head, facts)]
    rows += [f"    {_statement(step, names)}" for step in story.steps]
    return "\n".join(rows) + "\n"


def _statement(step: Step, names: dict[str, str]) -> str:
    text = _plain(step.spoken)
    if step.kind in _ARROWS:
        arrow = "-->>" if step.speaker == Role.SERVER else _ARROWS[step.kind]  # replies are dashed
        return f"{names[step.source]}{arrow}{names[step.target]}: {text}"
    over = _span([names[step.source], names[step.target or step.source]])
    return f"Note over {over}: {text}"


def _span(names: list[str]) -> str:
    return ",".join(dict.fromkeys(names))


def _heading(lane: Lane) -> str:
    return "<br/>".join(_plain(text) for text in (lane.title, lane.name, lane.detail) if text)


def _plain(text: str) -> str:
    """`text` as Mermaid shows it unchanged: all that could be markup as an entity code, `#59;` for a semicolon."""
    escaped = _NOT_PLAIN.sub(lambda char: f"#{ord(char[0])};", visible(text))
    return _KEYWORD.sub(lambda word: f"#{ord(word[0][0])};{word[0][1:]}", escaped)
