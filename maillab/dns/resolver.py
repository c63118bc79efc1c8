"""What delivery asks: which hosts take mail for a domain, and where they are (RFC 5321 section 5.1)."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Collection
from random import Random
from typing import Final

import trio
from dns.rdtypes.ANY.MX import MX

from maillab.dns.lookup import Ask, Found, NoAnswerError, Question, meaning, shown
from maillab.dns.mail_hosts import (
    Hosts,
    LoopsBack,
    MailHost,
    MailHosts,
    NoSuchDomain,
    NoUsableHost,
    NullMx,
    TemporaryFailure,
)
from maillab.dns.records import read_name, show_name, show_value
from maillab.dns.zone import Answer
from maillab.trace.recorder import RecordLog

LOOKUP_TIMEOUT_SECONDS: Final = 10.0  # resolv.conf(5): five seconds, twice
IMPLICIT_PREFERENCE: Final = 0  # RFC 5321 section 5.1
NO_HOST: Final = "."  # RFC 7505 section 3


class Resolver:
    """Looks up where mail goes; every lookup is a record in the log of the delivery that asked.

    Nothing is kept from one lookup to the next, so that a changed record counts at the next attempt.
    """

    def __init__(self, ask: Ask, chance: Random, version: Callable[[], int] = lambda: 0) -> None:
        """`chance` decides between hosts of equal preference; `version` tells whether the zones have changed."""
        self._ask = ask
        self._chance = chance
        self._version = version

    @property
    def zones_version(self) -> int:
        """Another number as soon as what was looked up may no longer be true."""
        return self._version()

    async def mail_hosts(
        self, domain: str, *, asking_host: str, log: RecordLog, asking_addresses: Collection[str] = ()
    ) -> MailHosts:
        """The hosts for mail to `domain`; the one that asks, known by name or address, is never among them."""
        try:
            found = await self._find("MX", domain, log)
            if found.missing:
                return NoSuchDomain(found.missing)
            if not found.values:
                return await self._implicit_host(found.name, asking_host, asking_addresses, log)
            offers = sorted((mx.preference, show_name(mx.exchange)) for mx in found.values if isinstance(mx, MX))
            offers = [offer for offer in offers if offer[1] != NO_HOST]
            if not offers:
                return _null_mx(found.name)
            return await self._best(found.name, offers, asking_host, asking_addresses, log)
        except NoAnswerError as error:
            return TemporaryFailure(str(error))

    async def null_mx(self, domain: str, *, log: RecordLog) -> NullMx | None:
        """Does the domain say that it takes no mail?  A record is written only if it does: no other answer counts here.

        Who asks has no delivery to make yet, and so can do without an answer that is late.
        """
        question = Question("MX", domain)
        with trio.move_on_after(LOOKUP_TIMEOUT_SECONDS), contextlib.suppress(NoAnswerError, ValueError):
            answer = await self._ask(question, log)
            found = meaning(question, answer)
            if found.values and all(isinstance(mx, MX) and show_name(mx.exchange) == NO_HOST for mx in found.values):
                log.record("dns.answered", question=str(question), answers=shown(question, answer))
                return _null_mx(found.name)
        return None

    async def addresses(self, host: str, *, log: RecordLog) -> list[str]:
        """The addresses of a host, IPv4 first; none when there is no such host, or one without addresses.

        Raises:
            NoAnswerError: nobody knows at the moment.
        """
        _, addresses = await self._locate(host, log)
        return list(addresses)

    async def _implicit_host(
        self, name: str, asking_host: str, asking_addresses: Collection[str], log: RecordLog
    ) -> MailHosts:
        """No MX at all: the domain itself is the host (RFC 5321 section 5.1), under the name its aliases led to."""
        comes_back = LoopsBack(f"mail for {name} comes back to {asking_host}, which does not take it")
        if _same(name, asking_host):
            return comes_back
        _, addresses = await self._locate(name, log)
        if not set(addresses).isdisjoint(asking_addresses):
            return comes_back
        if not addresses:
            return NoSuchDomain(f"{name} has neither MX nor address records")
        return Hosts((MailHost(IMPLICIT_PREFERENCE, name, addresses),))

    async def _best(
        self,
        name: str,
        offers: list[tuple[int, str]],
        asking_host: str,
        asking_addresses: Collection[str],
        log: RecordLog,
    ) -> MailHosts:
        """MX hosts by preference, equal ones in any order.

        RFC 5321 section 5.1: a host that is among them itself leaves out itself and all that are not better, for they
        would send the mail back here.
        """
        end: float = min((preference for preference, host in offers if _same(host, asking_host)), default=math.inf)
        hosts: list[MailHost] = []
        failure = ""
        for preference, host in offers:
            if preference >= end:
                break
            try:
                # RFC 5321 section 5.1 and RFC 2181 section 10.3 forbid an MX host that is an alias, and leave open what
                # becomes of it. Real servers follow it, and so do we.
                canonical, addresses = await self._locate(host, log)
            except NoAnswerError as error:
                failure = failure or str(error)
                continue
            if _same(canonical, asking_host) or not set(addresses).isdisjoint(asking_addresses):
                end = preference
            elif addresses:
                hosts.append(MailHost(preference, host, addresses))
        usable = [host for host in hosts if host.preference < end]
        if usable:
            return Hosts(tuple(sorted(usable, key=lambda host: (host.preference, self._chance.random()))))
        if failure:
            return TemporaryFailure(failure)
        if end < math.inf:
            return LoopsBack(f"mail for {name} comes back to {asking_host}, its best MX host")
        return NoUsableHost(f"no MX host of {name} has an address: {', '.join(host for _, host in offers)}")

    async def _locate(self, host: str, log: RecordLog) -> tuple[str, tuple[str, ...]]:
        """Where a host's aliases lead, and its addresses; half an answer is better than none.

        Raises:
            NoAnswerError: there is no address, and a lookup failed that might have brought one.
        """
        name = host
        addresses: list[str] = []
        failure: NoAnswerError | None = None
        for type_ in ("A", "AAAA"):
            try:
                found = await self._find(type_, host, log)
            except NoAnswerError as error:
                failure = failure or error
                continue
            name = found.name
            addresses += map(show_value, found.values)
            if found.missing:  # and so for every type (RFC 8020 section 2)
                break
        if failure is not None and not addresses:
            raise failure
        return name, tuple(addresses)

    async def _find(self, type_: str, name: str, log: RecordLog) -> Found:
        """One lookup, and its record.

        Raises:
            NoAnswerError: none in time, or as `meaning`.
        """
        try:
            question = Question(type_, show_name(read_name(name)))
        except ValueError as error:  # no name that DNS could carry, so nobody has it
            return Found(name, missing=str(error))
        answer: Answer | None = None
        with trio.move_on_after(LOOKUP_TIMEOUT_SECONDS):
            answer = await self._ask(question, log)
        log.record(
            "dns.answered",
            question=str(question),
            answers=["timeout"] if answer is None else shown(question, answer),
        )
        if answer is None:
            raise NoAnswerError(f"{question}: no answer within {LOOKUP_TIMEOUT_SECONDS:.0f} s")
        return meaning(question, answer)


def _null_mx(name: str) -> NullMx:
    return NullMx(f"{name} takes no mail (null MX)")


def _same(name: str, other: str) -> bool:
    return name.rstrip(".").lower() == other.rstrip(".").lower()
