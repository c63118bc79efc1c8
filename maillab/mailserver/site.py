"""What the rooms of one mail server share: who it is, whom it knows, and what it keeps its things in."""

from __future__ import annotations

import traceback
from random import Random
from typing import Protocol

import attrs

from maillab.dns.resolver import Resolver
from maillab.mail.address import Address
from maillab.mailserver.correlation import Neighbours
from maillab.mailserver.greylist import Greylist
from maillab.mailserver.policy import Policy
from maillab.mailserver.retry import RetryPlan
from maillab.mailserver.routing import Routes
from maillab.mailserver.turnstile import Turnstile
from maillab.network.endpoint import Endpoint
from maillab.network.network import Network
from maillab.smtp.host import Interceptor
from maillab.smtp.replies import ReplyStyle
from maillab.storage.database import Database
from maillab.trace.identity import TraceIds
from maillab.trace.recorder import Recorder, RecordLog


class Clock(Protocol):
    """Two times, both in seconds since 1970."""

    def time(self) -> float:
        """Real time: what records, `Received` and `Date` carry."""

    def lab_time(self) -> float:
        """The lab's time: what queue waits are measured in."""


class AddressBook(Protocol):
    """Where the hosts of the lab really are."""

    def find(self, host: str, port: int) -> Endpoint | None:
        """The real listener of `host`, `port` being the standard one; None for a host that is not of the lab."""

    def shown(self, host: str) -> str | None:
        """The address that people see: 172.16.1.1."""

    def host_of(self, name: str) -> str | None:
        """The host behind a host name, a domain or an address; None for one that is not of the lab."""

    def is_local(self, host: str) -> bool:
        """True for a host that runs in this process, and so writes its own side of the dialogue."""


@attrs.frozen(kw_only=True)
class Site:
    """One mail server's surroundings."""

    host: str
    domain: str
    """The name in the textbook's greeting: the server's domain, or its host name where it has none."""
    source: str | None
    """The address that its connections leave from; None lets the system choose."""
    style: ReplyStyle
    language: str
    """Of the part of reports that is for people: "de" or "en"."""
    routes: Routes
    policy: Policy
    turnstile: Turnstile
    greylist: Greylist
    retry: RetryPlan
    resolver: Resolver
    neighbours: Neighbours
    book: AddressBook
    network: Network
    database: Database
    recorder: Recorder
    log: RecordLog
    clock: Clock
    trace_ids: TraceIds
    chance: Random
    interceptor: Interceptor | None = None
    """Steps in between clients and what the server answers."""
    crash_ends_all: bool = False
    """A fault of our own ends everything, instead of one connection: for tests."""

    def record_crash(self, error: Exception, log: RecordLog) -> None:
        """A fault of our own: a record with its traceback; raised again where it is to end everything."""
        log.record("connection.crashed", error="".join(traceback.format_exception(error)))
        if self.crash_ends_all:
            raise error

    @property
    def daemon(self) -> Address:
        """Who writes the mail that the server makes itself."""
        return Address("MAILER-DAEMON", self.host)
