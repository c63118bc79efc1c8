"""The API about traces: the list with its filters, one trace, and its ladder in every form."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import trio

from maillab.trace.copies import State
from maillab.trace.ladder import LEAST_WIDTH, draw_ladder
from maillab.trace.mermaid import draw_mermaid
from maillab.trace.path import Trace
from maillab.trace.svg import draw_svg
from maillab.trace.wording import WORDINGS, Wording
from maillab.web.desk import Desk
from maillab.web.http import CONTENT_POLICY
from maillab.web.messages import TEXT, Request, Response, json_list, json_response, refused

SVG: Final = "image/svg+xml"
LADDER_WIDTH: Final = 80
WIDEST_LADDER: Final = 400
LATEST: Final = "latest"  # instead of a trace's id
NAMED_LIMIT_COUNT: Final = 500  # traces that one request may ask for by their ids
STRIDE: Final = 200  # traces looked at in one go, before others have their turn


async def traces(desk: Desk, request: Request) -> Response:
    """Traces, newest first: all of them, or those that are asked for."""
    known = _named(desk, request) if "trace" in request.query else desk.lab.traces
    limit = request.number("limit", len(known))
    found: list[Trace] = []
    fits = _sieve(request)
    for number, trace in enumerate(_behind(known, request)):
        if len(found) == limit:
            break
        if fits(trace):
            found.append(trace)
        if number % STRIDE == STRIDE - 1:
            await trio.lowlevel.checkpoint()
    return json_list(trace.summary() for trace in found)


async def trace(desk: Desk, request: Request) -> Response:
    """One trace with all its records, and which of them make a conversation."""
    return json_response(find_trace(desk, request).document())


async def ladder_text(desk: Desk, request: Request) -> Response:
    """One trace as a ladder in plain text."""
    width = request.number("width", LADDER_WIDTH, LEAST_WIDTH, WIDEST_LADDER)
    ladder = draw_ladder(find_trace(desk, request), width, *_telling(request))
    return Response(200, ladder.encode(), TEXT)


async def ladder_mermaid(desk: Desk, request: Request) -> Response:
    """One trace as a Mermaid sequence diagram."""
    return Response(200, draw_mermaid(find_trace(desk, request), *_telling(request)).encode(), TEXT)


async def ladder_picture(desk: Desk, request: Request) -> Response:
    """One trace as a picture; its own styles are all that it may use."""
    policy = (CONTENT_POLICY, "default-src 'none'; style-src 'unsafe-inline'")
    return Response(200, draw_svg(find_trace(desk, request), *_telling(request)).encode(), SVG, (policy,))


def find_trace(desk: Desk, request: Request) -> Trace:
    """The trace that a path names.

    Raises:
        Refusal: 404, there is none.
    """
    named = request.variables["trace"]
    book = desk.lab.trace_book
    found = book.latest if named == LATEST else book.get(named.upper())
    if found is None and named == LATEST:
        raise refused(404, "there is no trace", "no message was accepted yet; POST /api/lab/send sends one")
    if found is None:
        raise refused(404, f"no trace {named}", "GET /api/lab/traces lists them; the newest is called latest")
    return found


def _named(desk: Desk, request: Request) -> list[Trace]:
    """The traces of these ids, those that there are, newest first."""
    ids = {each.upper() for each in request.query["trace"].split(",")}
    if len(ids) > NAMED_LIMIT_COUNT:
        raise refused(400, f"{len(ids)} ids are too many", f"name {NAMED_LIMIT_COUNT} at most, with commas between")
    found = (desk.lab.trace_book.get(each) for each in ids)
    return sorted((each for each in found if each), key=lambda each: (each.started_at, each.id), reverse=True)


def _behind(known: list[Trace], request: Request) -> Iterable[Trace]:
    """Those that are older than the one named by `after`; all where it is not there (any more)."""
    after = request.query.get("after", "").upper()
    place = next((number for number, trace in enumerate(known) if trace.id == after), -1) if after else -1
    return known[place + 1 :]


def _sieve(request: Request) -> Callable[[Trace], bool]:
    """Whether a trace is one of those that are asked for by state, person, server and words."""
    query = request.query
    state = query.get("state", "")
    if state and state not in list(State):
        raise refused(400, f"state={state} is not possible", f"give one of {', '.join(State)}")
    person, server = query.get("person", "").lower(), query.get("server", "").lower()
    words = query.get("search", "").lower().split()

    def fits(trace: Trace) -> bool:
        return (
            (not state or trace.state == state)
            and (not person or person in map(str.lower, _people(trace)))
            and (not server or server in map(str.lower, _hosts(trace)))
            and (not words or _says(trace, words))
        )

    return fits


def _people(trace: Trace) -> Iterable[str]:
    return trace.sender, *trace.recipients, *trace.copies


def _hosts(trace: Trace) -> Iterable[str]:
    return *trace.path(), *(copy.next_hop or copy.server for copy in trace.copies.values())


def _says(trace: Trace, words: list[str]) -> bool:
    """True if each of the words stands in its subject, its addresses, its servers or its id."""
    said = "\n".join((trace.subject or "", trace.id, *_people(trace), *_hosts(trace))).lower()
    return all(word in said for word in words)


def _telling(request: Request) -> tuple[Any, ...]:
    """How a ladder is told: brief or whole, what of it unfolded all the same, and in which language."""
    brief = request.query.get("brief", "0") not in ("0", "")
    unfolded = frozenset(filter(None, request.query.get("unfolded", "").split(",")))
    return brief, unfolded, _wording(request)


def _wording(request: Request) -> Wording:
    language = request.query.get("language", "en")
    if language not in WORDINGS:
        raise refused(400, f"language={language} is not possible", f"give one of {', '.join(WORDINGS)}")
    return WORDINGS[language]
