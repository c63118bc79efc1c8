"""A connection to a next hop: opened when it is needed, kept, and replaced when it has gone stale."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final, Protocol

import trio

from maillab.dns.mail_hosts import Hosts, LoopsBack, NoSuchDomain, NoUsableHost, NullMx, TemporaryFailure
from maillab.mail.address import Address
from maillab.mail.envelope import Envelope
from maillab.mailserver.choices import Role, Tls
from maillab.mailserver.site import Site
from maillab.network.endpoint import Endpoint
from maillab.network.network import Caller, NetworkStream
from maillab.smtp.client import SmtpClient
from maillab.smtp.outcome import Deferred, Failed, InjectionError, Outcome, UnusableError
from maillab.smtp.replies import Reply
from maillab.trace.recorder import RecordLog

SMTP_PORT: Final = Role.SMTP.value
CONNECT_TIMEOUT_SECONDS: Final = 30.0
CLOSING: Final = 421  # RFC 5321 section 3.8


class Attempt(Protocol):
    """Who hears which hosts are tried."""

    log: RecordLog

    def started(self, host: str) -> None:
        """`host` is tried now."""

    def passed_over(self, host: str, failure: Deferred) -> None:
        """`host` could not take it now, and there is another one."""


class Connection:
    """One connection at a time to a destination, in TLS by the server's policy.

    A destination is a host, or a domain whose mail hosts are looked up each time that there is nothing to be kept.
    """

    def __init__(self, site: Site, destination: str) -> None:
        self.host = destination
        """The host that was tried last."""
        self.reached = False
        """The last attempt came so far that some host spoke with us."""
        self._addresses: Mapping[str, tuple[str, ...]] = {}  # of the mail hosts that were looked up last
        self._site = site
        self._destination = destination
        self._stream: NetworkStream | None = None
        self._client: SmtpClient | None = None
        self._connection = ""
        self._log = site.log

    async def send(self, envelope: Envelope, octets: bytes, attempt: Attempt) -> Mapping[Address, Outcome]:
        """Send over the kept connection, or a new one to the best host that is to be had (RFC 5321 section 5.1)."""
        self.reached = True
        if self._is_fit():
            assert self._client is not None
            attempt.started(self.host)
            kept = await self._client.send(envelope, octets)
            if not _hung_up(kept.values()):
                return kept
            # The other side may have closed a connection that nobody used; that says nothing about the message.
        await self.close("broken")
        self.reached = False
        outcomes: Mapping[Address, Outcome] = {}
        hosts = await self._mail_hosts(attempt.log)
        if isinstance(hosts, Deferred | Failed):
            attempt.started(self.host)
            return dict.fromkeys(envelope.recipients, hosts)
        for host in hosts:
            self.host = host
            attempt.started(host)
            outcomes = await self._send_to(envelope, octets)
            failure = _put_off(outcomes.values())
            if failure is None or host == hosts[-1]:
                break
            attempt.passed_over(host, failure)
            await self.close("another host is tried")
        return outcomes

    async def _send_to(self, envelope: Envelope, octets: bytes) -> Mapping[Address, Outcome]:
        try:
            client = await self._open()
        except UnusableError as error:
            return dict.fromkeys(envelope.recipients, Deferred(str(error), error.reply))
        self.reached = True
        return await client.send(envelope, octets)

    def _is_fit(self) -> bool:
        """Is a connection there that has nothing to tell?  What comes unasked is a farewell, or worse."""
        if self._client is None or self._stream is None:
            return False
        return self._client.usable and not self._stream.has_octets_waiting

    async def _mail_hosts(self, log: RecordLog) -> tuple[str, ...] | Deferred | Failed:
        """The hosts to try, in their order; or what there is to say where there are none."""
        site, destination = self._site, self._destination
        self.host = destination
        if destination not in site.routes.hosts:
            return (destination,)
        addresses = {shown for shown in [site.book.shown(site.host)] if shown}
        found = await site.resolver.mail_hosts(destination, asking_host=site.host, asking_addresses=addresses, log=log)
        match found:
            case Hosts(hosts):
                self._addresses = {host.host: host.addresses for host in hosts}
                return tuple(host.host for host in hosts)
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

    @property
    def passes_notices(self) -> bool:
        """The host takes over what senders want to be told (RFC 3461)."""
        return self._client is not None and "DSN" in self._client.extensions

    def bound(self, log: RecordLog) -> RecordLog:
        """`log` with the connection and the transaction that came last, if there was one."""
        if self._client is None:
            return log
        return log.bind(connection=self._connection, transaction=self._client.transaction_count)

    async def close(self, reason: str) -> None:
        """Say QUIT where that makes sense, and close."""
        client, self._client = self._client, None
        stream, self._stream = self._stream, None
        if stream is None:
            return
        try:
            if client is not None:
                await client.quit()
        finally:
            self._record("connection.closed", reason=reason)
            await trio.aclose_forcefully(stream)

    async def _open(self) -> SmtpClient:
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
                client = await self._connect()  # RFC 7435 section 4: rather in clear than not at all
        elif tls is Tls.REQUIRED:
            await self.close("no TLS")
            raise UnusableError(f"{self.host} does not offer STARTTLS, and {site.host} sends nothing in clear")
        return client

    async def _encrypt(self, client: SmtpClient) -> None:
        site, host = self._site, self.host
        version = await client.start_tls(site.policy.client_context(), host)
        if not site.book.is_local(host):
            self._log.record("tls.started", side="client", peer_name=host, version=version)

    async def _connect(self) -> SmtpClient:
        """A new connection in clear, greeted."""
        site, host = self._site, self.host
        target = self._target()
        if target is None:
            where = ", ".join(self._addresses.get(host, ()))
            raise UnusableError(f"no server of this lab is at {host}{f' ({where})' if where else ''}")
        self._connection = site.recorder.new_connection()
        self._log = site.log.bind(connection=self._connection)
        shown = f"{host} ({self._shown})"
        try:
            with trio.fail_after(CONNECT_TIMEOUT_SECONDS):
                stream = await site.network.connect(target, site.source, Caller(site.host, self._connection))
        except trio.TooSlowError:
            raise UnusableError(f"no connection to {shown} within {CONNECT_TIMEOUT_SECONDS:.0f} s") from None
        except ConnectionRefusedError:
            raise UnusableError(f"connection refused by {shown}") from None
        except OSError as error:
            raise UnusableError(f"no connection to {shown}: {error.strerror or error}") from None
        self._stream = stream
        self._record("connection.opened")
        client = SmtpClient(stream, site.host, None if site.book.is_local(host) else self._log)
        try:
            await client.open()
        except UnusableError as error:
            await self.close(str(error))
            raise
        self._client = client
        return client

    def _target(self) -> Endpoint | None:
        """Where the host really listens: at the addresses that DNS has for it, be they its own or not."""
        book, addresses = self._site.book, self._addresses.get(self.host)
        if addresses is None or book.shown(self.host) in addresses:
            return book.find(self.host, SMTP_PORT)
        return next(filter(None, (book.find(address, SMTP_PORT) for address in addresses)), None)

    @property
    def _shown(self) -> str:
        """The next hop's address as people see it."""
        return str(Endpoint(self._site.book.shown(self.host) or self.host, SMTP_PORT))

    def _record(self, event: str, **keys: object) -> None:
        self._log.record(
            event,
            protocol="smtp",
            side="client",
            peer=self._shown,
            peer_name=self.host,
            **keys,
        )


def _put_off(outcomes: Collection[Outcome]) -> Deferred | None:
    """Why nobody was served now, so that another host may be asked; None where somebody got a final answer."""
    failures = [outcome for outcome in outcomes if isinstance(outcome, Deferred)]
    return failures[0] if failures and len(failures) == len(outcomes) else None


def _hung_up(outcomes: Iterable[Outcome]) -> bool:
    """True if nobody got an answer but the one with which a server closes."""
    return all(
        isinstance(outcome, Deferred) and (outcome.reply is None or outcome.reply.code == CLOSING)
        for outcome in outcomes
    )
