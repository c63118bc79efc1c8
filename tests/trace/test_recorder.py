from __future__ import annotations

import unicodedata

import orjson
import pytest
import structlog
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from maillab.trace.drain import json_lines
from maillab.trace.record import Record
from maillab.trace.recorder import Recorder, escaped

NOON = 1_795_438_800.0  # 2026-11-23T13:00:00Z
any_text = st.text(st.characters(exclude_categories=()))  # lone surrogates as well


def recorder(*, memory: int = 1_000) -> Recorder:
    return Recorder("two-schools", "r8f3k2", lambda: NOON, memory=memory)


def only(records: Recorder) -> Record:
    (record,) = records.records
    return record


def test_a_record_says_which_run_when_and_where_first() -> None:
    """Keys come in the order in which people read: run, seq, at, event, lab, context, the rest."""
    records = recorder()
    log = records.bind(connection="c1", server="mail.nord.example").bind(transaction=1)
    log.record(
        "message.accepted",
        sender="anna@nord.example",
        recipients=("ben@sued.example",),
        hop=1,
        queue_id="1JD2V9XK3M4QZ-1-00",
        trace="1JD2V9XK3M4QZ",
    )
    assert list(only(records).items()) == [
        ("run", "r8f3k2"),
        ("seq", 1),
        ("at", "2026-11-23T13:00:00.000Z"),
        ("event", "message.accepted"),
        ("lab", "two-schools"),
        ("server", "mail.nord.example"),
        ("connection", "c1"),
        ("transaction", 1),
        ("trace", "1JD2V9XK3M4QZ"),
        ("queue_id", "1JD2V9XK3M4QZ-1-00"),
        ("hop", 1),
        ("sender", "anna@nord.example"),
        ("recipients", ["ben@sued.example"]),
    ]


def test_binding_further_leaves_the_first_log_as_it_was() -> None:
    """A transaction's log does not leak into its connection's."""
    records = recorder()
    connection = records.bind(server="mail.nord.example", connection="c1")
    connection.bind(transaction=1).record("smtp.command", verb="MAIL", line="MAIL FROM:<>")
    connection.record("smtp.command", verb="QUIT", line="QUIT")
    assert ["transaction" in record for record in records.records] == [True, False]


@pytest.mark.parametrize(
    ("event", "keys", "message"),
    [
        ("smtp.comand", {}, 'no event is called "smtp.comand"; did you mean "smtp.command"?'),
        ("250 Ok", {}, 'no event is called "250 Ok"; there are lab.ready, '),
        ("smtp.reply", {"verb": "EHLO"}, '"smtp.reply" does not carry verb; it may carry code, enhanced, line, server'),
        ("smtp.reply", {"seq": 7}, '"smtp.reply" does not carry seq; '),
        ("lab.stopped", {"lab": "x", "why": "y"}, '"lab.stopped" does not carry lab, why; '),
    ],
)
def test_what_is_not_in_the_list_is_refused_and_leaves_no_gap(
    event: str, keys: dict[str, object], message: str
) -> None:
    """Unknown events and keys are a ValueError that says what is known; the next record has the next number."""
    records = recorder()
    log = records.bind()
    log.record("lab.ready")
    with pytest.raises(ValueError, match=r"no event|does not carry") as caught:
        log.record(event, **keys)
    assert str(caught.value).startswith(message)
    log.record("lab.stopped")
    assert [record["seq"] for record in records.records] == [1, 2]


def test_a_bound_key_must_fit_the_event_too() -> None:
    """Context is for keys that every event may carry."""
    with pytest.raises(ValueError, match=r'"smtp.command" does not carry protocol'):
        recorder().bind(protocol="smtp").record("smtp.command", verb="QUIT", line="QUIT")


@pytest.mark.parametrize("value", [b"QUIT", object(), {1: 2}, {"a"}, 2**63, [b"QUIT"], {"a": [object()]}])
def test_what_json_does_not_have_is_refused(value: object) -> None:
    """Octets, objects and integers that no reader can take never get into a record."""
    records = recorder()
    with pytest.raises(TypeError, match="is no JSON value"):
        records.bind().record("smtp.command", line=value)
    assert not records.records


def test_a_record_does_not_change_with_the_list_it_was_made_of() -> None:
    """Lists are copied: a session may go on using its own."""
    records = recorder()
    recipients = ["ben@sued.example"]
    records.bind().record("message.accepted", recipients=recipients)
    recipients.clear()
    assert only(records)["recipients"] == ["ben@sued.example"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("QUIT\r\n", r"QUIT\r\n"),
        ("a\x00b\tc\x1b[2J", r"a\x00b\x09c\x1b[2J"),
        ("\x7f\x80\x9f", r"\x7f\x80\x9f"),
        ("\u2028\u2029", r"\u2028\u2029"),
        ("\udcff", r"\udcff"),
        ('größer als\u00a0\U0001f4e7 \\ "', 'größer als\u00a0\U0001f4e7 \\ "'),
    ],
)
def test_control_characters_are_shown_and_not_sent(text: str, shown: str) -> None:
    r"""CR and LF stand as \r and \n, others as \xNN or \uNNNN; what can be printed stays."""
    assert escaped(text) == shown


