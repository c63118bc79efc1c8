"""Mailboxes, messages and the queue, as people look at them."""

from __future__ import annotations

import base64
import re
import smtplib
import socket
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import expect

from .conftest import OpenPage, StartLab
from .lab_process import BrowsedLab

ANNA, NILS, BEN = "anna@nord.example", "nils@nord.example", "ben@sued.example"
FAR: Final = "carol@far.example"
LETTERS_COUNT: Final = 1500
ROWS_LIMIT_COUNT: Final = 60  # of a windowed list that are in the document at a time
QUEUE_LAB: Final = """
[lab]
name = "queue"
[[domain]]
name = "nord.example"
users = ["anna", "nils"]
smtp = "127.0.0.1:0"
submission = "127.0.0.1:0"
submissions = "127.0.0.1:0"
[[foreign]]
host = "mail.far.example"
domains = ["far.example"]
smtp = "127.0.0.1:{port}"
[retry]
after_seconds = [540]
give_up_after_seconds = 432000
warn_after_seconds = 432000
[dns]
listen = "127.0.0.1:0"
"""

THERE_LAB: Final = """
[lab]
name = "there"
[[domain]]
name = "far.example"
users = ["carol"]
smtp = "127.0.0.1:{port}"
submission = "127.0.0.1:0"
submissions = "127.0.0.1:0"
[dns]
listen = "127.0.0.1:0"
"""


def whole_letter() -> bytes:
    """A letter with everything: HTML beside its text, a picture of its own and one from elsewhere, and files."""
    letter = EmailMessage(SMTP)
    letter["From"] = "Anna Müller <anna@nord.example>"
    letter["To"] = BEN
    letter["Subject"] = "Grüße vom Gartenfest"
    letter.set_content("Lieber Ben,\n\nkommst du am Samstag?\n")
    letter.add_alternative(
        "<h2>Lieber Ben,</h2><p style='color: #17683a'>kommst du am <b>Samstag</b>?</p>"
        "<a href='https://example.org/there'>Mehr</a><img src='https://tracker.example/1.gif' alt='Bild'>",
        subtype="html",
    )
    letter.add_attachment(b"\x00\x01PDF", "application", "pdf", filename="../Einladung für Ben.pdf")
    letter.add_attachment("<script>alert(1)</script>", subtype="html", filename="seite.html")
    return bytes(letter)


def send_whole(lab: BrowsedLab, octets: bytes, to: str = BEN) -> None:
    """Send a letter as it is, and wait until it is there."""
    trace = lab.send(ANNA, to, message_base64=base64.b64encode(octets).decode())["trace"]
    lab.wait_for("message.stored", trace=trace)


def test_mailboxes_count_what_comes(lab_process: StartLab, browser_page: OpenPage) -> None:
    """All mailboxes are there with their counts; a letter is counted as it arrives, and as new until it was opened."""
    lab = lab_process("two-schools")
    page = browser_page("en-GB")
    page.goto(f"{lab.url}#/mailboxes")
    nils = page.locator("main").get_by_role("link").filter(has_text=NILS)
    expect(nils).to_contain_text("0 letters")
    lab.send(ANNA, NILS, subject="First")
    expect(nils).to_contain_text("one letter")
    expect(nils).to_contain_text("one new")
    nils.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(NILS)
    lab.send(ANNA, NILS, subject="Second", body="What is in it")
    rows = page.get_by_role("listitem").get_by_role("link")
    expect(rows.first).to_contain_text("New: Second")
    expect(page.get_by_role("status").filter(has_text="2 letters")).to_have_text("2 letters · 2 new")
    rows.first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Second")
    expect(page.get_by_role("tabpanel")).to_have_text("What is in it")
    page.get_by_role("link", name="Older").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("First")
    page.get_by_role("link", name=NILS).click()
    expect(page.get_by_role("status").filter(has_text="2 letters")).to_have_text("2 letters")
    page.get_by_label("Search subject").fill("seco")
    expect(rows).to_have_count(1)
    page.get_by_label("Search subject").fill("nothing like it")
    expect(page.get_by_text("No letter has these words.")).to_be_visible()


def test_a_full_mailbox_stays_quick(lab_process: StartLab, browser_page: OpenPage) -> None:
    """Of many letters only those that are seen are in the document; End leads to the oldest one."""
    lab = lab_process("two-schools")
    host, port = lab.smtp("mail.nord.example")
    with smtplib.SMTP(host, port) as client:
        for number in range(1, LETTERS_COUNT + 1):
            client.sendmail(ANNA, NILS, f"Subject: Letter {number}\r\n\r\n")
    page = browser_page("en-GB")
    page.goto(f"{lab.url}#/mailboxes/{NILS}")
    rows = page.get_by_role("listitem").get_by_role("link")
    expect(rows.first).to_contain_text(f"Letter {LETTERS_COUNT}")
    assert rows.count() < ROWS_LIMIT_COUNT
    rows.first.focus()
    page.keyboard.press("End")
    expect(page.locator(":focus .letter-row-subject")).to_have_text("New: Letter 1")
    assert rows.count() < ROWS_LIMIT_COUNT
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Letter 1")


