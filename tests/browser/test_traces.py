"""Traces as learners look at them: the list, the ladder line by line, the letter, and what they take home."""

from __future__ import annotations

import json
import re
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from maillab.lab.record_file import FILE_NAME
from tests.browser.conftest import OpenPage, StartLab
from tests.browser.lab_process import BrowsedLab
from tests.interop.lab_process import WAIT_SECONDS, command, environment
from tests.interop.test_lesson import CONVERSATION, GREETING, HOST
from tests.trace.scribe import Line, Scribe

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

ANNA, NILS, BEN, BERTA = "anna@nord.example", "nils@nord.example", "ben@sued.example", "berta@sued.example"
CROWD_COUNT: Final = 10_000
CROWD_NODES_LIMIT_COUNT: Final = 1_500  # of the whole document


def type_the_lesson(lab: BrowsedLab) -> None:
    """Speak SMTP by hand, as Carol does."""
    with socket.create_connection(lab.smtp(HOST), WAIT_SECONDS) as connection, connection.makefile("rb") as answers:
        assert answers.readline() == GREETING
        for typed, answer in CONVERSATION:
            connection.sendall(typed.replace("\n", "\r\n").encode())
            assert answers.readline() == answer


def maillab(lab: BrowsedLab, *words: str) -> None:
    subprocess.run(
        command(*words, "--url", lab.url), check=True, env=environment(), timeout=WAIT_SECONDS, capture_output=True
    )


def open_trace(page: Page, lab: BrowsedLab, trace: str = "latest") -> Locator:
    """Its ladder."""
    page.goto(f"{lab.url}#/traces/{trace}")
    ladder = page.locator(".maillab-ladder")
    expect(ladder.locator(".step").first).to_be_visible()
    return ladder


def rows(page: Page) -> Locator:
    return page.locator(".trace-row .subject")


def test_a_learner_reads_what_354_means(lab_process: StartLab, browser_page: OpenPage) -> None:
    """The lesson's mail appears in the list as it is accepted; its ladder unfolds, and a line of it is explained."""
    lab, page = lab_process("gartenparty"), browser_page("de-DE")
    page.goto(f"{lab.url}#/traces")
    expect(page.locator(".view .empty")).to_contain_text("Noch wurde keine E-Mail verschickt")
    type_the_lesson(lab)
    expect(rows(page)).to_have_text(["Einladung zur Gartenparty"])
    row = page.locator(".trace-row")
    expect(row).to_contain_text("von carol@example.com an bob@example.com")
    expect(row).to_contain_text("zugestellt")
    expect(row).to_contain_text("im Postfach von bob@example.com")
    rows(page).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Einladung zur Gartenparty")
    steps = page.locator(".maillab-ladder .step")
    expect(steps.filter(has_text="354 End data")).to_have_count(0)
    page.get_by_role("button", name="Alle aufklappen").click()
    steps.filter(has_text="354 End data").click()
    explanation = page.locator(".explanation")
    expect(explanation.get_by_role("heading")).to_have_text("354: her mit der Nachricht")
    expect(explanation).to_contain_text("bis in einer Zeile nur noch ein Punkt steht.")
    expect(explanation).to_contain_text("RFC 5321 Abschnitt 4.1.1.4")
    expect(page.locator(".transcript [aria-current='true']")).to_contain_text("354 End data with <CR><LF>.<CR><LF>")
    expect(steps.filter(has_text="Nachricht, ")).to_have_count(1)
    page.locator(".transcript .line", has_text="RCPT TO:").click()
    expect(explanation).to_contain_text("Nur nach dieser Adresse richtet sich der Server")
    expect(page.locator(".maillab-ladder .chosen")).to_contain_text("RCPT TO:<bob@example.com>")
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("button", name="Fold all", exact=True)).to_be_visible()
    expect(page.locator(".maillab-ladder")).to_contain_text("message, ")


