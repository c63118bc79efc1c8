"""One fault as a value: its kind, where it strikes, how often; and what is wrong with one that cannot be."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Final, NamedTuple

import attrs

from maillab.mail.address import Address, AddressError
from maillab.smtp.replies import REPLY_LINE_LIMIT_OCTETS, Reply
from maillab.smtp.words import USAGE

CLIENTS: Final = "clients"
"""The place of whoever is no server of the lab; no host can be called so where mail is to arrive."""
CONNECT: Final = "connect"  # as a command: before the greeting
MESSAGE: Final = "message"  # as a command: after the final dot
COMMANDS: Final = (CONNECT, *USAGE, MESSAGE)
CLOSING: Final = 421  # RFC 5321 section 3.8

_REPLY: Final = re.compile(r"([45][0-9]{2})(?: ([45]\.[0-9]{1,3}\.[0-9]{1,3}))? ([ -~]+)")  # RFC 5321 section 4.2
_SHOWN_COUNT: Final = 12  # names offered to choose from

# What a field's text or number must be, as in the lab's specs; the readers behind them are the lab's.
Name = Annotated[str, "name of a fault"]
Place = Annotated[str, "host or domain"]
Line = Annotated[str, "line of text, or none"]
Times = Annotated[int, "firings, 1 or more"]
Occasions = Annotated[int, "occasions, 0 or more"]
Octets = Annotated[int, "octets, 0 or more"]
Rate = Annotated[int, "octets in a second, 1 or more"]
Span = Annotated[float, "span of time, 0 or more seconds"]
Chance = Annotated[float, "chance, 0 to 1"]


class Kind(enum.Enum):
    """What goes wrong."""

    REFUSE = "refuse"
    DELAY = "delay"
    THROTTLE = "throttle"
    CUT = "cut"
    BLACKHOLE = "blackhole"
    PARTITION = "partition"
    REPLY = "reply"
    TIMEOUT = "timeout"
    DISCONNECT = "disconnect"
    DISK_FULL = "disk-full"
    DISK_FAILS = "disk-fails"
    DISK_SLOW = "disk-slow"
    DNS_SERVFAIL = "dns-servfail"
    DNS_TIMEOUT = "dns-timeout"


def _lower(name: str | None) -> str | None:
    return name if name is None else name.lower()


def _as_places(hosts: Iterable[str]) -> tuple[str, ...]:
    return tuple(host.lower() for host in hosts)


@attrs.frozen
class Fault:
    """A fault that is wanted.  Which keys a kind takes is in `KEYS`; what is None was left out.

    Attributes:
        kind: what goes wrong; its value will do too.
        name: by which it is recorded and cleared; "" lets the plan number it.
        times: strikes so often, then is spent; None is without end.
        after: lets so many occasions pass first.
        chance: of striking at each occasion, by the lab's seed.
        from_: who opens the connection: a host name, a domain, "clients"; None is everybody.
        to: who listens, likewise.
        hosts: those on one side of a partition; clients are at the side of their server unless they are named.
        seconds: how late octets arrive, or how slow the disk is.
        jitter_seconds: up to so much later still, by chance.
        octets_per_second: what passes, each way.
        after_octets: what the opener gets through before the connection is cut.
        server: where the server's own faults strike: its host name or a domain of it; None is everywhere.
        command: a verb, "connect" for the greeting, "message" for the end of the data.
        address: "ben@sued.example", "@sued.example" for all of a domain, "" for the null path; None is any path.
        reply: what is said: "450 4.2.0 Mailbox busy".
        late: the message is accepted first, and only its 250 is lost.
        domain: the name asked for in DNS, or one above it; None is every name.
    """

    kind: Kind = attrs.field(converter=Kind)
    name: Name = attrs.field(default="", kw_only=True)
    times: Times | None = attrs.field(default=None, kw_only=True)
    after: Occasions = attrs.field(default=0, kw_only=True)
    chance: Chance = attrs.field(default=1, kw_only=True)
    from_: Place | None = attrs.field(default=None, converter=_lower, alias="from_", kw_only=True)
    to: Place | None = attrs.field(default=None, converter=_lower, kw_only=True)
    hosts: tuple[Place, ...] | None = attrs.field(
        default=None, converter=attrs.converters.optional(_as_places), kw_only=True
    )
    seconds: Span | None = attrs.field(default=None, kw_only=True)
    jitter_seconds: Span | None = attrs.field(default=None, kw_only=True)
    octets_per_second: Rate | None = attrs.field(default=None, kw_only=True)
    after_octets: Octets | None = attrs.field(default=None, kw_only=True)
    server: Place | None = attrs.field(default=None, converter=_lower, kw_only=True)
    command: Line | None = attrs.field(default=None, kw_only=True)
    address: Line | None = attrs.field(default=None, kw_only=True)
    reply: Line | None = attrs.field(default=None, kw_only=True)
    late: bool | None = attrs.field(default=None, kw_only=True)
    domain: Place | None = attrs.field(default=None, converter=_lower, kw_only=True)

    @property
    def verb(self) -> str:
        """The command as it compares: HELO and EHLO are one."""
        command = self.command or ""
        if command.lower() in (CONNECT, MESSAGE):
            return command.lower()
        return "EHLO" if command.upper() == "HELO" else command.upper()

    @property
    def answer(self) -> Reply:
        """What is said.

        Raises:
            ValueError: `reply` is none that refuses.
        """
        match = _REPLY.fullmatch(self.reply or "")
        if match is None or len(self.reply or "") > REPLY_LINE_LIMIT_OCTETS - len("\r\n"):
            raise ValueError(f"{self.reply!r} is no reply that refuses")
        return Reply(int(match[1]), (match[3],), match[2])

    def takes(self, path: Address | None) -> bool:
        """Is this the path that is waited for?  None is the null path."""
        if self.address is None:
            return True
        if path is None or not self.address:
            return path is None and not self.address
        wanted = self.address.lower()
        return path.domain_key == wanted[1:] if wanted.startswith("@") else path.key == wanted

    def about(self, name: str) -> bool:
        """Is `name` in the domain whose answers fail?  A domain is all at and below its name (RFC 1034 section 3.1)."""
        asked = name.rstrip(".").lower()
        return self.domain is None or asked == self.domain or asked.endswith(f".{self.domain}")

    def to_table(self) -> dict[str, Any]:
        """The keys that are set, as a lab file and JSON have them."""
        table: dict[str, Any] = {"name": self.name, "kind": self.kind.value}
        for field in attrs.fields(type(self)):
            value = getattr(self, field.name)
            if field.name not in table and value != field.default:
                table[key_of(field.name)] = list(value) if isinstance(value, tuple) else value
        return table


def key_of(attribute: str) -> str:
    """How a lab file spells an attribute: Python keeps `from` for itself."""
    return attribute.rstrip("_")


class Keys(NamedTuple):
    """What a kind takes besides `COMMON_KEYS`."""

    needed: tuple[str, ...] = ()
    possible: tuple[str, ...] = ()


COMMON_KEYS: Final = ("kind", "name", "times", "after", "chance")
_LINK: Final = ("from", "to")
KEYS: Final[Mapping[Kind, Keys]] = {
    Kind.REFUSE: Keys((), _LINK),
    Kind.DELAY: Keys(("seconds",), (*_LINK, "jitter_seconds")),
    Kind.THROTTLE: Keys(("octets_per_second",), _LINK),
    Kind.CUT: Keys(("after_octets",), _LINK),
    Kind.BLACKHOLE: Keys((), _LINK),
    Kind.PARTITION: Keys(("hosts",)),
    Kind.REPLY: Keys(("command", "reply"), ("server", "address")),
    Kind.TIMEOUT: Keys(("command",), ("server", "address")),
    Kind.DISCONNECT: Keys(("command",), ("server", "address", "late")),
    Kind.DISK_FULL: Keys((), ("server",)),
    Kind.DISK_FAILS: Keys((), ("server",)),
    Kind.DISK_SLOW: Keys(("seconds",), ("server",)),
    Kind.DNS_SERVFAIL: Keys((), ("domain",)),
    Kind.DNS_TIMEOUT: Keys((), ("domain",)),
}
LINK_KINDS: Final = frozenset(kind for kind, keys in KEYS.items() if "to" in keys.possible) | {Kind.PARTITION}
POLICY_KINDS: Final = frozenset({Kind.REPLY, Kind.TIMEOUT, Kind.DISCONNECT})
DISK_KINDS: Final = frozenset({Kind.DISK_FULL, Kind.DISK_FAILS, Kind.DISK_SLOW})
DNS_KINDS: Final = frozenset({Kind.DNS_SERVFAIL, Kind.DNS_TIMEOUT})


@attrs.frozen
class Places:
    """Who is in the lab.

    Attributes:
        host_of: every host name and domain, and the host behind it.
        servers: the hosts that the lab starts; others it only knows.
    """

    host_of: Mapping[str, str]
    servers: frozenset[str]


class Unfit(NamedTuple):
    """Why a fault cannot be, and at which key; `key` "" is the fault as a whole."""

    key: str
    found: str
    expected: str
    mend: str = ""

    def __str__(self) -> str:
        text = f"{self.found}; {self.expected}" + (f", {self.mend}" if self.mend else "")
        return f"{self.key}: {text}" if self.key else text


def unfit(fault: Fault, places: Places) -> Iterator[Unfit]:
    """Everything that is wrong with `fault` in a lab of these places."""
    yield from _wrong_keys(fault)
    for key, place in (("from", fault.from_), ("to", fault.to), *(("hosts", host) for host in fault.hosts or ())):
        if place is not None and not (place == CLIENTS and key != "to"):
            yield from _wrong_place(key, place, places)
    if fault.server is not None:
        yield from _wrong_place("server", fault.server, places)
        if places.host_of.get(fault.server, fault.server) not in places.servers and fault.server in places.host_of:
            yield Unfit("server", f'"{fault.server}" is not started by this lab', _one_of(places.servers))
    if fault.hosts == ():
        yield Unfit("hosts", "[] parts nobody", "give one host at least")
    yield from _wrong_words(fault)


def _wrong_keys(fault: Fault) -> Iterator[Unfit]:
    keys, given = KEYS[fault.kind], fault.to_table().keys() - set(COMMON_KEYS)
    known = (*keys.needed, *keys.possible)
    for key in sorted(given - set(known)):
        yield Unfit(key, f"{fault.kind.value} does not take this", f"it takes {', '.join(known)}")
    for key in keys.needed:
        if key not in given:
            yield Unfit(key, "missing", f"{fault.kind.value} has to know it")


def _wrong_place(key: str, place: str, places: Places) -> Iterator[Unfit]:
    if place not in places.host_of:
        found = f'"{place}" is no host and no domain of the lab'
        if place == CLIENTS:
            found = f'nobody connects to "{CLIENTS}"'
        yield Unfit(key, found, _one_of(places.host_of, near=place))


def _wrong_words(fault: Fault) -> Iterator[Unfit]:
    verb = fault.verb
    if fault.command is not None and verb not in COMMANDS:
        yield Unfit("command", f'"{fault.command}" is no command', _one_of(COMMANDS, near=verb))
    if fault.address is not None:
        if verb in set(COMMANDS) - {"MAIL", "RCPT"}:
            yield Unfit("address", f"no path comes with {fault.command}", "leave it out, or take MAIL or RCPT")
        elif not _is_pattern(fault.address) or (verb == "RCPT" and not fault.address):
            found = f'"{fault.address}" is no address' if fault.address else "nobody is called by the null path"
            yield Unfit("address", found, "give one like ben@sued.example, or @sued.example for all of a domain")
    if fault.late and verb != MESSAGE:
        yield Unfit("late", "only a message can be accepted first", f'give command = "{MESSAGE}", or leave it out')
    if fault.reply is not None:
        try:
            code = fault.answer.code
        except ValueError:
            code = 0
        if not code:
            example = "give a code from 400 to 599 and a text in ASCII, like 450 4.2.0 Mailbox busy"
            yield Unfit("reply", f'"{fault.reply}" is no reply that refuses', example)
        elif fault.answer.enhanced and fault.answer.enhanced[0] != str(code)[0]:
            enhanced = fault.answer.enhanced
            yield Unfit("reply", f"{enhanced} does not go with {code}", f"begin it with {str(code)[0]} (RFC 3463)")


def _is_pattern(address: str) -> bool:
    if not address:
        return True
    try:
        Address.parse(f"x{address}" if address.startswith("@") else address)
    except AddressError:
        return False
    return True


def _one_of(known: Iterable[str], near: str = "") -> str:
    words = sorted(known)
    guess = get_close_matches(near, words, n=1)
    if guess:
        return f'did you mean "{guess[0]}"?'
    more = f" and {len(words) - _SHOWN_COUNT} more" if len(words) > _SHOWN_COUNT else ""
    return f"there are {', '.join(words[:_SHOWN_COUNT])}{more}"
