"""Where mail may go and what may become of it, worked out from the topology alone: none of the lab's code is asked."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import attrs

from maillab.lab.spec import DomainSpec, LabSpec, Outgoing, RelaySpec


class Kind(enum.Enum):
    """What is behind an address."""

    MAILBOX = "mailbox"
    LIST = "list"
    NOBODY = "nobody"  # its domain exists, and it does not
    NOWHERE = "nowhere"  # nor does its domain


class Fate(enum.Enum):
    """How the way of a copy to its domain's server may end, where no fault is."""

    ARRIVES = "arrives"
    DENIED = "denied"  # by a relay that does not relay for it


@attrs.define
class Expected:
    """How many outcomes an address has: copies stored, or failures; a list that was reached has those of its members.

    Attributes:
        least: at least; `most`: at most.  They differ where an address is reached over several ways.
    """

    least: float = 0
    most: float = 0


class Oracle:
    """What there is to know of a lab."""

    def __init__(self, spec: LabSpec) -> None:
        self._spec = spec
        self._domains: Mapping[str, DomainSpec] = {domain.name: domain for domain in spec.domains}
        self._servers = {server.host: server for server in spec.servers}
        self._mail_hosts = {domain.name: [domain.host] for domain in spec.domains}
        for record in spec.dns.records:
            self._mail_hosts[record.name].append(record.value.split()[1])

    def kind(self, address: str) -> Kind:
        """What is behind `address`, which is in lower case."""
        name, _, domain = address.partition("@")
        if domain not in self._domains:
            return Kind.NOWHERE
        if name in (user.name for user in self._domains[domain].users):
            return Kind.MAILBOX
        return Kind.LIST if self.members(address) else Kind.NOBODY

    def members(self, address: str) -> tuple[str, ...]:
        """Of a list, in lower case."""
        name, _, domain = address.partition("@")
        home = self._domains[domain]
        if name == "postmaster":
            return (f"{home.users[0].name}@{domain}",)
        members = home.aliases.get(name, ())
        return tuple((member if "@" in member else f"{member}@{domain}").lower() for member in members)

    def home(self, address: str) -> str | None:
        """The host where `address` is at home."""
        domain = self._domains.get(address.partition("@")[2])
        return domain.host if domain else None

    def takes(self, host: str, sender: str, recipient: str) -> bool:
        """Does `host` take mail from a stranger who says so?"""
        server, domain = self._servers[host], recipient.partition("@")[2]
        if domain not in self._domains:
            return False
        if domain in server.domains:
            return self.kind(recipient) is not Kind.NOBODY
        if isinstance(server, RelaySpec):
            return self._relays(server, domain)
        return server.outgoing is Outgoing.ANYONE or not sender or sender.partition("@")[2] in server.domains

    def may_follow(self, host: str, next_host: str) -> bool:
        """May `host` hand mail to `next_host`, for whatever domain?"""
        return any(next_host in self._next(host, domain) for domain in self._domains)

    def fates(self, host: str, address: str) -> frozenset[Fate]:
        """How the way of mail for `address` that `host` has taken may end."""
        domain = address.partition("@")[2]
        if domain not in self._domains:
            return frozenset({Fate.DENIED})
        if domain in self._servers[host].domains:
            return frozenset({Fate.ARRIVES})
        found: set[Fate] = set()
        for next_host in self._next(host, domain):
            server = self._servers[next_host]
            if isinstance(server, RelaySpec) and not self._relays(server, domain):
                found.add(Fate.DENIED)
            else:
                found |= self.fates(next_host, address)
        return frozenset(found)

    def expected(
        self, sure: Mapping[str, bool], failed: Callable[[str], int], doubted: Callable[[str], int]
    ) -> dict[str, Expected] | None:
        """For everybody whom a message may concern; None where a list leads back to itself.

        Args:
            sure: those that were accepted, and whether that is for sure.
            failed: how often an address has failed; members of a list that was not reached expect nothing.
            doubted: how many of these failures may have been none.
        """
        found: dict[str, Expected] = {}
        for address in self.reached(sure):
            found[address] = Expected(float(sure.get(address, False)), float(address in sure))
        if self._has_loop(found):
            return None
        for address in self._by_depth(found):
            if self.kind(address) is not Kind.LIST:
                continue
            reached_least = max(0.0, found[address].least - failed(address))
            reached_most = max(0.0, found[address].most - failed(address) + doubted(address))
            for member in dict.fromkeys(self.members(address)):
                found[member].least = max(found[member].least, min(1.0, reached_least))
                found[member].most += reached_most
        return found

    def leads_to(self, recipient: str, address: str) -> bool:
        """Is `address` the recipient, or in a list that it is?"""
        return address in self.reached([recipient])

    def reached(self, recipients: Iterable[str]) -> list[str]:
        """All whom mail for `recipients` concerns, each once."""
        found: dict[str, None] = {}
        waiting = [*recipients]
        while waiting:
            address = waiting.pop(0)
            if address not in found:
                found[address] = None
                if self.kind(address) is Kind.LIST:
                    waiting += self.members(address)
        return [*found]

    def _next(self, host: str, domain: str) -> Sequence[str]:
        server = self._servers[host]
        if domain in server.domains:
            return ()
        if server.smarthost is not None:
            return (server.smarthost,)
        hosts = self._mail_hosts[domain]
        return hosts[: hosts.index(host)] if host in hosts else hosts

    def _relays(self, relay: RelaySpec, domain: str) -> bool:
        return relay.relays_for is None or domain in relay.relays_for

    def _has_loop(self, addresses: Iterable[str]) -> bool:
        return any(math.isinf(self._depth(address)) for address in addresses)

    def _by_depth(self, addresses: Iterable[str]) -> list[str]:
        """Lists before their members."""
        return sorted(addresses, key=self._depth, reverse=True)

    def _depth(self, address: str, above: frozenset[str] = frozenset()) -> float:
        """How many lists are in one another here; infinite where one leads back to itself."""
        if address in above:
            return math.inf
        if self.kind(address) is not Kind.LIST:
            return 0
        return 1 + max(self._depth(member, above | {address}) for member in self.members(address))
