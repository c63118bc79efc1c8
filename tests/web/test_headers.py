"""The headers of every answer: what browsers may make of it is said each time, and is as little as can be."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final

import trio.testing

from maillab.web.pages import static_files
from maillab.web.routes import ROUTES, WEBSOCKET

from .visit import House, open_house

NILS: Final = "nils@nord.example"
SAFE_SOURCES: Final = frozenset({"'self'", "'none'"})
# Answers with a stricter policy than the page's; styles within are all that any of them may use.
OWN_STYLES: Final = frozenset({"/html", "/ladder.svg"})
FILES: Final = frozenset({"/raw", "/parts/2"})


async def a_letter(house: House) -> str:
    """Send one with everything, and give its trace."""
    letter = EmailMessage(SMTP)
    letter.set_content("text")
    letter.add_alternative("<p>html", subtype="html")
    letter.add_attachment(b"x", "image", "svg+xml", filename="x.svg")
    order = base64.b64encode(bytes(letter)).decode()
    body = f'{{"from": "anna@nord.example", "to": "{NILS}", "message_base64": "{order}"}}'
    sent = await house.ask("/api/lab/send", "POST", body.encode())
    assert sent.status == 200
    await house.lab.mailbox(NILS).wait_for_message()
    return str(sent.json["trace"])


def rules_of(policy: str) -> Mapping[str, list[str]]:
    rules = (rule.split() for rule in policy.split(";"))
    return {name: sources for name, *sources in rules}


async def test_every_route_says_what_may_be_made_of_it(autojump_clock: trio.testing.MockClock) -> None:
    """Found or refused: no type is guessed, nobody is told where one was, and no script runs but the page's own."""
    async with open_house() as house, house.visitor() as visitor:
        trace = await a_letter(house)
        names = {"trace": trace, "address": NILS, "uid": "1", "part": "2", "name": "app.js", "queue_id": "X-1-00"}
        for route in ROUTES:
            if route.method == WEBSOCKET:
                continue
            path = re.sub(r"\{(\w+)\}", lambda variable: names[variable[1]], route.pattern)
            answer = await visitor.ask(path, route.method)
            assert answer.headers["x-content-type-options"] == "nosniff", path
            assert answer.headers["cross-origin-resource-policy"] == "same-origin", path
            assert answer.headers["referrer-policy"] == (
                "same-origin" if answer.status == 200 and path == "/login" else "no-referrer"
            )
            rules = rules_of(answer.headers["content-security-policy"])
            assert rules["default-src"] == ["'none'"], path
            assert {*rules.get("script-src", ["'none'"])} <= SAFE_SOURCES, path
            end = (
                path.partition("/1")[2]
                if path.startswith(f"/api/lab/mailboxes/{NILS}")
                else f"/{path.rpartition('/')[2]}"
            )
            loose = {name for name, sources in rules.items() if not {*sources} <= SAFE_SOURCES}
            assert loose <= ({"style-src", "img-src"} if end in OWN_STYLES else set()), path
            assert answer.headers.get("content-disposition", "").startswith("attachment; filename=") == (
                end in FILES
            ), path
            if end == "/html":
                assert (rules["frame-ancestors"], rules["sandbox"]) == (["'self'"], [])
            elif "frame-ancestors" in rules:
                assert rules["frame-ancestors"] == ["'none'"], path
            else:
                assert "sandbox" in rules or end == "/ladder.svg", path


async def test_only_pages_and_letters_are_html(autojump_clock: trio.testing.MockClock) -> None:
    """Nothing else that the lab answers is a document, whatever is in it."""
    async with open_house() as house, house.visitor() as visitor:
        trace = await a_letter(house)
        names = {"trace": trace, "address": NILS, "uid": "1", "part": "2", "name": "app.js"}
        documents = set()
        for route in ROUTES:
            if route.method == "GET":
                path = re.sub(r"\{(\w+)\}", lambda variable: names.get(variable[1], "x"), route.pattern)
                answer = await visitor.ask(path)
                if "html" in answer.headers["content-type"]:
                    documents.add(route.pattern)
        assert documents == {"/", "/login", "/api/lab/mailboxes/{address}/messages/{uid}/html"}
        assert {file.content_type.partition(";")[0] for file in static_files().values()} <= {
            *("text/html", "text/css", "text/javascript", "image/svg+xml", "application/json"),
        }