def test_a_ladder_is_walked_through_by_keys(lab_process: StartLab, browser_page: OpenPage) -> None:
    """One Tab leads to the ladder, arrows from line to line, Enter explains, and right and left fold."""
    lab, page = lab_process("gartenparty"), browser_page("de-DE")
    type_the_lesson(lab)
    ladder = open_trace(page, lab)
    page.locator(".ladder-card summary").focus()
    page.keyboard.press("Tab")
    focused = page.locator(".maillab-ladder .step:focus")
    expect(focused).to_have_attribute("data-fold", "folded")
    expect(focused).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("ArrowRight")
    expect(focused).to_have_attribute("data-fold", "unfolded")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(focused).to_have_attribute("aria-label", re.compile("HELO carol"))
    page.keyboard.press("Enter")
    expect(page.locator(".explanation h2")).to_have_text("HELO: guten Tag")
    page.keyboard.press("End")
    expect(focused).to_have_attribute("aria-label", re.compile("221"))
    page.keyboard.press("ArrowLeft")
    expect(focused).to_have_attribute("data-fold", "folded")
    expect(ladder.locator(".step[tabindex='0']")).to_have_count(1)
    page.get_by_role("tab", name="Mitschrift").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Brief")).to_be_focused()
    expect(page.get_by_role("tabpanel", name="Brief")).to_be_visible()


def test_one_hop_unfolds_and_the_others_stay(lab_process: StartLab, browser_page: OpenPage) -> None:
    """Of three hops, the one that is clicked is told line by line, with the lookup before it; it folds again."""
    lab, page = lab_process("two-schools"), browser_page("de-DE")
    lab.send(ANNA, BEN, subject="Hallo")
    lab.wait_for("message.stored", mailbox=BEN)
    ladder = open_trace(page, lab)
    folded, unfolded = ladder.locator("[data-fold='folded']"), ladder.locator("[data-fold='unfolded']")
    expect(folded).to_have_count(3)
    folded.nth(2).click()
    expect(unfolded).to_have_count(1)
    expect(unfolded).to_contain_text("Client relay.example an Server mail.sued.example")
    expect(unfolded).to_be_focused()
    expect(folded).to_have_count(2)
    expect(ladder.locator(".step.command", has_text="MAIL FROM")).to_have_count(1)
    ladder.locator(".step.lookup", has_text="MX sued.example").click()
    expect(page.locator(".explanation")).to_contain_text("relay.example hat das DNS nach „MX sued.example“ gefragt")
    unfolded.click()
    expect(folded).to_have_count(3)
    page.get_by_role("button", name="Alle aufklappen").click()
    expect(unfolded).to_have_count(3)
    expect(ladder.locator(".step.command", has_text="MAIL FROM")).to_have_count(3)
    ladder.locator(".step.reply", has_text="Zeilen").first.click()
    expect(page.locator(".explanation .said")).to_contain_text("250-PIPELINING")
    page.get_by_role("button", name="Alle zuklappen").click()
    expect(folded).to_have_count(3)


def test_a_mail_that_waits_goes_on_before_ones_eyes(lab_process: StartLab, browser_page: OpenPage) -> None:
    """The open ladder follows the mail over a gap in the queue to its second attempt, unfolded as it was."""
    lab, page = lab_process("later"), browser_page("de-DE")
    lab.send(ANNA, BEN, subject="Geduld")
    lab.wait_for("delivery.deferred")
    ladder = open_trace(page, lab)
    expect(page.locator(".trace-about .pill")).to_contain_text("wartet")
    expect(ladder.locator(".step.wait")).to_contain_text("Versuch 2 in 70")
    ladder.locator("[data-fold='folded']").first.click()
    unfolded = ladder.locator("[data-fold='unfolded']")
    expect(unfolded).to_be_focused()
    ladder.locator(".step.wait").click()
    expect(page.locator(".explanation h2")).to_have_text("Sie wartet")
    page.get_by_role("tab", name="Brief").click()
    expect(page.locator(".fields dt")).not_to_contain_text(["Return-Path:"])
    unfolded.focus()
    maillab(lab, "clock", "+2min")
    expect(page.locator(".trace-about .pill")).to_contain_text("zugestellt")
    expect(ladder.locator(".step.wait")).to_contain_text("Laborzeit")
    expect(ladder.locator(".step.wait")).to_contain_text("Versuch 2")
    expect(ladder.locator(".step.stored")).to_contain_text(BEN)
    expect(unfolded).to_have_count(1)
    expect(unfolded).to_be_focused()
    expect(page.locator(".fields dt").first).to_have_text("Return-Path:")
    expect(page.locator(".explanation h2")).to_have_text("Sie wartet")
    page.get_by_role("tab", name="Mitschrift").click()
    line = page.locator(".transcript .line", has_text="behält sie in der Warteschlange")
    line.click()
    expect(page.locator(".explanation")).to_contain_text("Sie bleibt in der Warteschlange")


