"""The shell around all views: language, light and dark, keyboard, and what becomes of it when the lab goes away."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.interop.lab_process import with_free_ports

from .conftest import OpenPage, StartLab

VIEWS = ["Netzwerk", "Spuren", "Postfächer", "Warteschlange", "Störungen"]
LOST_CONNECTION = r"ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|WebSocket connection|ERR_EMPTY_RESPONSE"

REACH_LAB = "import('/static/lab.js').then(({ lab }) => void (window.lab = lab))"


def colour(page: Page) -> str:
    """The paper's colour, as the browser computes it."""
    answer: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return answer


def test_the_page_speaks_the_language_of_its_browser(lab_process: StartLab, browser_page: OpenPage) -> None:
    """German to a German browser and English to others, until somebody chooses; the choice lasts."""
    lab = lab_process("two-schools")
    german, english = browser_page("de-AT"), browser_page("fr-FR")
    german.goto(lab.url)
    english.goto(lab.url)
    expect(german.locator("html")).to_have_attribute("lang", "de")
    expect(german.get_by_role("navigation", name="Ansichten").get_by_role("link")).to_have_text(VIEWS)
    expect(german.locator("#title")).to_have_text("Zwei Schulen")
    expect(english.locator("#title")).to_have_text("Two schools")
    english.get_by_role("button", name="Deutsch").click()
    expect(english.locator("#title")).to_have_text("Zwei Schulen")
    expect(english.get_by_role("button", name="Deutsch")).to_be_focused()
    english.reload()
    expect(english.locator("html")).to_have_attribute("lang", "de")


def test_light_and_dark_follow_the_system_until_chosen(lab_process: StartLab, browser_page: OpenPage) -> None:
    """One button goes through system, light and dark; what is chosen is there before the next page is painted."""
    lab = lab_process("gartenparty")
    page = browser_page("en-GB", dark=True)
    page.goto(lab.url)
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    dark = colour(page)
    page.get_by_role("button", name="Colours: as the system has them").click()
    expect(page.get_by_role("button", name="Colours: light")).to_be_focused()
    assert colour(page) != dark
    page.emulate_media(color_scheme="light")
    page.get_by_role("button", name="Colours: light").click()
    assert colour(page) == dark
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_every_view_is_reached_by_keyboard(lab_process: StartLab, browser_page: OpenPage) -> None:
    """Tab goes from the skip link through the views; Enter opens one, and its heading has the focus."""
    lab = lab_process("two-schools")
    page = browser_page()
    page.goto(lab.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Netzwerk")
    for name in VIEWS[1:]:
        page.get_by_role("link", name="Zum Inhalt springen").focus()
        for _ in range(2 + VIEWS.index(name)):
            page.keyboard.press("Tab")
        expect(page.get_by_role("navigation").get_by_role("link", name=name)).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_role("navigation").get_by_role("link", name=name)).to_have_attribute("aria-current", "page")
        expect(page.get_by_role("heading", level=1)).to_be_focused()
        assert page.title().startswith(f"{name} · Zwei Schulen")
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text(VIEWS[3])
    page.get_by_role("link", name="Zum Inhalt springen").focus()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    assert page.url.endswith("#/queue")


def test_an_address_that_leads_nowhere_says_so(lab_process: StartLab, browser_page: OpenPage) -> None:
    """Whatever stands behind the #, the page stays, and shows the way back."""
    lab = lab_process("gartenparty")
    page = browser_page("en-GB")
    for place in ("#/nowhere", "#/toString", "#/__proto__", "#/%3Cimg%20src=x%20onerror=alert(1)%3E", "#/%E0%A4%A"):
        page.goto(lab.url + place)
        page.reload()
        expect(page.get_by_role("heading", level=1)).to_have_text(
            "Network" if "%E0" in place else "This cannot be shown"
        )
    page.goto(lab.url + "#/nowhere")
    page.get_by_role("link", name="To the network").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Network")


def test_a_lab_that_is_started_again_is_found_again(lab_process: StartLab, browser_page: OpenPage) -> None:
    """The page says that the connection is gone, and goes on with the new run without being loaded again."""
    lab = lab_process("two-schools")
    page = browser_page("en-GB", expected=LOST_CONNECTION)
    page.goto(lab.url)
    lab.send("anna@nord.example", "nils@nord.example", subject="First")
    expect(page.get_by_role("link", name="Mailbox of nils@nord.example: 1 letter")).to_be_attached()
    page.evaluate("window.isTheSamePage = true")
    lab.stop()
    expect(page.locator("#connection")).to_have_text("No connection to the lab; trying again …")
    lab.start()
    expect(page.locator("#connection")).to_have_text("")
    expect(page.get_by_role("link", name="Mailbox of nils@nord.example: 0 letters")).to_be_attached()
    lab.send("anna@nord.example", "nils@nord.example", subject="Second")
    expect(page.get_by_role("link", name="Mailbox of nils@nord.example: 1 letter")).to_be_attached()
    assert page.evaluate("window.isTheSamePage")


