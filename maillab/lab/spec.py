"""What a lab file says, as values: servers in their order, their addresses, and where each one listens.

A spec that was built by hand is trusted; a file is checked by `load`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Annotated, Final, TypeVar

import attrs

from maillab.faults.fault import Fault
from maillab.mail.address import Address
from maillab.mailserver.choices import BareNewlines, Role, Tls
from maillab.mailserver.turnstile import CONNECTIONS_LIMIT
from maillab.network.endpoint import Endpoint
from maillab.smtp.limits import Limits
from maillab.smtp.replies import ReplyStyle

# What a field's text or number must be. For a type checker these are plain str, float and Endpoint; the readers
# behind them, and the words they refuse with, are in `values`.
HostName = Annotated[str, "host name"]
LocalPart = Annotated[str, "local part"]
Target = Annotated[str, "user or mail address"]
Password = Annotated[str, "password"]
IPAddress = Annotated[str, "IP address"]
Seconds = Annotated[float, "seconds, more than 0"]
SecondsOrNone = Annotated[float, "seconds, 0 for at once"]
Count = Annotated[int, "number, 1 or more"]
Recipients = Annotated[int, "number, 100 or more"]  # RFC 5321 section 4.5.3.1.8
CountOrNone = Annotated[int, "number, 0 for no limit"]
Seed = Annotated[int, "any whole number"]
ReachableEndpoint = Annotated[Endpoint, "endpoint with a port that can be connected to"]

POSTMASTER: Final = "postmaster"  # RFC 5321 section 4.5.1: every domain has one
SMTP_PORT: Final = Role.SMTP.value  # RFC 5321 section 4.5.4.2
PORTS_HOST: Final = "127.0.0.1"
SERVER_LIMIT: Final = 4095  # the default addresses end with 172.31.255.1, where RFC 1918's 172.16/12 ends


class Addressing(enum.Enum):
    """Where the real listeners are."""

    PORTS = "ports"  # all on 127.0.0.1, each server on its own ports
    HOSTS = "hosts"  # each server on its own address, on the standard ports


class Outgoing(enum.Enum):
    """Who may send to other domains through a domain's server."""

    OWN_SENDERS = "own-senders"  # a reverse-path in one of the server's domains, or the null path
    AUTHENTICATED = "authenticated"
    ANYONE = "anyone"


class Language(enum.Enum):
    """What servers write to people in."""

    ENGLISH = "en"
    GERMAN = "de"


class Login(enum.Enum):
    """Where AUTH is offered."""

    SUBMISSION = "submission"
    EVERYWHERE = "everywhere"  # on port 25 too


class EarlyTalkers(enum.Enum):
    """What becomes of a client that speaks before the server has."""

    SERVE = "serve"
    REFUSE = "refuse"


def _lower(name: str) -> str:
    """Host and domain names compare without case (RFC 5321 section 2.4), so a spec holds one form of them."""
    return name.lower()


def default_host(domain: str) -> str:
    """The host name of a domain's server where the file gives none."""
    return f"mail.{domain}"


