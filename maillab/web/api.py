"""The API about the lab itself: its servers, traces, records and numbers."""

from __future__ import annotations

from itertools import islice
from typing import Final

from maillab.lab.links import links_of
from maillab.web import metrics
from maillab.web.desk import Desk
from maillab.web.feed import place
from maillab.web.messages import Request, Response, json_list, json_response, rfc3339
from maillab.web.websocket import Upgrade

PEM: Final = "application/pem-certificate-chain"  # RFC 8555 section 9.1


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
    links = links_of(here.spec, here.zones)
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
            "foreign": [
                {"host": foreign.host, "domains": [*foreign.domains], "smtp": str(foreign.smtp)}
                for foreign in here.spec.foreign
            ],
            "links": links
            and [{"from": link.sender, "to": link.receiver, "is_backup": link.is_backup} for link in links],
        }
    )


async def authority(desk: Desk, _request: Request) -> Response:
    """The certificate of the lab's authority: what a mail program is to trust."""
    return Response(200, desk.lab.authority.certificate, PEM)


async def records(desk: Desk, request: Request) -> Response:
    """The records of this run behind a place, oldest first."""
    found = desk.lab.recorder.after(place(request, desk.lab.recorder))
    limit = request.number("limit", len(found))
    return json_list(islice(found, limit))


async def live(desk: Desk, request: Request) -> Upgrade:
    """Records as they are written, by websocket."""
    return desk.feed.view(request)
