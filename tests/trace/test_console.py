"""The console form: one record, one line, nothing in it that a terminal would obey."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maillab.trace.console import console_line
from maillab.trace.record import EVENTS
from tests.trace import scenes
from tests.trace.scribe import Scribe

SGR = re.compile(r"\x1b\[\d*m")


def test_sides_are_named_in_words() -> None:
    """Commands are the Client's, replies the Server's; time, server and connection stand before them."""
    lines = [console_line(record, colour=False) for record in scenes.two_schools().records]
    assert lines[1:4] == [
        "13:00:00.002  mail.nord.example  c1  connected from 127.0.0.1:50312 (smtp)",
        "13:00:00.003  mail.nord.example  c1  Server: 220 mail.nord.example ESMTP maillab",
        "13:00:00.004  mail.nord.example  c1  Client: EHLO anna-pc",
    ]
    assert (
        "13:00:00.031  mail.nord.example  1JD2V9XK3M4QZ  deferred, again in 5 s, for ben@sued.example, "
        "berta@sued.example: connection refused by relay.example (172.16.3.1:25)" in lines
    )


def test_the_lab_itself_is_told_in_words() -> None:
    """Its beginning and its end."""
    scribe = Scribe()
    scribe.lab(mail_nord_example=["nord.example"])
    scribe.write("lab.stopped")
    assert [console_line(record, colour=False) for record in scribe.records] == [
        "13:00:00.001  lab test is ready: mail.nord.example",
        "13:00:00.002  lab test has stopped",
    ]


def test_colour_adds_nothing_but_colour() -> None:
    """Without its colour sequences a coloured line is the plain one."""
    for record in scenes.fan_out().records:
        assert SGR.sub("", console_line(record, colour=True)) == console_line(record, colour=False)


@pytest.mark.parametrize(("reply", "colour"), [("250 Ok", ""), ("451 later", "\x1b[33m"), ("550 no", "\x1b[31m")])
def test_refusals_are_seen_by_their_colour(reply: str, colour: str) -> None:
    """4yz is yellow, 5yz red, what goes well stays plain."""
    scribe = Scribe()
    scribe.write("smtp.reply", server="a.example", connection="c1", code=int(reply[:3]), line=reply)
    assert f"  {colour}Server: {reply}" in console_line(scribe.records[0], colour=True)


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_has_a_line_even_without_its_own_keys(event: str) -> None:
    """The closed list is covered; a record that lacks a key is shown, not crashed on."""
    scribe = Scribe()
    scribe.write(event, server="a.example", line="")
    assert console_line(scribe.records[0], colour=False).startswith("13:00:00.001  ")


@given(st.text(), st.booleans())
def test_nobody_moves_the_cursor(text: str, colour: bool) -> None:
    """Escape sequences, line ends and overrides from the wire are written out."""
    scribe = Scribe()
    scribe.write("smtp.command", server="a.example", connection="c1", verb="NOOP", line=text)
    assert SGR.sub("", console_line(scribe.records[0], colour)).isprintable()