def _all_lower(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(map(_lower, names))


@attrs.frozen
class UserSpec:
    """A person with a mailbox; who gives no password has the name for one."""

    name: LocalPart
    password: Password = attrs.field(default=attrs.Factory(lambda self: self.name, takes_self=True), repr=False)

    @property
    def key(self) -> str:
        """The name as it compares: without case."""
        return self.name.lower()


@attrs.frozen
class DomainSpec:
    """A mail domain and its server.

    `aliases` is as written in the file; `alias_targets` is what reception wants. `address` is never empty in a
    domain that belongs to a `LabSpec`, and `smtp` is None where the lab's addressing decides.
    """

    name: HostName = attrs.field(converter=_lower)
    host: HostName = attrs.field(
        default=attrs.Factory(lambda self: default_host(self.name), takes_self=True), converter=_lower
    )
    users: tuple[UserSpec, ...] = ()
    aliases: Mapping[str, tuple[Target, ...]] = attrs.field(factory=dict)
    smarthost: HostName | None = attrs.field(default=None, converter=attrs.converters.optional(_lower))
    smtp: Endpoint | None = None
    submission: Endpoint | None = None
    submissions: Endpoint | None = None
    outgoing: Outgoing = Outgoing.OWN_SENDERS
    auth: Login = Login.SUBMISSION
    auth_without_tls: bool = False
    vrfy: bool = False
    tls: Tls = Tls.OPPORTUNISTIC
    bare_newlines: BareNewlines = BareNewlines.REJECT
    early_talkers: EarlyTalkers = EarlyTalkers.SERVE
    greylist_seconds: SecondsOrNone = 0
    address: IPAddress = ""

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains whose mail is at home here."""
        return (self.name,)

    def has_login(self, role: Role) -> bool:
        """Whether anybody can log in at a listener for `role`: without TLS there is one way less to."""
        if role is Role.SUBMISSIONS:
            return self.tls is not Tls.OFF
        return self.tls is not Tls.OFF or self.auth_without_tls

    def address_of(self, target: str) -> Address:
        """The mail address that an alias target names: a bare name is somebody of this domain.

        Raises:
            AddressError: The target is neither a local part nor a mail address.
        """
        return Address.parse(target if "@" in target else f"{target}@{self.name}")

    @cached_property
    def alias_targets(self) -> Mapping[str, tuple[Address, ...]]:
        """Alias (local part in lower case) to addresses, with postmaster among them unless a user has the name."""
        targets = {
            alias.lower(): tuple(self.address_of(target) for target in members)
            for alias, members in self.aliases.items()
        }
        if self.users and all(user.key != POSTMASTER for user in self.users):
            targets.setdefault(POSTMASTER, (self.address_of(self.users[0].name),))
        return targets

    @property
    def postmaster(self) -> Address:
        """Who reads mail for postmaster: a user or an alias of that name, else the first user."""
        named = {user.key for user in self.users} | {alias.lower() for alias in self.aliases}
        return self.address_of(POSTMASTER if POSTMASTER in named or not self.users else self.users[0].name)


@attrs.frozen
class RelaySpec:
    """A server without mailboxes that passes mail on."""

    host: HostName = attrs.field(converter=_lower)
    relays_for: tuple[HostName, ...] | None = attrs.field(
        default=None,  # every domain of the lab
        converter=attrs.converters.optional(_all_lower),
    )
    smarthost: HostName | None = attrs.field(default=None, converter=attrs.converters.optional(_lower))
    smtp: Endpoint | None = None
    tls: Tls = Tls.OPPORTUNISTIC
    bare_newlines: BareNewlines = BareNewlines.REJECT
    early_talkers: EarlyTalkers = EarlyTalkers.SERVE
    address: IPAddress = ""

    @property
    def domains(self) -> tuple[str, ...]:
        """None: no mail is at home on a relay."""
        return ()


ServerSpec = DomainSpec | RelaySpec
Server = TypeVar("Server", DomainSpec, RelaySpec)


@attrs.frozen
class RetrySpec:
    """When a deferred delivery is tried again, when its sender is warned, and when it comes back."""

    after_seconds: tuple[Seconds, ...] = (5, 30, 120, 600, 3600)  # the last one repeats
    give_up_after_seconds: SecondsOrNone = 432_000  # 5 days: RFC 5321 section 4.5.4.1 wants 4 to 5 at least
    warn_after_seconds: SecondsOrNone = 14_400


@attrs.frozen
class LimitsSpec:
    """How much may be asked of each server; `connections` of all together."""

    message_octets: Count = Limits().message_octets
    recipients: Recipients = Limits().recipients
    errors: Count = Limits().errors
    commands_without_mail: Count = Limits().commands_without_mail
    command_timeout_seconds: Seconds = Limits().command_timeout_seconds
    data_timeout_seconds: Seconds = Limits().data_timeout_seconds
    connections: Count = CONNECTIONS_LIMIT
    connections_per_peer: CountOrNone = 0

    @property
    def of_a_connection(self) -> Limits:
        """Those that a conversation is held to."""
        return Limits(
            message_octets=self.message_octets,
            recipients=self.recipients,
            errors=self.errors,
            commands_without_mail=self.commands_without_mail,
            command_timeout_seconds=self.command_timeout_seconds,
            data_timeout_seconds=self.data_timeout_seconds,
        )


@attrs.frozen
class DnsRecordSpec:
    """One record that the file adds to the zones that follow from it."""

    name: str
    type: str
    value: str
    ttl: Count = 300


@attrs.frozen
class DnsSpec:
    """The lab's name server; `listen` None lets the addressing decide."""

    listen: Endpoint | None = None
    records: tuple[DnsRecordSpec, ...] = ()


@attrs.frozen
class ForeignSpec:
    """A server that the lab does not start: routed to, shown, and believed."""

    host: HostName = attrs.field(converter=_lower)
    smtp: ReachableEndpoint
    domains: tuple[HostName, ...] = attrs.field(default=(), converter=_all_lower)


@attrs.frozen(kw_only=True)
class LabSpec:
    """A whole lab. Servers are counted by k from 0: domains before relays, in file order.

    With `fault_addresses` a recipient may ask for a fault by its own name; `seed` is what chance of faults grows from,
    None for the system's.
    """

    name: str
    title: Mapping[str, str] = attrs.field(factory=dict)
    replies: ReplyStyle = ReplyStyle.REALISTIC
    language: Language = Language.ENGLISH
    addressing: Addressing = Addressing.PORTS
    domains: tuple[DomainSpec, ...]
    relays: tuple[RelaySpec, ...] = ()
    retry: RetrySpec = attrs.field(factory=RetrySpec)
    limits: LimitsSpec = attrs.field(factory=LimitsSpec)
    dns: DnsSpec = attrs.field(factory=DnsSpec)
    foreign: tuple[ForeignSpec, ...] = ()
    faults: tuple[Fault, ...] = ()
    fault_addresses: bool = False
    seed: int | None = None

    def __attrs_post_init__(self) -> None:
        # An address left out follows from k, which only the lab knows: it is filled in here, once, so that nobody
        # who is handed a server has to ask for its number.
        first = len(self.domains)
        domains = tuple(_numbered(server, k) for k, server in enumerate(self.domains))
        relays = tuple(_numbered(server, k) for k, server in enumerate(self.relays, first))
        object.__setattr__(self, "domains", domains)
        object.__setattr__(self, "relays", relays)

    @cached_property
    def servers(self) -> tuple[ServerSpec, ...]:
        """The servers that the lab starts; `servers[k]` is server k."""
        return (*self.domains, *self.relays)

    def on_free_ports(self) -> LabSpec:
        """The same lab on 127.0.0.1, every server at a port that is free: many may run at a time."""
        free = Endpoint(PORTS_HOST, 0)
        return attrs.evolve(
            self,
            addressing=Addressing.PORTS,
            domains=tuple(
                attrs.evolve(server, smtp=free, submission=None, submissions=None) for server in self.domains
            ),
            relays=tuple(attrs.evolve(server, smtp=free) for server in self.relays),
        )

    def title_in(self, language: str) -> str:
        """The title in a language, else in English, else in any, else the name."""
        return self.title.get(language) or self.title.get("en") or next(iter(self.title.values()), self.name)


def default_address(k: int) -> str:
    """The address of server k where the file gives none: 172.16.1.1, 172.16.2.1, ..."""
    n = k + 1
    return f"172.{16 + n // 256}.{n % 256}.1"


def _numbered(server: Server, k: int) -> Server:
    return server if server.address else attrs.evolve(server, address=default_address(k))
