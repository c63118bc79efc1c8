"""Enhanced status codes (RFC 3463)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maillab.mail.status import MEANINGS, EnhancedStatus, split_reply_text


@given(st.sampled_from([2, 4, 5]), st.integers(0, 999), st.integers(0, 999))
@settings(deadline=None)
def test_a_status_comes_back_from_its_text(class_: int, subject: int, detail: int) -> None:
    """What str() writes, parse() reads."""
    status = EnhancedStatus(class_, subject, detail)
    assert EnhancedStatus.parse(str(status)) == status


@pytest.mark.parametrize(
    "text",
    ["", "5", "5.1", "5.1.1.1", "3.1.1", "5.1.1 ", "5.01.1", "5.1.1000", "5.1_0.1", "5.1.\u0661", "5.1.1\n", "-5.1.1"],
)
def test_what_is_no_status_is_none(text: str) -> None:
    """Only ASCII digits, three numbers, class 2, 4 or 5 and no leading zero make a status."""
    assert EnhancedStatus.parse(text) is None


@pytest.mark.parametrize(
    ("text", "status", "rest"),
    [
        ("2.1.0 Ok", EnhancedStatus(2, 1, 0), "Ok"),
        ("5.1.1  <ben@sued.example>: who?", EnhancedStatus(5, 1, 1), "<ben@sued.example>: who?"),
        ("2.0.0", EnhancedStatus(2, 0, 0), ""),
        ("Sender OK", None, "Sender OK"),
        ("5.1 is late", None, "5.1 is late"),
        ("", None, ""),
    ],
)
def test_reply_text_is_parted(text: str, status: EnhancedStatus | None, rest: str) -> None:
    """A status in front is taken off; text without one stays whole."""
    assert split_reply_text(text) == (status, rest)


@given(st.text())
@settings(deadline=None)
def test_any_reply_text_is_parted(text: str) -> None:
    """Whatever a server answers, the rest is the end of what it said."""
    _, rest = split_reply_text(text)
    assert text.endswith(rest)


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        ("5.1.1", "Bad destination mailbox address"),
        ("4.1.1", "Bad destination mailbox address"),
        ("5.4.6", "Routing loop detected"),
        ("5.1.99", "Other address status"),
        ("5.99.1", "Other undefined status"),
    ],
)
def test_a_status_says_what_it_means(status: str, meaning: str) -> None:
    """An unknown detail means what its subject means, an unknown subject anything."""
    parsed = EnhancedStatus.parse(status)
    assert parsed is not None
    assert parsed.meaning == meaning


def test_every_subject_has_a_general_meaning() -> None:
    """Each subject of the table has its detail 0."""
    assert {subject for subject, _ in MEANINGS} == {subject for subject, detail in MEANINGS if detail == 0}
