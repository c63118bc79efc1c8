"""What strangers write does nothing: no view of the page runs it, and none asks anybody for anything because of it."""

from __future__ import annotations

import base64
import contextlib
import re
import socket
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any, Final

import attrs
import pytest
from playwright.sync_api import Error, Page, expect

from maillab.network.endpoint import Endpoint

from .conftest import OpenPage, StartLab
from .lab_process import BrowsedLab

LAB: Final = """
[lab]
name = "evil"
title = { en = '<img src="{canary}/title" onerror="window.pwned=1">' }
[[domain]]
name = "nord.example"
users = ["anna"]
auth_without_tls = true
smtp = "127.0.0.1:0"
submission = "127.0.0.1:0"
submissions = "127.0.0.1:0"
[[foreign]]
host = "mail.far.example"
domains = ["far.example"]
smtp = "127.0.0.1:{port}"
[dns]
listen = "127.0.0.1:0"
"""
ANNA: Final = "anna@nord.example"
FAR: Final = '"<svg/onload=pwned=1>"@far.example'
LISTEN: Final = """
window.violations = [];
document.addEventListener("securitypolicyviolation", ({ blockedURI, violatedDirective, sourceFile }) =>
  window.violations.push(`${violatedDirective} ${blockedURI} ${sourceFile}`));
"""
SETTLE_MILLISECONDS: Final = 300  # what a view would load it asks for at once
PATIENCE_COUNT: Final = 60  # times of that, until what surely comes has come


@attrs.define
class Canary:
    """A web server on loopback that nobody has any reason to speak to; it notes whoever does."""

    socket: socket.socket
    touches: list[bytes] = attrs.field(factory=list)

    @property
    def port(self) -> int:
        port: int = self.socket.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return  # the test is over
            with connection:
                connection.settimeout(1)
                try:
                    self.touches.append(connection.recv(1000))
                except OSError as error:
                    self.touches.append(repr(error).encode())

    def traps(self) -> Iterator[str]:
        """Ways to make a browser run something, or ask this server for it."""
        url = self.url
        yield "<script>window.pwned=1</script>"
        yield f"<script src={url}/script></script>"
        yield f'"><img src={url}/img onerror=window.pwned=1>'
        yield f"'><svg onload=window.pwned=1><image href={url}/svg />"
        yield "javascript:window.pwned=1"
        yield f"<a href=javascript:window.pwned=1 ping={url}/ping>x</a>"
        yield f"<style>@import '{url}/import'; * {{ background: url({url}/css) }}</style>"
        yield f"<link rel=preconnect href={url}><link rel=dns-prefetch href={url}><link rel=prefetch href={url}/pre>"
        yield f"<meta http-equiv=refresh content='0;url={url}/refresh'><base href={url}/base>"
        yield f"<iframe src={url}/frame srcdoc='<script>parent.pwned=1</script>'></iframe>"
        yield f"<details open ontoggle=window.pwned=1><video poster={url}/poster src={url}/video>"
        yield "{{constructor.constructor('window.pwned=1')()}}${window.pwned=1}"
        yield f"{url}/plain"
        yield "\\'-(window.pwned=1)-\\'`"

    def html(self) -> str:
        """All of them in one document, and those that only HTML has."""
        url = self.url
        return "".join(self.traps()) + (
            f"</svg></video></details>"
            f"<p style='background: url({url}/style); width: expression(pwned=1); behavior: url({url}/htc)'>text"
            f"<style>@font-face {{ font-family: x; src: url({url}/font) }} p {{ font-family: x }}"
            f"\n@im\\70ort '{url}/escaped'; b {{ background: \\75rl({url}/escaped2); cursor: url({url}/cursor), auto }}"
            f"\ni {{ background: image-set('{url}/set' 1x) }}</style><b>bold</b><i>italic</i>"
            f"<body onload=window.pwned=1 background={url}/body><table background={url}/table><td>x</table>"
            f"<object data={url}/object><embed src={url}/embed></object><input type=image src={url}/input autofocus"
            f" onfocus=pwned=1><form action={url}/form><button id=press>Press</button></form>"
            f"<a id=link href={url}/link target=_top>Link</a><a id=blank href={url}/blank target=_blank>New</a>"
            f"<picture><source srcset={url}/source><img srcset='{url}/srcset 2x' src=data:image/svg+xml,%3Csvg%3E>"
            f"</picture><svg><use href={url}/use /><script>pwned=1</script><foreignObject><img src={url}/foreign>"
            f"</foreignObject></svg><math><mtext><table><mglyph><style><img src={url}/mutation onerror=pwned=1>"
        )


