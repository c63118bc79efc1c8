"""What commands print."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maillab.cli.output import harmless_json, harmless_text, show_table


@given(st.text())
def test_json_is_harmless_and_the_same(text: str) -> None:
    """A terminal obeys nothing in it, and a program reads what was meant."""
    printed = harmless_json([{text: text}])
    assert json.loads(printed) == [{text: text}]
    assert not any(ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0 or char in "\u2028\u202e\u2066" for char in printed)


def test_text_keeps_its_lines_and_nothing_else_that_moves_the_cursor() -> None:
    """Lines stay lines, tabs become spaces, the rest is written out."""
    assert harmless_text("one\r\n\ttwo\x1b[2J\n") == "one\n        two\\x1b[2J"


def test_a_table_shows_text_and_never_obeys_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What looks like markup of Rich is shown; control characters are written out; nothing is cut off."""
    monkeypatch.setenv("COLUMNS", "40")
    long_word = "abcdefghijklmnopqrstuvwxyz" * 3
    show_table(
        ("Subject", "Trace"),
        [("[red]a\x1b[31m :smile:", "1JD2V9XK3M4QZ"), (long_word, None)],
        nothing="",
        whole="Trace",
    )
    printed = capsys.readouterr().out
    assert "[red]a\\x1b[31m" in printed
    assert ":smile:" in printed
    assert "1JD2V9XK3M4QZ" in printed
    assert "".join(filter(str.islower, printed)).endswith(long_word)


def test_an_empty_table_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Where there is no row, the heading is left out too, and words say so."""
    show_table(("Queue id", "To"), [], nothing="nothing waits\x1b[2J")
    assert capsys.readouterr().out == "nothing waits\\x1b[2J\n"


def test_a_table_too_wide_for_its_terminal_becomes_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No column is squeezed until nobody can read it; a row that goes on with the one before stands close to it."""
    headings = ("Id", "From", "To", "Said")
    rows = [
        ("1JD2V9XK3M4QZ-1-00", "<anna@nord.example>", "ben@sued.example", "451 later\n(greylisting)"),
        ("", "", "berta@sued.example", None),
        ("1JD2V9XK3M4QZ-1-01", "<>", "[red]x\x1b[31m", None),
    ]
    monkeypatch.setenv("COLUMNS", "55")
    show_table(headings, rows, nothing="", whole="Id")
    assert capsys.readouterr().out.startswith("┏")
    monkeypatch.setenv("COLUMNS", "54")
    show_table(headings, rows, nothing="", whole="Id")
    assert capsys.readouterr().out.splitlines() == [
        "Id    1JD2V9XK3M4QZ-1-00",
        "From  <anna@nord.example>",
        "To    ben@sued.example",
        "Said  451 later",
        "      (greylisting)",
        "To    berta@sued.example",
        "",
        "Id    1JD2V9XK3M4QZ-1-01",
        "From  <>",
        "To    [red]x\\x1b[31m",
    ]
