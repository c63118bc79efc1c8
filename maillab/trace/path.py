"""The path of a message: what the records of many servers, put together, say of one trace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from itertools import islice
from typing import Any, Final

import attrs

from maillab.trace.conversation import Conversation, Side, same_conversation
from maillab.trace.copies import Copy, State, judge, worst_state
from maillab.trace.gathering import Contents, Gathering
from maillab.trace.record import Record

SUMMARY_LIMIT_COUNT: Final = 20  # copies that stand in a summary; a list may hold a thousand


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


class Trace:
    """One message on its way, as far as the records tell."""

    def __init__(self, trace_id: str, gathering: Gathering, domains_of: Mapping[str, frozenset[str]]) -> None:
        self.id = trace_id
        self.children: Final = tuple(gathering.children)
        self._look = gathering.look()
        self._domains_of = domains_of

    @cached_property
    def _contents(self) -> Contents:
        return self._look()

    @cached_property
    def own_records(self) -> list[Record]:
        """The records that name this trace."""
        return in_order(self._contents.records)

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
        heard = [said for said in self._contents.conversations if said.side is Side.SERVER]
        told = [
            said
            for said in self._contents.conversations
            if said.side is Side.CLIENT and not any(same_conversation(said, other) for other in heard)
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
