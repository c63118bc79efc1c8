"""Faults, switched on and off by hand."""

from __future__ import annotations

from playwright.sync_api import expect

from .conftest import OpenPage, StartLab

ANNA, BEN = "anna@nord.example", "ben@sued.example"
EVIL = "<img src=x onerror=window.pwned=1>"


def test_busy_twice_and_then_accepted(lab_process: StartLab, browser_page: OpenPage) -> None:
    """A fault in words is one click and another; a mail meets it, and that is counted while it happens."""
    lab = lab_process("two-schools")
    page = browser_page()
    page.goto(f"{lab.url}#/faults")
    expect(page.get_by_text("Nichts ist eingeschaltet")).to_be_visible()
    page.get_by_role("button", name="Zweimal beschäftigt, dann angenommen").click()
    expect(page.get_by_label("Antwort", exact=True)).to_have_value("450 4.2.0 Mailbox busy")
    page.get_by_role("button", name="Störung einschalten").click()
    fault = page.get_by_role("region", name="Jetzt eingeschaltet").get_by_role("listitem")
    expect(fault).to_contain_text("mail.sued.example antwortet auf RCPT mit 450 4.2.0 Mailbox busy.")
    expect(fault).to_contain_text("0 von 2 Malen zugeschlagen")
    queue_id = lab.send(ANNA, BEN, subject="Busy")["trace"] + "-2-00"
    expect(fault).to_contain_text("1 von 2 Malen zugeschlagen")
    lab.wait_for("delivery.deferred", queue_id=queue_id)
    lab.http.post(f"api/lab/queue/{queue_id}/retry")
    expect(fault).to_contain_text("verbraucht")
    firings = page.get_by_role("region", name="Zuletzt zugeschlagen").get_by_role("listitem")
    expect(firings).to_have_count(2)
    lab.http.post(f"api/lab/queue/{queue_id}/retry")
    lab.wait_for("message.stored", mailbox=BEN)
    page.get_by_role("button", name="fault-1 aufheben").click()
    expect(page.get_by_text("Nichts ist eingeschaltet")).to_be_visible()
    expect(page.get_by_role("heading", name="Jetzt eingeschaltet")).to_be_focused()


def test_a_fault_of_all_servers_is_told_in_good_german(lab_process: StartLab, browser_page: OpenPage) -> None:
    """Who it strikes is said in the case that the sentence asks for."""
    lab = lab_process("two-schools")
    lab.http.post("api/lab/faults", json={"kind": "disk-full"})
    lab.http.post("api/lab/faults", json={"kind": "reply", "command": "RCPT", "reply": "450 4.2.0 Mailbox busy"})
    page = browser_page()
    page.goto(f"{lab.url}#/faults")
    there = page.get_by_role("region", name="Jetzt eingeschaltet")
    expect(there).to_contain_text("Die Festplatte von jedem Server ist voll.")
    expect(there).to_contain_text("Jeder Server antwortet auf RCPT mit 450 4.2.0 Mailbox busy.")


def test_every_kind_can_be_set(lab_process: StartLab, browser_page: OpenPage) -> None:
    """The form asks for just what a kind has to know, and what it makes is understood by the lab; all are cleared."""
    lab = lab_process("two-schools")
    page = browser_page("en-GB")
    page.goto(f"{lab.url}#/faults")
    kinds = page.get_by_label("What goes wrong").locator("option")
    expect(kinds).to_have_count(14)
    values = [option.get_attribute("value") or "" for option in kinds.all()]
    for count, kind in enumerate(values, 1):
        page.get_by_label("What goes wrong").select_option(kind)
        for field, text in (("Seconds", "0.5"), ("Octets in a second", "100"), ("After so many octets", "10")):
            if page.get_by_label(field, exact=True).count():
                page.get_by_label(field, exact=True).fill(text)
        if kind == "partition":
            page.get_by_label("relay.example").check()
        if kind == "reply":
            page.get_by_label("Reply", exact=True).fill("550 5.1.1 No such user here")
        page.get_by_role("button", name="Set this fault").click()
        expect(page.get_by_role("region", name="Set now").get_by_role("listitem")).to_have_count(count)
    there = lab.http.get("api/lab/faults").json()
    assert [fault["kind"] for fault in there] == values
    assert next(fault for fault in there if fault["kind"] == "partition")["hosts"] == ["relay.example"]
    sentences = page.get_by_role("region", name="Set now").get_by_role("listitem").all_inner_texts()
    assert len({sentence.partition("\n")[2] for sentence in sentences}) == len(values)
    page.get_by_role("button", name="Clear all").click()
    expect(page.get_by_text("Nothing is set")).to_be_visible()
    assert lab.http.get("api/lab/faults").json() == []


