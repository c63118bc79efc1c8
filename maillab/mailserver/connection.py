"""A connection to a next hop: opened when it is needed, kept, and replaced when it has gone stale."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import trio

from maillab.mail.address import Address
from maillab.mail.envelope import Envelope
from maillab.mailserver.choices import Role, Tls
from maillab.mailserver.site import Site
from maillab.network.endpoint import Endpoint
from maillab.network.network import Caller, NetworkStream
from maillab.smtp.client import Deferred, Outcome, SmtpClient, UnusableError
from maillab.trace.recorder import RecordLog

SMTP_PORT: Final = Role.SMTP.value
CONNECT_TIMEOUT_SECONDS: Final = 30.0
CLOSING: Final = 421  # RFC 5321 section 3.8


class Connection:
    """One connection at a time to one next hop, in TLS by the server's policy."""

    def __init__(self, site: Site, next_hop: str) -> None:
        self._site = site
        self._next_hop = next_hop
        self._stream: NetworkStream | None = None
        self._client: SmtpClient | None = None
        self._connection = ""
        self._log = site.log

    async def send(self, envelope: Envelope, octets: bytes) -> Mapping[Address, Outcome]:
        """Send over the kept connection, or a new one."""
        if self._is_fit():
            assert self._client is not None
            outcomes = await self._client.send(envelope, octets)
            if not _hung_up(outcomes.values()):
                return outcomes
            # The other side may have closed a connection that nobody used; that says nothing about the message.
        await self.close("broken")
        try:
            client = await self._open()
        except UnusableError as error:
            return dict.fromkeys(envelope.recipients, Deferred(str(error), error.reply))
        return await client.send(envelope, octets)

    def _is_fit(self) -> bool:
        """Is a connection there that has nothing to tell?  What comes unasked is a farewell, or worse."""
        if self._client is None or self._stream is None:
            return False
        return self._client.usable and not self._stream.has_octets_waiting

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
                if tls is Tls.REQUIRED:
                    raise
                client = await self._connect()  # RFC 7435 section 4: rather in clear than not at all
        elif tls is Tls.REQUIRED:
            await self.close("no TLS")
            raise UnusableError(f"{self._next_hop} does not offer STARTTLS, and {site.host} sends nothing in clear")
        return client

    async def _encrypt(self, client: SmtpClient) -> None:
        site, host = self._site, self._next_hop
        version = await client.start_tls(site.policy.client_context(), host)
        if not site.book.is_local(host):
            self._log.record("tls.started", side="client", peer_name=host, version=version)

    async def _connect(self) -> SmtpClient:
        """A new connection in clear, greeted."""
        site, host = self._site, self._next_hop
        target = site.book.find(host, SMTP_PORT)
        if target is None:
            raise UnusableError(f"{host} is no server of this lab")
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

    @property
    def _shown(self) -> str:
        """The next hop's address as people see it."""
        return str(Endpoint(self._site.book.shown(self._next_hop) or self._next_hop, SMTP_PORT))

    def _record(self, event: str, **keys: object) -> None:
        self._log.record(
            event,
            protocol="smtp",
            side="client",
            peer=self._shown,
            peer_name=self._next_hop,
            **keys,
        )


def _hung_up(outcomes: Iterable[Outcome]) -> bool:
    """True if nobody got an answer but the one with which a server closes."""
    return all(
        isinstance(outcome, Deferred) and (outcome.reply is None or outcome.reply.code == CLOSING)
        for outcome in outcomes
    )