def test_a_bounce_leads_to_its_mail_and_back(lab_process: StartLab, browser_page: OpenPage) -> None:
    """In the list, in the head and in the ladder, mail and notice are linked to one another."""
    lab, page = lab_process("bounce"), browser_page("de-DE")
    mail = lab.send(ANNA, "bne@sued.example", subject="Tippfehler")["trace"]
    notice = lab.wait_for("bounce.created")["trace"]
    lab.wait_for("message.stored", mailbox=ANNA)
    page.goto(f"{lab.url}#/traces")
    expect(rows(page)).to_have_count(2)
    page.locator(".trace-row.failed").get_by_role("link", name=f"Meldung dazu: {notice}").click()
    expect(page.locator(".trace-about")).to_contain_text(f"Meldung zu {mail}")
    expect(page.locator(".envelope")).to_be_hidden()
    page.get_by_role("tab", name="Brief").click()
    expect(page.locator(".envelope .from")).to_contain_text("<> (niemand)")
    page.locator(".trace-about a").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Tippfehler")
    ladder = page.locator(".maillab-ladder")
    ladder.locator(f".step[data-trace='{notice}']").click()
    expect(page).to_have_url(re.compile(f"#/traces/{notice}$"))
    expect(page.locator(".trace-about")).to_contain_text(f"Meldung zu {mail}")
    page.locator(f".maillab-ladder .step[data-trace='{mail}']").press("Enter")
    expect(page).to_have_url(re.compile(f"#/traces/{mail}$"))
    page.get_by_role("tab", name="Brief").click()
    expect(page.locator(".header")).to_contain_text("bekannt ist nur noch ihr Umschlag")


def test_the_list_is_searched_and_filtered(lab_process: StartLab, browser_page: OpenPage) -> None:
    """By words, state, person and server; what comes new is shown only where it fits."""
    lab, page = lab_process("two-schools"), browser_page("de-DE")
    lab.send(ANNA, NILS, subject="Im Haus")
    lab.send(ANNA, BEN, subject="Über Land")
    lab.send(NILS, "nobody@sued.example", subject="Ins Leere")
    lab.wait_for("bounce.created")
    lab.wait_for("message.stored", mailbox=NILS, uid=2)
    page.goto(f"{lab.url}#/traces")
    expect(rows(page)).to_have_count(4)
    page.get_by_label("Zustand").select_option("failed")
    expect(rows(page)).to_have_text(["Ins Leere"])
    page.get_by_role("button", name="Alle zeigen").click()
    page.get_by_label("Server", exact=True).select_option("mail.sued.example")
    expect(rows(page)).to_have_text(["Ins Leere", "Über Land"])
    page.get_by_role("button", name="Alle zeigen").click()
    page.get_by_label("Person").select_option(ANNA)
    expect(rows(page)).to_have_text(["Über Land", "Im Haus"])
    lab.send(BERTA, BEN, subject="Passt nicht")
    lab.send(BEN, ANNA, subject="Passt")
    expect(rows(page)).to_have_text(["Passt", "Über Land", "Im Haus"])
    page.get_by_label("Suche").fill("über")
    expect(rows(page)).to_have_text(["Über Land"])
    expect(page.locator("#announcer")).to_have_text("1 Spur")
    page.get_by_label("Suche").fill("gibt es nicht")
    expect(page.locator(".view .empty")).to_have_text("Zu dieser Suche passt keine Spur.")
    page.get_by_role("button", name="Alle zeigen").click()
    expect(rows(page)).to_have_count(6)


