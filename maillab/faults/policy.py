"""Faults of a server's own: wrong answers, no answers, and a connection that is closed before the answer."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

import attrs

from maillab.faults.fault import CLOSING, CONNECT, MESSAGE, POLICY_KINDS, Kind
from maillab.faults.injection import record
from maillab.faults.plan import FaultPlan, Planned
from maillab.mail.address import Address
from maillab.smtp.host import FallSilent, HangUp
from maillab.smtp.replies import Reply
from maillab.smtp.table import EndOfChunk, EndOfData, Event
from maillab.smtp.words import (
    Auth,
    DataStart,
    Expand,
    Hello,
    Help,
    MailFrom,
    Noop,
    Quit,
    RcptTo,
    Reset,
    StartTls,
    Verify,
)
from maillab.trace.recorder import RecordLog

FAULT_ADDRESS: Final = "fault-address"  # what stands in records for a fault that has no name of its own

_LATE: Final = frozenset({Kind.DISCONNECT})
_VERBS: Final[Mapping[type[Any], str]] = {
    Hello: "EHLO",
    MailFrom: "MAIL",
    RcptTo: "RCPT",
    DataStart: "DATA",
    EndOfChunk: "BDAT",
    EndOfData: MESSAGE,
    StartTls: "STARTTLS",
    Auth: "AUTH",
    Reset: "RSET",
    Noop: "NOOP",
    Verify: "VRFY",
    Expand: "EXPN",
    Help: "HELP",
    Quit: "QUIT",
    type(None): CONNECT,
}
_ENDING: Final = re.compile(r".*\.([45][0-9]{2}|timeout|disconnect)", re.DOTALL)


class PolicyFaults:
    """What the plan has against one server; implements `smtp.host.Interceptor`."""

    def __init__(
        self, plan: FaultPlan, host: str, *, address_domains: Collection[str] = (), enhanced_codes: bool = True
    ) -> None:
        """In `address_domains` a recipient may ask for a fault by its own name: ben.450, ben.timeout."""
        self._plan = plan
        self._host = host
        self._address_domains = frozenset(address_domains)
        self._enhanced_codes = enhanced_codes

    def before(self, event: Event | None, log: RecordLog) -> Reply | None:
        verb = _VERBS.get(type(event))
        if verb is None:
            return None
        if self._plan.has(POLICY_KINDS):
            planned = self._plan.strikes(
                POLICY_KINDS, lambda planned: not planned.fault.late and self._fits(planned, verb, event)
            )
            if planned is not None:
                return self._carry_out(planned, verb, log)
        if self._address_domains and isinstance(event, RcptTo):
            return self._asked_for(event.forward_path, log)
        return None

    def after(self, event: Event, reply: Reply, log: RecordLog) -> None:
        if type(event) is EndOfData and reply.accepts and self._plan.has(_LATE):
            planned = self._plan.strikes(
                _LATE, lambda planned: bool(planned.fault.late) and self._fits(planned, MESSAGE, event)
            )
            if planned is not None:
                record(log, planned, f"{self._host} has accepted the message, and hangs up before it says so")
                raise HangUp(_ended_by(planned))

    def _fits(self, planned: Planned, verb: str, event: Event | None) -> bool:
        if planned.fault.verb != verb or not planned.is_at(self._host):
            return False
        match event:
            case MailFrom(reverse_path):
                return planned.fault.takes(reverse_path)
            case RcptTo(forward_path):
                return planned.fault.takes(forward_path)
        return True

    def _carry_out(self, planned: Planned, verb: str, log: RecordLog) -> Reply:
        at = {CONNECT: "a new connection", MESSAGE: "the message"}.get(verb, verb)
        if planned.fault.kind is Kind.TIMEOUT:
            record(log, planned, f"{self._host} does not answer {at}")
            raise FallSilent(_ended_by(planned))
        if planned.fault.kind is Kind.DISCONNECT:
            record(log, planned, f"{self._host} hangs up instead of answering {at}")
            raise HangUp(_ended_by(planned))
        reply = planned.fault.answer
        record(log, planned, f"{self._host} answers {at} with {reply.text}")
        return reply

    def _asked_for(self, recipient: Address, log: RecordLog) -> Reply | None:
        ending = _ENDING.fullmatch(recipient.local_part.lower())
        if ending is None or recipient.domain_key not in self._address_domains:
            return None
        wish = ending[1]
        kind = Kind.REPLY if wish.isdigit() else Kind(wish)
        reason = f"<{recipient}> asks for it"
        log.record("fault.injected", fault=FAULT_ADDRESS, kind=kind.value, reason=reason)
        if kind is Kind.TIMEOUT:
            raise FallSilent(f"{FAULT_ADDRESS}: {kind.value}")
        if kind is Kind.DISCONNECT:
            raise HangUp(f"{FAULT_ADDRESS}: {kind.value}")
        code = int(wish)
        # RFC 3463: X.2.0 is whatever is the matter with a mailbox, X.3.2 is a system that takes nothing now.
        enhanced = f"{code // 100}.{'3.2' if code == CLOSING else '2.0'}"
        reply = Reply(code, (f"<{recipient}> asks for this reply",), enhanced)
        return reply if self._enhanced_codes else attrs.evolve(reply, enhanced=None)


def _ended_by(planned: Planned) -> str:
    """Why a connection has ended, for its record."""
    return f"{planned.fault.name}: {planned.fault.kind.value}"
