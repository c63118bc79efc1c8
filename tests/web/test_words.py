"""What the page says: everything in German and in English, and nothing that nobody wrote."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import orjson
import pytest

from maillab.trace.record import EVENTS
from maillab.web.pages import static_files

WORDS: Final = ".words.json"
PLACE: Final = re.compile(r"\{\w+\}")  # for a name or a number
PLURAL: Final = (".one", ".other")


def text_of(name: str) -> str:
    body = static_files()[name].body
    assert isinstance(body, bytes)
    return body.decode()


def words_in(name: str) -> Mapping[str, Mapping[str, str]]:
    texts: Mapping[str, Mapping[str, str]] = orjson.loads(text_of(name))
    return texts


def named(suffix: str) -> list[str]:
    return sorted(name for name in static_files() if name.endswith(suffix))


@pytest.mark.parametrize("name", named(WORDS))
def test_both_languages_say_the_same(name: str) -> None:
    """German and English have the same texts, and each has the same places for names and numbers."""
    words = words_in(name)
    assert words.keys() == {"en", "de"}
    assert words["en"].keys() == words["de"].keys()
    for key, text in words["en"].items():
        assert text.strip()
        assert set(PLACE.findall(text)) == set(PLACE.findall(words["de"][key])), key


def test_what_is_said_was_written() -> None:
    """A text that a script asks for by its name is there."""
    known = {key for name in named(WORDS) for key in words_in(name)["en"]}
    for name in named(".js"):
        script = text_of(name)
        plain = set(re.findall(r'(?<![\w.])t\("([^"]+)"', script))
        counted = {key + form for key in re.findall(r'(?<![\w.])t\.plural\("([^"]+)"', script) for form in PLURAL}
        assert plain | counted <= known, name


def test_scripts_have_no_texts_of_their_own() -> None:
    """What people read is in the two languages' files: no script has an umlaut."""
    for name in named(".js"):
        assert not re.search("[äöüÄÖÜß]", text_of(name)), name


def test_the_picture_tells_of_every_record_that_it_stops_at() -> None:
    """Each event of its two lists is one of the lab's, and has a sentence."""
    lists = re.findall(r"new Set\(\[(.*?)\]\)", text_of("network-model.js"), re.DOTALL)
    stops = {event for each in lists for event in re.findall(r'"([\w.]+)"', each)}
    assert {"message.accepted", "smtp.reply"} <= stops
    assert stops - {"fault.injected"} <= EVENTS.keys()
    sentences = words_in("network.words.json")["en"]
    for event in stops:
        assert any(key == f"told.{event}" or key.startswith(f"told.{event}.") for key in sentences), event