def test_a_letter_is_looked_at_from_all_sides(lab_process: StartLab, browser_page: OpenPage) -> None:
    """Text, HTML in its frame, files, header, source, and the way of this copy; by the arrow keys too, in German."""
    lab = lab_process("two-schools")
    send_whole(lab, whole_letter())
    page = browser_page(expected="Blocked script execution")  # the test's own, which looks into the frame
    page.goto(f"{lab.url}#/mailboxes/{BEN}/1")
    expect(page.get_by_role("heading", level=1)).to_have_text("Grüße vom Gartenfest")
    assert page.title().startswith("Grüße vom Gartenfest · ")
    expect(page.locator("dd").first).to_have_text("Anna Müller <anna@nord.example>")
    panel = page.get_by_role("tabpanel")
    expect(panel).to_contain_text("kommst du am Samstag?")
    page.get_by_role("tab", name="Text", exact=True).focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="HTML")).to_be_focused()
    frame = page.frame_locator("iframe")
    expect(frame.locator("h2")).to_have_text("Lieber Ben,")
    expect(frame.locator("b")).to_have_text("Samstag")
    assert frame.locator("p").evaluate("p => getComputedStyle(p).color") == "rgb(23, 104, 58)"
    expect(frame.locator("a")).to_have_attribute("title", "https://example.org/there")
    frame.locator("a").click()
    assert [each.url.partition("/api/")[2] for each in page.frames[1:]] == [
        f"lab/mailboxes/{BEN.replace('@', '%40')}/messages/1/html"
    ]
    page.get_by_text("wollte etwas von außen laden").click()
    expect(panel.get_by_text("https://tracker.example/1.gif")).to_be_visible()

    page.get_by_role("tab", name="Anhänge (2)").click()
    for link, name, octets in (
        ("Einladung für Ben.pdf speichern", "Einladung für Ben.pdf", b"\x00\x01PDF"),
        ("seite.html speichern", "seite.html", b"<script>alert(1)</script>\r\n"),
    ):
        with page.expect_download() as download:
            page.get_by_role("link", name=link).click()
        assert download.value.suggested_filename == name
        assert Path(download.value.path()).read_bytes() == octets
    expect(page.get_by_role("heading", level=1)).to_have_text("Grüße vom Gartenfest")

    page.get_by_role("tab", name="Kopfzeilen").click()
    expect(panel.get_by_role("row").nth(1)).to_contain_text("Return-Path")
    expect(panel.get_by_role("row").filter(has_text="Received")).to_have_count(3)
    page.get_by_role("tab", name="Quelltext").click()
    expect(panel).to_contain_text("Content-Disposition: attachment")
    with page.expect_download() as download:
        page.get_by_role("link", name="Als Datei speichern").click()
    assert download.value.suggested_filename == "1.eml"

    page.keyboard.press("Shift+Tab")
    page.get_by_role("tab", name="Quelltext").focus()
    page.keyboard.press("End")
    hops = panel.get_by_role("listitem")
    expect(hops).to_have_count(4)
    for hop, host in zip(hops.all(), ("mail.nord.example", "relay.example", "mail.sued.example", BEN), strict=True):
        expect(hop).to_contain_text(host)
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("tab", name="Path")).to_have_attribute("aria-selected", "true")
    trace = lab.wait_for("message.stored")["trace"]
    page.get_by_role("link", name="Show the whole trace").click()
    expect(page).to_have_url(f"{lab.url}#/traces/{trace}")


def test_a_letter_that_lies_about_its_way_is_found_out(lab_process: StartLab, browser_page: OpenPage) -> None:
    """A Received line that somebody has typed is shown as what it is."""
    lab = lab_process("two-schools")
    line = b"Received: from x by mail.evil.example with ESMTP id ABC; Thu, 01 Jan 1970 00:00:00 +0000\r\n"
    send_whole(lab, line + b"Subject: lies\r\n\r\n", NILS)
    page = browser_page("en-GB")
    page.goto(f"{lab.url}#/mailboxes/{NILS}/1")
    page.get_by_role("tab", name="Path").click()
    hops = page.get_by_role("tabpanel").get_by_role("listitem")
    expect(hops.nth(0)).to_contain_text("only says so")
    expect(hops.nth(1)).not_to_contain_text("only says so")


def test_a_letter_that_is_not_there_says_so(lab_process: StartLab, browser_page: OpenPage) -> None:
    """A mailbox of nobody, and a number that was never given, are told of in words."""
    lab = lab_process("two-schools")
    page = browser_page("en-GB", expected="404")
    for place, words in ((f"{NILS}/7", f"no message 7 in {NILS}"), ("nobody@nord.example", "no mailbox nobody@")):
        page.goto(f"{lab.url}#/mailboxes/{place}")
        expect(page.get_by_role("heading", level=1)).to_have_text("This cannot be shown")
        expect(page.locator(".notice.bad")).to_contain_text(words)


