"""One mail server: who connects is served, what is accepted is delivered."""

from __future__ import annotations

from typing import Final

import trio

from maillab.mailserver.delivery import Delivery
from maillab.mailserver.reception import Peer, Reception
from maillab.mailserver.site import Site
from maillab.network.endpoint import Endpoint
from maillab.network.network import NetworkListener, NetworkStream
from maillab.smtp.server import converse

SHARED_ADDRESSES: Final = frozenset({"127.0.0.1", "::1"})
"""Where ordinary clients come from too: a server there is believed, but nobody is called by its name."""


class MailServer:
    """A listener for SMTP, a queue, and its own mailboxes; `site` is all it knows of the world."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.delivery = Delivery(site)

    async def run(self, listener: NetworkListener) -> None:
        """Serve and deliver until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.delivery.run)
            await trio.serve_listeners(self._serve, [listener], handler_nursery=nursery)

    async def _serve(self, stream: NetworkStream) -> None:
        site = self.site
        caller = site.network.caller(stream.peer)
        connection = caller.connection if caller else site.recorder.new_connection()
        peer = self._peer(stream.peer, caller.host if caller else None)
        log = site.log.bind(connection=connection)
        about = {
            "protocol": "smtp",
            "side": "server",
            "peer": str(Endpoint(peer.address, stream.peer.port)),
            "peer_name": peer.name,
        }
        log.record("connection.opened", **about)
        reason = "the lab is stopping"
        try:
            reason = await converse(stream, Reception(site, peer, self.delivery.wake), log)
        except Exception as error:
            reason = f"crashed: {error!r}"
            site.record_crash(error, log)
        finally:
            log.record("connection.closed", **about, reason=reason)
            await trio.aclose_forcefully(stream)

    def _peer(self, peer: Endpoint, caller: str | None) -> Peer:
        """Who that is: one of our own by the register, another server of the lab or a foreign one by its address."""
        book = self.site.book
        if caller is not None:
            return Peer(book.shown(caller) or peer.host, caller, believed=True)
        hosts = self.site.neighbours.by_address.get(peer.host, ())
        if len(hosts) == 1 and peer.host not in SHARED_ADDRESSES:
            return Peer(book.shown(hosts[0]) or peer.host, hosts[0], believed=True)
        return Peer(peer.host, believed=bool(hosts))
