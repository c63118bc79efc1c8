"""The simple client on a person's desktop, used as a learner does in the first lesson."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from playwright.sync_api import expect

from .conftest import WAIT_MILLISECONDS, OpenPage, StartLab
from .lab_process import BrowsedLab

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

CAROL: Final = "#/desktop/carol@example.com"
ENVELOPE: Final = ("HELO carol", "MAIL FROM:<carol@example.com>", "RCPT TO:<alice@example.com>", "DATA")
LETTER: Final = (
    "Subject: Einladung zur Gartenparty",
    "",
    "Hallo Alice,",
    "",
    "gerne komme ich zu deiner Gartenparty und bringe einen Nachtisch mit!",
    "",
    "Viele Grüße,",
    "Carol",
)
CONVERSATION: Final = "\n".join([*ENVELOPE, *LETTER, ".", "QUIT"])
SAID: Final = [
    "Verbindung hergestellt",
    "Server: 220 Willkommen bei example.com",
    "Client: HELO carol",
    "Server: 250 Hello carol",
    "Client: MAIL FROM:<carol@example.com>",
    "Server: 250 Sender OK",
    "Client: RCPT TO:<alice@example.com>",
    "Server: 250 Recipient OK",
    "Client: DATA",
    "Server: 354 End data with <CR><LF>.<CR><LF>",
    *(f"Client: {line}" for line in LETTER),
    "Client: .",
    "Server: 250 Mail queued for delivery",
    "Der Server hat deine E-Mail angenommen. Spur der E-Mail ansehen",
    "Client: QUIT",
    "Server: 221 Server beendet Verbindung.",
    "Socket zu 172.16.1.1:25 getrennt",
]


class Client:
    """The simple client on a page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.log: Locator = page.get_by_role("log")
        self.lines = self.log.locator("p:visible")
        self.field = page.locator("#client-message")
        self.state = page.locator(".client-state")
        self.guide = page.locator(".client-guide")

    def connect(self, server: str, port: str = "25") -> None:
        self.page.locator("#client-server").fill(server)
        self.page.locator("#client-port").fill(port)
        self.page.locator(".client-connect [type=submit]").click()

    def type(self, line: str) -> None:
        """Types a line, and presses Enter."""
        self.field.press_sequentially(line)
        self.field.press("Enter")

    def ask(self, line: str, answer: str) -> None:
        """Types a line, and waits for what the server says to it."""
        self.type(line)
        expect(self.lines.last).to_have_text(answer)


def open_client(lab: BrowsedLab, page: Page, desktop: str = CAROL) -> Client:
    page.goto(f"{lab.url}{desktop}/client")
    client = Client(page)
    expect(client.field).to_be_visible()
    return client


def test_carol_sends_the_lessons_mail_by_hand(lab_process: StartLab, browser_page: OpenPage) -> None:
    """Her PC, the simple client, example.com and 25: each line is answered, and the letter comes to Alice at once."""
    lab = lab_process("gartenparty")
    alice, carol = browser_page("de-DE"), browser_page("de-DE")
    alice.goto(f"{lab.url}#/desktop/alice@example.com")
    expect(alice.get_by_role("heading", name="PC von Alice")).to_be_visible()
    carol.goto(lab.url)
    carol.get_by_role("link", name="PC von carol@example.com").click()
    expect(carol.get_by_role("heading", name="PC von Carol")).to_be_focused()
    carol.get_by_role("link", name="Einfacher Client Sprich selbst").click()
    expect(carol.get_by_role("heading", name="Einfacher Client")).to_be_focused()
    client = Client(carol)
    client.connect("example.com")
    expect(client.lines).to_have_text(SAID[:2])
    expect(client.field).to_be_focused()
    for line, answer in zip(ENVELOPE, SAID[3:10:2], strict=True):
        client.ask(line, answer)
    for line in (*LETTER, "."):
        client.type(line)
    link = client.log.get_by_role("link", name="Spur der E-Mail ansehen")
    expect(link).to_be_visible()
    client.type("QUIT")
    expect(client.lines).to_have_text(SAID)
    trace = lab.wait_for("message.accepted")["trace"]
    expect(link).to_have_attribute("href", f"#/traces/{trace}")
    expect(alice.get_by_role("navigation", name="Programme").get_by_text("1 neu")).to_be_visible()
    alice.get_by_role("link", name=re.compile("Mailprogramm .*E-Mails lesen")).click()
    alice.get_by_role("button", name="Einladung zur Gartenparty").click()
    expect(alice.get_by_role("heading", name="Einladung zur Gartenparty")).to_be_focused()
    expect(alice.locator(".mail-pane")).to_contain_text("gerne komme ich zu deiner Gartenparty")
    expect(alice.locator(".mail-pane")).to_contain_text("Viele Grüße")


