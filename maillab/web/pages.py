"""What browsers load: files of the package, read once when the page starts, and never by a name from a request."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import PurePath
from typing import Final

import attrs

from maillab.web.desk import Desk
from maillab.web.http import REFERRER_POLICY
from maillab.web.messages import Request, Response, refused

CONTENT_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".js": "text/javascript; charset=utf-8",  # RFC 9239
    ".svg": "image/svg+xml",
}
_ASK_AGAIN: Final = (("Cache-Control", "no-cache"),)  # a browser keeps it, and asks whether it is still good


@cache
def static_files() -> Mapping[str, Response]:
    """All files of the page by name, each as the answer that it is."""
    return {
        file.name: Response(200, file.read_bytes(), CONTENT_TYPES[PurePath(file.name).suffix], _ASK_AGAIN)
        for file in files("maillab.web").joinpath("static").iterdir()
    }


async def index(_desk: Desk, _request: Request) -> Response:
    """The page."""
    return static_files()["index.html"]


async def login(_desk: Desk, _request: Request) -> Response:
    """The form that asks for the password.

    A form on a page without any referrer is sent with `Origin: null` (the Fetch standard), which is refused here.
    """
    form = static_files()["login.html"]
    return attrs.evolve(form, headers=(*form.headers, (REFERRER_POLICY, "same-origin")))


async def log_in(desk: Desk, request: Request) -> Response:
    """The form was sent."""
    return await desk.gate.log_in(request)


async def static(_desk: Desk, request: Request) -> Response:
    """Styles, scripts and pictures."""
    name = request.variables["name"]
    found = static_files().get(name)
    if found is None:
        raise refused(404, f"no file {name}", "the page is at /")
    return found