@pytest.fixture
def far() -> Iterator[socket.socket]:
    """Keeps a port where nobody answers."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound


def start_lab(lab_process: StartLab, folder: Path, text: str, port: int) -> BrowsedLab:
    lab_file = folder / "with-port.toml"
    lab_file.write_text(text.format(port=port), encoding="utf-8")
    return lab_process(lab_file)


def test_what_waits_is_told_and_moved_on(
    far: socket.socket, tmp_path: Path, lab_process: StartLab, browser_page: OpenPage
) -> None:
    """Where a mail waits, why, and until when; it is tried at once, and given up when the lab's time is."""
    lab = start_lab(lab_process, tmp_path, QUEUE_LAB, far.getsockname()[1])
    page = browser_page("en-GB")
    page.goto(f"{lab.url}#/queue")
    expect(page.get_by_text("Nothing waits.")).to_be_visible()
    lab.send(ANNA, FAR, subject="Are you there?")
    entry = page.get_by_role("listitem").filter(has_text="Are you there?")
    expect(entry).to_contain_text(f"{ANNA} → {FAR}")
    expect(entry).to_contain_text("Waits at mail.nord.example.")
    expect(entry).to_contain_text("connection refused by mail.far.example")
    expect(entry).to_contain_text("tried once")
    expect(entry).to_contain_text(re.compile(r"next try at \d\d:\d\d:\d\d, in (8|9) min"))
    expect(entry).to_contain_text("Given up at ")

    retry = entry.get_by_role("button", name="Try now: Are you there?")
    retry.focus()
    page.keyboard.press("Enter")
    expect(entry).to_contain_text("tried 2 times")
    expect(retry).to_be_focused()
    page.get_by_role("button", name=re.compile(r"1 min")).click()
    expect(entry).to_contain_text(re.compile(r", in (7|8) min"))
    page.get_by_role("button", name=re.compile(r"1 hr")).click()
    expect(entry).to_contain_text("tried 3 times")
    for attempts in range(4, 8):
        page.get_by_role("button", name=re.compile(r"1 day")).click()
        expect(entry).to_contain_text(f"tried {attempts} times")
    page.get_by_role("button", name=re.compile(r"1 day")).click()
    gone = page.get_by_role("region", name="Has left the queue").get_by_role("listitem")
    expect(gone).to_contain_text("given up")
    expect(gone).to_contain_text("connection refused")
    expect(page.get_by_text("Nothing waits.")).to_be_visible()
    notice = lab.wait_for("bounce.created")["trace"]
    page.get_by_role("button", name="Deutsch").click()
    gone = page.get_by_role("region", name="Hat die Warteschlange verlassen").get_by_role("listitem")
    expect(gone).to_contain_text("gescheitert")
    gone.get_by_role("link", name="Meldung an den Absender").click()
    expect(page).to_have_url(f"{lab.url}#/traces/{notice}")


def test_what_is_handed_on_leaves_the_queue(
    far: socket.socket, tmp_path: Path, lab_process: StartLab, browser_page: OpenPage
) -> None:
    """Once the next server is there, a mail is handed on, and that is seen by everybody who looks."""
    lab = start_lab(lab_process, tmp_path, QUEUE_LAB, far.getsockname()[1])
    lab.send(ANNA, FAR, NILS, subject="Late")
    pages = [browser_page("en-GB"), browser_page("en-GB")]
    for page in pages:
        page.goto(f"{lab.url}#/queue")
        expect(page.get_by_role("listitem").filter(has_text="Late")).to_contain_text("tried once")
    port = far.getsockname()[1]
    far.close()
    start_lab(lab_process, tmp_path, THERE_LAB, port)
    pages[0].get_by_role("button", name="Try now: Late").click()
    for page in pages:
        gone = page.get_by_role("region", name="Has left the queue").get_by_role("listitem")
        expect(gone).to_contain_text("handed on")


def test_a_letter_is_read_by_keyboard_alone(lab_process: StartLab, browser_page: OpenPage) -> None:
    """From the page's first link to a file that is saved, without a mouse."""
    lab = lab_process("two-schools")
    send_whole(lab, whole_letter())
    lab.send(ANNA, BEN, subject="Newer")
    lab.wait_for("message.stored", mailbox=BEN, uid=2)
    page = browser_page()
    page.goto(lab.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Netzwerk")

    def tab_to(text: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            focused = page.evaluate("(document.activeElement.ariaLabel ?? '') + document.activeElement.textContent")
            if text in focused and page.evaluate("document.activeElement.matches('a, button, input, [role=tab]')"):
                return
        pytest.fail(f"Tab never comes to {text}")

    tab_to("Postfächer")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    tab_to(BEN)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(BEN)
    tab_to("Newer")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Grüße vom Gartenfest")
    tab_to("Text")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    tab_to("seite.html speichern")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert download.value.suggested_filename == "seite.html"
