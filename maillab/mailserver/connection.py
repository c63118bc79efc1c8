"""A connection to a next hop: opened when it is needed, kept, and replaced when it has gone stale."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import attrs
import trio

from maillab.dns.mail_hosts import Hosts, LoopsBack, MailHost, NoSuchDomain, NoUsableHost, NullMx, TemporaryFailure
from maillab.mail.address import Address
from maillab.mail.envelope import Envelope
from maillab.mailserver.attempt import Attempt
from maillab.mailserver.choices import Role, Tls
from maillab.mailserver.result import Result
from maillab.mailserver.site import Site
from maillab.network.caller import Caller
from maillab.network.endpoint import Endpoint
from maillab.network.network import NetworkStream
from maillab.smtp.client import SmtpClient
from maillab.smtp.outcome import Deferred, Failed, InjectionError, UnusableError
from maillab.smtp.replies import Reply
from maillab.trace.recorder import RecordLog

SMTP_PORT: Final = Role.SMTP.value
CONNECT_TIMEOUT_SECONDS: Final = 30.0
CLOSING: Final = 421  # RFC 5321 section 3.8


@attrs.frozen
class Place:
    """Where a mail host is to be found.

    Attributes:
        host: by the name that the lab has for who is there; by its name in DNS where that is nobody.
        address: as people see it, and as DNS has it.
        endpoint: where it really listens; None where nobody of the lab does.
    """

    host: str
    address: str
    endpoint: Endpoint | None


class Connection:
    """One connection at a time to a destination, in TLS by the server's policy.

    A destination is a host, or a domain whose mail hosts are looked up each time that there is nothing to be kept.
    """

    def __init__(self, site: Site, destination: str) -> None:
        self.reached = False
        """The last attempt came so far that some host spoke with us."""
        self._site = site
        self._destination = destination
        self._places: tuple[Place, ...] = ()  # in the order to try
        self._place = Place(destination, "", None)  # the one that was tried last
        self._zones_version = 0  # when the places were looked up
        self._stream: NetworkStream | None = None
        self._client: SmtpClient | None = None
        self._connection = ""
        self._about: Mapping[str, Any] = {}  # which message is carried, as records say it
        self._caller = Caller(site.host, "")
        self._log = site.log

    @property
    def host(self) -> str:
        """The host that was tried last."""
        return self._place.host

    async def send(self, envelope: Envelope, octets: bytes, attempt: Attempt) -> Mapping[Address, Result]:
        """Send over the kept connection, or a new one to the best host that is to be had (RFC 5321 section 5.1).

        Whoever is put off by one host is brought to the next.
        """
        results: dict[Address, Result] = {}
        places: tuple[Place, ...] = ()
        self._about = self._caller.about = attempt.about
        if self._is_fit():
            self.reached = True
            attempt.started(self.host, envelope.recipients)
            results = await self._hand_over(envelope, octets)
            if _hung_up(results.values()):
                # The other side may have closed a connection that nobody used; that says nothing about the message.
                results = {}
            else:
                places = tuple(place for place in self._places if place != self._place)
        if not results:
            await self.close("broken" if self._knows_the_way() else "the lab's DNS has changed")
            self.reached = False
            found = await self._look_up(attempt.log)
            if isinstance(found, Deferred | Failed):
                attempt.started(self._destination, envelope.recipients)
                return dict.fromkeys(envelope.recipients, Result(found, self._destination))
            places = self._places = found
        for place in places:
            waiting = {
                recipient: result for recipient, result in results.items() if isinstance(result.outcome, Deferred)
            }
            if results and not waiting:
                break
            if waiting:
                attempt.passed_over(waiting)
                await self.close("another host is tried")
            self._place = place
            some = tuple(waiting) or envelope.recipients
            attempt.started(place.host, some)
            results |= await self._send_to_place(attrs.evolve(envelope, recipients=some), octets)
        return results

    async def _send_to_place(self, envelope: Envelope, octets: bytes) -> Mapping[Address, Result]:
        try:
            await self._open()
        except UnusableError as error:
            result = Result(Deferred(str(error), error.reply), self.host, connection=self._connection)
            return dict.fromkeys(envelope.recipients, result)
        self.reached = True
        return await self._hand_over(envelope, octets)

    async def _hand_over(self, envelope: Envelope, octets: bytes) -> dict[Address, Result]:
        """One transaction over the connection that is there."""
        client = self._client
        assert client is not None
        count = client.transaction_count
        outcomes = await client.send(envelope, octets)
        transaction = client.transaction_count if client.transaction_count > count else None
        knows = "DSN" in client.extensions
        return {
            recipient: Result(outcome, self.host, knows, self._connection, transaction)
            for recipient, outcome in outcomes.items()
        }

    def _is_fit(self) -> bool:
        """Is a connection there that has nothing to tell?  What comes unasked is a farewell, or worse."""
        if self._client is None or self._stream is None or not self._knows_the_way():
            return False
        return self._client.usable and not self._stream.has_octets_waiting

    def _knows_the_way(self) -> bool:
        """Is what DNS said still true?"""
        return self._zones_version == self._site.resolver.zones_version

    async def _look_up(self, log: RecordLog) -> tuple[Place, ...] | Deferred | Failed:
        """The places to try, in their order; or what there is to say where there are none."""
        site, destination = self._site, self._destination
        self._place = Place(destination, "", None)
        self._zones_version = site.resolver.zones_version
        if destination not in site.routes.hosts:
            address = site.book.shown(destination) or ""
            return (Place(destination, address, site.book.find(destination, SMTP_PORT)),)
        addresses = {shown for shown in [site.book.shown(site.host)] if shown}
        found = await site.resolver.mail_hosts(destination, asking_host=site.host, asking_addresses=addresses, log=log)
        match found:
            case Hosts(hosts):
                return tuple(place for host in hosts for place in self._places_of(host))
            case NullMx(reason):  # RFC 7505 section 4.2
                return Failed(reason, Reply(556, (reason,), "5.1.10"), "5.1.10")
            case NoSuchDomain(reason):
                return Failed(reason, status="5.1.2")
            case NoUsableHost(reason):
                return Failed(reason, status="5.4.4")
            case LoopsBack(reason):
                return Failed(reason, status="5.4.6")
            case TemporaryFailure(reason):
                return Deferred(reason)

    def _places_of(self, host: MailHost) -> list[Place]:
        """A host's addresses in their order (RFC 5321 section 5.1); one where nobody is only if all are."""
        book = self._site.book
        places = []
        for address in host.addresses:
            name = host.host if book.shown(host.host) == address else address
            server = book.host_of(name)
            places.append(Place(server or host.host, address, book.find(server, SMTP_PORT) if server else None))
        return [place for place in places if place.endpoint] or places[:1]

    async def close(self, reason: str) -> None:
        """Say QUIT where that makes sense, and close."""
        client, self._client = self._client, None
        stream, self._stream = self._stream, None
        if stream is None:
            return
        self._caller.about = {}
        try:
            if client is not None:
                await client.quit()
        finally:
            self._record("connection.closed", reason=reason)
            await trio.aclose_forcefully(stream)

    async def _open(self) -> None:
        """A new connection, in TLS where the policy wants it and the other side has it.

        Raises:
            UnusableError: there is none; nothing is left open.
        """
        site, tls = self._site, self._site.policy.tls
        client = await self._connect()
        if tls is not Tls.OFF and client.offers_tls:
            try:
                await self._encrypt(client)
            except UnusableError as error:
                await self.close(str(error))
                if tls is Tls.REQUIRED or isinstance(error, InjectionError):
                    raise
                await self._connect()  # RFC 7435 section 4: rather in clear than not at all
        elif tls is Tls.REQUIRED:
            await self.close("no TLS")
            raise UnusableError(f"{self.host} does not offer STARTTLS, and {site.host} sends nothing in clear")

    async def _encrypt(self, client: SmtpClient) -> None:
        site, host = self._site, self.host
        version = await client.start_tls(site.policy.client_context(), host)
        if not site.book.is_local(host):
            self._log.record("tls.started", side="client", peer_name=host, version=version)

    async def _connect(self) -> SmtpClient:
        """A new connection in clear, greeted."""
        site, host, target = self._site, self.host, self._place.endpoint
        self._connection = ""
        if target is None:
            where = f" ({self._place.address})" if self._place.address else ""
            raise UnusableError(f"no server of this lab is at {host}{where}")
        connection = site.recorder.new_connection()
        self._caller = Caller(site.host, connection, self._about)
        shown = f"{host} ({self._shown})"
        try:
            with trio.fail_after(CONNECT_TIMEOUT_SECONDS):
                stream = await site.network.connect(target, site.source, self._caller)
        except trio.TooSlowError:
            raise UnusableError(f"no connection to {shown} within {CONNECT_TIMEOUT_SECONDS:.0f} s") from None
        except ConnectionRefusedError:
            raise UnusableError(f"connection refused by {shown}") from None
        except OSError as error:
            raise UnusableError(f"no connection to {shown}: {error.strerror or error}") from None
        self._stream = stream
        self._connection = connection
        self._log = site.log.bind(connection=connection)
        self._record("connection.opened")
        client = SmtpClient(stream, site.host, None if site.book.is_local(host) else self._log)
        try:
            await client.open()
        except UnusableError as error:
            await self.close(str(error))
            raise
        self._client = client
        return client

    @property
    def _shown(self) -> str:
        """The next hop's address as people see it."""
        return str(Endpoint(self._place.address or self.host, SMTP_PORT))

    def _record(self, event: str, **keys: object) -> None:
        self._log.record(
            event,
            protocol="smtp",
            side="client",
            peer=self._shown,
            peer_name=self.host,
            **keys,
        )


def _hung_up(results: Iterable[Result]) -> bool:
    """True if nobody got an answer but the one with which a server closes."""
    outcomes = (result.outcome for result in results)
    return all(
        isinstance(outcome, Deferred) and (outcome.reply is None or outcome.reply.code == CLOSING)
        for outcome in outcomes
    )
