"""Who may come in: the right host name, no foreign page, and the password where there is one.

A page that runs on the teacher's own machine is reached by every web site that its browser visits: by a name
that suddenly means 127.0.0.1 (DNS rebinding: `Host` is checked), or by a form or websocket (`Origin` is checked).
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import secrets
from collections import Counter
from collections.abc import Collection
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

import trio

from maillab.web.messages import Request, Response, refused

COOKIE: Final = "maillab"
COOKIE_OCTETS: Final = 32
WRONG_PASSWORD_SECONDS: Final = 1.0  # how long a wrong one takes to be told
WAITING_LIMIT_COUNT: Final = 4  # wrong attempts of one address that wait at a time
LOCALHOST: Final = "localhost"  # RFC 6761 section 6.3
CHALLENGE: Final = ("WWW-Authenticate", 'Basic realm="maillab", charset="UTF-8"')  # RFC 7617
FORM_CHALLENGE: Final = ("WWW-Authenticate", 'Form realm="maillab"')
"""For a page whose cookie is of an earlier start: to Basic, its browser would ask in a window of its own, and wait."""

_AUTHORITY: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?", re.ASCII)
_ORIGIN: Final = re.compile(r"(https?)://([^/]*)", re.ASCII)  # RFC 6454 section 6.2
_PORTS: Final = {"http": 80, "https": 443}


class _Authority(NamedTuple):
    host: str
    port: int


def _authority(text: str, scheme: str) -> _Authority | None:
    match = _AUTHORITY.fullmatch(text)
    return match and _Authority(match[1].lower(), int(match[2] or _PORTS[scheme]))


def is_local_name(host: str) -> bool:
    """True for what no name server can point anywhere else: localhost, and IP addresses (in brackets or not)."""
    if host == LOCALHOST:
        return True
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


class Gate:
    """Looks at each request before anybody answers it."""

    def __init__(self, password: str | None, allowed_hosts: Collection[str]) -> None:
        """`password` None lets everybody in; `allowed_hosts` are names besides localhost and all IP literals."""
        self._password = None if password is None else password.encode()
        self._allowed_hosts = frozenset(host.lower() for host in allowed_hosts)
        self._cookie = secrets.token_urlsafe(COOKIE_OCTETS).encode()
        self._waiting: Counter[str] = Counter()

    def check_place(self, request: Request) -> None:
        """`Host` must be a name of this page, and `Origin` this page itself, if there is one.

        Raises:
            Refusal: 403.
        """
        authority = _authority(request.authority, "http")
        if authority is None or not (is_local_name(authority.host) or authority.host in self._allowed_hosts):
            raise refused(
                403,
                f'"{request.authority}" is no name of this page',
                "use localhost or an IP address, or name the host in MAILLAB_ALLOWED_HOSTS when the lab starts",
            )
        origin = request.header("origin")
        if origin is not None and not self._is_same(origin, request.authority, authority.host):
            raise refused(403, f"{origin} is another page", f"use the page at http://{request.authority}/")

    async def check_password(self, request: Request) -> None:
        """The cookie of the login form, or the password by HTTP Basic with any user name (RFC 7617).

        Raises:
            Refusal: 401 (after a while, if a password was given), or 429.
        """
        if self._password is None or self._has_cookie(request):
            return
        given = _basic_password(request)
        if given is None or not await self._is_right(given, request):
            found = "no password" if given is None else "a wrong password"
            mend = "send it by HTTP Basic with any user name, or log in at /login; the lab prints it when it starts"
            raise refused(401, found, mend, (FORM_CHALLENGE if _cookies(request) else CHALLENGE,))

    async def log_in(self, request: Request) -> Response:
        """The login form was sent: a cookie for who knows the password."""
        fields = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        given = fields.get("password", "").encode()
        if self._password is None:
            return _see_other("/")
        if not await self._is_right(given, request):
            return _see_other("/login#wrong")
        cookie = f"{COOKIE}={self._cookie.decode()}; HttpOnly; SameSite=Strict; Path=/"
        return _see_other("/", ("Set-Cookie", cookie))

    async def _is_right(self, given: bytes, request: Request) -> bool:
        """Compare in constant time; a wrong password is told late, and no further one is looked at meanwhile."""
        peer = request.peer.host
        if self._waiting[peer] >= WAITING_LIMIT_COUNT:
            raise refused(429, "too many wrong passwords", "try again in a second", (("Retry-After", "1"),))
        if secrets.compare_digest(given, self._password or b""):
            return True
        self._waiting[peer] += 1
        try:
            await trio.sleep(WRONG_PASSWORD_SECONDS)
        finally:
            self._waiting -= Counter((peer,))  # which also forgets who is at nought
        return False

    def _is_same(self, origin: str, authority: str, host: str) -> bool:
        match = _ORIGIN.fullmatch(origin)
        # A name that was allowed by hand may be that of a proxy, which speaks TLS for us.
        if match is None or (match[1] == "https" and host not in self._allowed_hosts):
            return False
        return _authority(match[2], match[1]) == _authority(authority, match[1])

    def _has_cookie(self, request: Request) -> bool:
        return any(secrets.compare_digest(value.encode("latin-1"), self._cookie) for value in _cookies(request))


def _cookies(request: Request) -> list[str]:
    """What the cookies of our name say; several starts on one host have given one each."""
    pairs = (pair.strip().partition("=") for pair in (request.header("cookie") or "").split(";"))
    return [value for name, _, value in pairs if name == COOKIE]


def _basic_password(request: Request) -> bytes | None:
    scheme, _, credentials = (request.header("authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        _, colon, password = base64.b64decode(credentials.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return password if colon else None


def _see_other(location: str, *headers: tuple[str, str]) -> Response:
    return Response(303, headers=(("Location", location), *headers))