def test_a_pasted_conversation_is_sent_line_by_line(lab_process: StartLab, browser_page: OpenPage) -> None:
    """Many lines at once are as many lines for the server, and the output tells which of them were the letter."""
    lab = lab_process("gartenparty")
    client = open_client(lab, browser_page())
    client.connect("mail.example.com")
    expect(client.lines).to_have_text(SAID[:2])
    client.page.keyboard.insert_text(CONVERSATION + "\n")
    client.field.press("Enter")
    expect(client.lines.last).to_have_text("Socket zu 172.16.1.1:25 getrennt")
    expect(client.lines).to_have_text(SAID)
    expect(client.log.locator("[data-kind=text]")).to_have_text([f"Client: {line}" for line in LETTER])
    said = [record["line"] for record in lab.records if record["event"] == "smtp.command"]
    assert said == [*ENVELOPE, "QUIT"]
    assert lab.wait_for("message.stored")["mailbox"] == "alice@example.com"


def test_mistakes_teach(lab_process: StartLab, browser_page: OpenPage) -> None:
    """Sending before connecting is told, a typo gets the server's 500, and the arrow brings the line back."""
    client = open_client(lab_process("gartenparty"), browser_page())
    client.type("HELO carol")
    told = client.page.get_by_role("alert").filter(visible=True)
    expect(told).to_contain_text("Du bist nicht verbunden.")
    expect(client.field).to_have_value("HELO carol")
    client.connect("172.16.1.1")
    expect(told).to_have_count(0)
    client.field.press("Enter")
    expect(client.lines.last).to_have_text("Server: 250 Hello carol")
    client.type("MIAL FROM:<carol@example.com>")
    expect(client.lines.filter(has_text="500")).to_have_text(
        ["Server: 500-Unbekanntes Kommando: MIAL", "Server: 500 Meinten Sie MAIL?"]
    )
    expect(client.guide).to_contain_text("Der Server hat Nein gesagt.")
    client.field.press("Enter")
    expect(told).to_contain_text("Tippe zuerst ein Kommando ein")
    client.field.fill("half a")
    client.field.press("ArrowUp")
    expect(client.field).to_have_value("MIAL FROM:<carol@example.com>")
    client.field.press("ArrowUp")
    expect(client.field).to_have_value("HELO carol")
    client.field.press("ArrowUp")
    expect(client.field).to_have_value("HELO carol")
    client.field.press("ArrowDown")
    client.field.press("ArrowDown")
    expect(client.field).to_have_value("half a")


def test_connections_are_made_and_ended_in_the_lessons_words(lab_process: StartLab, browser_page: OpenPage) -> None:
    """Verbinden, Trennen and Verbinden again; in English too, and a language that is changed changes all of it."""
    page = browser_page("de-DE")
    client = open_client(lab_process("gartenparty"), page)
    client.connect("example.com")
    expect(client.lines).to_have_text(SAID[:2])
    page.get_by_role("button", name="Trennen").click()
    expect(client.lines.last).to_have_text("Socket zu 172.16.1.1:25 getrennt")
    expect(page.get_by_role("button", name="Verbinden")).to_be_focused()
    page.keyboard.press("Enter")
    expect(client.lines).to_have_text([*SAID[:2], "Socket zu 172.16.1.1:25 getrennt", *SAID[:2]])
    page.get_by_role("button", name="English").click()
    expect(client.lines.first).to_have_text("Connection established")
    page.get_by_role("button", name="Disconnect").click()
    expect(client.lines.last).to_have_text("Socket to 172.16.1.1:25 closed")
    page.get_by_role("button", name="Clear").click()
    expect(client.lines).to_have_text(["What you and the server say to each other appears here."])


