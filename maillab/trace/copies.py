"""What became of every copy of a message, judged from its records."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from maillab.trace.record import Record


class State(enum.StrEnum):
    """How it stands with a copy, or with a whole trace; the worst open state first, as a trace is judged."""

    DEFERRED = "deferred"
    UNDERWAY = "underway"
    FAILED = "failed"
    RELAYED = "relayed"
    DELIVERED = "delivered"


_RANK: Final = {state: rank for rank, state in enumerate(State)}
_STATE_AFTER: Final[Mapping[str, State]] = {
    "message.stored": State.DELIVERED,
    "delivery.started": State.UNDERWAY,
    "delivery.deferred": State.DEFERRED,
    "delivery.failed": State.FAILED,
    "delivery.relayed": State.RELAYED,
}


@attrs.frozen
class Copy:
    """What became of the copy for one recipient."""

    recipient: str
    state: State
    server: str
    """Who said so last."""
    at: str
    uid: int | None = None
    """Delivered: its number in the mailbox, which is named like the recipient."""
    reply: str | None = None
    """Failed, deferred or relayed: the words that said so."""
    next_hop: str | None = None
    retry_in_seconds: float | None = None


@attrs.define
class _Station:
    """One queue id: a message at one server."""

    server: str
    recipients: tuple[str, ...] = ()
    accepted_at: str = ""
    previous: str | None = None
    latest: dict[str, Record] = attrs.field(factory=dict)

    def names(self, recipient: str) -> bool:
        return recipient in self.latest or recipient in self.recipients


def judge(records: Iterable[Record], domains_of: Mapping[str, frozenset[str]]) -> dict[str, Copy]:
    """What became of every copy: the last word of the last server that had it."""
    stations: dict[str, _Station] = {}
    for record in records:
        if "queue_id" not in record:
            continue
        station = stations.setdefault(record["queue_id"], _Station(record["server"]))
        if record["event"] == "message.accepted":
            station.recipients = tuple(map(str.lower, record["recipients"]))
            station.accepted_at = record["at"]
            station.previous = record.get("received_from_queue_id")
        elif record["event"] == "message.stored":
            station.latest[record["mailbox"].lower()] = record
        elif record["event"] in _STATE_AFTER:
            station.latest |= dict.fromkeys(map(str.lower, record["recipients"]), record)
    named = (name for station in stations.values() for name in (*station.recipients, *station.latest))
    copies: dict[str, Copy | None] = dict.fromkeys(named)  # in the order in which they were named
    for queue_id, station in stations.items():
        for recipient in dict.fromkeys((*station.recipients, *station.latest)):
            copy = _copy_at(queue_id, station, recipient, stations, domains_of)
            known = copies[recipient]
            if copy and (known is None or _RANK[copy.state] < _RANK[known.state]):
                copies[recipient] = copy
    return {recipient: copy for recipient, copy in copies.items() if copy is not None}


def _copy_at(
    queue_id: str,
    station: _Station,
    recipient: str,
    stations: Mapping[str, _Station],
    domains_of: Mapping[str, frozenset[str]],
) -> Copy | None:
    """The copy for `recipient` as its `station` sees it; None where another station or recipient tells more."""
    record = station.latest.get(recipient)
    state = _STATE_AFTER[record["event"]] if record else State.UNDERWAY
    next_hop = record.get("next_hop") if record else None
    next_queue_id = record.get("next_queue_id") if record else None
    if state in (State.UNDERWAY, State.RELAYED):
        # The next server's word is enough: a process that was killed may never have told that it passed the mail on,
        # nor that it had taken it.
        for other_id, other in stations.items():
            follows = other.previous == queue_id or other_id == next_queue_id
            if (follows or (other.server == next_hop and not other.accepted_at)) and other.names(recipient):
                return None
    if record is None:
        # An alias has no fate of its own; it is told by the names it stands for, which nobody gave in RCPT.
        own_domains = domains_of.get(station.server)
        local = own_domains is None or recipient.rpartition("@")[2] in own_domains | {"", "postmaster"}
        if local and station.latest.keys() - set(station.recipients):
            return None
        return Copy(recipient, State.UNDERWAY, station.server, station.accepted_at)
    if state is State.RELAYED and (next_hop in domains_of or (next_queue_id or "").startswith(record["trace"])):
        state = State.UNDERWAY  # a server of the lab has it; its own record has yet to come
    return Copy(
        recipient,
        state,
        station.server,
        record["at"],
        record.get("uid"),
        record.get("reply"),
        next_hop,
        record.get("retry_in_seconds"),
    )


def worst_state(copies: Iterable[Copy]) -> State:
    """The state of a trace: the worst open state of its copies; nothing known is underway."""
    return min((copy.state for copy in copies), key=_RANK.__getitem__, default=State.UNDERWAY)