@pytest.fixture
def canary() -> Iterator[Canary]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        made = Canary(listening)
        thread = threading.Thread(target=made.run, daemon=True)
        thread.start()
        yield made
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def evil_letter(canary: Canary, trap: str) -> bytes:
    """A letter with a trap in every place that is ever shown."""
    plain = re.sub(r"[\r\n]", " ", trap)
    body = EmailMessage(SMTP)
    body.set_content(f"{trap}\n")
    body.add_alternative(canary.html(), subtype="html")
    name = base64.b64encode(plain.encode()).decode()
    body.add_attachment(trap.encode(), "text", "html", filename="x.html")
    content = bytes(body).replace(b'filename="x.html"', f'filename="=?utf-8?B?{name}?="'.encode())
    header = (
        f"Received: from {plain} ({plain}) by {plain.replace(' ', '')} with {plain} id {plain}; {plain}\r\n"
        f"From: {plain} <anna@nord.example>\r\nTo: {plain}\r\nCc: {plain}\r\nReply-To: {plain}\r\nDate: {plain}\r\n"
        f"Subject: {plain}\r\nX-Trap: {plain}\r\n"
    )
    return header.encode() + content


def speak(where: Endpoint, *lines: str) -> None:
    """Lines that no mail program sends, one after the other, each with its answer."""
    with socket.create_connection(where, timeout=20) as connection, connection.makefile("rb") as answers:
        answers.readline()
        for line in lines:
            connection.sendall(f"{line}\r\n".encode())
            while answers.readline()[3:4] == b"-":
                pass


@pytest.fixture
def evil_lab(canary: Canary, lab_process: StartLab, tmp_path: Path) -> BrowsedLab:
    """A lab in which every name that a stranger chooses is a trap."""
    lab_file = tmp_path / "evil.toml"
    lab_file.write_text(LAB.replace("{canary}", canary.url).replace("{port}", str(closed_port())), encoding="utf-8")
    lab = lab_process(lab_file)
    submission = Endpoint.parse(lab.wait_for("lab.ready")["servers"][0]["submission"])
    for trap in canary.traps():
        octets = base64.b64encode(evil_letter(canary, trap)).decode()
        lab.send(ANNA, ANNA, FAR, message_base64=octets)
        word = re.sub(r"\s+", "", trap)
        login = base64.b64encode(f"\0{trap}\0password".encode()).decode()
        speak(lab.smtp("mail.nord.example"), f"HELO {word}", f"MAIL FROM:<{word}>", trap, f"VRFY {trap}", "QUIT")
        speak(submission, f"EHLO {word}", f"AUTH PLAIN {login}", "MAIL FROM:<>", f"RCPT TO:<{trap}>", "QUIT")
    return lab


def closed_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


def look(page: Page, lab: BrowsedLab, place: str) -> None:
    """Open a view afresh, and let it do whatever it does."""
    page.goto("about:blank")
    page.goto(f"{lab.url}#/{place}")
    expect(page.locator("h1")).to_be_visible()
    page.wait_for_timeout(SETTLE_MILLISECONDS)
    assert page.evaluate("window.pwned") is None
    assert page.evaluate("window.violations") == []


def watched(browser_page: OpenPage, **options: Any) -> Page:
    # What a test looks for inside the frame is run by the browser's tools, and refused there as all else is.
    page = browser_page("en-GB", **{"expected": "Blocked script execution"} | options)
    page.add_init_script(LISTEN)
    return page


def test_the_traps_are_sharp(canary: Canary, browser_page: OpenPage) -> None:
    """In a page that takes no care they run, and ask for many things: what this module looks for can happen."""
    page = watched(browser_page, expected=".")
    with contextlib.suppress(Error):  # nobody answers what it asks for
        page.set_content(canary.html().replace("http-equiv=refresh", ""), wait_until="commit")
    page.wait_for_function("window.pwned === 1")
    for path in (b"/script", b"/img", b"/css", b"/style", b"/video"):
        for _ in range(PATIENCE_COUNT):
            if path in (touch.split()[1] for touch in canary.touches if touch):
                break
            page.wait_for_timeout(SETTLE_MILLISECONDS)
        else:
            raise AssertionError(f"nobody asked for {path!r}")


def test_no_view_runs_or_asks_for_anything(evil_lab: BrowsedLab, canary: Canary, browser_page: OpenPage) -> None:
    """Subjects, addresses, header values, HELO names and the lab's own title are text wherever they are shown."""
    page = watched(browser_page)
    traces = evil_lab.http.get("api/lab/traces").json()
    people = evil_lab.http.get("api/lab/lab").json()["mailboxes"]
    places = ["", "traces", "mailboxes", "queue", "faults", *(f"mailboxes/{person}" for person in people)]
    places += [f"desktop/{ANNA}/client", f"desktop/{ANNA}/mail", *(f"traces/{each['trace']}" for each in traces)]
    for place in places:
        look(page, evil_lab, place)
    assert canary.touches == []


