"""The SVG ladder: whole, readable, in order, and safe whatever a mail says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import combinations, pairwise
from xml.etree import ElementTree as ET

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maillab.trace.cells import ELLIPSIS, visible
from maillab.trace.paper import STYLE, measure
from maillab.trace.path import Trace
from maillab.trace.steps import Kind
from maillab.trace.story import Story
from maillab.trace.svg import draw_svg
from tests.trace import scenes
from tests.trace.scribe import BOUNCE_TRACE, TRACE, Line, Scribe, book_of, delivery, trace_of
from tests.trace.test_paper import HOSTILE

SVG = "{http://www.w3.org/2000/svg}"
ELEMENTS = {"svg", "title", "desc", "style", "g", "rect", "path", "circle", "text", "tspan"}
ATTRIBUTES = {
    *("class", "viewBox", "width", "height", "x", "y", "rx", "cx", "cy", "r", "d", "transform", "id", "role"),
    *("fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "stroke-linecap"),
    *("font-family", "font-size", "font-weight", "text-anchor", "aria-labelledby"),
    *("data-trace", "data-seq", "data-run", "data-event", "data-lane", "data-talk", "data-fold"),
}


def _bounce() -> Trace:
    bounce = book_of(scenes.fan_out()).get(BOUNCE_TRACE)
    assert bounce is not None
    return bounce


TRACES: dict[str, Callable[[], Trace]] = {
    "two_schools": lambda: trace_of(scenes.two_schools()),
    "garden_party": lambda: trace_of(scenes.garden_party()),
    "typed_by_hand": lambda: trace_of(scenes.typed_by_hand()),
    "six_servers": lambda: trace_of(scenes.six_servers()),
    "fan_out": lambda: trace_of(scenes.fan_out()),
    "bounce": _bounce,
    "foreign_host": lambda: trace_of(scenes.foreign_host(comes_back=True)),
    "still_waiting": lambda: trace_of(scenes.still_waiting()),
    "split_in_two": lambda: trace_of(*scenes.split_in_two()),
    "long_names": lambda: trace_of(scenes.long_names()),
}


@pytest.fixture(params=TRACES)
def trace(request: pytest.FixtureRequest) -> Trace:
    return TRACES[request.param]()


@pytest.fixture(params=[False, True], ids=["full", "brief"])
def brief(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@attrs.frozen
class Box:
    """What one row of text covers at most."""

    text: str
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Box) -> bool:
        apart = self.right <= other.left or other.right <= self.left
        return not (apart or self.bottom <= other.top or other.bottom <= self.top)


def _boxes(root: ET.Element) -> Iterator[Box]:
    for text in root.iter(f"{SVG}text"):
        size, anchor = int(text.attrib["font-size"]), text.attrib["text-anchor"]
        for row in text:
            width = measure(row.text or "", size, text.get("font-weight") == "bold")
            before = {"start": 0.0, "middle": width / 2, "end": width}[anchor]
            left, base = int(row.attrib["x"]) - before, int(row.attrib["y"])
            yield Box(row.text or "", left, base - 0.8 * size, left + width, base + 0.2 * size)


def _steps(root: ET.Element) -> list[ET.Element]:
    return [group for group in root.iter(f"{SVG}g") if group.get("class", "").startswith("step ")]


def _words(element: ET.Element, look: str | None = None) -> str:
    texts = (text for text in element.iter(f"{SVG}text") if "time" not in text.get("class", "").split())
    return " ".join(row.text or "" for text in texts for row in text if look in (None, text.get("class")))


def _places(root: ET.Element) -> list[int]:
    rails = (path.attrib["d"] for path in root.iter(f"{SVG}path") if path.get("class") == "rail")
    return [int(rail[1:].split()[0]) for rail in rails]


def _is_safe(root: ET.Element) -> None:
    for element in root.iter():
        assert element.tag.removeprefix(SVG) in ELEMENTS
        assert set(element.attrib) <= ATTRIBUTES
    style = root.find(f"{SVG}style")
    assert style is not None
    assert style.text == STYLE


def _nothing_overlaps(root: ET.Element) -> None:
    boxes = list(_boxes(root))
    assert not [(one.text, other.text) for one, other in combinations(boxes, 2) if one.overlaps(other)]
    width, height = map(int, root.attrib["viewBox"].split()[2:])
    assert all(box.left >= 0 and box.top >= 0 and box.right <= width and box.bottom <= height for box in boxes)


def test_it_is_whole_safe_and_the_same_every_time(trace: Trace, brief: bool) -> None:
    """Well-formed XML of shapes and text only, equal when drawn again, with nothing to fetch or to run."""
    picture = draw_svg(trace, brief)
    assert draw_svg(trace, brief) == picture
    assert not re.search(r"https?:|url\(|@import|@font-face", picture.replace("http://www.w3.org/2000/svg", ""))
    _is_safe(ET.fromstring(picture))


def test_nothing_overlaps(trace: Trace, brief: bool) -> None:
    """No two texts share a pixel and all stand on the paper, also in the widest fonts of the stack."""
    _nothing_overlaps(ET.fromstring(draw_svg(trace, brief)))


def test_boxes_of_lanes_hold_their_names(trace: Trace) -> None:
    """Every lane is named whole, inside its own box, and the boxes stand apart."""
    root = ET.fromstring(draw_svg(trace))
    lanes = [group for group in root.iter(f"{SVG}g") if group.get("class") == "lane"]
    story = Story(trace)
    assert [lane.name or lane.role.value for lane in story.lanes] == [
        group.attrib["data-lane"] for group in lanes[: len(story.lanes)]
    ]
    edges = []
    for group in lanes:
        frame = group.find(f"{SVG}rect")
        assert frame is not None
        left, right = int(frame.attrib["x"]), int(frame.attrib["x"]) + int(frame.attrib["width"])
        edges.append((left, right))
        assert group.attrib["data-lane"] in _words(group)
        assert all(left < box.left and box.right < right for box in _boxes(group))
    assert all(one[1] < other[0] for one, other in pairwise(edges[: len(story.lanes)]))


def test_every_step_of_the_story_is_told(trace: Trace, brief: bool) -> None:
    """Step for step the words of the story, wrapped at most, with time, and whole in the tooltip."""
    story = Story(trace, brief)
    groups = _steps(ET.fromstring(draw_svg(trace, brief)))
    assert len(groups) == len(story.steps)
    for step, group in zip(story.steps, groups, strict=True):
        assert visible(step.text) in _words(group)
        title = group.find(f"{SVG}title")
        assert title is not None
        assert visible(step.text) in (title.text or "")
        assert step.at[11:] in (title.text or "")
        assert any("time" in text.get("class", "") for text in group.iter(f"{SVG}text")) == bool(step.at)


def test_steps_carry_the_record_that_they_tell(trace: Trace) -> None:
    """A page finds the record of every arrow by run and sequence number: the same instant, event and words."""
    records = {(record["run"], record["seq"]): record for record in trace.records}
    for step, group in zip(Story(trace).steps, _steps(ET.fromstring(draw_svg(trace))), strict=True):
        if not step.at:
            assert "data-seq" not in group.attrib
            continue
        record = records[group.attrib["data-run"], int(group.attrib["data-seq"])]
        assert record["at"] == step.at
        assert record["event"] == group.attrib["data-event"]
        if step.kind is Kind.LINE and record["event"].startswith("smtp."):
            assert record["line"][:3] == step.text[:3]
            assert record["line"] == step.text or ELLIPSIS in step.text
        if step.kind in (Kind.TAKEN, Kind.STORED):
            assert record["queue_id"] in step.text or record["mailbox"] in step.text


def test_arrows_go_from_source_to_target(trace: Trace, brief: bool) -> None:
    """Every shaft begins at the lane of its source and runs towards that of its target."""
    story = Story(trace, brief)
    root = ET.fromstring(draw_svg(trace, brief))
    place = dict(zip((lane.key for lane in story.lanes), _places(root), strict=True))
    assert list(place.values()) == sorted(place.values())
    for step, group in zip(story.steps, _steps(root), strict=True):
        if not step.target or step.kind is Kind.TITLE:
            continue
        drawn = next(path for path in group.iter(f"{SVG}path") if path.get("class") in ("shaft", "block")).attrib["d"]
        start, end = (int(number) for number in re.findall(r"[MH](-?\d+)", drawn)[:2])
        source, target = place[step.source], place[step.target]
        assert abs(start - source) < 10
        assert (end > start) == (target > source)
        assert min(source, target) < end < max(source, target)
        assert all(min(source, target) < box.left and box.right < max(source, target) for box in _boxes_on(group))


def _boxes_on(group: ET.Element) -> list[Box]:
    """The rows of an arrow, without its time."""
    return list(_boxes(group))[1:]


def test_arrows_are_told_apart_without_colours() -> None:
    """Commands are solid, replies dashed, what is lost breaks off at a cross, the message is a thick arrow."""
    groups = _steps(ET.fromstring(draw_svg(trace_of(scenes.two_schools()))))
    shapes = {}
    for group in groups:
        paths = {path.get("class"): path for path in group.iter(f"{SVG}path")}
        shapes[group.attrib["class"].removeprefix("step ")] = (
            "block" in paths,
            paths["shaft"].get("stroke-dasharray") if "shaft" in paths else None,
            paths["head"].get("fill") if "head" in paths else None,
        )
    arrows = [shapes[look] for look in ("command", "reply", "message", "stored", "lost bad")]
    assert len(set(arrows)) == len(arrows)
    assert shapes["command"] == (False, None, "#000")
    assert shapes["message"][0]


def test_a_wait_tears_the_paper() -> None:
    """Time in the queue is a torn gap with the wait in words, and only the waiting server's duty bridges it."""
    root = ET.fromstring(draw_svg(trace_of(scenes.two_schools()), brief=True))
    tears = [path for path in root.iter(f"{SVG}path") if path.get("class") == "tear"]
    waits = [_words(group) for group in _steps(root) if group.attrib["class"] == "step wait"]
    assert waits == ["waits 5.0 s in the queue of mail.nord.example (connection refused), attempt 2"]
    assert len(tears) == 1
    top = int(tears[0].attrib["d"].partition("l")[0].split()[1])
    duties = [rect for rect in root.iter(f"{SVG}rect") if rect.get("class") == "duty"]
    bridges = [
        rect for rect in duties
        if int(rect.attrib["y"]) < top < int(rect.attrib["y"]) + int(rect.attrib["height"])
    ]  # fmt: skip
    assert [int(rect.attrib["x"]) + 4 for rect in bridges] == [_places(root)[1]]