def test_every_preset_fits_the_lab(lab_process: StartLab, browser_page: OpenPage) -> None:
    """What is offered in words is set with one more click, in a lab without a relay too."""
    for name in ("two-schools", "gartenparty"):
        lab = lab_process(name)
        page = browser_page("en-GB")
        page.goto(f"{lab.url}#/faults")
        presets = page.get_by_role("group", name="Faults worth trying").get_by_role("button")
        unreachable = "Relay cannot be reached" if name == "two-schools" else "Server cannot be reached"
        expect(presets.get_by_text(unreachable)).to_be_visible()
        expect(presets).to_have_count(9)
        for count, preset in enumerate(presets.all(), 1):
            preset.click()
            page.get_by_role("button", name="Set this fault").click()
            expect(page.get_by_role("region", name="Set now").get_by_role("listitem")).to_have_count(count)
        lost = next(fault for fault in lab.http.get("api/lab/faults").json() if fault.get("late"))
        assert (lost["kind"], lost["command"], lost["times"]) == ("disconnect", "message", 1)


def test_what_is_wrong_is_told_at_the_form(lab_process: StartLab, browser_page: OpenPage) -> None:
    """A mistake is told in the lab's words, nothing typed is lost, and a reply is text whatever it is."""
    lab = lab_process("two-schools")
    page = browser_page("en-GB", expected="400")
    page.goto(f"{lab.url}#/faults")
    page.get_by_role("button", name="Recipient refused").click()
    page.get_by_label("Reply", exact=True).fill("250 fine")
    page.get_by_label("Only for this address").fill("@sued.example")
    page.get_by_text("How often, and its name").click()
    page.get_by_label("Name", exact=True).fill(EVIL)
    page.get_by_role("button", name="Set this fault").click()
    expect(page.get_by_role("alert").filter(has_text="250 fine")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text(f'"{EVIL}" is no name')
    page.get_by_role("link", name="Queue").click()
    page.get_by_role("link", name="Faults").click()
    page.get_by_label("Reply", exact=True).fill(f"550 5.1.1 {EVIL}")
    expect(page.get_by_label("Only for this address")).to_have_value("@sued.example")
    page.get_by_label("Name", exact=True).fill("evil")
    page.get_by_label("Name", exact=True).press("Enter")
    fault = page.get_by_role("region", name="Set now").get_by_role("listitem")
    expect(fault).to_contain_text(EVIL)
    expect(fault).to_contain_text("Only for @sued.example.")
    trace = lab.send(ANNA, BEN)["trace"]
    expect(page.get_by_role("region", name="Struck lately").get_by_role("listitem")).to_contain_text("evil")
    for place in ("", f"traces/{trace}", "queue", "faults"):
        page.goto(f"{lab.url}#/{place}")
        expect(page.locator("h1")).to_be_visible()
        page.wait_for_timeout(200)
        assert page.evaluate("window.pwned") is None
    page.get_by_role("button", name="Clear evil").click()
    expect(page.get_by_text("Nothing is set")).to_be_visible()


def test_a_fault_is_set_by_keyboard(lab_process: StartLab, browser_page: OpenPage) -> None:
    """Without a mouse: a preset, the form, and clearing it again."""
    lab = lab_process("two-schools")
    page = browser_page("en-GB")
    page.goto(f"{lab.url}#/faults")
    page.get_by_role("button", name="Disk full").focus()
    page.keyboard.press("Enter")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Set this fault":
            break
    page.keyboard.press("Enter")
    fault = page.get_by_role("region", name="Set now").get_by_role("listitem")
    expect(fault).to_contain_text("The disk of mail.sued.example is full.")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.ariaLabel") == "Clear fault-1":
            break
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing is set")).to_be_visible()
