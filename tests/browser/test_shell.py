"""The shell around all views: language, light and dark, keyboard, and what becomes of it when the lab goes away."""

from __future__ import annotations

from playwright.sync_api import expect

from .conftest import OpenPage, StartLab


def test_the_page_speaks_the_language_of_its_browser(lab_process: StartLab, browser_page: OpenPage) -> None:
    """German to a German browser and English to others, until somebody chooses; the choice lasts."""
    lab = lab_process("two-schools")
    german, english = browser_page("de-AT"), browser_page("fr-FR")
    german.goto(lab.url)
    english.goto(lab.url)
    expect(german.locator("html")).to_have_attribute("lang", "de")
    expect(german.get_by_role("navigation", name="Ansichten").get_by_role("link")).to_have_text(
        ["Netzwerk", "Spuren", "Postfächer", "Warteschlange", "Störungen"]
    )
    expect(german.locator("#title")).to_have_text("Zwei Schulen")
    expect(english.locator("#title")).to_have_text("Two schools")
    english.get_by_role("button", name="Deutsch").click()
    expect(english.locator("#title")).to_have_text("Zwei Schulen")
    english.reload()
    expect(english.locator("html")).to_have_attribute("lang", "de")