def test_letter_and_envelope_are_compared(lab_process: StartLab, browser_page: OpenPage) -> None:
    """Hidden recipients and forged senders are named, equal addresses marked, and each postmark has its server."""
    lab, page = lab_process("two-schools"), browser_page("de-DE")
    message = f"From: Chefin <chefin@sued.example>\nTo: {BEN}\nSubject: Geheim\n\nHallo {BEN}!\n"
    lab.send(ANNA, BEN, NILS, message=message)
    lab.wait_for("message.stored", mailbox=BEN)
    open_trace(page, lab)
    page.get_by_role("tab", name="Brief").click()
    differences = page.locator(".differences li")
    expect(differences).to_have_count(2)
    expect(differences.nth(0)).to_contain_text("chefin@sued.example")
    expect(differences.nth(0)).to_contain_text("So leicht lässt sich ein Absender fälschen.")
    expect(differences.nth(1)).to_contain_text(NILS)
    page.get_by_label("Diese Kopie").select_option(f"{BEN}/1")
    page.locator(".envelope .to .address", has_text=BEN).hover()
    marked = page.locator(".address.same")
    expect(page.locator(".zone.text .address.same")).to_have_text(BEN)
    expect(page.locator(".maillab-ladder .step.same").first).to_be_visible()
    assert {text.lower() for text in marked.all_text_contents()} == {BEN}
    page.locator(".envelope .from .address").focus()
    expect(page.locator(".envelope .from .address")).to_have_class(re.compile("same"))
    expect(page.locator(".zone.text .address.same")).to_have_count(0)
    page.get_by_role("tab", name="Poststempel").click()
    expect(page.locator(".growth h3")).to_have_text(
        [
            "Der Client gab ihn dem ersten Server",
            "mail.nord.example setzte obenauf",
            "relay.example setzte obenauf",
            "mail.sued.example setzte obenauf",
            "mail.sued.example setzte obenauf",
        ]
    )
    page.locator(".growth").get_by_role("button", name="Return-Path:").click()
    expect(page.locator(".explanation")).to_contain_text("Sie bewahrt den Absender aus MAIL FROM")


def test_a_trace_is_taken_home(lab_process: StartLab, browser_page: OpenPage) -> None:
    """As picture, Mermaid, text and records, told as it is on the screen; and on paper, without what is for screens."""
    lab, page = lab_process("two-schools"), browser_page("de-DE")
    trace = lab.send(ANNA, NILS, subject="Mitnehmen")["trace"]
    open_trace(page, lab)
    page.get_by_role("button", name="Alle aufklappen").click()
    expect(page.locator("[data-fold='unfolded']")).to_have_count(1)
    page.locator(".menu summary").click()
    begins = {"svg": "<svg ", "mmd": "sequenceDiagram", "txt": "Mitnehmen\nvon anna", "json": '{"trace":"'}
    for suffix, beginning in begins.items():
        with page.expect_download() as download:
            page.locator(f".menu a[download$='.{suffix}']").click()
        assert download.value.suggested_filename == f"{trace}.{suffix}"
        text = Path(download.value.path()).read_text("utf-8")
        assert text.startswith(beginning)
        assert f"MAIL FROM{'#58;' if suffix == 'mmd' else ':'}"[:9] in text
    page.evaluate("print = () => (window.printed = true)")
    page.get_by_role("button", name="Drucken …").click()
    assert page.evaluate("window.printed") is True
    page.emulate_media(media="print")
    expect(page.locator(".transcript")).to_be_visible()
    expect(page.locator(".maillab-ladder")).to_be_visible()
    for screen_only in (".explanation", ".tabs", ".ladder-card .toolbar", ".shell"):
        expect(page.locator(screen_only)).to_be_hidden()
    colour = page.locator(".maillab-ladder .command .head").first.evaluate("(head) => getComputedStyle(head).fill")
    assert colour == "rgb(0, 0, 0)"


HOSTILE = (
    """<img src="//evil.example/x.png" onerror="hacked=1"><script>hacked=1</script><style>*{display:none}</style>"""
)


def test_nothing_that_a_mail_says_is_done(lab_process: StartLab, browser_page: OpenPage) -> None:
    """Markup in subject, addresses, header and text stands there as text: nothing runs, nothing is asked for."""
    lab, page = lab_process("two-schools"), browser_page("de-DE")
    sender = '"<svg/onload=hacked=1>"@nord.example'
    message = f"From: {HOSTILE} <x@y>\nX-{'y' * 60}: javascript:hacked=1 {HOSTILE}\nSubject: {HOSTILE}\n\n{HOSTILE}\n"
    lab.send(sender, NILS, message=message)
    page.goto(f"{lab.url}#/traces")
    expect(rows(page)).to_have_text([HOSTILE])
    rows(page).click()
    page.get_by_role("button", name="Alle aufklappen").click()
    page.locator(".maillab-ladder .step", has_text="MAIL FROM").click()
    expect(page.locator(".explanation .said")).to_contain_text("<svg/onload=hacked=1>")
    for tab in ("Brief", "Poststempel"):
        page.get_by_role("tab", name=tab).click()
        expect(page.get_by_role("tabpanel", name=tab)).to_contain_text("onerror=")
    assert page.evaluate("window.hacked") is None
    assert page.locator(".view :is(img, script, style, iframe)").count() == 0


