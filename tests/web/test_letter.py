"""A message as the page shows it: contents, names of files, and where this copy has been."""

from __future__ import annotations

import base64
import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maillab.mail.parts import TEXT_LIMIT_OCTETS, Part, Parts
from maillab.web.letter import NAME_LIMIT, PICTURES_LIMIT_OCTETS, Letter, disposition, file_name


def named(name: str, kind: str = "application/x") -> Part:
    return Part("2", kind, "", True, name, "", "", b"")


@pytest.mark.parametrize(
    ("given_name", "name"),
    [
        ("report.pdf", "report.pdf"),
        ("Grüße aus Köln.pdf", "Grüße aus Köln.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\win.ini", "win.ini"),
        ("/", "part-2.bin"),
        ("..", "part-2.bin"),
        (".bashrc", "bashrc"),
        (" x. ", "x"),
        ('a"b<c>d|e?f*g:h', "a_b_c_d_e_f_g_h"),
        ("a\r\nSet-Cookie: x=1.txt", "a__Set-Cookie_ x=1.txt"),
        ("fdp.\u202eexe", "fdp._exe"),
        ("con", "con_"),
        ("NUL.txt", "NUL_.txt"),
        ("console.txt", "console.txt"),
        ("x" * 300 + ".pdf", "x" * (NAME_LIMIT - 4) + ".pdf"),
        ("x" * 300, "x" * NAME_LIMIT),
        ("x." + "y" * 300, "x." + "y" * (NAME_LIMIT // 4)),
        ("\ud800", "_"),
    ],
)
def test_a_file_name_is_no_path_and_no_trick(given_name: str, name: str) -> None:
    """What is saved has a name that every system takes, and that looks like what it is."""
    assert file_name(named(given_name)) == name


def test_a_file_without_a_name_gets_one() -> None:
    """By its number and, where it is known, its type."""
    assert file_name(named("", "message/rfc822")) == "part-2.eml"
    assert file_name(named("", "evil/../x")) == "part-2.bin"


@given(st.text())
def test_any_name_stands_in_a_header(given_name: str) -> None:
    """In ASCII for old readers and in full for the others (RFC 6266), and nothing ends the header or the quotes."""
    name = file_name(named(given_name))
    assert 0 < len(name) <= NAME_LIMIT + 1
    value = disposition(name)[1]
    form = re.fullmatch(r"attachment; filename=\"([ !#-\[\]-~]*)\"; filename\*=UTF-8''([A-Za-z0-9._~%-]*)", value)
    assert form
    assert "%" not in form[1]
    assert unquote(form[2], errors="strict") == name


def letter(*parts: bytes) -> Letter:
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts)
    return Letter(b'Subject: x\r\nContent-Type: multipart/related; boundary="b"\r\n\r\n' + body + b"--b--\r\n")


def test_pictures_that_it_brings_are_shown() -> None:
    """A picture goes by its Content-ID (RFC 2392); one that is none, or of a type that can do more, does not."""
    html = b'Content-Type: text/html\r\n\r\n<img src="cid:a%40b"><img src=cid:svg><img src=cid:none>'
    picture = b"Content-Type: image/png\r\nContent-ID: <a@b>\r\n\r\nPNG"
    svg = b"Content-Type: image/svg+xml\r\nContent-ID: <svg>\r\n\r\n<svg onload=alert(1)>"
    opened = letter(html, picture, svg)
    assert opened.html is not None
    inside = base64.b64encode(b"PNG").decode()
    assert opened.html.body == f'<img src="data:image/png;base64,{inside}" alt=""><img alt=""><img alt="">'
    assert [each["part"] for each in opened.contents()["attachments"]] == ["2", "3"]
    too_large = letter(html, picture.replace(b"PNG", b"P" * (PICTURES_LIMIT_OCTETS + 1)))
    assert too_large.html is not None
    assert "data:" not in too_large.html.body


def test_a_long_source_is_cut() -> None:
    """The beginning is shown, whatever its charset, and no character is cut in two."""
    assert Letter("\r\nä".encode()).source == "\r\nä"
    assert Letter("\r\nä".encode("latin-1")).source == "\r\nä"
    assert Letter("€".encode() * TEXT_LIMIT_OCTETS).source == "€" * (TEXT_LIMIT_OCTETS // 3)


def test_a_line_that_anybody_could_have_written_is_not_certain() -> None:
    """Without a trace that knows it, a Received line is only what it says; one that says nothing is told as such."""
    lines = b"Received: from a (b [192.0.2.1]) by c with ESMTP id X-1-00; Thu, 01 Jan 2026 00:00:00 +0000\r\n"
    path = [*Letter(lines + b"Received: nothing\r\n\r\n").path(None)]
    assert path == [
        {"host": None, "certain": False},
        {
            "host": "c",
            "certain": False,
            "queue_id": "X-1-00",
            "at": None,
            "date": "Thu, 01 Jan 2026 00:00:00 +0000",
            "from": "a",
            "from_comment": "b [192.0.2.1]",
            "with": "ESMTP",
        },
    ]


@given(st.binary(max_size=400))
def test_any_octets_can_be_shown(octets: bytes) -> None:
    """Nothing that a message holds is an error."""
    opened = Letter(octets)
    assert opened.contents()["text"] == opened.text
    assert len([*opened.path(None)]) == opened.message.hop_count
    assert len(opened.source) <= max(len(octets), 1)
    assert Parts.of(octets).parts[0] == opened.part(Parts.of(octets).parts[0].number)
