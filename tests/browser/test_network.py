"""The lab as a picture: who is where, letters on their way, and the past gone through record by record."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Page, expect

from .conftest import OpenPage, StartLab
from .lab_process import BrowsedLab

ANNA, NILS, BEN = "anna@nord.example", "nils@nord.example", "ben@sued.example"
COLLECT_SENTENCES: Final = """
  window.sentences = [];
  new MutationObserver(() => window.sentences.push(document.querySelector(".net-told").textContent))
    .observe(document.querySelector(".net-told"), { childList: true, subtree: true });
"""
COUNT_LETTERS: Final = """
  window.mostLetters = 0;
  new MutationObserver(() => {
    const count = document.querySelectorAll(".net-flying .net-letter").length;
    window.mostLetters = Math.max(window.mostLetters, count);
  }).observe(document.querySelector(".net-flying"), { childList: true });
"""
LAB_OF_MANY: Final = """
[lab]
name = "many"
[[domain]]
name = "nord.example"
users = ["anna"]
smtp = "127.0.0.1:0"
[[relay]]
host = "relay.example"
smtp = "127.0.0.1:0"
[[foreign]]
host = "mail.post.example"
domains = ["post.example"]
smtp = "127.0.0.1:2600"
"""
LAYOUTS: Final = """async (labs) => {
  const { layout } = await import("/static/network-layout.js");
  const wrong = [];
  for (const [domains, relays, foreign, users, smarthost] of labs) {
    const server = (host, names) => ({ host, domains: names, address: "172.16.1.1" });
    const houses = Array.from({ length: domains }, (_, n) => server(`mail.d${n}.example`, [`d${n}.example`]));
    const hubs = Array.from({ length: relays }, (_, n) => server(`r${n}.example`, []));
    const others = Array.from({ length: foreign }, (_, n) => ({ host: `f${n}.example`, domains: [], smtp: "" }));
    const people = houses.flatMap(({ host, domains: [domain] }) => Array.from({ length: users }, (_, n) =>
      ({ address: `u${n}@${domain}`, user: `u${n}`, domain, host })));
    const link = (one, other) => [{ from: one.host, to: other.host }, { from: other.host, to: one.host }];
    const pairs = houses.flatMap((one, n) => houses.slice(n + 1).flatMap((other) => link(one, other)));
    const links = smarthost && hubs.length ? houses.flatMap((house) => link(house, hubs[0])) : pairs;
    for (const [width, height] of [[1232, 470], [980, 400], [360, Infinity]]) {
      const name = `${domains} domains, ${relays} relays, ${foreign} foreign, ${users} users at ${width}`;
      const plan = layout({ servers: [...houses, ...hubs], foreign: others, links }, people, width, height);
      const { boxes } = plan;
      const isOver = (one, other) => one.x < other.x + other.width && other.x < one.x + one.width
        && one.y < other.y + other.height && other.y < one.y + one.height;
      if (boxes.filter(({ host }) => host).length !== domains + relays + foreign) {
        wrong.push(`${name}: not everybody has a place`);
      }
      if (boxes.some((one, n) => boxes.slice(n + 1).some((other) => isOver(one, other)))) {
        wrong.push(`${name}: one is over another`);
      }
      if (boxes.some((box) => box.x < 0 || box.y < 0 || box.x + box.width > plan.width
        || box.y + box.height > plan.height)) {
        wrong.push(`${name}: one is outside`);
      }
      const steps = Array.from({ length: 61 }, (_, step) => step / 60);
      const isHidden = ({ from, to, points: [one, other] }) => boxes.some((box) => ![from, to].includes(box.host)
        && steps.some((share) => isOver(box, { x: one.x + (other.x - one.x) * share,
          y: one.y + (other.y - one.y) * share, width: 0, height: 0 })));
      if (domains === 2 && relays + foreign <= 1 && plan.links.some(isHidden)) {
        wrong.push(`${name}: a link is behind somebody`);
      }
      for (const box of boxes) {
        if (box.residents.some(({ pc: { x, y } }) =>
          x < box.x || x > box.x + box.width || y < box.y || y > box.y + box.height - 10)) {
          wrong.push(`${name}: a PC is not in its house`);
        }
      }
      if (boxes.flatMap(({ residents }) => residents).length !== people.length) {
        wrong.push(`${name}: somebody has no PC`);
      }
      if (plan.width * plan.scale > width + 1) {
        wrong.push(`${name}: too wide`);
      }
    }
  }
  return wrong;
}"""
LABS: Final = [
    [1, 0, 0, 1, False],
    [1, 0, 0, 0, False],
    [1, 0, 2, 28, False],
    [2, 0, 0, 2, False],
    [2, 1, 0, 2, True],
    [2, 1, 0, 1, False],
    [2, 0, 1, 2, False],
    [3, 2, 1, 5, True],
    [4, 0, 0, 3, False],
    [7, 1, 0, 9, True],
    [8, 0, 1, 4, False],
    [12, 1, 0, 2, True],
    [30, 0, 0, 3, False],
    [30, 4, 3, 1, True],
    [60, 2, 0, 12, True],
]


def open_network(lab: BrowsedLab, page: Page, path: str = "") -> Page:
    page.goto(f"{lab.url}#/{path}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Network")
    return page


def told(page: Page, text: str) -> None:
    """The sentence that is told contains `text`, now or soon."""
    expect(page.locator(".net-told")).to_contain_text(text)


def mailbox(page: Page, address: str, letters: str) -> None:
    expect(page.get_by_role("link", name=f"Mailbox of {address}: {letters}", exact=True)).to_be_attached()


def replay_of(lab: BrowsedLab, page: Page, *recipients: str) -> Page:
    """The replay of a mail from Anna, at its beginning."""
    sent = lab.send(ANNA, *recipients, subject="Einladung")
    lab.wait_for("message.stored", trace=sent["trace"])
    open_network(lab, page, f"replay/{sent['trace']}")
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("slider").fill("0")
    return page


def test_everybody_is_in_the_picture(lab_process: StartLab, browser_page: OpenPage) -> None:
    """Each server by its name and its address in the lab, each person with a PC that opens, also by keyboard."""
    lab = lab_process("two-schools")
    page = open_network(lab, browser_page("en-GB"))
    picture = page.get_by_role("group", name="The lab as a picture")
    for text in ("nord.example", "mail.nord.example", "172.16.1.1", "relay.example", "172.16.3.1", "Relay"):
        expect(picture.get_by_text(text, exact=True)).to_be_visible()
    page.get_by_role("link", name=f"PC of {BEN}").click()
    expect(page).to_have_url(f"{lab.url}#/desktop/ben%40sued.example")
    page.go_back()
    page.get_by_role("link", name=f"PC of {NILS}").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{lab.url}#/desktop/nils%40nord.example")


def test_hosts_outside_of_the_lab_are_in_the_picture(
    lab_process: StartLab, browser_page: OpenPage, tmp_path: Path
) -> None:
    """A foreign host is shown as one, and every server's real address is in the table below."""
    lab_file = tmp_path / "many.toml"
    lab_file.write_text(LAB_OF_MANY)
    lab = lab_process(lab_file)
    page = open_network(lab, browser_page("en-GB"))
    expect(page.get_by_text("Outside of the lab")).to_be_visible()
    page.get_by_text("Servers and their addresses").click()
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="mail.nord.example"))
    expect(row).to_contain_text(str(lab.smtp("mail.nord.example")))
    expect(row).to_contain_text("anna")
    expect(page.get_by_role("row").filter(has_text="mail.post.example")).to_contain_text("127.0.0.1:2600")


