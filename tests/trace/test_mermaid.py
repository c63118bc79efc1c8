"""Mermaid: the same story, escaped so that nothing in a mail is taken for markup."""

from __future__ import annotations

import re

import pytest

from maillab.trace.mermaid import draw_mermaid
from tests.trace import scenes
from tests.trace.scribe import Line, Scribe, trace_of

STATEMENT = re.compile(
    r"sequenceDiagram"
    r"|    participant lane\d+ as [^;#]*(#\d+;[^;#]*)*"
    r"|    lane\d+(->>|-->>|-x|-\))lane\d+: [^;#]*(#\d+;[^;#]*)*"
    r"|    Note over lane\d+(,lane\d+)?: [^;#]*(#\d+;[^;#]*)*"
)


@pytest.mark.parametrize("brief", [False, True])
@pytest.mark.parametrize("scene", [scenes.two_schools, scenes.fan_out, scenes.foreign_host, scenes.still_waiting])
def test_every_line_is_one_statement(scene: type[Scribe], brief: bool) -> None:
    """Participants, arrows and notes, with every `#` and `;` part of an entity code."""
    for row in draw_mermaid(trace_of(scene()), brief).splitlines():
        assert STATEMENT.fullmatch(row), row


def test_the_hops_stand_in_the_diagram() -> None:
    """Brief: one solid arrow per hop, a crossed one for the attempt that found nobody."""
    rows = draw_mermaid(trace_of(scenes.two_schools()), brief=True).splitlines()
    assert rows[1:6] == [
        "    participant lane0 as Client<br/>anna-pc<br/>127.0.0.1:50312",
        "    participant lane1 as Server<br/>mail.nord.example",
        "    participant lane2 as Server<br/>relay.example",
        "    participant lane3 as Server<br/>mail.sued.example",
        "    participant lane4 as Mailboxes",
    ]
    assert [row.split(":")[0].strip() for row in rows if "->>" in row or "-x" in row] == [
        "lane0->>lane1",
        "lane1-xlane2",
        "lane1->>lane2",
        "lane2->>lane3",
    ]


@pytest.mark.parametrize(
    ("subject", "shown"),
    [
        ("a; b", "a#59; b"),
        ("#1", "#35;1"),
        ("<b>bold</b>", "#60;b#62;bold#60;/b#62;"),
        ("%%{init: {}}%%", "#37;#37;#123;init: #123;#125;#125;#37;#37;"),
        ("the end", "the #101;nd"),
        ("classDef x:#1;", "#99;lassDef x:#35;1#59;"),
        ("$$x$$", "#36;#36;x#36;#36;"),
        ("two\nlines\r\x00", "two#92;nlines#92;r#92;x00"),
        ("Grüße, 日本", "Grüße, 日本"),
    ],
)
def test_markup_is_escaped(subject: str, shown: str) -> None:
    """What Mermaid or a browser would obey is written as entity codes."""
    scribe = Scribe()
    line = Line(scribe, "c1", "mail.nord.example")
    line.mail(1, scenes.ANNA, [scenes.NILS], [scenes.NILS], subject=subject)
    assert f": {shown} · from " in draw_mermaid(trace_of(scribe))