def test_a_wrong_address_is_explained(lab_process: StartLab, browser_page: OpenPage) -> None:
    """No such host, no such port, nothing typed at all: each says what is wrong, and what would be right."""
    lab, page = lab_process("two-schools"), browser_page()
    client = open_client(lab, page, "#/desktop/anna@nord.example")
    told = page.get_by_role("alert").filter(visible=True)
    for server, port, sentence in (
        ("", "25", "Trage zuerst die Adresse des Servers ein"),
        ("nord.example", "", "Trage auch den Port ein."),
        ("nord.example", "smtp", "Ein Port ist eine ganze Zahl von 1 bis 65535."),
        ("nord.example", "65536", "Ein Port ist eine ganze Zahl von 1 bis 65535."),
    ):
        client.connect(server, port)
        expect(told).to_contain_text(sentence)
    server_field = page.get_by_label("Serveradresse")
    for server, port, sentence in (
        ("nrod.example", "25", "„nrod.example“ gibt es hier nicht. Meintest du nord.example?"),
        ("zzz", "25", "„zzz“ gibt es hier nicht. Es gibt zum Beispiel: nord.example, sued.example, relay.example"),
        ("nord.example", "26", "mail.nord.example (172.16.1.1) lauscht nicht auf Port 26, sondern auf 25, 465, 587."),
    ):
        client.connect(server, port)
        expect(client.lines.last).to_have_text(f"Keine Verbindung: {sentence}")
        expect(server_field).to_be_focused()
        expect(told).to_have_count(0)


def test_an_encrypted_port_is_explained(lab_process: StartLab, browser_page: OpenPage) -> None:
    """At port 465 nobody greets who types, and the reason stands beside."""
    client = open_client(lab_process("two-schools"), browser_page(), "#/desktop/anna@nord.example")
    client.connect("nord.example", "465")
    expect(client.lines).to_have_text(["Verbindung hergestellt"])
    expect(client.state).to_contain_text("von Anfang an verschlüsselt (TLS)")


def test_conversations_last_while_others_are_looked_at(lab_process: StartLab, browser_page: OpenPage) -> None:
    """Anna's and Ben's connections are two, and neither another view nor another language ends them."""
    lab, page = lab_process("two-schools"), browser_page()
    anna = open_client(lab, page, "#/desktop/anna@nord.example")
    anna.connect("nord.example")
    expect(anna.lines).to_have_count(2)
    anna.ask("HELO anna", "Server: 250 mail.nord.example greets anna")
    anna.field.press_sequentially("MAIL FROM:<an")
    ben = open_client(lab, page, "#/desktop/ben@sued.example")
    expect(ben.lines).to_have_text(["Hier erscheint, was du und der Server einander sagen."])
    ben.connect("sued.example", "587")
    expect(ben.lines).to_have_text(["Verbindung hergestellt", "Server: 220 mail.sued.example ESMTP maillab"])
    page.goto(f"{lab.url}#/")
    page.goto(f"{lab.url}#/desktop/anna@nord.example")
    expect(page.get_by_role("navigation", name="Programme").get_by_text("verbunden")).to_be_visible()
    page.get_by_role("button", name="English").click()
    page.get_by_role("navigation", name="Programs").get_by_role("link", name="Simple client").click()
    expect(anna.lines).to_have_count(4)
    expect(anna.field).to_have_value("MAIL FROM:<an")
    anna.field.press("End")
    anna.ask("na@nord.example>", "Server: 250 2.1.0 Ok")
    opened = [record for record in lab.records if record["event"] == "connection.opened"]
    assert len(opened) == 2
    assert all(record["event"] != "connection.closed" for record in lab.records)