def test_a_letter_crosses_the_lab(lab_process: StartLab, browser_page: OpenPage) -> None:
    """It flies from Anna's PC by every server to Ben's mailbox; each hop is told, in its order, as it happens."""
    lab = lab_process("two-schools")
    page = open_network(lab, browser_page("en-GB"))
    page.get_by_label("Speed").select_option("slow")  # a sentence is told for each hop, and not for every second one
    page.evaluate(COLLECT_SENTENCES)
    lab.send(ANNA, BEN, subject="Einladung")
    expect(page.locator(".net-flying .net-letter-mail")).to_have_count(1)
    mailbox(page, BEN, "0 letters")
    mailbox(page, BEN, "1 letter")
    told(page, f"lies in the mailbox of {BEN} now, on mail.sued.example")
    sentences = "\n".join(page.evaluate("sentences"))
    places = [
        sentences.index(text)
        for text in (
            f"mail.nord.example accepts the mail “Einladung” from {ANNA} for {BEN}",
            "relay.example accepts the mail “Einladung”",
            "mail.sued.example accepts the mail “Einladung”",
            "lies in the mailbox",
        )
    ]
    assert places == sorted(places)
    expect(page.locator(".net-locks .net-lock")).to_have_count(2)
    expect(page.locator(".net-flying .net-letter")).to_have_count(0)


