"""The table of routes: every path means what it says, and none leads out of the table."""

from __future__ import annotations

import re

import pytest
import trio.testing

from maillab.web.pages import static_files
from maillab.web.routes import ROUTES, WEBSOCKET

from .visit import open_house

OUTWARD = (
    "..",
    ".",
    "%2e%2e",
    "..%2f..%2f..%2fetc%2fpasswd",
    "....//",
    "%2fetc%2fpasswd",
    "/etc/passwd",
    "..%5c..%5cwin.ini",
    "%00",
    "style.css%00.html",
    "style.css/",
    "__init__.py",
    "~root",
    "'%20OR%201=1--",
    "9" * 30,
    "%D9%A1",  # a digit, but none of ours
    "%EF%BC%8F",
    "%25%32%65",
    "",
)


def test_every_path_finds_its_own_route() -> None:
    """A pattern is a path, and no two routes of one method match the same."""
    for route in ROUTES:
        assert re.fullmatch(r"/|(/[a-z.]+|/\{[a-z_]+\})+", route.pattern)
        segments = tuple(route.pattern[1:].split("/"))
        assert [each for each in ROUTES if each.method == route.method and each.match(segments) is not None] == [route]


@pytest.mark.parametrize(
    "pattern", [route.pattern for route in ROUTES if "{" in route.pattern and route.method != WEBSOCKET]
)
async def test_no_path_leads_out(pattern: str, autojump_clock: trio.testing.MockClock) -> None:
    """Whatever stands where a name is expected, it is looked up in a table and not found."""
    method = next(route.method for route in ROUTES if route.pattern == pattern)
    async with open_house() as house, house.visitor() as visitor:
        for evil in OUTWARD:
            for mailbox in (evil, "nils@nord.example"):
                path = pattern.replace("{address}", mailbox)
                if "{" in path or mailbox == evil:
                    answer = await visitor.ask(re.sub(r"\{\w+\}", lambda _: evil, path), method)  # noqa: B023
                    assert (answer.status, answer.headers["content-type"]) == (404, "application/json")


async def test_files_are_those_of_the_package(autojump_clock: trio.testing.MockClock) -> None:
    """Every file of the page is served with its type, and asked for again when it has changed."""
    async with open_house() as house, house.visitor() as visitor:
        assert {"index.html", "login.html", "app.js", "style.css", "icon.svg"} <= static_files().keys()
        for name, file in static_files().items():
            answer = await visitor.ask(f"/static/{name}")
            assert (answer.status, answer.body) == (200, file.body)
            assert (answer.headers["content-type"], answer.headers["cache-control"]) == (file.content_type, "no-cache")
        assert (await visitor.ask("/")).body == static_files()["index.html"].body


async def test_nothing_is_guessed_and_nothing_leaks(autojump_clock: trio.testing.MockClock) -> None:
    """Every answer tells browsers to take its type as it is, to run the page's own scripts only, and to tell nobody."""
    async with open_house() as house, house.visitor() as visitor:
        files = [f"/static/{name}" for name in static_files()]
        for path in ("/", "/login", "/api/lab/lab", "/nowhere", "/api/lab/traces", *files):
            headers = (await visitor.ask(path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == ("same-origin" if path == "/login" else "no-referrer")
            assert headers["cross-origin-resource-policy"] == "same-origin"
            assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; ")
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["date"] == "Thu, 01 Jan 2026 00:00:00 GMT"


def test_pages_keep_to_their_policy() -> None:
    """No inline script, style or handler, and nothing from anywhere else."""
    for name, file in static_files().items():
        assert isinstance(file.body, bytes)
        text = file.body.decode()
        if name.endswith(".html"):
            assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|javascript:", text)
            for reference in re.findall(r'(?:src|href|action)="([^"]*)"', text):
                here = reference.startswith("#") or reference == "/login"
                assert here or reference.removeprefix("/static/") in static_files()
        if name.endswith(".js"):
            for imported in re.findall(r'(?:from |import\()"([^"]*)"', text):
                assert imported.removeprefix("/static/") in static_files()
        assert "innerHTML" not in text
        assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text) == []