def test_what_is_allowed_now_stands_beside(lab_process: StartLab, browser_page: OpenPage) -> None:
    """Each state names its commands; one that is pressed comes into the field, with what is to be replaced selected."""
    client = open_client(lab_process("two-schools"), browser_page("en-GB"), "#/desktop/anna@nord.example")
    onward = client.guide.locator("> .client-commands code")
    besides = client.guide.locator("details code")
    now = client.guide.locator("[aria-current=step]")
    expect(client.state).to_contain_text("Not connected.")
    expect(onward).to_have_count(0)
    client.connect("nord.example")
    expect(onward).to_have_text(["HELO computer", "EHLO computer"])
    client.guide.get_by_role("button", name="EHLO computer").first.click()
    expect(client.field).to_have_value("EHLO anna")
    expect(client.field).to_be_focused()
    client.page.keyboard.type("laptop")
    client.field.press("Enter")
    expect(client.lines.last).to_have_text("Server: 250 STARTTLS")
    expect(client.state).to_have_text("Your turn: say who the mail comes from.")
    expect(onward).to_have_text(["MAIL FROM:<sender>"])
    expect(besides).to_have_text(
        ["STARTTLS", "RSET", "NOOP", "VRFY address", "EXPN list", "HELP", "QUIT", "HELO computer", "EHLO computer"]
    )
    expect(now).to_have_text("MAIL")
    client.guide.get_by_role("button", name="MAIL FROM").click()
    client.field.press("Enter")
    expect(onward).to_have_text(["RCPT TO:<recipient>"])
    client.guide.get_by_role("button", name="RCPT TO").click()
    client.page.keyboard.type("nobody@nord.example")
    client.field.press("Enter")
    expect(client.lines.last).to_contain_text("550 5.1.1")
    expect(onward).to_have_text(["RCPT TO:<recipient>"])
    client.ask("RCPT TO:<ben@sued.example>", "Server: 250 2.1.5 Ok")
    expect(onward).to_have_text(["RCPT TO:<recipient>", "DATA"])
    client.type("DATA")
    expect(client.page.get_by_label("Line of the letter")).to_be_focused()
    expect(client.page.locator("#client-hint")).to_contain_text("until a line with nothing but a dot")
    expect(onward).to_have_text(["Subject: …", "empty line", "."])
    for line in ("Subject: x", "", "QUIT", "."):
        client.type(line)
    expect(client.state).to_have_text("Your turn: end the conversation, or begin another mail.")
    expect(onward).to_have_text(["QUIT", "MAIL FROM:<sender>"])
    expect(client.guide.get_by_role("link", name=re.compile("See the mail.s trace"))).to_be_visible()
    client.type("STARTTLS")
    expect(client.state).to_contain_text("waits for encryption (TLS)")
    expect(onward).to_have_count(0)


def test_passwords_are_asked_for_in_base64(lab_process: StartLab, browser_page: OpenPage, tmp_path: Path) -> None:
    """Where a server takes a login in clear, its questions are answered line by line, and the field says so."""
    lab_file = tmp_path / "lab.toml"
    lab_file.write_text(
        '[lab]\nname = "login"\n[[domain]]\nname = "nord.example"\nusers = ["anna"]\nsmtp = "127.0.0.1:0"\n'
        'submission = "127.0.0.1:0"\ntls = "off"\nauth_without_tls = true\n'
    )
    client = open_client(lab_process(lab_file), browser_page(), "#/desktop/anna@nord.example")
    client.connect("nord.example", "587")
    expect(client.lines).to_have_count(2)
    client.type("EHLO anna")
    expect(client.guide.locator("details code").first).to_have_text("AUTH PLAIN oder AUTH LOGIN")
    client.ask("AUTH LOGIN", "Server: 334 VXNlcm5hbWU6")
    expect(client.page.get_by_label("Antwort, in Base64")).to_be_focused()
    client.ask("YW5uYQ==", "Server: 334 UGFzc3dvcmQ6")
    client.ask("YW5uYQ==", "Server: 235 2.7.0 Welcome anna@nord.example")
    expect(client.state).to_contain_text("Sag, von wem die E-Mail kommt.")