def test_a_letter_that_waits_says_how_long(lab_process: StartLab, browser_page: OpenPage) -> None:
    """A deferred mail stays at its server and counts down in lab time; moved on, the lab delivers it."""
    lab = lab_process("later")
    page = open_network(lab, browser_page("en-GB", calm=True))
    lab.send(ANNA, BEN, subject="Hello")
    waiting = page.locator('[data-wait="mail.nord.example"]')
    expect(waiting).to_contain_text("waits ")
    told(page, "says “not now” to mail.nord.example: 451")
    page.reload()
    expect(waiting).to_contain_text("waits ")
    page.get_by_role("button", name="Move the lab's time on by 1 hr").click()
    expect(waiting).to_have_text("")
    mailbox(page, BEN, "1 letter")
    expect(page.get_by_role("group", name="Lab time")).to_contain_text("1 hr ahead")
    expect(page.locator("#announcer")).to_contain_text("It is ")


def test_the_past_is_gone_through_record_by_record(lab_process: StartLab, browser_page: OpenPage) -> None:
    """Paused, one goes back and forth, and the picture is as it was then; live is one button away."""
    lab = lab_process("two-schools")
    page = open_network(lab, browser_page("en-GB", calm=True))
    lab.send(ANNA, NILS, subject="One")
    mailbox(page, NILS, "1 letter")
    page.get_by_role("button", name="Pause").click()
    told(page, "The mail “One” lies in the mailbox")
    page.get_by_role("button", name="Step back").click()
    told(page, "accepts the mail “One”")
    mailbox(page, NILS, "0 letters")
    expect(page.locator(".net-rest .net-letter")).to_have_count(1)
    expect(page.get_by_role("button", name="Step back")).to_be_focused()
    lab.send(ANNA, NILS, subject="Two")
    expect(page.locator(".net-place")).to_have_text("Record 1 of 4, 2 new since")
    page.get_by_role("button", name="Step forward").click()
    told(page, "The mail “One” lies in the mailbox")
    mailbox(page, NILS, "1 letter")
    page.get_by_role("slider").press("ArrowRight")
    told(page, "accepts the mail “Two”")
    page.get_by_role("button", name="Live").click()
    mailbox(page, NILS, "2 letters")
    expect(page.get_by_role("button", name="Live")).to_have_attribute("aria-pressed", "true")


def test_one_trace_is_replayed_with_its_notice(lab_process: StartLab, browser_page: OpenPage) -> None:
    """A mail is chosen from the list and plays to its end: to the relay, refused there, and back as a notice."""
    lab = lab_process("bounce")
    page = open_network(lab, browser_page("en-GB", calm=True))
    sent = lab.send(ANNA, "bne@sued.example", subject="Typo")
    lab.wait_for("message.stored", mailbox=ANNA)
    page.get_by_label("Speed").select_option("very fast")
    expect(page.get_by_label("Show").locator("option").filter(has_text="Typo")).to_be_attached()
    page.evaluate(COLLECT_SENTENCES)
    page.get_by_label("Show").select_option(sent["trace"])
    expect(page).to_have_url(f"{lab.url}#/replay/{sent['trace']}")
    page.evaluate(COLLECT_SENTENCES)
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    sentences = "\n".join(page.evaluate("sentences"))
    assert "refuses the mail “Typo” for bne@sued.example for good: 550" in sentences
    assert "relay.example writes a notice itself" in sentences
    told(page, "has taken the mail")
    mailbox(page, ANNA, "1 letter")
    expect(page.get_by_role("link", name="Open the ladder")).to_be_visible()
    page.get_by_role("button", name="Live").click()
    expect(page).to_have_url(f"{lab.url}#/")


