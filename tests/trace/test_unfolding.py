"""Ladders that are told in part: brief, with some conversations line by line; and in another language."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import attrs
import pytest

from maillab.trace.ladder import draw_ladder
from maillab.trace.mermaid import draw_mermaid
from maillab.trace.path import Trace
from maillab.trace.steps import CLIENT, MAILBOXES, NAMES, Fold, Kind, Role
from maillab.trace.story import Story
from maillab.trace.svg import draw_svg
from maillab.trace.wording import ENGLISH, GERMAN, WORDINGS, Wording
from tests.trace import scenes
from tests.trace.scribe import TRACE, Line, Scribe, delivery, forward, trace_of

SVG = "{http://www.w3.org/2000/svg}"


def looked_up() -> Trace:
    """Two hops; the first server asks DNS for the second."""
    scribe = Scribe()
    scribe.lab(mail_nord_example=["nord.example"], mail_sued_example=["sued.example"])
    line = Line(scribe, "c1", "mail.nord.example")
    line.greet("anna-pc")
    line.mail(1, scenes.ANNA, [scenes.BEN])
    line.quit()
    asked = {"server": "mail.nord.example", "trace": TRACE, "queue_id": f"{TRACE}-1-00", "hop": 1}
    scribe.write("dns.answered", **asked, question="MX sued.example", answers=["10 mail.sued.example", "20 b.example"])
    forward(scribe, "c2", ("mail.nord.example", "mail.sued.example"), 2, scenes.ANNA, [scenes.BEN], [scenes.BEN])
    return trace_of(scribe)


def test_one_conversation_unfolds_alone() -> None:
    """Of three hops told briefly, the one that is named is told line by line, and the others keep their one arrow."""
    trace = trace_of(scenes.two_schools())
    first, second, third = (said.key for said in trace.conversations)
    assert (first, second, third) == ("r1.c1.1", "r1.c2.1", "r1.c3.1")
    brief, whole = Story(trace, brief=True), Story(trace)
    mixed = Story(trace, brief=True, unfolded=[second])

    def told(story: Story, key: str) -> list[str]:
        return [step.text for step in story.steps if step.talk == key]

    assert told(mixed, first) == told(brief, first)
    assert told(mixed, third) == told(brief, third)
    assert told(mixed, second) == told(whole, second) != told(brief, second)
    assert [(step.talk, step.fold) for step in mixed.steps if step.fold] == [
        (first, Fold.FOLDED),
        (second, Fold.UNFOLDED),
        (third, Fold.FOLDED),
    ]


@pytest.mark.parametrize(
    "scene", [scenes.two_schools, scenes.typed_by_hand, scenes.fan_out, scenes.foreign_host, scenes.still_waiting]
)
def test_all_unfolded_is_not_brief(scene: type[Scribe]) -> None:
    """A brief story with every conversation unfolded is the whole story."""
    trace = trace_of(scene())
    keys = [said.key for said in trace.conversations]
    assert Story(trace, brief=True, unfolded=keys).steps == Story(trace).steps
    assert draw_ladder(trace, 80, True, keys) == draw_ladder(trace, 80)
    assert draw_mermaid(trace, True, keys) == draw_mermaid(trace)
    assert draw_svg(trace, True, keys) == draw_svg(trace)


def test_a_key_of_nobody_unfolds_nothing() -> None:
    """What is named and not there changes nothing."""
    trace = trace_of(scenes.two_schools())
    assert draw_svg(trace, True, ["r9.c9.9", "'><script>"]) == draw_svg(trace, True)


def test_the_picture_says_what_can_be_folded() -> None:
    """Each conversation has one step that stands for it, and all its steps carry its key."""
    trace = trace_of(scenes.two_schools())
    root = ET.fromstring(draw_svg(trace, True, ["r1.c2.1"]))
    groups = [group for group in root.iter(f"{SVG}g") if group.get("data-talk")]
    folds = [(group.get("data-talk"), group.get("data-fold")) for group in groups if group.get("data-fold")]
    assert folds == [("r1.c1.1", "folded"), ("r1.c2.1", "unfolded"), ("r1.c3.1", "folded")]
    lines = [group for group in groups if group.get("data-talk") == "r1.c2.1"]
    assert sum("reply" in str(group.get("class")) for group in lines) > 3


def test_names_have_a_lane_where_their_lookups_are_told() -> None:
    """DNS stands last, and its answer goes to who asked; folded, a hop needs no names."""
    trace = looked_up()
    whole = Story(trace)
    assert [lane.key for lane in whole.lanes] == [CLIENT, "mail.nord.example", "mail.sued.example", MAILBOXES, NAMES]
    (step,) = [step for step in whole.steps if step.speaker == Role.DNS]
    assert (step.source, step.target) == (NAMES, "mail.nord.example")
    assert step.text == "MX sued.example: 10 mail.sued.example, 20 b.example"
    assert step.record is not None
    assert step.record["event"] == "dns.answered"
    assert NAMES not in [lane.key for lane in Story(trace, brief=True).lanes]
    assert NAMES not in [lane.key for lane in Story(trace, brief=True, unfolded=["r1.c1.1"]).lanes]
    assert NAMES in [lane.key for lane in Story(trace, brief=True, unfolded=["r1.c2.1"]).lanes]
    root = ET.fromstring(draw_svg(trace))
    assert [
        group.get("data-event") for group in root.iter(f"{SVG}g") if "lookup" in group.get("class", "").split()
    ] == ["dns.answered"]
    assert "D  DNS" in draw_ladder(trace, 70)


def _placeholders(text: object) -> list[str]:
    return sorted(set(re.findall(r"\{(\w+)\}", str(text))))


def test_both_languages_say_the_same() -> None:
    """Every phrase has the same values in German as in English, and every state and role has a word."""
    assert set(WORDINGS) == {"en", "de"}
    for field in attrs.fields(Wording):
        english, german = getattr(ENGLISH, field.name), getattr(GERMAN, field.name)
        assert _placeholders(english) == _placeholders(german), field.name
        if field.name in ("roles", "states"):
            assert english.keys() == german.keys()


ENGLISH_WORDS = re.compile(
    r"\b(waits|queue|message|octets|from|to|after|trace|Queued|Stored|Deferred|Failed|later|attempt)\b"
)


@pytest.mark.parametrize("brief", [False, True])
@pytest.mark.parametrize("scene", [scenes.two_schools, scenes.garden_party, scenes.fan_out, scenes.still_waiting])
def test_a_ladder_in_german_has_no_english_words(scene: type[Scribe], brief: bool) -> None:
    """What the picture itself says is German; what servers and mails say stays as it was said."""
    trace = trace_of(scene())
    for step in Story(trace, brief, wording=GERMAN).steps:
        said_on_the_wire = step.kind in (Kind.LINE, Kind.LOST) and step.speaker != "Refused"
        if not said_on_the_wire:
            assert not ENGLISH_WORDS.search(re.sub(r"\(.*\)", "", step.spoken)), step.spoken
    picture = draw_svg(trace, brief, wording=GERMAN)
    assert ("Postfächer" in picture) == any(lane.key == MAILBOXES for lane in Story(trace).lanes)
    assert f"Spur {trace.id}" in picture
    assert "Spur" in draw_ladder(trace, wording=GERMAN)
    assert GERMAN.states[trace.state] in draw_mermaid(trace, wording=GERMAN)


def test_numbers_are_written_as_the_language_writes_them() -> None:
    """5.0 s in English are 5,0 s in German, and days are Tage."""
    assert [wording.duration(5) for wording in (ENGLISH, GERMAN)] == ["5.0 s", "5,0 s"]
    assert [wording.duration(432_000) for wording in (ENGLISH, GERMAN)] == ["5.0 days", "5,0 Tage"]


def test_a_lookup_that_led_nowhere_is_told_in_the_whole_story_only() -> None:
    """No conversation came of it; the failure itself says what the names said."""
    scribe = Scribe()
    Line(scribe, "c1", "mail.nord.example").mail(1, scenes.ANNA, ["x@nowhere.example"])
    asked = {"server": "mail.nord.example", "trace": TRACE, "queue_id": f"{TRACE}-1-00", "hop": 1}
    scribe.write("dns.answered", **asked, question="MX nowhere.example", answers=["NXDOMAIN"])
    delivery(scribe, "failed", "mail.nord.example", 1, ["x@nowhere.example"], "", code=None, reply="no such domain")
    trace = trace_of(scribe)
    assert "MX nowhere.example: NXDOMAIN" in [step.text for step in Story(trace).steps]
    assert "MX nowhere.example: NXDOMAIN" not in [step.text for step in Story(trace, brief=True).steps]
