"""The mail program on a person's desktop: an inbox that lives, and mail that goes by real SMTP."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from playwright.sync_api import expect

from .conftest import OpenPage, StartLab
from .lab_process import BrowsedLab

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

ANNA: Final = "anna@nord.example"
BEN: Final = "ben@sued.example"


class MailProgram:
    """The mail program on a page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.rows: Locator = page.locator(".mail-row")
        self.unseen = page.locator(".mail-row.unseen")
        self.pane = page.locator(".mail-pane")
        self.answers = page.locator(".mail-answers li")

    def write(self, to: str, subject: str, body: str) -> None:
        self.page.get_by_role("button", name="Neue E-Mail").first.click()
        self.page.get_by_label("An", exact=True).fill(to)
        self.page.get_by_label("Betreff").fill(subject)
        self.page.get_by_label("Text", exact=True).fill(body)

    def send(self) -> None:
        self.pane.get_by_role("button", name="Senden").click()


def open_program(lab: BrowsedLab, page: Page, address: str) -> MailProgram:
    page.goto(f"{lab.url}#/desktop/{address}/mail")
    expect(page.get_by_role("heading", name="Posteingang")).to_be_visible()
    return MailProgram(page)


def test_a_letter_and_its_answer_cross_the_relay(lab_process: StartLab, browser_page: OpenPage) -> None:
    """Anna writes, Ben's inbox shows it at once, he reads and answers, and the answer names what it answers."""
    lab = lab_process("two-schools")
    anna = open_program(lab, browser_page(), ANNA)
    ben = open_program(lab, browser_page(), BEN)
    expect(ben.page.get_by_text("Noch keine Post.")).to_be_visible()
    anna.write(BEN, "Schulfest: Grüße", "Hallo Ben,\n\nkommst du?")
    anna.send()
    expect(anna.page.get_by_role("heading", name="Gesendet")).to_be_focused()
    expect(anna.answers).to_have_text(
        [re.compile(r"ben@sued\.example angenommen\s*Server: 250 2\.0\.0 Ok: queued as ")]
    )
    trace = lab.wait_for("message.accepted")["trace"]
    expect(anna.pane.get_by_role("link", name="Der Spur folgen")).to_have_attribute("href", f"#/traces/{trace}")
    expect(ben.unseen).to_have_count(1)
    expect(ben.page.get_by_role("heading", name="Posteingang 1 neu")).to_be_visible()
    assert ben.unseen.locator(".mail-subject").evaluate("node => getComputedStyle(node).fontWeight") == "700"
    ben.rows.click()
    expect(ben.page.get_by_role("heading", name="Schulfest: Grüße")).to_be_focused()
    expect(ben.pane).to_contain_text("kommst du?")
    expect(ben.unseen).to_have_count(0)
    ben.pane.get_by_role("button", name="Antworten").click()
    expect(ben.page.get_by_label("An", exact=True)).to_have_value(ANNA)
    expect(ben.page.get_by_label("Betreff")).to_have_value("Re: Schulfest: Grüße")
    body = ben.page.get_by_label("Text", exact=True)
    expect(body).to_be_focused()
    expect(body).to_have_value(re.compile(r"^\n\nanna@nord\.example schrieb am .*:\n> Hallo Ben,\n>\n> kommst du\?\n$"))
    ben.page.keyboard.type("Klar!")
    ben.send()
    expect(anna.rows.locator(".mail-subject")).to_have_text(["Re: Schulfest: Grüße"])
    sent, answer = (
        dict(lab.http.get(f"api/lab/mailboxes/{address}/messages/1").json()["headers"]) for address in (BEN, ANNA)
    )
    assert answer["In-Reply-To"] == answer["References"] == sent["Message-ID"]
    assert lab.http.get(f"api/lab/mailboxes/{ANNA}/messages/1").json()["text"].startswith("Klar!\n\nanna@nord.example")
    servers = [record["server"] for record in lab.records if record["event"] == "message.accepted"]
    assert servers == [
        *("mail.nord.example", "relay.example", "mail.sued.example"),
        *("mail.sued.example", "relay.example", "mail.nord.example"),
    ]