def test_every_line_is_said_where_it_was_said(lab_process: StartLab, browser_page: OpenPage) -> None:
    """With the dialogue, each command is in a bubble at its client, and each reply at its server."""
    lab = lab_process("gartenparty")
    page = browser_page("de-DE", calm=True)
    sent = lab.send("carol@example.com", "bob@example.com", subject="Einladung")
    page.goto(f"{lab.url}#/replay/{sent['trace']}")
    page.get_by_role("button", name="Anhalten").click()
    page.get_by_label("jede Zeile").check()
    page.get_by_role("slider").fill("0")
    bubble, heard = page.locator(".net-bubbles"), []
    for _ in range(13):
        page.get_by_role("button", name="Einen Schritt vor").click()
        heard.append(bubble.text_content() or "")
        assert heard[-1] in page.locator(".net-told").inner_text()
    assert "220 Willkommen bei example.com" in heard
    assert any(line.startswith("MAIL FROM:<carol@example.com>") for line in heard)
    last = page.get_by_role("slider").get_attribute("max")
    page.get_by_role("button", name="English").click()
    expect(page.locator(".net-place")).to_have_text(f"Record 13 of {last}")


@pytest.mark.parametrize("calm", [True, False])
def test_letters_jump_for_who_wants_less_motion(calm: bool, lab_process: StartLab, browser_page: OpenPage) -> None:
    """With reduced motion a letter is at its end at once; without, it is on its way."""
    lab = lab_process("gartenparty")
    page = browser_page("en-GB", calm=calm)
    open_network(lab, page)
    page.get_by_label("Speed").select_option("slow")
    lab.send("carol@example.com", "alice@example.com", subject="Jump")
    letter = page.locator(".net-flying .net-letter").first
    letter.wait_for(state="attached")
    positions = {letter.get_attribute("transform") for _ in range(4)}
    assert (len(positions) == 1) is calm


def test_a_busy_lab_stays_a_quiet_picture(lab_process: StartLab, browser_page: OpenPage) -> None:
    """However many letters there are, few fly at a time, the others are counted, and each mailbox is right."""
    lab = lab_process("gartenparty")
    page = open_network(lab, browser_page("en-GB"))
    page.evaluate(COUNT_LETTERS)
    for number in range(80):
        lab.send("carol@example.com", "alice@example.com", "bob@example.com", subject=str(number))
    mailbox(page, "alice@example.com", "80 letters")
    mailbox(page, "bob@example.com", "80 letters")
    assert 2 < page.evaluate("mostLetters") <= 25
    expect(page.locator(".net-flying .net-letter")).to_have_count(0)


def test_a_trace_that_is_gone_is_said_to_be(lab_process: StartLab, browser_page: OpenPage) -> None:
    """The address of a replay may be older than the lab."""
    lab = lab_process("gartenparty")
    page = browser_page("en-GB", expected="404")
    page.goto(f"{lab.url}#/replay/1M84F0X0BDJ2B")
    expect(page.get_by_role("heading", level=1)).to_have_text("This cannot be shown")
    expect(page.locator("main")).to_contain_text("no trace 1M84F0X0BDJ2B")


def test_every_lab_has_a_picture(lab_process: StartLab, browser_page: OpenPage) -> None:
    """From one server to sixty, everybody has a place of their own, in every width."""
    lab = lab_process("gartenparty")
    page = open_network(lab, browser_page("en-GB"))
    assert page.evaluate(LAYOUTS, LABS) == []


def test_a_window_of_another_size_has_its_picture(lab_process: StartLab, browser_page: OpenPage) -> None:
    """Turned or made narrow, the picture is arranged anew, and shows the same place of the past."""
    lab = lab_process("two-schools")
    page = replay_of(lab, browser_page("en-GB", calm=True), BEN)
    page.get_by_role("button", name="Step forward").click()
    page.get_by_role("button", name="Step forward").click()
    expect(page.locator(".net-rest .net-letter")).to_have_count(1)
    picture = page.locator(".net-picture")
    width = picture.get_attribute("width")
    page.set_viewport_size({"width": 390, "height": 844})
    expect(picture).not_to_have_attribute("width", width or "")
    expect(page.locator(".net-rest .net-letter")).to_have_count(1)
    houses = [page.locator(f'[data-host="mail.{name}.example"]').bounding_box() for name in ("nord", "sued")]
    assert houses[0] is not None
    assert houses[1] is not None
    assert houses[0]["y"] + houses[0]["height"] < houses[1]["y"]
    told(page, "sets out to hand the mail “Einladung” to relay.example")
