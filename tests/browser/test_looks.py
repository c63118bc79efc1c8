"""Every view in every width and light: nothing that keeps anybody out, nothing that does not fit.

SCREENSHOTS=FOLDER keeps the pictures, for somebody to look at.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.interop.lab_process import with_free_ports

from .conftest import OpenPage, StartLab
from .lab_process import BrowsedLab

ANNA, NILS, BEN = "anna@nord.example", "nils@nord.example", "ben@sued.example"
VIEWS: Final[dict[str, Callable[[str], str]]] = {
    "network": lambda _: "",
    "replay": lambda trace: f"replay/{trace}",
    "traces": lambda _: "traces",
    "ladder": lambda trace: f"traces/{trace}",
    "desktop": lambda _: f"desktop/{ANNA}",
    "client": lambda _: f"desktop/{ANNA}/client",
    "mail": lambda _: f"desktop/{BEN}/mail",
    "mailboxes": lambda _: "mailboxes",
    "mailbox": lambda _: f"mailboxes/{BEN}",
    "message": lambda _: f"mailboxes/{BEN}/1",
    "queue": lambda _: "queue",
    "faults": lambda _: "faults",
}
SIZES: Final = {"wide": (1280, 800), "tablet": (1024, 768), "phone": (390, 844)}
GRAVE: Final = {"serious", "critical"}
BEYOND: Final = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
HTML_MAIL: Final = """From: Anna <anna@nord.example>
To: Ben <ben@sued.example>
Subject: Einladung zum Sommerfest
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary=b

--b
Content-Type: text/plain

Hallo Ben, kommst du?
--b
Content-Type: text/html

<h1>Hallo Ben</h1><p>kommst du?</p>
--b--
"""


# A school that asks who is new to come again: what waits there waits for an hour.
THIRD_SCHOOL: Final = """
[[domain]]
name = "west.example"
users = ["willi"]
smarthost = "relay.example"
smtp = "127.0.0.1:0"
greylist_seconds = 3600
"""


def busy_lab(lab_process: StartLab, folder: Path) -> tuple[BrowsedLab, str]:
    """A lab in which mail has arrived, has come back, and waits; gives the id of a trace across all servers too."""
    lab_file = folder / "three-schools.toml"
    schools = with_free_ports("two-schools").replace('relays_for = ["', 'relays_for = ["west.example", "')
    lab_file.write_text(schools.replace("after_seconds = [5,", "after_seconds = [") + THIRD_SCHOOL, encoding="utf-8")
    lab = lab_process(lab_file)
    trace: str = lab.send(ANNA, BEN, NILS, message=HTML_MAIL)["trace"]
    lab.wait_for("message.stored", mailbox=BEN)
    lab.send(ANNA, "bne@sued.example", subject="Tippfehler")
    lab.wait_for("message.stored", mailbox=ANNA)
    lab.send(ANNA, "willi@west.example", subject="Wann kommt ihr?")
    lab.wait_for("delivery.deferred")
    return lab, trace


def keep_picture(page: Page, name: str) -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_view_keeps_anybody_out(dark: bool, lab_process: StartLab, browser_page: OpenPage, tmp_path: Path) -> None:
    """axe-core finds no serious violation in any view, and none is wider than the screen."""
    lab, trace = busy_lab(lab_process, tmp_path)
    found: list[str] = []
    for size, (width, height) in SIZES.items():
        page = browser_page("de-DE", width, height, dark=dark, calm=True, touch=size != "wide")
        for view, place in VIEWS.items():
            page.goto(f"{lab.url}#/{place(trace)}")
            expect(page.locator(".view h1")).to_be_visible()
            page.wait_for_load_state("networkidle")
            keep_picture(page, f"{view}-{size}-{'dark' if dark else 'light'}")
            if (beyond := page.evaluate(BEYOND)) > 0:
                found.append(f"{view} {size}: {beyond} pixels too wide")
            for violation in Axe().run(page).response["violations"]:
                if violation["impact"] in GRAVE:
                    nodes = [node["html"][:200] for node in violation["nodes"][:3]]
                    found.append(f"{view} {size}: {violation['id']}: {violation['help']}: {nodes}")
    assert found == []


def test_the_form_for_the_password_is_one_of_the_page(lab_process: StartLab, browser_page: OpenPage) -> None:
    """Where a password is wanted, the page asks for it in its own looks, and goes on to the lab."""
    lab = lab_process("gartenparty", "--web-access", "password", password="geheim")
    for dark in (False, True):
        page = browser_page("de-DE", dark=dark, expected="401")
        page.goto(lab.url)
        expect(page.get_by_role("button")).to_contain_text("Anmelden")
        keep_picture(page, f"login-{'dark' if dark else 'light'}")
        assert [each["id"] for each in Axe().run(page).response["violations"] if each["impact"] in GRAVE] == []
        page.get_by_label("Passwort").fill("wrong")
        page.get_by_role("button").click()
        expect(page.get_by_role("alert")).to_contain_text("Das war nicht das Passwort.")
        page.get_by_label("Passwort").fill("geheim")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Netzwerk")