def test_a_pause_of_the_client_is_named() -> None:
    """Where somebody types, the seconds between the lines stand in the picture."""
    root = ET.fromstring(draw_svg(trace_of(scenes.garden_party())))
    pauses = [_words(group) for group in root.iter(f"{SVG}g") if group.get("class") == "pause"]
    assert pauses == [f"{time} later" for time in ("9.2 s", "7.5 s", "6.1 s", "3.3 s", "41.0 s", "4.0 s")]


def test_a_bounce_names_the_trace_at_its_other_end() -> None:
    """The failed mail links to its notice, and the notice to the mail that it is about."""
    for trace, other in ((trace_of(scenes.fan_out()), BOUNCE_TRACE), (_bounce(), TRACE)):
        root = ET.fromstring(draw_svg(trace))
        assert [group.get("data-trace") for group in _steps(root) if "note" in group.attrib["class"]] == [other]
        assert f"Bounce: trace {other}" in _words(root)


def test_a_screen_reader_hears_what_became_of_the_mail() -> None:
    """The picture is one image with a title and a description that names the outcome of every copy."""
    root = ET.fromstring(draw_svg(trace_of(scenes.fan_out())))
    named = {element.get("id"): element.text or "" for element in root if element.get("id")}
    title, description = (named[name] for name in root.attrib["aria-labelledby"].split())
    assert root.get("role") == "img"
    assert "Einladung zur Gartenparty" in title
    assert "rosa@west.example: in the mailbox at mail.west.example" in description
    assert "nemo@west.example: failed at relay.example" in description


