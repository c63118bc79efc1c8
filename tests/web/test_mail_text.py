"""The text of a message, for people."""

from __future__ import annotations

from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maillab.web.mail_text import TEXT_LIMIT_OCTETS, text_of


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"", ""),
        (b"Subject: x\r\n\r\nHallo\r\nBob\r\n", "Hallo\nBob\n"),
        (b"\r\nno header\r\n", "no header\n"),
        ("Subject: x\r\n\r\nGrüße\r\n".encode(), "Grüße\n"),
        ("Subject: x\r\n\r\nGrüße\r\n".encode("latin-1"), "Grüße\n"),
        (b"Content-Type: text/plain; charset=koi8-r\r\n\r\n\xf0\xd2\xc9", "При"),
        (b"Content-Type: text/plain; charset=nonsense\r\n\r\n\xc3\xa4", "ä"),
        (b"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=\r\n=DFe", None),
        (b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nSGFsbG8=\r\n", "Hallo"),
        (b"Content-Type: text/html\r\n\r\n<p>Hallo</p>", "<p>Hallo</p>"),
        (b"Content-Type: image/png\r\n\r\nxxx", ""),
    ],
)
def test_the_text_is_decoded(octets: bytes, text: str | None) -> None:
    """By its charset and its encoding; without a good one as UTF-8, else as Latin-1."""
    assert text_of(octets) == ("GrÃ¼ße" if text is None else text)


def test_plain_text_goes_before_html() -> None:
    """Of alternatives the plain one is shown, wherever it stands, and never an attachment."""
    message = EmailMessage()
    message.set_content("plain ä")
    message.add_alternative("<p>html</p>", subtype="html")
    message.add_attachment("attached", filename="a.txt")
    assert text_of(bytes(message)) == "plain ä\n"
    only_attached = EmailMessage()
    only_attached.set_content("<p>html</p>", subtype="html")
    only_attached.add_attachment("attached", filename="a.txt")
    assert text_of(bytes(only_attached)) == "<p>html</p>\n"


def test_parts_in_parts_in_parts_do_no_harm() -> None:
    """However deep a message is nested, something is shown."""
    head = "".join(f'Content-Type: multipart/mixed; boundary="{n}"\r\n\r\n--{n}\r\n' for n in range(3000))
    assert text_of(f"{head}\r\ntext".encode()).endswith("text")


def test_a_large_message_is_cut() -> None:
    """What nobody would read is not looked at."""
    assert len(text_of(b"Subject: x\r\n\r\n" + b"x" * 10 * TEXT_LIMIT_OCTETS)) < TEXT_LIMIT_OCTETS


@given(
    st.binary(max_size=400), st.sampled_from(["", "Content-Type: ", "Content-Transfer-Encoding: ", "MIME-Version: "])
)
def test_any_octets_have_a_text(octets: bytes, start: str) -> None:
    """Nothing that a message holds is an error."""
    text_of(start.encode() + octets).encode()