def test_the_output_is_bounded(lab_process: StartLab, browser_page: OpenPage) -> None:
    """Of a letter of 2,000 lines the last ones are shown, all arrive, and a line beyond all measure is not sent."""
    lab = lab_process("gartenparty")
    client = open_client(lab, browser_page())
    client.connect("example.com")
    expect(client.lines).to_have_count(2)
    text = [f"line {number} {'ä' * 60}" for number in range(2000)]
    for part in (
        [*ENVELOPE, "Subject: long", ""],
        *(text[start : start + 400] for start in range(0, 2000, 400)),
        ["."],
    ):
        client.field.fill("\n".join(part))
        client.field.press("Enter")
    expect(client.log.get_by_role("link")).to_be_visible()
    expect(client.lines.first).to_have_text(re.compile(r"^1\.\d\d\d frühere Zeilen werden nicht mehr angezeigt\.$"))
    assert client.lines.count() == 1001
    stored = lab.http.get("api/lab/mailboxes/alice@example.com/messages/1/raw").text
    assert stored.splitlines()[-len(text) :] == text
    client.field.fill("x" * 20_000)
    client.field.press("Enter")
    expect(client.page.get_by_role("alert").filter(visible=True)).to_contain_text("Eine Zeile ist viel zu lang")


def test_a_lab_that_ends_is_told(lab_process: StartLab, browser_page: OpenPage) -> None:
    """Who is connected hears that the server stops, and can connect again when it is back."""
    lab = lab_process("gartenparty")
    client = open_client(lab, browser_page(expected="WebSocket connection to|ERR_CONNECTION_REFUSED|Failed to fetch"))
    client.connect("example.com")
    expect(client.lines).to_have_count(2)
    lab.stop()
    expect(client.lines.last).to_have_text("Socket zu 172.16.1.1:25 getrennt")
    client.connect("example.com")
    expect(client.lines.last).to_have_text("Die Verbindung zum Labor ist abgebrochen. Läuft es noch?")
    lab.start()
    expect(client.page.locator("body")).to_have_attribute("data-state", "live", timeout=WAIT_MILLISECONDS)
    client.connect("example.com")
    expect(client.lines.last).to_have_text("Server: 220 Willkommen bei example.com")


def test_all_of_it_by_keyboard(lab_process: StartLab, browser_page: OpenPage) -> None:
    """From the heading on, Tab, Enter and the keys of letters are enough."""
    lab, page = lab_process("gartenparty"), browser_page()
    page.goto(f"{lab.url}{CAROL}")
    page.get_by_role("navigation", name="Programme").get_by_role("link", name="Einfacher Client").press("Enter")
    expect(page.get_by_role("heading", name="Einfacher Client")).to_be_focused()
    client = Client(page)
    while page.evaluate("document.activeElement.id") != "client-server":
        page.keyboard.press("Tab")
    page.keyboard.type("example.com")
    page.keyboard.press("Tab")
    page.keyboard.type("25")
    page.keyboard.press("Enter")
    expect(client.field).to_be_focused()
    for line in (*ENVELOPE, *LETTER, ".", "QUIT"):
        page.keyboard.type(line)
        page.keyboard.press("Enter")
    expect(client.lines.last).to_have_text("Socket zu 172.16.1.1:25 getrennt")
    page.keyboard.press("Shift+Tab")
    expect(client.log.get_by_role("link", name="Spur der E-Mail ansehen")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(client.log).to_be_focused()


def test_it_fits_on_small_screens(lab_process: StartLab, browser_page: OpenPage) -> None:
    """On an iPad and on a telephone nothing reaches beyond the edge, and what is pressed is big enough for a finger."""
    lab = lab_process("two-schools")
    for width, height in ((1024, 768), (390, 844)):
        page = browser_page(width=width, height=height, touch=True)
        for program in ("", "/client", "/mail"):
            page.goto(f"{lab.url}#/desktop/anna@nord.example{program}")
            page.locator(".desktop-screen > *").first.wait_for()
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        client = open_client(lab, page, "#/desktop/anna@nord.example")
        client.connect("nord.example")
        expect(client.lines).to_have_count(2)
        for button in page.locator(".desktop button:visible, .desktop-task").all():
            box = button.bounding_box()
            assert box is not None
            assert box["height"] >= 38