def test_a_view_that_was_asked_for_while_the_lab_was_away_is_shown_later(
    lab_process: StartLab, browser_page: OpenPage
) -> None:
    """What could not be fetched is said in the page's language, and shown as soon as it can be."""
    lab = lab_process("two-schools")
    page = browser_page(expected=LOST_CONNECTION)
    page.goto(lab.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Netzwerk")
    lab.stop()
    expect(page.locator("#connection")).not_to_be_empty()
    page.get_by_role("link", name="Spuren").click()
    expect(page.locator("main .notice")).to_have_text("Keine Verbindung zum Labor; neuer Versuch …")
    lab.start()
    expect(page.get_by_role("heading", level=1)).to_have_text("Spuren")


def test_a_new_start_of_the_lab_asks_for_the_password_again(lab_process: StartLab, browser_page: OpenPage) -> None:
    """An open page goes to the form by itself, and its browser asks nothing in a window of its own."""
    lab = lab_process("two-schools", "--web-access", "password", password="geheim12")
    page = browser_page(expected=LOST_CONNECTION + "|401")
    page.goto(lab.url)
    for _ in range(2):
        page.get_by_label("Passwort").fill("geheim12")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Netzwerk")
        lab.stop()
        lab.start()
        expect(page).to_have_url(f"{lab.url}login")


def test_a_long_title_leaves_room_for_the_rest(tmp_path: Path, lab_process: StartLab, browser_page: OpenPage) -> None:
    """However a lab is called, the page is no wider than its window, and every view can be clicked."""
    text = with_free_ports("two-schools").replace(
        "Zwei Schulen", "Ein langes Labor für eine Donaudampfschifffahrt " * 2
    )
    lab_file = tmp_path / "long.toml"
    lab_file.write_text(text, encoding="utf-8")
    lab = lab_process(lab_file)
    for width in (1280, 1024, 390):
        page = browser_page(width=width)
        page.goto(lab.url)
        for view in VIEWS:
            page.get_by_role("navigation", name="Ansichten").get_by_role("link", name=view).click()
            expect(page.get_by_role("heading", level=1)).to_have_text(view)
            assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_what_happened_while_the_page_was_away_is_caught_up(lab_process: StartLab, browser_page: OpenPage) -> None:
    """After a lost connection to the same run, no record is missing and none is there twice."""
    lab = lab_process("two-schools")
    page = browser_page("en-GB", expected=LOST_CONNECTION)
    routes: list[WebSocketRoute] = []
    is_cut = False

    def pass_on(route: WebSocketRoute) -> None:
        routes.append(route)
        if is_cut:
            route.close()
        else:
            route.connect_to_server()

    page.route_web_socket("**/live?*", pass_on)
    page.goto(lab.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Network")
    page.evaluate(REACH_LAB)
    lab.send("anna@nord.example", "ben@sued.example", subject="Before")
    expect(page.get_by_role("link", name="Mailbox of ben@sued.example: 1 letter")).to_be_attached()
    is_cut = True
    routes[-1].close()
    expect(page.locator("#connection")).to_have_text("No connection to the lab; trying again …")
    lab.send("anna@nord.example", "ben@sued.example", subject="Meanwhile")
    lab.wait_for("message.stored", mailbox="ben@sued.example", uid=2)
    is_cut = False
    expect(page.get_by_role("link", name="Mailbox of ben@sued.example: 2 letters")).to_be_attached()
    seqs = page.evaluate("lab.records.map(({ seq }) => seq)")
    assert seqs == [*range(1, len(seqs) + 1)]
    assert page.evaluate("lab.lost") == 0


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_viewer_who_lost_records_is_told(is_kept: bool, lab_process: StartLab, browser_page: OpenPage) -> None:
    """Records that the feed skipped are fetched; those that the lab no longer has are told of, until that is read."""
    lab = lab_process("two-schools")
    page = browser_page("en-GB")
    skipped: list[int] = []

    def skip(route: WebSocketRoute) -> None:
        # What the feed does to a page that is too slow, done to one that is not.
        def tell(frame: str | bytes) -> None:
            count = len(json.loads(frame))
            skipped.append(count)
            route.send(json.dumps([{"event": "records.lost", "count": count}]))

        route.connect_to_server().on_message(tell)

    page.route_web_socket("**/live?*", skip)
    page.goto(lab.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Network")
    page.evaluate(REACH_LAB)
    if not is_kept:
        page.route("**/api/lab/records?*", lambda route: route.fulfill(json=[]))
    lab.send("anna@nord.example", "nils@nord.example", subject="Skipped")
    if is_kept:
        expect(page.get_by_role("link", name="Mailbox of nils@nord.example: 1 letter")).to_be_attached()
        seqs = page.evaluate("lab.records.map(({ seq }) => seq)")
        assert seqs == [*range(1, len(seqs) + 1)]
        expect(page.locator("#lost")).to_have_text("")
    else:
        expect(page.locator("#lost")).to_contain_text("This page was too slow and has missed ")
        lab.wait_for("connection.closed")
        expect(page.locator("#lost")).to_contain_text(f"missed {len(lab.records) - 1} records.")
        assert page.evaluate("lab.lost") == sum(skipped)
        page.get_by_role("button", name="Understood").click()
        expect(page.locator("#lost")).to_have_text("")


def test_a_lab_that_is_not_there_yet_is_waited_for(lab_process: StartLab, browser_page: OpenPage) -> None:
    """A page whose first request fails says so in both languages, and tries again by itself."""
    lab = lab_process("gartenparty")
    page = browser_page(expected="500|Failed to load|LabError")
    page.route("**/api/lab/lab", lambda route: route.fulfill(status=500, json={"error": "starting"}))
    page.goto(lab.url)
    expect(page.get_by_role("alert")).to_contain_text("Das Labor ist nicht zu erreichen")
    page.unroute("**/api/lab/lab")
    expect(page.get_by_role("heading", level=1)).to_have_text("Netzwerk")
