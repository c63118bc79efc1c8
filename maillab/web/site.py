"""The page of one lab: it listens, lets in who may come, and answers by the table of routes."""

from __future__ import annotations

import traceback
from collections.abc import Collection
from functools import partial
from typing import Final

import attrs
import trio

from maillab.lab.lab import Lab
from maillab.network.endpoint import Endpoint
from maillab.network.network import Network, NetworkListener, NetworkStream, TcpNetwork
from maillab.trace.record import Record
from maillab.web import http, pages, routes
from maillab.web.access import LOCALHOST, Gate
from maillab.web.desk import Desk
from maillab.web.feed import Feed
from maillab.web.messages import Refusal, Request, Response, refused
from maillab.web.metrics import Metrics
from maillab.web.websocket import check_handshake

CONNECTION_LIMIT: Final = 512
LOGIN_PATH: Final = "/login"
_ALL_INTERFACES: Final = ("0.0.0.0", "::")


class Website:
    """The page, its API and its websockets on one port; for `open_lab(page=...)`."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        password: str | None = None,
        allowed_hosts: Collection[str] = (),
        network: Network | None = None,
        crash_ends_all: bool = False,
    ) -> None:
        """Nothing listens yet.

        Args:
            endpoint: where to listen.
            password: what to ask for; None lets everybody in who can connect.
            allowed_hosts: names that the page goes by, besides localhost and IP addresses.
            network: what to listen through; left out: TCP, whatever the lab's servers use.
            crash_ends_all: a fault of our own ends the lab, instead of one request: for tests.
        """
        self.endpoint = endpoint
        self.password = password
        self._allowed_hosts = allowed_hosts
        self._network = network or TcpNetwork()
        self._crash_ends_all = crash_ends_all
        self._connection_count = 0
        self._desk: Desk
        self._listener: NetworkListener

    @property
    def url(self) -> str:
        """What to type into a browser on this machine; known once it listens."""
        host, port = self._listener.local
        return f"http://{Endpoint(LOCALHOST if host in _ALL_INTERFACES else host, port)}/"

    async def listen(self, lab: Lab) -> Endpoint:
        """Listen; who connects waits until `run`.

        Raises:
            OSError: the address cannot be had.
        """
        pages.static_files()
        feed, metrics = Feed(lab.recorder, lab.clock.time), Metrics(lab)
        self._desk = Desk(lab, Gate(self.password, self._allowed_hosts), feed, metrics)
        self._listener = await self._network.listen(self.endpoint)
        for listener in (feed.listen, metrics.listen, self._notice):
            lab.recorder.add_listener(listener)
        return self._listener.local

    async def run(self) -> None:
        """Serve until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._desk.feed.run)
            await trio.serve_listeners(self._serve, [self._listener], handler_nursery=nursery)

    async def admit(self, request: Request) -> http.Admission:
        """Whether `request` may come in, and who answers it.

        Raises:
            Refusal: it may not.
        """
        desk = self._desk
        desk.gate.check_place(request)
        try:
            route, variables = routes.find(request)
        except Refusal:
            await self._check_password(request)  # who may not come in is not told what there is
            raise
        if not route.public:
            await self._check_password(request)
        if route.method == routes.WEBSOCKET:
            check_handshake(request)
        request = attrs.evolve(request, variables=variables)
        return http.Admission(request, route.body_limit_octets, partial(route.handler, desk))

    def time(self) -> float:
        return self._desk.lab.clock.time()

    def crashed(self, error: Exception) -> None:
        text = "".join(traceback.format_exception(error))
        self._desk.lab.recorder.bind().record("connection.crashed", error=text)
        if self._crash_ends_all:
            raise error

    async def _check_password(self, request: Request) -> None:
        try:
            await self._desk.gate.check_password(request)
        except Refusal as refusal:
            # A browser that opens a page gets the form; programs, and the page's own scripts, are told.
            opens_page = "text/html" in (request.header("accept") or "") and not request.path.startswith("/api")
            if refusal.response.status == 401 and opens_page and request.header("authorization") is None:
                raise Refusal(Response(303, headers=(("Location", LOGIN_PATH),))) from None
            raise

    async def _serve(self, stream: NetworkStream) -> None:
        self._connection_count += 1
        try:
            if self._connection_count > CONNECTION_LIMIT:
                no_room = refused(503, f"{CONNECTION_LIMIT} connections are open", "close some, or try again later")
                await http.turn_away(stream, self, no_room)
            else:
                await http.serve(stream, self)
        except Exception as error:
            self.crashed(error)
        finally:
            self._connection_count -= 1
            await trio.aclose_forcefully(stream)

    def _notice(self, record: Record) -> None:
        if record["event"] == "lab.ready":
            self._desk.ready = record
