"""The door: HTTP/1.1 by h11 on any stream, bounded in size and time (RFC 9112)."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import Final, Protocol

import attrs
import h11
import trio

from maillab.network.network import NetworkStream
from maillab.web.messages import CHUNK_OCTETS, Refusal, Request, Response, refused
from maillab.web.websocket import Upgrade, hand_over

HEADER_LIMIT_OCTETS: Final = 16 * 1024
REQUEST_SECONDS: Final = 30.0  # for a request to arrive, from its first octet
IDLE_SECONDS: Final = 60.0  # for the next request to begin
RESPONSE_SECONDS: Final = 30.0  # for a response to leave, and more for a long one:
SLOWEST_OCTETS_PER_SECOND: Final = 50_000
LINGER_SECONDS: Final = 1.0

CONTENT_POLICY: Final = "Content-Security-Policy"
REFERRER_POLICY: Final = "Referrer-Policy"
COMMON_HEADERS: Final = (  # of each response that does not say otherwise
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    (REFERRER_POLICY, "no-referrer"),
    (
        CONTENT_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
)


@attrs.frozen
class Admission:
    """A request that is let in: how long its body may be, and who answers it."""

    request: Request
    body_limit_octets: int
    answer: Callable[[Request], Awaitable[Response | Upgrade]]


class House(Protocol):
    """What is behind the door."""

    async def admit(self, request: Request) -> Admission:
        """Look at a request whose body has not been read.

        Raises:
            Refusal: it is not let in.
        """

    def time(self) -> float:
        """Now, in seconds since 1970."""

    def crashed(self, error: Exception) -> None:
        """A fault of our own has ended a request."""


@attrs.frozen
class _Switch:
    """The answer to a request that goes on as a websocket."""

    request: Request
    upgrade: Upgrade


async def serve(stream: NetworkStream, house: House) -> None:
    """Serve one connection until it ends; closing the stream is the caller's part."""
    try:
        await _Door(stream, house).run()
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return


async def turn_away(stream: NetworkStream, house: House, refusal: Refusal) -> None:
    """Say that there is no room, without waiting for a request."""
    try:
        with trio.move_on_after(LINGER_SECONDS):
            await _Door(stream, house).close_with(refusal)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return