def test_refused_recipients_are_explained(lab_process: StartLab, browser_page: OpenPage) -> None:
    """Each refusal is told in the server's words and in the reader's, and the draft keeps whom it was about."""
    lab = lab_process("two-schools")
    anna = open_program(lab, browser_page(expected="status of 422"), ANNA)
    anna.write("nobody@nord.example", "Typo", "Hallo")
    anna.send()
    expect(anna.page.get_by_text("Dein Mailserver hat diese E-Mail nicht angenommen.")).to_be_visible()
    expect(anna.answers).to_have_count(1)
    expect(anna.answers).to_contain_text("Server: 550 5.1.1 <nobody@nord.example>: no such user at nord.example")
    expect(anna.answers).to_contain_text("niemand heißt dort so")
    to = anna.page.get_by_label("An", exact=True)
    to.fill("Nils <nils@nord.example>, nobody@nord.example; x@elsewhere.example")
    anna.send()
    expect(anna.page.get_by_role("heading", name="Gesendet, aber nicht an alle")).to_be_focused()
    expect(anna.answers.locator(".mono")).to_have_text(
        ["nils@nord.example", "nobody@nord.example", "x@elsewhere.example"]
    )
    expect(anna.answers.locator(".pill")).to_have_text(["angenommen", "abgelehnt", "abgelehnt"])
    expect(anna.answers.last).to_contain_text("Kein Server nimmt Post für diese Domain an.")
    anna.pane.get_by_role("button", name="Abgelehnte Adressen verbessern").click()
    expect(to).to_have_value("nobody@nord.example, x@elsewhere.example")
    to.fill("nils")
    anna.send()
    expect(anna.page.get_by_role("alert")).to_contain_text("„nils“ ist keine E-Mail-Adresse")
    to.fill(" , ")
    anna.send()
    expect(anna.page.get_by_role("alert")).to_contain_text("An wen geht die E-Mail?")
    assert len([record for record in lab.records if record["event"] == "message.stored"]) == 1


def test_the_textbooks_refusal_is_explained_too(lab_process: StartLab, browser_page: OpenPage) -> None:
    """Without an enhanced code, the three digits are what is explained."""
    lab = lab_process("gartenparty")
    carol = open_program(lab, browser_page(expected="status of 422"), "carol@example.com")
    carol.write("bop@example.com", "Typo", "Hallo")
    carol.send()
    expect(carol.answers).to_contain_text("Server: 550 Empfaenger unbekannt: <bop@example.com>")
    expect(carol.answers).to_contain_text("Prüfe beide Seiten des @.")


def test_drafts_last(lab_process: StartLab, browser_page: OpenPage) -> None:
    """What was begun is found again after other views and in another language, and can be thrown away."""
    lab = lab_process("two-schools")
    lab.send(BEN, ANNA, subject="Frage", body="Warum?")
    lab.wait_for("message.stored")
    page = browser_page()
    anna = open_program(lab, page, ANNA)
    anna.write("ben", "Neu", "Lieber")
    page.get_by_label("Adressbuch").select_option("berta@sued.example")
    expect(page.get_by_label("An", exact=True)).to_have_value("ben, berta@sued.example")
    anna.rows.click()
    page.get_by_role("button", name="Antworten").click()
    page.keyboard.type("Darum.")
    expect(page.locator(".mail-draft")).to_have_text(["Entwurf Neu"])
    page.goto(f"{lab.url}#/desktop/{BEN}/mail")
    page.goto(f"{lab.url}#/desktop/{ANNA}/mail")
    expect(page.get_by_label("Text", exact=True)).to_have_value(re.compile(r"^Darum\.\n\nben@sued\.example schrieb"))
    page.get_by_role("button", name="English").click()
    page.get_by_role("button", name="Draft Neu").click()
    expect(page.get_by_label("To", exact=True)).to_have_value("ben, berta@sued.example")
    expect(page.get_by_label("Text", exact=True)).to_have_value("Lieber")
    page.get_by_role("button", name="Discard").click()
    expect(page.locator(".mail-draft")).to_have_text(["Draft Re: Frage"])


