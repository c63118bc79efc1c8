"""One mail server: who connects is served, what is accepted is delivered."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Final

import trio

from maillab.mailserver.choices import Role
from maillab.mailserver.delivery import Delivery
from maillab.mailserver.peer import Peer
from maillab.mailserver.reception import Reception
from maillab.mailserver.site import Site
from maillab.network.endpoint import Endpoint
from maillab.network.network import NetworkListener, NetworkStream
from maillab.network.tls import TlsError, serve_tls
from maillab.smtp.answers import Answer
from maillab.smtp.replies import to_octets
from maillab.smtp.server import FAREWELL_TIMEOUT_SECONDS, converse
from maillab.trace.recorder import RecordLog

SHARED_ADDRESSES: Final = frozenset({"127.0.0.1", "::1"})
"""Where ordinary clients come from too: a server there is believed, but nobody is called by its name."""
EARLY_TALKER_PAUSE_SECONDS: Final = 1.0


class MailServer:
    """Listeners for SMTP, a queue, and its own mailboxes; `site` is all it knows of the world."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.delivery = Delivery(site)

    async def run(self, listeners: Mapping[Role, NetworkListener]) -> None:
        """Serve and deliver until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.delivery.run)
            for role, listener in listeners.items():
                handler = functools.partial(self._serve, role)
                nursery.start_soon(
                    functools.partial(trio.serve_listeners, handler_nursery=nursery), handler, [listener]
                )

    async def _serve(self, role: Role, stream: NetworkStream) -> None:
        site = self.site
        caller = site.network.caller(stream.peer)
        connection = caller.connection if caller else site.recorder.new_connection()
        peer = self._peer(stream.peer, caller.host if caller else None)
        log = site.log.bind(connection=connection)
        about = {
            "protocol": role.name.lower(),
            "side": "server",
            "peer": str(Endpoint(peer.address, stream.peer.port)),
            "peer_name": peer.name,
        }
        log.record("connection.opened", **about)
        reason = "the lab is stopping"
        who = caller.host if caller else stream.peer.host  # servers that share an address are not one peer
        entered = site.turnstile.enter(who)
        try:
            if entered:
                reason = await self._converse(role, stream, peer, log)
            elif role is Role.SUBMISSIONS:
                reason = "too many connections"  # a reply in clear is none to who speaks TLS
            else:
                reason = await self._turn_away(stream, log, Answer.TOO_MANY_CONNECTIONS)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            reason = "connection lost"
        except Exception as error:
            reason = f"crashed: {error!r}"
            site.record_crash(error, log)
        finally:
            if entered:
                site.turnstile.leave(who)
            log.record("connection.closed", **about, reason=reason)
            await trio.aclose_forcefully(stream)

    async def _converse(self, role: Role, stream: NetworkStream, peer: Peer, log: RecordLog) -> str:
        site = self.site
        reception = Reception(site, peer, log, self.delivery.wake, role=role)
        if role is Role.SUBMISSIONS:
            try:
                stream = tls = await serve_tls(stream, site.policy.server_context())
            except TlsError as error:
                return f"TLS: {error}"
            reception.tls_started(tls.description)
        elif await self._talks_early(stream):
            refuses = site.policy.refuses_early_talkers
            result = "refused" if refuses else "served"
            log.record("policy.checked", policy="early-talker", result=result, reason="spoke before the greeting")
            if refuses:
                return await self._turn_away(stream, log, Answer.EARLY_TALKER)
        return await converse(stream, reception, log, site.interceptor)

    async def _talks_early(self, stream: NetworkStream) -> bool:
        """Did the client speak before we have?  Only a server that minds waits to see."""
        if not self.site.policy.refuses_early_talkers:
            return stream.has_octets_waiting
        with trio.move_on_after(EARLY_TALKER_PAUSE_SECONDS):
            # All of it is read: who closes with octets unread resets the connection, and the 554 may be lost.
            return bool(await stream.receive_some())
        return False

    async def _turn_away(self, stream: NetworkStream, log: RecordLog, answer: Answer) -> str:
        """Say why nobody serves this one; it costs no conversation."""
        reply = self.site.style.reply(answer, host=self.site.host)
        for line in reply.wire_lines:
            log.record("smtp.reply", code=reply.code, enhanced=reply.enhanced, line=line)
        with trio.move_on_after(FAREWELL_TIMEOUT_SECONDS):
            await stream.send_all(to_octets(reply.wire_lines))
        return reply.lines[0]

    def _peer(self, peer: Endpoint, caller: str | None) -> Peer:
        """Who that is: one of our own by the register, another server of the lab or a foreign one by its address."""
        book = self.site.book
        if caller is not None:
            return Peer(book.shown(caller) or peer.host, caller, believed=True)
        hosts = self.site.neighbours.by_address.get(peer.host, ())
        if len(hosts) == 1 and peer.host not in SHARED_ADDRESSES:
            return Peer(book.shown(hosts[0]) or peer.host, hosts[0], believed=True)
        return Peer(peer.host, believed=bool(hosts))
