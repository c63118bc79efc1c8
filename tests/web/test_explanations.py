"""Every line that a lab can write is explained in both languages, and the words of the traces are whole."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from maillab.mail.status import MEANINGS
from maillab.smtp.answers import Answer
from maillab.smtp.words import USAGE
from maillab.trace.copies import State
from maillab.trace.paper import STYLE
from maillab.trace.record import CONTEXT_KEYS, EVENTS
from maillab.web.anatomy import Difference

STATIC: Final = Path(__file__).parents[2] / "maillab" / "web" / "static"
TEXTS: Final[Mapping[str, Mapping[str, Any]]] = json.loads((STATIC / "explanations.json").read_text("utf-8"))
WORDS: Final[Mapping[str, Mapping[str, str]]] = json.loads((STATIC / "traces.words.json").read_text("utf-8"))
LANGUAGES: Final = ("en", "de")
SENTENCES_COUNT: Final = 2

SOURCE: Final = re.compile(r"RFC [1-9]\d{2,3}( section \d+(\.\d+)*)?")
OUR_OWN: Final = {  # no RFC tells of them
    *("lab.ready", "lab.stopped", "connection.crashed", "records.lost", "storage.failed", "fault.injected"),
}
VALUES: Final = {
    "commands": {"server", "argument", "path", "line"},
    "replies": {"server", "code", "enhanced", "line"},
    "enhanced": {"server", "code", "enhanced", "line"},
    "policies": {"server", "policy", "result", "reason"},
    "steps": {"client", "server", "by"},
}
ALWAYS: Final = {"run", "seq", "at", "event", "lab", "server", "peer", "reply", *CONTEXT_KEYS}


def entries() -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for section, all_of_it in TEXTS.items():
        if section != "words":
            yield from ((section, name, entry) for name, entry in all_of_it.items())


def values_in(texts: list[str]) -> set[str]:
    return {name for text in texts for name in re.findall(r"\{(\w+)\}", text)}


def test_every_command_is_explained() -> None:
    """Each verb that a server knows, and what is none."""
    assert USAGE.keys() | {"MAIL <>", "***", "?"} == TEXTS["commands"].keys()


def test_every_reply_is_explained() -> None:
    """Each code that a server of the lab can answer, and each class of codes for those of others."""
    codes = {str(answer.value.code) for answer in Answer}
    assert {"2", "3", "4", "5"} | codes <= TEXTS["replies"].keys()


def test_a_reply_to_a_command_names_one_that_there_is() -> None:
    """What a code says to one command stands under both; 250 says something of its own to each step of a mail."""
    after = {name.partition(" ")[2] for name in TEXTS["replies"]} - {""}
    assert after <= USAGE.keys() | {"message"}
    assert {f"250 {name}" for name in ("HELO", "EHLO", "MAIL", "RCPT", "message")} <= TEXTS["replies"].keys()


def test_every_status_code_is_explained() -> None:
    """Each subject and detail that has a meaning, and no other."""
    assert {f"{subject}.{detail}" for subject, detail in MEANINGS} == TEXTS["enhanced"].keys()


def test_every_event_is_explained() -> None:
    """Each kind of record, with values that its records have."""
    assert EVENTS.keys() <= TEXTS["events"].keys()
    for name, event in EVENTS.items():
        assert values_in(TEXTS["events"][name]["en"]) <= {*event.keys, *ALWAYS}, name


def test_every_policy_is_explained() -> None:
    """Each rule that servers ask."""
    source = (STATIC.parents[1] / "mailserver").rglob("*.py")
    asked = {name for path in source for name in re.findall(r'policy="([\w-]+)"', path.read_text("utf-8"))}
    assert asked
    assert asked <= TEXTS["policies"].keys()


@pytest.mark.parametrize(("section", "name", "entry"), [*entries()])
def test_each_explanation_is_whole(section: str, name: str, entry: Mapping[str, Any]) -> None:
    """Two sentences (of a status code one) in both languages with the same values, and where to look it up."""
    count = 1 if section == "enhanced" else SENTENCES_COUNT
    assert [len(entry[language]) for language in LANGUAGES] == [count, count]
    for language in LANGUAGES:
        for sentence in entry[language]:
            assert re.match(r"[A-ZÄÖÜ0-9{]", sentence)
            assert sentence.endswith((".", "{reply}", "{line}", "{reason}"))
            assert not re.search(r"\s\s|\s[.,;:!?]|[.!?]\s+[a-zäöü]", sentence)
    assert values_in(entry["en"]) == values_in(entry["de"])
    assert values_in(entry["en"]) <= VALUES.get(section, {*ALWAYS, *values_in(entry["en"])})
    if section != "enhanced":
        assert all(entry["title"][language] for language in LANGUAGES)
        assert values_in([entry["title"]["en"]]) == values_in([entry["title"]["de"]])
    sources = entry["rfc"].split("; ") if entry["rfc"] else []
    assert all(SOURCE.fullmatch(source) for source in sources)
    assert bool(sources) != (name in OUR_OWN)


def test_german_is_german() -> None:
    """No sentence was left in English, and nobody is called Oktett."""
    english = re.compile(r"\b(the|and|is|of|with|server's|this|not)\b")
    for section, name, entry in entries():
        for sentence in entry["de"]:
            assert not english.search(sentence), (section, name)
            assert "Oktett" not in sentence


def test_the_words_of_the_list_cover_what_is_told() -> None:
    """Every state has its words, and every difference between letter and envelope."""
    for language in LANGUAGES:
        words = WORDS[language]
        assert {f"state.{state}" for state in State} | {f"has.{state}" for state in State} <= words.keys()
        assert {f"difference.{kind}" for kind in Difference} <= words.keys()


def test_both_languages_of_the_traces_say_the_same() -> None:
    """The same keys in the same order, each with the same values."""
    assert [*WORDS["en"]] == [*WORDS["de"]]
    for key, text in WORDS["en"].items():
        assert values_in([text]) == values_in([WORDS["de"][key]]), key


def test_what_the_transcript_tells_is_an_event() -> None:
    """The words for records go by the names of events, and tell values that these have."""
    told = {key: text for key, text in WORDS["en"].items() if key in EVENTS}
    assert {"message.accepted", "message.stored", "delivery.deferred", "dns.answered", "bounce.created"} <= told.keys()
    for name, text in told.items():
        assert values_in([text]) <= {*EVENTS[name].keys, *ALWAYS, "time"}, name


def test_the_page_colours_all_that_the_picture_does() -> None:
    """A ladder in the page has a rule for whatever the picture's own style has one for."""
    ours = (STATIC / "traces.css").read_text("utf-8")
    selectors = {
        selector for rule in re.findall(r"([^{}]+)\{", STYLE.partition("@media")[0]) for selector in rule.split(",")
    }
    assert len(selectors) > 20
    assert {selector for selector in selectors if f"{selector} " not in ours and f"{selector}," not in ours} == set()