@given(subject=HOSTILE, words=HOSTILE, name=HOSTILE, brief=st.booleans())
def test_nothing_that_a_mail_says_becomes_markup(subject: str, words: str, name: str, brief: bool) -> None:
    """Markup, quotes, control characters, bidi overrides and surrogates are shown, not obeyed; nothing overlaps."""
    scribe = Scribe()
    talk = Line(scribe, "c1", "mail.nord.example")
    talk.greet(name)
    talk.asks(f"NOOP {words}", f"250 {words}")
    talk.mail(1, scenes.ANNA, [scenes.NILS], [scenes.NILS], subject=subject)
    picture = draw_svg(trace_of(scribe), brief)
    picture.encode("utf-8")
    root = ET.fromstring(picture)
    _is_safe(root)
    _nothing_overlaps(root)
    assert all((row.text or "").isprintable() for row in root.iter(f"{SVG}tspan"))


def test_a_server_that_speaks_to_itself_is_drawn_as_a_loop() -> None:
    """When a host outside the lab greets with the name of the receiving server, its arrows return to their lane."""
    scribe = Scribe()
    line = Line(scribe, "c1", "mail.nord.example")
    line.greet("mail.nord.example")
    line.mail(2, scenes.ANNA, [scenes.NILS], [scenes.NILS], received_from_queue_id=f"{TRACE}-1-00")
    root = ET.fromstring(draw_svg(trace_of(scribe)))
    _nothing_overlaps(root)
    arrows = [group for group in _steps(root) if group.get("data-event", "").startswith("smtp.")]
    lane = _places(root)[0]
    assert arrows
    for group in arrows:
        shaft = next(path for path in group.iter(f"{SVG}path") if path.get("class") == "shaft")
        assert re.fullmatch(rf"M{lane + 5} \d+h30v8h-30", shaft.attrib["d"])