def test_hand_typed_mail_is_answered_by_its_envelope(lab_process: StartLab, browser_page: OpenPage) -> None:
    """Without any header an answer goes to the reverse-path; a server's own mail is answered to nobody."""
    lab = lab_process("gartenparty")
    lab.send("bob@example.com", "carol@example.com", message="Hallo\n")
    lab.send("", "carol@example.com", message="Subject: notice\n\nfailed\n")
    lab.wait_for("message.stored", uid=2)
    carol = open_program(lab, browser_page(), "carol@example.com")
    expect(carol.rows).to_have_count(2)
    carol.rows.filter(has_text="notice").click()
    expect(carol.page.get_by_role("heading", name="notice")).to_be_focused()
    expect(carol.pane.get_by_role("button", name="Antworten")).to_be_disabled()
    expect(carol.pane).to_contain_text("nennt niemanden")
    carol.rows.filter(has_text="(kein Betreff)").click()
    carol.pane.get_by_role("button", name="Antworten").click()
    expect(carol.page.get_by_label("An", exact=True)).to_have_value("bob@example.com")
    expect(carol.page.get_by_label("Betreff")).to_have_value("Re:")


def test_what_a_mail_says_stays_text(lab_process: StartLab, browser_page: OpenPage) -> None:
    """Markup in subject, address and body is shown in the inbox, read and quoted, and does nothing."""
    evil = "<img src=http://evil.example/x onerror=document.title='hit'>"
    lab = lab_process("gartenparty")
    script = "</textarea><script>document.title='hit'</script>"
    message = f'From: "{evil}" <bob@example.com>\nSubject: {evil}\n\n{evil}\n{script}\n'
    lab.send("bob@example.com", "carol@example.com", message=message)
    lab.wait_for("message.stored")
    page = browser_page()
    carol = open_program(lab, page, "carol@example.com")
    expect(carol.rows.locator(".mail-subject")).to_have_text(evil)
    carol.rows.click()
    carol.pane.get_by_role("button", name="Antworten").click()
    expect(page.get_by_label("An", exact=True)).to_have_value("bob@example.com")
    expect(page.get_by_label("Text", exact=True)).to_have_value(re.compile(re.escape(f"> {evil}\n> {script}\n")))
    expect(page.locator(".desktop img, .desktop script")).to_have_count(0)
    expect(page).to_have_title(re.compile("^Mailprogramm"))


def test_mail_by_keyboard(lab_process: StartLab, browser_page: OpenPage) -> None:
    """Arrows walk the inbox, Enter opens, and a whole mail is written and sent with keys alone."""
    lab = lab_process("two-schools")
    for subject in ("one", "two", "three"):
        lab.send("nils@nord.example", ANNA, subject=subject)
    page = browser_page()
    anna = open_program(lab, page, ANNA)
    expect(anna.rows).to_have_count(3)
    anna.rows.first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="two")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    page.keyboard.type("Ja.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Gesendet")).to_be_focused()
    assert lab.wait_for("message.stored", mailbox="nils@nord.example")["uid"] == 1


def test_one_pane_at_a_time_on_a_telephone(lab_process: StartLab, browser_page: OpenPage) -> None:
    """The list makes room for the message, and a button leads back to where one was."""
    lab = lab_process("two-schools")
    lab.send(BEN, ANNA, subject="Frage", body="Warum?")
    lab.wait_for("message.stored")
    page = browser_page(width=390, height=844, touch=True)
    anna = open_program(lab, page, ANNA)
    anna.rows.tap()
    expect(page.get_by_role("heading", name="Frage")).to_be_visible()
    expect(anna.rows).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="Zurück zum Posteingang").tap()
    expect(anna.rows).to_be_focused()


def test_nobodys_desktop_names_who_has_one(lab_process: StartLab, browser_page: OpenPage) -> None:
    """An address without a mailbox is no dead end."""
    page = browser_page()
    page.goto(f"{lab_process('gartenparty').url}#/desktop/dave@example.com")
    expect(page.get_by_role("heading", name="Wessen PC?")).to_be_visible()
    page.get_by_role("link", name="carol@example.com").click()
    expect(page.get_by_role("heading", name="PC von Carol")).to_be_focused()
    settings = page.get_by_role("region", name="E-Mail-Einstellungen")
    expect(settings.locator("dl").first).to_have_text(
        "E-Mail-Adressecarol@example.comMailserverexample.com auch mail.example.com oder 172.16.1.1"
        "Port25 zum Versenden, mit SMTPBenutzernamecarolPasswortcarol nur nötig, wo ein Server danach fragt"
    )
