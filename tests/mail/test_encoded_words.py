"""Encoded words (RFC 2047)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maillab.mail.encoded_words import decode_words


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        ("Einladung", "Einladung"),
        ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ("=?UTF-8?B?R3LDvMOfZQ==?= von =?ISO-8859-1?Q?Andr=E9_?=", "Grüße von André "),
        ("=?utf-8?b?R3LDvMOfZQ?=", "Grüße"),
        ("=?utf-8?q?Gr=C3?=\r\n =?utf-8?q?=BC=C3=9Fe?=", "Grüße"),
        ("=?us-ascii*en?Q?Keith_Moore?=", "Keith Moore"),
        ("(=?iso-8859-1?q?a?= =?utf-8?q?b?=) c", "(ab) c"),
        ("=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本"),
        ("a =?utf-8?q?b", "a =?utf-8?q?b"),
    ],
)
def test_encoded_words_are_decoded(text: str, decoded: str) -> None:
    """White space between encoded words goes, other text stays, a character cut in two is made whole."""
    assert decode_words(text) == decoded


@pytest.mark.parametrize(
    "text",
    [
        "=?klingon?q?qapla?=",
        "=?rot13?q?uryyb?=",
        "=?zlib?b?eJwDAAAAAAE=?=",
        "=?punycode?q?a-b?=",
        "=?unicode_escape?q?=5Cd?=",
        "=?undefined?q?a?=",
        "=?utf-8?b?a?=",
        "=?utf-8?q?ü?=",
    ],
)
def test_what_cannot_be_decoded_stays(text: str) -> None:
    """A charset that no mail is written in, or broken base64, is shown as it stands."""
    assert decode_words(text) == text


@given(
    st.text()
    | st.lists(st.sampled_from(["=?", "?=", "?", "utf-8", "*", "q", "b", "=C3", " ", "\r\n", "A", "ü"])).map("".join)
)
@settings(deadline=None)
def test_any_text_can_be_decoded(text: str) -> None:
    """Whatever stands in a header, decoding gives text and nothing is raised."""
    decode_words(text)


def test_much_text_is_decoded() -> None:
    """A million words, or openings of words without an end, are read once."""
    assert decode_words("=?utf-8?q?a?= " * 100_000) == "a" * 100_000 + " "
    for text in ("=?" * 500_000, "=?a" * 300_000, "=?utf-8?q?" * 100_000, "=?utf-8?q?a?=" + " " * 1_000_000):
        assert len(decode_words(text)) <= len(text)