def test_an_attempt_without_a_next_hop_stands_at_its_server() -> None:
    """When no host is found to send to, there is no arrow, but the reason and the end are told."""
    scribe = Scribe()
    Line(scribe, "c1", "mail.nord.example").mail(1, scenes.ANNA, ["x@nowhere.example"])
    keys = {"code": 556, "reply": "556 5.1.10 nowhere.example takes no mail"}
    delivery(scribe, "failed", "mail.nord.example", 1, ["x@nowhere.example"], "", **keys)
    troubles = [group for group in _steps(ET.fromstring(draw_svg(trace_of(scribe)))) if "trouble" in str(group.attrib)]
    assert [_words(group) for group in troubles] == [keys["reply"], "Failed: x@nowhere.example"]


def test_long_replies_are_broken_and_commands_are_not() -> None:
    """A reply of many words takes rows of a comfortable width; a path stands in one row, however long."""
    scribe = Scribe()
    line = Line(scribe, "c1", "mail.nord.example")
    line.greet("anna-pc")
    line.asks("NOOP", "250 " + "I have nothing to do and I say it at length, " * 4)
    line.mail(1, scenes.ANNA, [scenes.LONG_USER])
    groups = {_words(group)[:7]: group for group in _steps(ET.fromstring(draw_svg(trace_of(scribe))))}
    assert [box.text for box in _boxes_on(groups["RCPT TO"])] == [f"RCPT TO:<{scenes.LONG_USER}>"]
    assert len(_boxes_on(groups["250 I h"])) > 1
