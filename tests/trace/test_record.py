from __future__ import annotations

import re

from maillab.trace.record import CONTEXT_KEYS, EVENTS

ALWAYS = ("run", "seq", "at", "event", "lab")


def test_event_names_are_two_words_and_carry_no_values() -> None:
    """Who was concerned, a dot, what happened: fixed lower-case words."""
    assert [name for name in EVENTS if not re.fullmatch(r"[a-z0-9]+\.[a-z]+", name)] == []


def test_keys_are_snake_case_and_named_once() -> None:
    """No event names a key twice, nor one that every record has or that context gives."""
    for name, event in EVENTS.items():
        keys = (*ALWAYS, *CONTEXT_KEYS, *event.keys)
        assert len(keys) == len(set(keys)), name
        assert all(re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", key) for key in keys), name


def test_every_event_says_what_it_is() -> None:
    """Each has one short sentence for people, without a full stop, and no two have the same."""
    sentences = [event.says for event in EVENTS.values()]
    assert all(sentence and not sentence.endswith(".") for sentence in sentences)
    assert len(set(sentences)) == len(sentences)


def test_what_opens_and_ends_has_both_events() -> None:
    """A lab and a connection are seen to begin and to end."""
    assert {"lab.ready", "lab.stopped", "connection.opened", "connection.closed"} <= EVENTS.keys()
