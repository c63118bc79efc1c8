"""The whole way of a learner, from the picture of the lab to the meaning of a single line."""

from __future__ import annotations

import subprocess

from playwright.sync_api import expect

from tests.interop.lab_process import WAIT_SECONDS, command, environment

from .conftest import OpenPage, StartLab
from .test_desktop_client import ENVELOPE, LETTER, Client

ANNA, BEN = "anna@nord.example", "ben@sued.example"


def test_the_first_lesson(lab_process: StartLab, browser_page: OpenPage) -> None:
    """Carol's PC, the simple client, a mail to Alice typed by hand, its ladder, and what 354 means."""
    lab = lab_process("gartenparty")
    watching, page = browser_page("de-DE"), browser_page("de-DE")
    watching.goto(lab.url)
    watching.get_by_label("jede Zeile").check()
    page.goto(lab.url)
    page.get_by_role("link", name="PC von carol@example.com").click()
    page.get_by_role("link", name="Einfacher Client").first.click()
    client = Client(page)
    client.connect("example.com", "25")
    expect(client.lines.last).to_have_text("Server: 220 Willkommen bei example.com")
    expect(watching.locator(".net-bubbles")).to_contain_text("220 Willkommen bei example.com")
    for line in (*ENVELOPE, *LETTER, "."):
        client.type(line)
    trace = client.log.get_by_role("link", name="Spur der E-Mail ansehen")
    expect(trace).to_be_visible()
    expect(watching.get_by_role("link", name="Postfach von alice@example.com: 1 Brief")).to_be_attached()
    expect(watching.locator(".net-told")).to_contain_text("liegt jetzt im Postfach von alice@example.com")
    trace.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Einladung zur Gartenparty")
    page.get_by_role("button", name="Alle aufklappen").click()
    page.locator(".maillab-ladder .step", has_text="354 End data").click()
    expect(page.locator(".explanation")).to_contain_text("RFC 5321")
    page.get_by_role("link", name="Im Netzwerk abspielen").click()
    expect(page.locator(".net-told")).to_contain_text("mail.example.com nimmt die E-Mail „Einladung zur Gartenparty“")
    page.get_by_role("navigation", name="Ansichten").get_by_role("link", name="Postfächer").click()
    page.get_by_role("link", name="alice@example.com").click()
    page.get_by_role("link", name="Einladung zur Gartenparty").click()
    expect(page.locator("main")).to_contain_text("gerne komme ich zu deiner Gartenparty")


def test_across_the_relay_before_everybodys_eyes(lab_process: StartLab, browser_page: OpenPage) -> None:
    """Anna writes in her mail program; a second browser sees the letter cross the relay, and Ben's PC has it."""
    lab = lab_process("two-schools")
    watching, anna = browser_page("en-GB"), browser_page("de-DE")
    watching.goto(lab.url)
    expect(watching.get_by_role("heading", level=1)).to_have_text("Network")
    anna.goto(f"{lab.url}#/desktop/{ANNA}/mail")
    anna.get_by_role("button", name="Neue E-Mail").first.click()
    anna.get_by_label("An", exact=True).fill(BEN)
    anna.get_by_label("Betreff").fill("Schulfest")
    anna.get_by_label("Text").fill("Kommt ihr?")
    anna.get_by_role("button", name="Senden").click()
    expect(watching.locator(".net-flying .net-letter").first).to_be_attached()
    expect(watching.get_by_role("link", name=f"Mailbox of {BEN}: 1 letter")).to_be_attached()
    watching.get_by_role("link", name=f"PC of {BEN}").click()
    watching.get_by_role("link", name="Mail program").first.click()
    expect(watching.locator("main")).to_contain_text("Schulfest")


def test_five_days_fit_into_a_lesson(lab_process: StartLab, browser_page: OpenPage) -> None:
    """A mail that was told to come again is moved on by `maillab clock`, and every open page sees it arrive."""
    lab = lab_process("later")
    network, queue = browser_page("en-GB", calm=True), browser_page("en-GB")
    network.goto(lab.url)
    queue.goto(f"{lab.url}#/queue")
    expect(queue.get_by_role("heading", level=1)).to_have_text("Queue")
    expect(network.get_by_role("heading", level=1)).to_have_text("Network")
    lab.send(ANNA, BEN, subject="Geduld")
    expect(network.locator('[data-wait="mail.nord.example"]')).to_contain_text("waits ")
    expect(queue.locator("main")).to_contain_text("Geduld")
    expect(queue.locator(".queue-wait")).to_contain_text("The server at sued.example does not take it")
    subprocess.run(
        command("clock", "+2min", "--url", lab.url),
        check=True,
        env=environment(),
        timeout=WAIT_SECONDS,
        capture_output=True,
    )
    expect(network.get_by_role("link", name=f"Mailbox of {BEN}: 1 letter")).to_be_attached()
    expect(network.locator('[data-wait="mail.nord.example"]')).to_have_text("")
    expect(network.get_by_role("group", name="Lab time")).to_contain_text("2 min ahead")
    expect(queue.locator("main")).to_contain_text("Nothing waits.")
    expect(queue.get_by_role("region", name="Has left the queue")).to_contain_text("Geduld")
