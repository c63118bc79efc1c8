"""HTML from strangers, made harmless."""

from __future__ import annotations

import time
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maillab.web.mail_html import OUTSIDE_LIMIT_COUNT, clean_html

CANARY = "http://192.0.2.1/x"
HOSTILE_SIZE = 1 << 16
QUICK_SECONDS = 2.0  # each takes milliseconds; what takes square time takes minutes


@pytest.mark.parametrize(
    ("source", "body"),
    [
        ("<p>Hallo <b>Bob</b></p>", "<p>Hallo <b>Bob</b></p>"),
        ("1 < 2 & 3 > 2 &lt;b&gt;", "1 &lt; 2 & 3 &gt; 2 &lt;b&gt;"),
        ('<TABLE BGCOLOR="red"><tr><td colspan=2>x', '<table bgcolor="red"><tr><td colspan="2">x'),
        ("<html><head><title>x</title></head><body>y", "y"),
        ("a<!-- <b> -->b<!doctype html>c<?php x ?>d</ >e", "abcde"),
        ("<!-- never closed <b>", ""),
        ("<p title='a\"b&quot;c&amp;'>", '<p title="a&quot;b&quot;c&amp;">'),
        ('<p class="a" CLASS="b">', '<p class="a">'),
        ('<p =x class = "a"/>', '<p class="a">'),
        ("<p class='a", '<p class="&#x27;a">'),
        ("<script>alert(1)</script>x", "x"),
        ("<SCRIPT>alert('</p>')</SCRIPT >x", "x"),
        ("<scr<script>ipt>alert(1)</script>x", "ipt&gt;alert(1)x"),
        ("<script>never closed", ""),
        ("<video src=//x>a<embed src=//x>b", "ab"),
        ("<video src=//x>a</video>b<video>c", "bc"),
        ("<svg onload=alert(1)><script>x</script></svg>y", "y"),
        ("<math><mi xlink:href='data:x'></math>y", "y"),
        ("<p onclick=alert(1) ONLOAD='x' style='color: red'>", '<p style="color: red">'),
        ('<p/onclick="x"/class=a>', '<p class="a">'),
        (
            "<a href='https://x.example/?a=1&amp;b=2' target=_top>x</a>",
            '<a title="https://x.example/?a=1&amp;b=2">x</a>',
        ),
        ("<a href=javascript:alert(1)>x</a>", '<a title="javascript:alert(1)">x</a>'),
        (f'<img src="{CANARY}" srcset="{CANARY} 2x" alt="a cat">', '<img alt="a cat">'),
        ("<img src=data:image/svg+xml;base64,AAAA>", '<img alt="">'),
        ("<img src=data:text/html,x>", '<img alt="">'),
        ("<img src='data:image/gif;base64,R0lGOD=='>", '<img src="data:image/gif;base64,R0lGOD==" alt="">'),
        ("<form action=//x><input name=a value=b><button>c</button></form>", "c"),
        ("<base href=//x><meta http-equiv=refresh content='0;url=//x'><link rel=preconnect href=//x>y", "y"),
        ("<iframe src=//x></iframe><object data=//x>a</object><embed src=//x></embed>y", "y"),
        ("<style>p { color: red }</style>", "<style>p { color: red }</style>"),
        (
            f"<style>@import '{CANARY}'; p {{ background: url({CANARY}) }}</style>",
            "<style>none p { background: none }</style>",
        ),
        ("<style>@\\69mport '//x'; a{b:\\75rl(//x)}</style>", "<style>@69mport '//x'; a{b:75rl(//x)}</style>"),
        ("<style>a</style/>b</style >c", "<style>a</style>bc"),
        ("<p style='b:image-set(\"//x\" 1x);c:-webkit-image-set(url(//x) 1x)'>", '<p style="b:none;c:none 1x)">'),
        ("<style><!-- a<b { } --></style>", "<style>!-- ab { } --></style>"),
    ],
)
def test_what_is_harmless_stays(source: str, body: str) -> None:
    """Text, tables, colours and the pictures it brings; nothing that acts, and nothing that leads outside."""
    written = clean_html(source, {}).body
    assert written == body


def test_what_it_wanted_is_told() -> None:
    """Every address that a browser would have asked is named once, as far as there is room."""
    source = (
        "<img src=//a.example/1><img src=//a.example/1><body background=http://b.example/2>"
        "<link rel=stylesheet href=https://c.example/3><p style='background: url(\"http://d.example/4\")'>"
        "<meta http-equiv=refresh content='0; url=http://e.example/5'><iframe src=http://f.example/6></iframe>"
        "<a href=http://g.example/7>a link loads nothing</a><img src=cid:x><img src=data:image/png;base64,AA>"
    )
    assert clean_html(source, {}).outside == (
        "//a.example/1",
        "http://b.example/2",
        "https://c.example/3",
        "http://d.example/4",
        "0; url=http://e.example/5",
        "http://f.example/6",
    )
    many = "".join(f"<img src=//x/{n}>" for n in range(1000))
    assert len(clean_html(many, {}).outside) == OUTSIDE_LIMIT_COUNT


def test_a_page_is_whole() -> None:
    """The subject is its title, as text."""
    page = clean_html("<p>x", {}).page("</title><script>")
    assert "<title>&lt;/title&gt;&lt;script&gt;</title>" in page
    assert page.startswith("<!doctype html>")


@pytest.mark.parametrize(
    "piece",
    [
        *(
            "<",
            "<!",
            "<!--",
            "<a ",
            "<a x",
            "<a x=",
            '<a x="',
            "<a x='",
            "<a  ",
            "<a /",
            "<style>",
            "<title",
            "</",
            "&#x",
        ),
        *("<p style='url(", "<style>@import ", "<style>/*", "<style>src ", "<script></scrip", "<img src=//x ", "=\"'"),
        *("<video>", "<video", "<svg></sv"),
    ],
)
def test_nothing_takes_long(piece: str) -> None:
    """Whatever is repeated, and whatever stands behind it, is read once."""
    began = time.perf_counter()
    for tail in ("", piece[-1] * HOSTILE_SIZE, " " * HOSTILE_SIZE):
        clean_html(piece * (HOSTILE_SIZE // len(piece)) + tail, {})
    assert time.perf_counter() - began < QUICK_SECONDS


class Reader(HTMLParser):
    """Notes all elements and attributes, as somebody else reads them."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes.update((name, value or "") for name, value in attrs)


PIECES = st.sampled_from(
    [
        *(
            "<",
            ">",
            "</",
            "/",
            "'",
            '"',
            "=",
            " ",
            "\n",
            "\0",
            "<!--",
            "-->",
            "<![CDATA[",
            "]]>",
            "&lt;",
            "&#60;",
            "\\",
        ),
        *(
            "script",
            "style",
            "svg",
            "img",
            "p",
            "a",
            "iframe",
            "link",
            "onload",
            "src",
            "href",
            "x",
            "title",
            "textarea",
        ),
        *("javascript:alert(1)", CANARY, "url(", "@import", "<script>", "</style", "<p title=", "<a href="),
    ]
)


@given(st.lists(PIECES, max_size=60).map("".join))
def test_nothing_else_comes_out(source: str) -> None:
    """However it is cut and mixed: no element that acts, no handler, no reference, seen by another reader."""
    reader = Reader()
    reader.feed(clean_html(source, {}).body)
    assert not reader.elements & {"script", "svg", "iframe", "link", "textarea", "title"}
    assert not {name for name, _ in reader.attributes} & {"onload", "href"}
    assert not {name for name, value in reader.attributes if name == "src" and not value.startswith("data:image/")}