@given(any_text)
def test_any_text_becomes_one_line_of_json_that_changes_nothing_printable(text: str) -> None:
    """Whatever the wire brings, a record is one line of valid JSON without control characters."""
    records = recorder()
    records.bind(server=text).record("message.accepted", subject=text, recipients=[text, {"name": text}])
    octets = json_lines(records.records)
    assert octets.count(b"\n") == 1
    record = orjson.loads(octets)
    assert record == only(records)
    subject = record["subject"]
    assert record["server"] == subject
    assert record["recipients"] == [subject, {"name": subject}]
    unsafe = ("Cc", "Zl", "Zp", "Cs")  # control, line separator, paragraph separator, surrogate
    assert not [character for character in subject if unicodedata.category(character) in unsafe]
    if not any(unicodedata.category(character) in unsafe for character in text):
        assert subject == text


def test_connections_are_numbered() -> None:
    """Every connection of a run has an id of its own."""
    records = recorder()
    assert [records.new_connection() for _ in range(3)] == ["c1", "c2", "c3"]


def test_milliseconds_are_those_of_the_clock() -> None:
    """`at` is UTC with three digits, also where the second turns and where the clock goes back."""
    seconds = iter([0.0, 0.0009, 59.9994, 59.9996, NOON + 0.001, NOON - 0.001])
    records = Recorder("lab", "r1", lambda: next(seconds))
    for _ in range(6):
        records.bind().record("lab.ready")
    assert [record["at"] for record in records.records] == [
        "1970-01-01T00:00:00.000Z",
        "1970-01-01T00:00:00.001Z",
        "1970-01-01T00:00:59.999Z",
        "1970-01-01T00:01:00.000Z",
        "2026-11-23T13:00:00.001Z",
        "2026-11-23T12:59:59.999Z",
    ]


async def test_at_follows_mock_clock(autojump_clock: MockClock) -> None:
    """Under MockClock records carry the lab's time."""
    began = trio.current_time()
    records = Recorder("lab", "r1", lambda: NOON + trio.current_time() - began)
    records.bind().record("lab.ready")
    await trio.sleep(5 * 24 * 3600)
    records.bind().record("lab.stopped")
    assert [record["at"][:10] for record in records.records] == ["2026-11-23", "2026-11-28"]


@given(st.integers(1, 5), st.integers(0, 8), st.integers(0, 12), st.integers(-1, 15))
def test_after_gives_what_memory_still_has_of_this_run(memory: int, earlier: int, count: int, seq: int) -> None:
    """Only records of this run with a greater number, oldest first; an earlier run's stand before them."""
    records = recorder(memory=memory)
    records.load([{"run": "before", "seq": number} for number in range(1, earlier + 1)])
    for _ in range(count):
        records.bind().record("lab.ready")
    own = [number for number in range(1, count + 1) if number > count - memory]
    assert [record["seq"] for record in records.after(seq)] == [number for number in own if number > seq]
    everything = [("before", number) for number in range(1, earlier + 1)]
    everything += [("r8f3k2", number) for number in range(1, count + 1)]
    assert [(record["run"], record["seq"]) for record in records.records] == everything[-memory:]


def test_an_earlier_run_is_loaded_before_what_is_there() -> None:
    """Records of before go in front, as many of the latest as there is room for, and are told to listeners."""
    records = recorder(memory=3)
    heard: list[Record] = []
    records.bind().record("lab.ready")
    records.add_listener(heard.append)
    records.load({"run": "before", "seq": number} for number in (1, 2, 3))
    assert [record["seq"] for record in records.records] == [2, 3, 1]
    assert [record["seq"] for record in heard] == [2, 3]


def test_listeners_hear_each_record_once_until_they_are_removed() -> None:
    """An index is told at once and in order."""
    records = recorder()
    heard: list[Record] = []
    records.add_listener(heard.append)
    records.bind().record("lab.ready")
    records.bind().record("lab.stopped")
    records.remove_listener(heard.append)
    records.bind().record("lab.ready")
    assert heard == list(records.records)[:2]


def test_two_labs_share_no_state() -> None:
    """Each lab owns its recorder; structlog's global configuration is not touched."""
    one, other = recorder(), recorder()
    one.bind().record("lab.ready")
    assert [len(one.records), len(other.records), other.seq] == [1, 0, 0]
    assert not structlog.is_configured()