def crowd(file: Path) -> None:
    """The records of many mails of an earlier start of the lab."""
    scribe = Scribe("earlier")
    with file.open("w", encoding="utf-8") as lines:
        for number in range(CROWD_COUNT):
            trace = f"1JD2V{number:08}"
            line = Line(scribe, f"c{number}", "mail.nord.example")
            line.accepted(1, ANNA, [NILS], trace=trace, subject=f"letter-{number:05}")
            line.stored(1, NILS, trace=trace, queue_id=f"{trace}-1-00", uid=number + 1)
            line.close()
        lines.writelines(json.dumps(record) + "\n" for record in scribe.records)


def test_ten_thousand_traces_are_a_list_like_any_other(
    lab_process: StartLab, browser_page: OpenPage, tmp_path: Path
) -> None:
    """Only what is seen is in the document; the oldest is found by scrolling and by searching, new ones come on top."""
    data = tmp_path / "data"
    data.mkdir()
    crowd(data / FILE_NAME)
    lab, page = lab_process("two-schools", "--data", data), browser_page("de-DE")
    page.goto(f"{lab.url}#/traces")
    expect(rows(page).first).to_have_text(f"letter-{CROWD_COUNT - 1:05}")

    def node_count() -> int:
        return int(page.evaluate("document.querySelectorAll('*').length"))

    assert node_count() < CROWD_NODES_LIMIT_COUNT
    box = page.locator(".traces-list .windowed")
    for place in (500, 900):
        while not page.get_by_role("link", name=f"letter-{CROWD_COUNT - place:05}", exact=True).count():
            box.evaluate("(box) => (box.scrollTop += 2000)")
            page.wait_for_timeout(20)
    assert node_count() < CROWD_NODES_LIMIT_COUNT
    page.get_by_label("Suche").fill("LETTER-00000")
    expect(rows(page)).to_have_text(["letter-00000"])
    page.get_by_label("Suche").fill("")
    expect(rows(page).first).to_have_text(f"letter-{CROWD_COUNT - 1:05}")
    lab.send(ANNA, NILS, subject="Die neueste")
    expect(rows(page).first).to_have_text("Die neueste")
    assert node_count() < CROWD_NODES_LIMIT_COUNT


def test_a_mail_to_many_keeps_the_page_light(lab_process: StartLab, browser_page: OpenPage) -> None:
    """A transcript of many hundred lines shows its beginning, and the rest when it is asked for."""
    lab, page = lab_process("two-schools"), browser_page("de-DE")
    lab.send(ANNA, *[f"nobody{number}@nord.example" for number in range(500)], NILS, subject="An alle")
    open_trace(page, lab)
    expect(page.locator(".transcript .line")).to_have_count(400)
    page.get_by_role("button", name=re.compile("Noch .* Zeilen zeigen")).click()
    assert page.locator(".transcript .line").count() > 1000


def test_traces_are_for_everybody(lab_process: StartLab, browser_page: OpenPage) -> None:
    """No serious fault by the rules of accessibility, in light and dark, in list, ladder and letter."""
    lab = lab_process("later")
    lab.send(ANNA, BEN, subject="Für alle")
    lab.wait_for("delivery.deferred")
    for dark, width in ((False, 1280), (True, 390)):
        page = browser_page("de-DE", width, 844, dark=dark)
        page.goto(f"{lab.url}#/traces")
        expect(rows(page)).to_have_count(1)
        assert faults(page) == []
        open_trace(page, lab)
        page.get_by_role("button", name="Alle aufklappen").click()
        page.locator(".step", has_text="451").first.click()
        for tab in ("Mitschrift", "Brief", "Poststempel"):
            page.get_by_role("tab", name=tab).click()
            assert faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def faults(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    return [f"{each['id']}: {[node['html'] for node in each['nodes']][:3]}" for each in serious]


def test_an_address_that_nobody_knows_says_so(lab_process: StartLab, browser_page: OpenPage) -> None:
    """A link to a trace that is not there any more ends with what to do."""
    page = browser_page("de-DE", expected="404")
    page.goto(f"{lab_process('two-schools').url}#/traces/0000000000000")
    expect(page.locator(".notice")).to_contain_text("no trace 0000000000000")
