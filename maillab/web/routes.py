"""All that is here, as one table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import attrs

from maillab.web import anatomy, api, control, faults, mailboxes, pages, people, sending, traces
from maillab.web.console import console
from maillab.web.desk import Desk
from maillab.web.messages import Request, Response, refused
from maillab.web.websocket import Upgrade

Handler = Callable[[Desk, Request], Awaitable[Response | Upgrade]]

SMALL_BODY_OCTETS: Final = 1 << 14
WEBSOCKET: Final = "WS"  # as a method: a GET that asks for a websocket


@attrs.frozen
class Route:
    """One way to do one thing."""

    method: str
    pattern: str
    """A path; what stands in braces is a name for any one segment."""
    handler: Handler
    public: bool = False
    """Whether it needs no password."""
    body_limit_octets: int = SMALL_BODY_OCTETS

    def match(self, segments: tuple[str, ...]) -> Mapping[str, str] | None:
        """The variables, if the path is this route's."""
        pattern = self.pattern[1:].split("/")
        if len(pattern) != len(segments):
            return None
        variables = {}
        for name, segment in zip(pattern, segments, strict=True):
            if name.startswith("{"):
                variables[name.strip("{}")] = segment
            elif name != segment:
                return None
        return variables


ROUTES: Final = (
    Route("GET", "/", pages.index),
    Route("GET", "/login", pages.login, public=True),
    Route("POST", "/login", pages.log_in, public=True),
    Route("GET", "/static/{name}", pages.static, public=True),
    Route("GET", "/livez", api.livez, public=True),
    Route("GET", "/readyz", api.readyz, public=True),
    Route("GET", "/metrics", api.numbers),
    Route("GET", "/api/lab/lab", api.lab),
    Route("GET", "/api/lab/ca.pem", api.authority),
    Route("GET", "/api/lab/traces", traces.traces),
    Route("GET", "/api/lab/traces/{trace}", traces.trace),
    Route("GET", "/api/lab/traces/{trace}/message", anatomy.message),
    Route("GET", "/api/lab/traces/{trace}/ladder.txt", traces.ladder_text),
    Route("GET", "/api/lab/traces/{trace}/ladder.mmd", traces.ladder_mermaid),
    Route("GET", "/api/lab/traces/{trace}/ladder.svg", traces.ladder_picture),
    Route("GET", "/api/lab/records", api.records),
    Route("GET", "/api/lab/mailboxes", mailboxes.mailboxes),
    Route("GET", "/api/lab/mailboxes/{address}/messages", mailboxes.messages),
    Route("GET", "/api/lab/mailboxes/{address}/messages/{uid}", mailboxes.message),
    Route("GET", "/api/lab/mailboxes/{address}/messages/{uid}/html", mailboxes.html),
    Route("GET", "/api/lab/mailboxes/{address}/messages/{uid}/source", mailboxes.source),
    Route("GET", "/api/lab/mailboxes/{address}/messages/{uid}/raw", mailboxes.raw),
    Route("GET", "/api/lab/mailboxes/{address}/messages/{uid}/parts/{part}", mailboxes.part),
    Route("POST", "/api/lab/mailboxes/{address}/messages/{uid}/seen", mailboxes.seen),
    Route("GET", "/api/lab/people/{address}", people.person),
    Route("GET", "/api/lab/queue", sending.queue),
    Route("POST", "/api/lab/queue/{queue_id}/retry", sending.retry),
    Route("POST", "/api/lab/send", sending.send, body_limit_octets=sending.SEND_LIMIT_OCTETS),
    Route("POST", "/api/lab/clock/advance", control.advance),
    Route("GET", "/api/lab/dns", control.names),
    Route("POST", "/api/lab/dns", control.set_names),
    Route("GET", "/api/lab/faults", faults.faults),
    Route("POST", "/api/lab/faults", faults.add),
    Route("DELETE", "/api/lab/faults", faults.clear),
    Route("DELETE", "/api/lab/faults/{name}", faults.clear),
    Route(WEBSOCKET, "/live", api.live),
    Route(WEBSOCKET, "/console", console),
)


def find(request: Request) -> tuple[Route, Mapping[str, str]]:
    """The route of a request, and its variables.

    Raises:
        Refusal: 404 that says what there is, or 405 that says what is possible.
    """
    there = [(route, variables) for route in ROUTES if (variables := route.match(request.segments)) is not None]
    if not there:
        paths = ", ".join(dict.fromkeys(route.pattern for route in ROUTES))
        raise refused(404, f"nothing is at {request.path}", f"there are {paths}")
    # A websocket begins as a GET, and a HEAD is a GET without its body (RFC 9110 section 9.3.2).
    sought = {"GET": ("GET", WEBSOCKET), "HEAD": ("GET",)}.get(request.method, (request.method,))
    for route, variables in there:
        if route.method in sought and request.method != WEBSOCKET:
            return route, variables
    methods = dict.fromkeys("GET" if route.method == WEBSOCKET else route.method for route, _ in there)
    allowed = ", ".join([*methods, "HEAD"] if "GET" in methods else methods)
    raise refused(405, f"{request.method} is not possible at {request.path}", f"use {allowed}", (("Allow", allowed),))
