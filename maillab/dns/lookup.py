"""A question, whoever answers it, and what a resolver makes of the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import attrs
import trio
from dns.rcode import Rcode
from dns.rdata import Rdata
from dns.rdatatype import RdataType

from maillab.dns.records import show_name, show_value
from maillab.dns.zone import CNAME_CHAIN_LIMIT, Answer, Zones
from maillab.trace.recorder import RecordLog


class Question(NamedTuple):
    """What is looked up; `str()` is "MX sued.example"."""

    type: str
    name: str

    def __str__(self) -> str:
        return f"{self.type} {self.name}"


Ask = Callable[[Question, RecordLog], Awaitable[Answer]]
"""Whoever answers questions: the zones, or something around them that delays an answer or makes it fail; the log is
that of who asks."""


def asking(zones: Zones) -> Ask:
    """Ask `zones` in this process, without a packet; every process of a lab has them."""

    async def ask(question: Question, _log: RecordLog) -> Answer:
        await trio.lowlevel.checkpoint()
        return zones.answer(question.name, question.type)

    return ask


class NoAnswerError(Exception):
    """A name could not be looked up now; `str()` says why."""


@attrs.frozen
class Found:
    """What a lookup brought.

    Attributes:
        name: where the aliases led.
        values: what was asked for; empty when the name has none.
        missing: why there is no such name; "" when there is one.
    """

    name: str
    values: tuple[Rdata, ...] = ()
    missing: str = ""


def meaning(question: Question, answer: Answer) -> Found:
    """What a resolver that sees no other servers than the lab's makes of an answer of the zones.

    Raises:
        NoAnswerError: a failing server, a delegation to nobody, aliases without an end.
    """
    aliases = [rrset for rrset in answer.answers if rrset.rdtype is RdataType.CNAME]
    path = [question.name, *(show_name(alias[0].target) for alias in aliases)]
    way, name = " -> ".join(path), path[-1]
    if answer.rcode is Rcode.NXDOMAIN:
        return Found(name, missing=f"{way}: there is no such name")
    if answer.rcode not in (Rcode.NOERROR, Rcode.REFUSED):
        raise NoAnswerError(f"{question}: {answer.rcode.name}")
    values = _values(question, answer)
    authority = {rrset.rdtype for rrset in answer.authority}
    if values or RdataType.SOA in authority:
        return Found(name, values)
    if RdataType.NS in authority:
        name_server = show_name(answer.authority[0][0].target)
        raise NoAnswerError(f"{question}: handed on to {name_server}, and no server of this lab has it (lame)")
    if len({each.lower() for each in path}) < len(path):
        raise NoAnswerError(f"{question}: an alias that comes back to itself, {way}")
    if len(aliases) >= CNAME_CHAIN_LIMIT:
        raise NoAnswerError(f"{question}: more than {CNAME_CHAIN_LIMIT} aliases in a row")
    # The zones of the lab are its whole internet: a name outside them exists nowhere.
    return Found(name, missing=f"{way}: no zone of this lab has it")


def shown(question: Question, answer: Answer) -> list[str]:
    """The answer as a record says it: "10 mail.sued.example"; what is no value of the type asked for has its own type.

    Where there is no value, the rcode stands at the end, and NODATA (RFC 2308 section 2.2) in the place of NOERROR.
    """
    lines = []
    for rrset in (*answer.answers, *(rrset for rrset in answer.authority if rrset.rdtype is RdataType.NS)):
        prefix = "" if rrset.rdtype.name == question.type else f"{rrset.rdtype.name} "
        lines += [f"{prefix}{show_value(rdata)}" for rdata in rrset]
    if answer.rcode is not Rcode.NOERROR:
        lines.append(answer.rcode.name)
    elif not _values(question, answer) and any(rrset.rdtype is RdataType.SOA for rrset in answer.authority):
        lines.append("NODATA")
    return lines


def _values(question: Question, answer: Answer) -> tuple[Rdata, ...]:
    return tuple(rdata for rrset in answer.answers if rrset.rdtype.name == question.type for rdata in rrset)