def test_a_letter_is_only_ever_shown(evil_lab: BrowsedLab, canary: Canary, browser_page: OpenPage) -> None:
    """Text, HTML, header, source, files and path of every letter: nothing runs, and nobody is asked."""
    page = watched(browser_page)
    letters = evil_lab.http.get(f"api/lab/mailboxes/{ANNA}/messages").json()
    assert len(letters) >= len([*canary.traps()])
    for letter in letters:
        look(page, evil_lab, f"mailboxes/{ANNA}/{letter['uid']}")
        for tab in page.get_by_role("tab").all():
            tab.click()
            expect(page.get_by_role("tabpanel")).not_to_be_empty()
        assert page.evaluate("window.pwned") is None
        assert page.evaluate("window.violations") == []
    assert canary.touches == []


def test_the_html_of_a_letter_is_a_dead_end(evil_lab: BrowsedLab, canary: Canary, browser_page: OpenPage) -> None:
    """In the frame nothing is a script, a form or a link; opened on its own, it is as harmless."""
    page = watched(browser_page)
    letters = evil_lab.http.get(f"api/lab/mailboxes/{ANNA}/messages").json()
    uid = next(letter["uid"] for letter in letters if letter["subject"].startswith("<script>"))
    look(page, evil_lab, f"mailboxes/{ANNA}/{uid}")
    page.get_by_role("tab", name="HTML").click()
    frame = page.frame_locator("iframe")
    expect(frame.locator("#link")).to_have_text("Link")
    for link in ("#link", "#blank"):
        frame.locator(link).click()
    expect(
        frame.locator("form, input, button, script, link, meta:not([charset]), base, iframe, svg, [onload]")
    ).to_have_count(0)
    assert [each.url for each in page.context.pages] == [page.url]
    own = page.frames[1].url
    assert own.startswith(evil_lab.url)
    page.goto(own)
    expect(page.locator("#link")).to_be_visible()
    page.wait_for_timeout(SETTLE_MILLISECONDS)
    assert page.locator("body").evaluate("() => window.pwned") is None
    assert canary.touches == []


def test_even_html_as_it_came_can_do_nothing(canary: Canary, evil_lab: BrowsedLab, browser_page: OpenPage) -> None:
    """Without any cleaning, the frame and its policy alone keep all of it from running, and from loading anything.

    What they do not forbid is a connection that is opened ahead of time; that is why HTML is cleaned as well.
    """
    page = watched(browser_page, expected="Blocked|Refused|violates|Content Security Policy|sandboxed|Unsafe attempt")
    path = f"api/lab/mailboxes/{ANNA}/messages/1/html"
    headers = {name: value for name, value in evil_lab.http.get(path).headers.items() if name != "content-length"}
    html = canary.html().replace("rel=preconnect", "rel=x").replace("rel=dns-prefetch", "rel=x")
    page.route("**/html", lambda route: route.fulfill(status=200, headers=headers, body=html))
    page.goto(f"{evil_lab.url}#/mailboxes/{ANNA}/1")
    page.get_by_role("tab", name="HTML").click()
    expect(page.frame_locator("iframe").locator("b").first).to_be_attached()
    page.wait_for_timeout(SETTLE_MILLISECONDS)
    assert page.evaluate("window.pwned") is None
    assert canary.touches == []


def test_files_are_saved_and_never_opened(evil_lab: BrowsedLab, canary: Canary, browser_page: OpenPage) -> None:
    """Whatever a file is and however it is called, it lands on the disk, under a name that is no path."""
    page = watched(browser_page)
    letters = evil_lab.http.get(f"api/lab/mailboxes/{ANNA}/messages").json()
    for letter in letters:
        look(page, evil_lab, f"mailboxes/{ANNA}/{letter['uid']}")
        page.get_by_role("tab", name="Attachments").click()
        with page.expect_download() as download:
            page.get_by_role("tabpanel").get_by_role("link").click()
        assert re.fullmatch(r'[^/\\<>"|?*:\x00-\x1f]+', download.value.suggested_filename)
    assert canary.touches == []


def test_what_comes_while_somebody_looks_is_as_harmless(
    evil_lab: BrowsedLab, canary: Canary, browser_page: OpenPage
) -> None:
    """Letters, records and waits that arrive live are shown as those that were there before."""
    for place in ("", "traces", f"mailboxes/{ANNA}", "queue", f"desktop/{ANNA}/mail"):
        page = watched(browser_page)
        look(page, evil_lab, place)
        for trap in canary.traps():
            octets = base64.b64encode(evil_letter(canary, trap)).decode()
            evil_lab.send(ANNA, ANNA, FAR, message_base64=octets)
        page.wait_for_timeout(3 * SETTLE_MILLISECONDS)
        assert page.evaluate("window.pwned") is None
        assert page.evaluate("window.violations") == []
        page.close()
    assert canary.touches == []
