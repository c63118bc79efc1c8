"""Labs, and the system's Chromium that looks at their pages.

Without playwright or Chromium these tests are skipped, and the summary says so; BROWSER_TESTS=required makes that a
failure.  A page that logs an error, throws one, or asks any other host for anything fails its test.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import pytest

from tests.browser.lab_process import BrowsedLab
from tests.interop.lab_process import with_free_ports

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, WebSocket

StartLab = Callable[..., BrowsedLab]
OpenPage = Callable[..., "Page"]

CHROMIUM: Final = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CHROMIUM_OPTIONS: Final = (
    "--no-sandbox",  # it will not run as root with one, and sees nothing but the lab
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WAIT_MILLISECONDS: Final = 20_000  # for what happens at once: it only bounds a test that hangs
LOCAL_SCHEMES: Final = {"data", "blob", "about"}


def _missing() -> str | None:
    if find_spec("playwright") is None or find_spec("axe_playwright_python") is None:
        return "playwright is not installed; pip install -e '.[browser]'"
    if CHROMIUM is None:
        return "Chromium is not installed; apt install chromium"
    return None


class _Unable(pytest.Module):
    """A module of tests for which something is missing; it is not even imported."""

    def collect(self) -> list[pytest.Item | pytest.Collector]:
        reason = _missing() or ""
        if os.environ.get("BROWSER_TESTS") == "required":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason, allow_module_level=True)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    if _missing() and module_path.name.startswith("test_"):
        module: pytest.Module = _Unable.from_parent(parent, path=module_path)
        return module
    return None


@pytest.fixture
def lab_process(tmp_path: Path) -> Iterator[StartLab]:
    """Starts labs: `lab_process("two-schools", "--data", folder, password=None)`; a path is taken for a lab file."""
    started: list[BrowsedLab] = []

    def start(lab: str | Path, *options: object, password: str | None = None) -> BrowsedLab:
        lab_file = tmp_path / f"lab-{len(started)}.toml"
        text = lab.read_text(encoding="utf-8") if isinstance(lab, Path) else with_free_ports(lab)
        lab_file.write_text(text, encoding="utf-8")
        started.append(BrowsedLab(lab_file, tuple(map(str, options)), password))
        return started[-1]

    try:
        yield start
        for lab in started:
            lab.stop()
    finally:
        for lab in started:
            lab.kill()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests; each page has a profile of its own."""
    from playwright.sync_api import expect, sync_playwright  # where it is missing, nobody comes here

    expect.set_options(timeout=WAIT_MILLISECONDS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*CHROMIUM_OPTIONS])
        yield browser
        browser.close()


class _Watch:
    """Notes what a page must not do."""

    def __init__(self, expected: str) -> None:
        self._expected = re.compile(expected) if expected else None
        self.faults: list[str] = []

    def console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._note(f"console: {message.text} ({message.location})")

    def crash(self, error: Exception) -> None:
        self._note(f"page error: {getattr(error, 'stack', None) or error}")

    def request(self, request: Request) -> None:
        self._look(request.url)

    def websocket(self, websocket: WebSocket) -> None:
        self._look(websocket.url)

    def response(self, response: Response) -> None:
        if response.status >= 500:
            self._note(f"{response.status}: {response.url}")

    def _look(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in LOCAL_SCHEMES and parts.hostname != "127.0.0.1":
            self.faults.append(f"request to another host: {url}")

    def _note(self, fault: str) -> None:
        if self._expected is None or not self._expected.search(fault):
            self.faults.append(fault)


@pytest.fixture
def browser_page(chromium: Browser) -> Iterator[OpenPage]:
    """Opens pages: `browser_page(locale="de-DE", width=1280, height=800, dark=False)`.

    `calm` asks for less motion, `touch` is a finger instead of a mouse, and `expected` is a pattern for the faults that
    belong to the test, such as a connection that is lost.
    """
    opened: list[tuple[Page, _Watch]] = []

    def open_page(
        locale: str = "de-DE",
        width: int = 1280,
        height: int = 800,
        *,
        dark: bool = False,
        calm: bool = False,
        touch: bool = False,
        expected: str = "",
    ) -> Page:
        context = chromium.new_context(
            locale=locale,
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce" if calm else "no-preference",
            has_touch=touch,
        )
        page, watch = context.new_page(), _Watch(expected)
        page.set_default_timeout(WAIT_MILLISECONDS)
        page.on("console", watch.console)
        page.on("pageerror", watch.crash)
        page.on("websocket", watch.websocket)
        context.on("request", watch.request)
        context.on("response", watch.response)
        opened.append((page, watch))
        return page

    yield open_page
    for page, _ in opened:
        page.context.close()
    assert [fault for _, watch in opened for fault in watch.faults] == []
