"""The pictures of the page that stand in the README: `python -m tests.browser.pictures` takes them anew."""

from __future__ import annotations

import smtplib
import tempfile
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import CHROMIUM, CHROMIUM_OPTIONS
from tests.browser.lab_process import BrowsedLab
from tests.interop.lab_process import with_free_ports

PICTURES: Final = Path(__file__).parents[2] / ".pictures"
BETWEEN_TWO_SERVERS_MILLISECONDS: Final = 700  # a letter that has left is halfway then
WHAT_IS_NEW_FADES_MILLISECONDS: Final = 3000
ANNA, NILS, BEN = "anna@nord.example", "nils@nord.example", "ben@sued.example"
CAROL, ALICE = "carol@example.com", "alice@example.com"
ENVELOPE: Final = ("HELO carol", f"MAIL FROM:<{CAROL}>", f"RCPT TO:<{ALICE}>", "DATA")
LETTER: Final = "Subject: Einladung zur Gartenparty\r\n\r\nHallo Alice,\r\ngerne komme ich!\r\n.\r\n"


def started(lab: str, folder: Path) -> BrowsedLab:
    """The lab `lab` on free ports."""
    lab_file = folder / f"{lab}.toml"
    lab_file.write_text(with_free_ports(lab), encoding="utf-8")
    return BrowsedLab(lab_file, ())


def opened(browser: Browser, url: str) -> Page:
    """A page of the size of a small laptop, in English."""
    page = browser.new_page(viewport={"width": 1280, "height": 760}, locale="en-GB")
    page.goto(url)
    page.get_by_role("heading", level=1).wait_for()
    return page


def take_network(browser: Browser, folder: Path) -> None:
    """A letter between the relay and Ben's server, and others that have arrived or wait."""
    lab = started("two-schools", folder)
    try:
        lab.send(ANNA, NILS, subject="Hausaufgaben")
        lab.send(BEN, ANNA, subject="Schulfest")
        lab.wait_for("message.stored", mailbox=ANNA)
        sent = lab.send(ANNA, BEN, subject="Einladung")
        lab.wait_for("message.stored", mailbox=BEN)
        page = opened(browser, f"{lab.url}#/replay/{sent['trace']}")
        page.locator(".net-told").get_by_text("relay.example").wait_for()
        page.wait_for_timeout(BETWEEN_TWO_SERVERS_MILLISECONDS)
        page.screenshot(path=PICTURES / "network.png")
    finally:
        lab.kill()


def take_ladder(browser: Browser, folder: Path) -> None:
    """The lesson's mail as a ladder, and what its 354 means."""
    lab = started("gartenparty", folder)
    try:
        with smtplib.SMTP(*lab.smtp("mail.example.com")) as client:
            for line in ENVELOPE:
                client.docmd(line)
            client.send(LETTER)
            client.getreply()
            client.docmd("QUIT")
            client.close()
        trace = lab.wait_for("message.stored", mailbox=ALICE)["trace"]
        page = opened(browser, f"{lab.url}#/traces/{trace}")
        page.get_by_role("button", name="Unfold all").click()
        page.locator(".maillab-ladder .step", has_text="354 End data").click()
        page.locator(".explanation").get_by_text("RFC 5321").wait_for()
        page.wait_for_timeout(WHAT_IS_NEW_FADES_MILLISECONDS)
        page.screenshot(path=PICTURES / "ladder.png")
    finally:
        lab.kill()


def main() -> None:
    """Take all of them."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*CHROMIUM_OPTIONS])
        take_network(browser, Path(folder))
        take_ladder(browser, Path(folder))
        browser.close()


if __name__ == "__main__":
    main()