class _Door:
    """One connection: requests are answered in their order, one at a time."""

    def __init__(self, stream: NetworkStream, house: House) -> None:
        self._stream = stream
        self._house = house
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEADER_LIMIT_OCTETS)
        # One deadline for the whole connection, moved on at each step; none while the house works on an answer.
        self._patience = trio.CancelScope()
        self._head_only = False

    async def run(self) -> None:
        with self._patience:
            while await self._serve_request():
                pass
            return
        if self._http.trailing_data[0] or self._http.their_state is h11.SEND_BODY:  # not merely idle
            with trio.move_on_after(LINGER_SECONDS):
                seconds = int(REQUEST_SECONDS)
                await self.close_with(refused(408, f"no whole request in {seconds} seconds", "send it faster"))

    async def close_with(self, refusal: Refusal) -> None:
        """Answer as long as that is possible, and read no further request."""
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            await self._send(refusal.response, last=True)
        await self._linger()

    async def _serve_request(self) -> bool:
        """Answer one request; false when it was the last."""
        try:
            head = await self._next_head()
            if not isinstance(head, h11.Request):
                return False
            answer = await self._answer(head)
        except h11.RemoteProtocolError as error:
            # h11 says so itself when a head is too long (431) or a transfer coding unknown (501).
            status = error.error_status_hint
            await self.close_with(refused(status, f"no HTTP/1.1 request: {error}", "use http:// and HTTP/1.1"))
            return False
        if isinstance(answer, _Switch):
            self._wait_at_most(math.inf)
            await hand_over(self._stream, answer.request, self._http.trailing_data[0], answer.upgrade)
            return False
        await self._send(answer, last=not self._whole_request_read())
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            return True
        await self._linger()
        return False

    async def _next_head(self) -> h11.Event:
        self._wait_at_most(IDLE_SECONDS)
        self._head_only = begun = False
        while (event := self._http.next_event()) is h11.NEED_DATA:
            await self._receive(HEADER_LIMIT_OCTETS)
            if not begun:
                self._wait_at_most(REQUEST_SECONDS)
                begun = True
        self._wait_at_most(math.inf)
        if isinstance(event, h11.Request):
            self._head_only = event.method == b"HEAD"
            # h11 looks at the length of heads that are incomplete; one that came in a single piece may be longer.
            octets = len(event.target) + sum(len(name) + len(value) for name, value in event.headers)
            if octets > HEADER_LIMIT_OCTETS:
                raise h11.RemoteProtocolError("the head is too long", error_status_hint=431)
        assert isinstance(event, h11.Event)
        return event

    async def _answer(self, head: h11.Request) -> Response | _Switch:
        try:
            request = Request.read(head, self._stream.peer)
            admission = await self._house.admit(request)
            self._wait_at_most(REQUEST_SECONDS)
            body = await self._read_body(head, admission.body_limit_octets)
            self._wait_at_most(math.inf)
            answer = await admission.answer(attrs.evolve(admission.request, body=body))
        except Refusal as refusal:
            return refusal.response
        except (h11.RemoteProtocolError, trio.BrokenResourceError, trio.ClosedResourceError):
            raise
        except Exception as error:
            self._house.crashed(error)
            return refused(500, "maillab itself failed here", "the lab's log has the reason; please report it").response
        return _Switch(admission.request, answer) if isinstance(answer, Upgrade) else answer

    async def _read_body(self, head: h11.Request, limit_octets: int) -> bytes:
        too_long = refused(413, "the body is too long", f"send {limit_octets} octets at most")
        length = next((value for name, value in head.headers if name == b"content-length"), b"0")
        if int(length) > limit_octets:
            raise too_long
        if self._http.they_are_waiting_for_100_continue:
            await self._stream.send_all(self._sent(h11.InformationalResponse(status_code=100, headers=[])))
        body = bytearray()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                await self._receive(CHUNK_OCTETS)
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > limit_octets:
                    raise too_long
            else:
                return bytes(body)

    def _whole_request_read(self) -> bool:
        """Whether the next octets begin the next request; what has no body is read to its end here."""
        if self._http.their_state is h11.SEND_BODY and not self._http.they_are_waiting_for_100_continue:
            try:
                self._http.next_event()
            except h11.RemoteProtocolError:
                return False
        return self._http.their_state is not h11.SEND_BODY

    async def _send(self, response: Response, *, last: bool) -> None:
        own = {name for name, _ in response.headers}
        headers = [
            ("Date", formatdate(self._house.time(), usegmt=True)),
            ("Content-Type", response.content_type),
            *(header for header in COMMON_HEADERS if header[0] not in own),
            *response.headers,
        ]
        if isinstance(response.body, bytes):
            headers.append(("Content-Length", str(len(response.body))))
        if last:
            headers.append(("Connection", "close"))
        head = self._sent(
            h11.Response(status_code=response.status, headers=headers, reason=HTTPStatus(response.status).phrase)
        )
        chunks = [response.body] if isinstance(response.body, bytes) else response.body
        unsent = head
        for chunk in () if self._head_only else chunks:
            await self._send_all(unsent + self._sent(h11.Data(data=chunk)))
            unsent = b""
        await self._send_all(unsent + self._sent(h11.EndOfMessage()))

    async def _send_all(self, octets: bytes) -> None:
        self._wait_at_most(RESPONSE_SECONDS + len(octets) / SLOWEST_OCTETS_PER_SECOND)
        await self._stream.send_all(octets)
        self._wait_at_most(math.inf)

    async def _receive(self, octets: int) -> None:
        self._http.receive_data(bytes(await self._stream.receive_some(octets)))

    async def _linger(self) -> None:
        """Read on a little: closing with octets unread would reset the connection, and our answer with it.

        RFC 9112 section 9.6.
        """
        with trio.move_on_after(LINGER_SECONDS):
            await self._stream.send_eof()
            while await self._stream.receive_some(CHUNK_OCTETS):
                pass

    def _sent(self, event: h11.InformationalResponse | h11.Response | h11.Data | h11.EndOfMessage) -> bytes:
        return self._http.send(event) or b""

    def _wait_at_most(self, seconds: float) -> None:
        self._patience.deadline = trio.current_time() + seconds
