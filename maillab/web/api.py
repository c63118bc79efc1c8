"""The API about the lab itself: its servers, traces, records and numbers."""

from __future__ import annotations

from itertools import islice
from typing import Final

from maillab.trace.ladder import LEAST_WIDTH, draw_ladder
from maillab.trace.mermaid import draw_mermaid
from maillab.trace.path import Trace
from maillab.trace.svg import draw_svg
from maillab.web import metrics
from maillab.web.desk import Desk
from maillab.web.feed import place
from maillab.web.http import CONTENT_POLICY
from maillab.web.messages import TEXT, Request, Response, json_list, json_response, refused, rfc3339
from maillab.web.websocket import Upgrade

SVG: Final = "image/svg+xml"
PEM: Final = "application/pem-certificate-chain"  # RFC 8555 section 9.1
LADDER_WIDTH: Final = 80
WIDEST_LADDER: Final = 400
LATEST: Final = "latest"  # instead of a trace's id


async def livez(_desk: Desk, _request: Request) -> Response:
    """The process lives."""
    return Response(200, b"ok")


async def readyz(desk: Desk, _request: Request) -> Response:
    """All servers listen."""
    return Response(200, b"ready") if desk.ready else Response(503, b"the lab is starting")


async def numbers(desk: Desk, _request: Request) -> Response:
    """What Prometheus reads."""
    return Response(200, desk.metrics.text(), metrics.CONTENT_TYPE)


async def lab(desk: Desk, _request: Request) -> Response:
    """What the lab is made of, and where its records stand."""
    ready = desk.ready or {}
    here = desk.lab
    return json_response(
        {
            "lab": here.spec.name,
            "title": dict(here.spec.title),
            "run": here.recorder.run,
            "seq": here.recorder.seq,
            "at": rfc3339(here.clock.time()),
            "ahead_seconds": here.clock.ahead_seconds,
            "replies": here.spec.replies.value,
            "servers": ready.get("servers", []),
            "web": ready.get("web"),
            "dns": ready.get("dns"),
            "mailboxes": [*here.mailboxes()],
        }
    )


async def authority(desk: Desk, _request: Request) -> Response:
    """The certificate of the lab's authority: what a mail program is to trust."""
    return Response(200, desk.lab.authority.certificate, PEM)


async def traces(desk: Desk, request: Request) -> Response:
    """All traces, newest first."""
    known = desk.lab.traces
    limit = request.number("limit", len(known))
    return json_list(trace.summary() for trace in known[:limit])


async def trace(desk: Desk, request: Request) -> Response:
    """One trace with all its records."""
    found = _find(desk, request)
    return json_response(found.summary() | {"records": found.records})


async def ladder_text(desk: Desk, request: Request) -> Response:
    """One trace as a ladder in plain text."""
    width = request.number("width", LADDER_WIDTH, LEAST_WIDTH, WIDEST_LADDER)
    return Response(200, draw_ladder(_find(desk, request), width, _brief(request)).encode(), TEXT)


async def ladder_mermaid(desk: Desk, request: Request) -> Response:
    """One trace as a Mermaid sequence diagram."""
    return Response(200, draw_mermaid(_find(desk, request), _brief(request)).encode(), TEXT)


async def ladder_picture(desk: Desk, request: Request) -> Response:
    """One trace as a picture; its own styles are all that it may use."""
    policy = (CONTENT_POLICY, "default-src 'none'; style-src 'unsafe-inline'")
    return Response(200, draw_svg(_find(desk, request), _brief(request)).encode(), SVG, (policy,))


async def records(desk: Desk, request: Request) -> Response:
    """The records of this run behind a place, oldest first."""
    found = desk.lab.recorder.after(place(request, desk.lab.recorder))
    limit = request.number("limit", len(found))
    return json_list(islice(found, limit))


async def live(desk: Desk, request: Request) -> Upgrade:
    """Records as they are written, by websocket."""
    return desk.feed.view(request)


def _find(desk: Desk, request: Request) -> Trace:
    named = request.variables["trace"]
    book = desk.lab.trace_book
    found = book.latest if named == LATEST else book.get(named.upper())
    if found is None and named == LATEST:
        raise refused(404, "there is no trace", "no message was accepted yet; POST /api/lab/send sends one")
    if found is None:
        raise refused(404, f"no trace {named}", "GET /api/lab/traces lists them; the newest is called latest")
    return found


def _brief(request: Request) -> bool:
    return request.query.get("brief", "0") not in ("0", "")
