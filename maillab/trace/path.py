"""The path of a message: records of many servers, gathered to traces as they come."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from itertools import islice
from typing import Any, Final

import attrs

from maillab.trace.conversation import Conversation, Side, Talk
from maillab.trace.copies import Copy, State, judge, worst_state
from maillab.trace.record import Record

CLOSED_TALKS_LIMIT_COUNT: Final = 64
"""Connections between servers that are remembered after their end: the sender records its outcome after closing."""

SUMMARY_LIMIT_COUNT: Final = 20  # copies that stand in a summary; a list may hold a thousand

SMTP_PROTOCOLS: Final = frozenset({"smtp", "submission", "submissions"})


@attrs.frozen
class Hop:
    """One server that took the message and answered for it from then on."""

    server: str
    number: int
    queue_id: str
    at: str
    previous_queue_id: str | None


def in_order(records: Iterable[Record]) -> list[Record]:
    """Records of several processes in one order: by time, and within a process as it counted them."""
    return sorted(records, key=lambda record: (record["at"], record["run"], record["seq"]))


@attrs.define(eq=False)
class _Gathering:
    """All that is known of one trace so far."""

    records: list[Record] = attrs.field(factory=list)
    conversations: list[Conversation] = attrs.field(factory=list)
    children: list[str] = attrs.field(factory=list)
    view: Trace | None = None
    view_size: int = 0

    def size(self) -> int:
        return len(self.records) + len(self.children) + sum(len(said.records) for said in self.conversations)


class Trace:
    """One message on its way, as far as the records tell."""

    def __init__(self, trace_id: str, gathering: _Gathering, domains_of: Mapping[str, frozenset[str]]) -> None:
        self.id = trace_id
        self.own_records: Final = in_order(gathering.records)
        """The records that name this trace."""
        self.children: Final = tuple(gathering.children)
        self._conversations = tuple(gathering.conversations)
        self._domains_of = domains_of

    @cached_property
    def _accepted(self) -> list[Record]:
        accepted = [record for record in self.own_records if record["event"] == "message.accepted"]
        return sorted(accepted, key=lambda record: record.get("hop") or 1)

    @cached_property
    def hops(self) -> tuple[Hop, ...]:
        """Every acceptance, in hop order."""
        return tuple(
            Hop(
                record["server"],
                record.get("hop") or 1,
                record["queue_id"],
                record["at"],
                record.get("received_from_queue_id"),
            )
            for record in self._accepted
        )

    @cached_property
    def sender(self) -> str:
        """The reverse-path; "" is the null path."""
        return self._accepted[0]["sender"] if self._accepted else ""

    @cached_property
    def recipients(self) -> tuple[str, ...]:
        """The recipients that the first server took."""
        if self._accepted:
            return tuple(self._accepted[0]["recipients"])
        named = (name for record in self.own_records for name in record.get("recipients", ()))
        return tuple(dict.fromkeys(named))

    @cached_property
    def subject(self) -> str | None:
        return self._accepted[0].get("subject") if self._accepted else None

    @cached_property
    def parent(self) -> str | None:
        """The trace that this notice is about."""
        named = (record.get("for_trace") for record in self.own_records)
        return next((name for name in named if name and name != self.id), None)

    @cached_property
    def copies(self) -> dict[str, Copy]:
        """What became of it, by recipient (lower case)."""
        return judge(self.own_records, self._domains_of)

    @cached_property
    def state(self) -> State:
        """The worst open state of all copies."""
        return worst_state(self.copies.values())

    @cached_property
    def conversations(self) -> tuple[Conversation, ...]:
        """The dialogue: as the receiving host wrote it, or as the sending one did where the receiving wrote none."""
        heard = [said for said in self._conversations if said.side is Side.SERVER]
        told = [
            said
            for said in self._conversations
            if said.side is Side.CLIENT and not any(_same_conversation(said, other) for other in heard)
        ]
        return tuple(sorted(heard + told, key=lambda said: (said.records[0]["at"], said.run, said.records[0]["seq"])))

    @cached_property
    def records(self) -> tuple[Record, ...]:
        """All records that belong, in order."""
        spoken = [record for said in self.conversations for record in said.records]
        return tuple(in_order([*self.own_records, *spoken]))

    @cached_property
    def started_at(self) -> str:
        first = [records[0]["at"] for records in (self.own_records, *(said.records for said in self.conversations))]
        return str(min(first))

    @property
    def ended_at(self) -> str | None:
        """When the last copy came to rest; None while one is underway or deferred."""
        if self.state in (State.DEFERRED, State.UNDERWAY):
            return None
        return str(self.own_records[-1]["at"])

    def path(self) -> list[str]:
        """The hosts that it went through, in hop order, those outside the lab included."""
        found: dict[tuple[int, str], None] = {}
        for record in self.own_records:
            hop = record.get("hop") or 1
            if record["event"] == "message.accepted":
                found[hop, record["server"]] = None
            elif record["event"] == "delivery.relayed":
                found[hop + 1, record["next_hop"]] = None
        return [host for _, host in sorted(found, key=lambda place: place[0])]

    def ladder(self, width: int = 80, *, brief: bool = False) -> str:
        """The trace as a text ladder; see `maillab.trace.ladder.draw_ladder`."""
        from maillab.trace.ladder import draw_ladder  # here, because the drawing is made of traces

        return draw_ladder(self, width, brief)

    def summary(self) -> dict[str, Any]:
        """The trace in a few JSON values, as a list of traces shows it."""
        return {
            "trace": self.id,
            "sender": self.sender,
            "recipients": list(self.recipients),
            "subject": self.subject,
            "state": str(self.state),
            "hops": [attrs.asdict(hop) for hop in self.hops],
            "copies": [attrs.asdict(copy) for copy in islice(self.copies.values(), SUMMARY_LIMIT_COUNT)],
            "at": self.started_at,
            "ended_at": self.ended_at,
            "for_trace": self.parent,
            "children": list(self.children),
        }

    def document(self) -> dict[str, Any]:
        """The whole trace in JSON values: its summary, all its records, and which of them make a conversation."""
        conversations = [
            {
                "talk": said.key,
                "run": said.run,
                "server": said.server,
                "client": said.client or said.hello or said.client_peer,
                "transaction": [said.connection, said.transaction],
                "seqs": [record["seq"] for record in said.records],
            }
            for said in self.conversations
        ]
        return self.summary() | {"conversations": conversations, "records": list(self.records)}


def _same_conversation(told: Conversation, heard: Conversation) -> bool:
    """True if sender and receiver wrote down the same transaction, each in its own process."""
    sender = heard.client or heard.hello  # at an address that many share, only its EHLO tells who it is
    return (
        told.server == heard.server
        and (told.client or "").lower() == sender.lower()
        and told.records[0]["at"] <= heard.records[-1]["at"]
        and heard.records[0]["at"] <= told.records[-1]["at"]
    )


class TraceBook:
    """Gathers records to traces, one record at a time; it never looks at a record twice before somebody asks.

    Records of one process must come in its order; processes may come in any, one after the other or mixed.
    """

    def __init__(self, limit: int = 10_000) -> None:
        """`limit` traces are kept; the one begun first goes first."""
        self._limit = limit
        self._gatherings: OrderedDict[str, _Gathering] = OrderedDict()
        self._talks: dict[tuple[str, str], Talk] = {}
        self._closed_talks: OrderedDict[tuple[str, str], Talk] = OrderedDict()
        self._domains_of: dict[str, frozenset[str]] = {}
        self._adders: Mapping[str, Callable[[Record], None]] = {
            "smtp.command": self._add_dialogue,
            "smtp.reply": self._add_dialogue,
            "connection.opened": self._open,
            "connection.closed": self._close,
            "lab.ready": self._learn_servers,
            "lab.stopped": self._forget_run,
            "bounce.created": self._add_bounce,
        }

    def add(self, record: Record) -> None:
        """Take the next record; any event, in constant time."""
        self._adders.get(record["event"], self._add_other)(record)

    def get(self, trace_id: str) -> Trace | None:
        """The trace as it stands now, or None when nothing is known of it."""
        gathering = self._gatherings.get(trace_id)
        if gathering is None or not gathering.records:
            return None
        size = gathering.size()
        if gathering.view is None or gathering.view_size != size:
            gathering.view, gathering.view_size = Trace(trace_id, gathering, self._domains_of), size
        return gathering.view

    @property
    def latest(self) -> Trace | None:
        """The newest mail that somebody sent; a notice that a server made only where there is nothing else."""
        traces = self.traces()
        return next((trace for trace in traces if trace.parent is None), traces[0] if traces else None)

    def traces(self) -> list[Trace]:
        """All traces, newest first."""
        known = (self.get(trace_id) for trace_id in reversed(self._gatherings))
        return sorted((trace for trace in known if trace), key=lambda trace: trace.started_at, reverse=True)

    @property
    def remembered_connections(self) -> int:
        """How many connections are remembered: the open ones, and a few closed ones between servers."""
        return len(self._talks) + len(self._closed_talks)

    def _gathering(self, trace_id: str) -> _Gathering:
        gathering = self._gatherings.get(trace_id)
        if gathering is None:
            gathering = self._gatherings[trace_id] = _Gathering()
            if len(self._gatherings) > self._limit:
                self._gatherings.popitem(last=False)
        return gathering

    def _add_dialogue(self, record: Record) -> None:
        key = record["run"], record["connection"]
        talk = self._talks.get(key)
        if talk is None:
            talk = self._talks[key] = Talk()
        talk.add(record)

    def _add_other(self, record: Record) -> None:
        trace_id = record.get("trace")
        connection = record.get("connection")
        if trace_id is None:
            talk = self._talks.get((record["run"], connection)) if connection else None
            if talk is not None:
                talk.add(record)
            return
        gathering = self._gathering(trace_id)
        gathering.records.append(record)
        if connection and (transaction := record.get("transaction")):
            key = record["run"], connection
            talk = self._talks.get(key) or self._closed_talks.get(key)
            said = talk.conversations.get(transaction) if talk else None
            if said is not None and not said.claimed:
                said.claimed = True
                gathering.conversations.append(said)
        parent = record.get("for_trace")
        if parent and parent != trace_id:
            self._name_child(parent, trace_id)

    def _add_bounce(self, record: Record) -> None:
        """A bounce is told twice: in its own trace, and in that of the mail which came back."""
        self._add_other(record)
        parent = record["for_trace"]
        if parent != record.get("trace"):
            self._gathering(parent).records.append(record)

    def _name_child(self, parent: str, child: str) -> None:
        children = self._gathering(parent).children
        if child not in children:
            children.append(child)

    def _open(self, record: Record) -> None:
        if record["protocol"] in SMTP_PROTOCOLS:
            self._talks.setdefault((record["run"], record["connection"]), Talk()).open(record)

    def _close(self, record: Record) -> None:
        key = record["run"], record["connection"]
        talk = self._talks.get(key)
        if talk is None or not talk.close(record):
            return
        del self._talks[key]
        if record["side"] == Side.CLIENT.value or record.get("peer_name"):
            self._closed_talks[key] = talk
            if len(self._closed_talks) > CLOSED_TALKS_LIMIT_COUNT:
                self._closed_talks.popitem(last=False)

    def _learn_servers(self, record: Record) -> None:
        self._domains_of |= {server["host"]: frozenset(server["domains"]) for server in record["servers"]}

    def _forget_run(self, record: Record) -> None:
        """Drop the connections of a process that has ended; its traces stay."""
        for talks in (self._talks, self._closed_talks):
            for key in [key for key in talks if key[0] == record["run"]]:
                del talks[key]
