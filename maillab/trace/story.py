"""The story of a trace: lanes, and steps between them in the order to be told; the ladder and Mermaid draw it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

import attrs

from maillab.trace.conversation import START_MAIL_INPUT, Conversation, Side, recipients_answered
from maillab.trace.path import Trace, in_order
from maillab.trace.record import Record
from maillab.trace.steps import CLIENT, MAILBOXES, NAMES, Fold, Kind, Lane, Role, Step
from maillab.trace.times import seconds, seconds_between
from maillab.trace.wording import ENGLISH, Wording

PAUSE_SECONDS: Final = 0.5
"""A conversation that is silent for so long lets others speak in between; shorter ones are told in one piece."""

WHOLE_REPLY_LIMIT_COUNT: Final = 2
"""Replies of more lines are folded to their first one; a second line may teach and is shown."""

_OUTCOMES: Final = frozenset({"message.accepted", "message.stored", "delivery.duplicate", "fault.injected"})

_BEHIND_MESSAGE: Final = frozenset({"message.accepted", "delivery.duplicate", "fault.injected", "smtp.reply"})
"""What tells, behind a 354, that the message has come."""

CLOCK_MOVED_SECONDS: Final = 1.0
"""A wait that is longer than it really was by so much is told to be one by the lab's clock."""


@attrs.define
class _Passage:
    """Records that are told in one piece."""

    records: list[Record]
    said: Conversation | None = None
    begins: bool = False


class Story:
    """Lanes and steps of one trace."""

    def __init__(
        self, trace: Trace, brief: bool = False, unfolded: Collection[str] = (), wording: Wording = ENGLISH
    ) -> None:
        """With `brief`, a conversation is one arrow, unless its key is among those that are `unfolded`."""
        self._trace = trace
        self._brief = brief
        self._unfolded = frozenset(unfolded)
        self._wording = wording
        self._told_for = {(said.run, said.connection, said.transaction): said for said in trace.conversations}
        self._senders: dict[int, str] = {}
        self._data_asked: set[int] = set()
        self._unfolded_clients = {said.client for said in trace.conversations if not self._is_folded(said)}
        self.lanes = tuple(attrs.evolve(lane, label=wording.roles[lane.role]) for lane in self._find_lanes())
        told = (step for passage in self._passages() for step in self._tell(passage))
        self.steps = tuple(attrs.evolve(step, label=wording.speakers.get(step.speaker, step.speaker)) for step in told)

    def _is_folded(self, said: Conversation) -> bool:
        return self._brief and said.key not in self._unfolded

    def _is_looked_up(self, record: Record) -> bool:
        """True for a lookup that is told: with the conversations that it led to."""
        return record["event"] == "dns.answered" and (not self._brief or record["server"] in self._unfolded_clients)

    def _find_lanes(self) -> tuple[Lane, ...]:
        """The client first, then hosts by hop, then the mailboxes, then the name servers."""
        hosts: dict[str, int] = {}
        client = None
        for record in self._trace.own_records:
            hosts.setdefault(record["server"], record.get("hop") or 1)
            if record.get("next_hop"):
                hosts.setdefault(record["next_hop"], (record.get("hop") or 1) + 1)
        for said in self._trace.conversations:
            hosts.setdefault(said.server, 1)
            sender = said.client or self._foreign_sender(said, hosts)
            if sender is None:
                client = client or said
                sender = CLIENT
            else:
                hosts.setdefault(sender, 1)
            self._senders[id(said)] = sender
        lanes = [Lane(host, Role.SERVER, host) for host, _ in sorted(hosts.items(), key=lambda place: place[1])]
        if client is not None:
            detail = client.client_peer if client.hello else ""
            lanes.insert(0, Lane(CLIENT, Role.CLIENT, client.hello or client.client_peer or "client", detail))
        if any(record["event"] == "message.stored" for record in self._trace.own_records):
            lanes.append(Lane(MAILBOXES, Role.MAILBOXES, ""))
        if any(map(self._is_looked_up, self._trace.own_records)):
            lanes.append(Lane(NAMES, Role.DNS, ""))
        return tuple(lanes)

    def _foreign_sender(self, said: Conversation, hosts: dict[str, int]) -> str | None:
        """The host outside the lab that a server had handed the message to and that now hands it back."""
        accepted = [record for record in self._outcomes(said) if record["event"] == "message.accepted"]
        previous = accepted[0].get("received_from_queue_id") if accepted else None
        if previous is None:
            return None
        relays = [
            record
            for record in self._trace.own_records
            if record["event"] == "delivery.relayed" and record.get("queue_id") == previous
        ]
        names = [record["next_hop"] for record in relays if record["next_hop"] != said.server]
        named = next((name for name in hosts if name.lower() == said.hello.lower()), None)
        return named or (names[0] if names else said.hello or None)

    def _outcomes(self, said: Conversation) -> list[Record]:
        """What the receiving host decided about the message of this transaction."""
        place = said.run, said.connection, said.transaction
        return [
            record
            for record in self._trace.own_records
            if record["event"] in ("message.accepted", "message.stored", "delivery.duplicate")
            and (record["run"], record.get("connection"), record.get("transaction")) == place
        ]

    def _passages(self) -> list[_Passage]:
        passages = []
        in_talk: set[int] = set()
        for said in self._trace.conversations:
            outcomes = self._outcomes(said)
            in_talk.update(map(id, outcomes))
            records = in_order([*said.records, *outcomes])
            if self._is_folded(said):
                passages += [_Passage(records, said, True)]
                continue
            passage = _Passage([], said, True)
            for record in records:
                if passage.records and seconds_between(passage.records[-1], record) >= PAUSE_SECONDS:
                    passages.append(passage)
                    passage = _Passage([], said)
                passage.records.append(record)
            passages.append(passage)
        passages += [_Passage([record]) for record in self._trace.own_records if id(record) not in in_talk]
        first = [self._shown_at(passage) for passage in passages]
        order = sorted(range(len(first)), key=lambda n: (first[n]["at"], first[n]["run"], first[n]["seq"]))
        return [passages[n] for n in order]

    def _shown_at(self, passage: _Passage) -> Record:
        """The record whose time stands beside the first step; a folded conversation leaves out its greeting."""
        said = passage.said
        return _spoken(said)[0] if said is not None and self._is_folded(said) else passage.records[0]

    def _tell(self, passage: _Passage) -> Iterator[Step]:
        if passage.said is None:
            yield from self._tell_alone(passage.records[0])
        else:
            tell = self._tell_briefly if self._is_folded(passage.said) else self._tell_dialogue
            yield from (attrs.evolve(step, talk=passage.said.key) for step in tell(passage, passage.said))

    def _tell_dialogue(self, passage: _Passage, said: Conversation) -> Iterator[Step]:
        client, server = self._senders[id(said)], said.server
        if passage.begins:
            name = next(lane.name for lane in self.lanes if lane.key == client)
            title = self._wording.conversation.format(client=name, server=server)
            yield Step(Kind.TITLE, title, client, server, fold=Fold.UNFOLDED)
        reply: list[Record] = []
        for record in passage.records:
            event = record["event"]
            if id(said) in self._data_asked and event in _BEHIND_MESSAGE:
                self._data_asked.discard(id(said))
                size = record.get("size_octets")
                text = self._wording.message if size is None else self._wording.message_of.format(octets=size)
                yield Step(Kind.MESSAGE, text, client, server, record, Role.CLIENT)
            if event == "smtp.command":
                yield Step(Kind.LINE, record["line"], client, server, record, Role.CLIENT)
            elif event == "smtp.reply":
                reply.append(record)
                if record["line"][3:4] != "-":
                    yield from self._tell_reply(reply, server, client)
                    if record.get("code") == START_MAIL_INPUT:
                        self._data_asked.add(id(said))
                    reply = []
            elif event == "message.accepted":
                yield Step(Kind.TAKEN, record["queue_id"], server, "", record, "Queued")
            else:
                yield from self._tell_outcome(record)
        if reply:
            yield from self._tell_reply(reply, server, client)

    def _tell_outcome(self, record: Record) -> Iterator[Step]:
        server = record["server"]
        match record["event"]:
            case "message.accepted" if not record.get("connection"):
                text = self._wording.written_here.format(queue_id=record["queue_id"])
                yield Step(Kind.TAKEN, text, server, "", record, "Queued")
            case "message.stored":
                text = self._wording.stored.format(mailbox=record["mailbox"], uid=record["uid"])
                yield Step(Kind.STORED, text, server, MAILBOXES, record, "Stored")
            case "tls.started":
                text = self._wording.encrypted.format(version=record["version"].partition(" ")[0])
                yield Step(Kind.NOTE, text, server, "", record, "TLS")
            case "delivery.duplicate":
                yield Step(Kind.NOTE, self._wording.duplicate, server, "", record)
            case "fault.injected":
                yield Step(Kind.NOTE, record["reason"], server, "", record, "Fault")

    def _tell_briefly(self, passage: _Passage, said: Conversation) -> Iterator[Step]:
        records = passage.records
        client = self._senders[id(said)]
        spoken = _spoken(said)
        accepted = next((record for record in records if record["event"] == "message.accepted"), None)
        last = accepted or next((r for r in reversed(spoken) if r.get("verb") != "QUIT"), spoken[-1])
        taken, refusals = recipients_answered(spoken)
        took = self._wording.duration(seconds_between(spoken[0], last))
        kind, text, speaker = Kind.LINE, self._wording.refused_after.format(time=took), "Refused"
        if accepted is not None:
            text = self._wording.queued_in.format(queue_id=accepted["queue_id"], time=took)
        elif said.side is Side.CLIENT and taken:
            text = self._wording.taken_by_in.format(server=said.server, time=took)
        if accepted is not None or (said.side is Side.CLIENT and taken):
            kind, speaker = Kind.MESSAGE, "Queued"
        elif any(record["event"] == "delivery.duplicate" for record in records):
            kind, speaker, text = Kind.MESSAGE, "Sent again", self._wording.sent_again_in.format(time=took)
        yield Step(kind, text, client, said.server, spoken[0], speaker, fold=Fold.FOLDED)
        for line in refusals:
            yield Step(Kind.LINE, line, said.server, client, spoken[0], Role.SERVER)
        for record in records:
            if record["event"] in _OUTCOMES:
                yield from self._tell_outcome(record)

    def _tell_alone(self, record: Record) -> Iterator[Step]:
        server = record.get("server", "")
        reply = record.get("reply") or self._wording.no_reply
        place = record["run"], record.get("connection"), record.get("transaction")
        names = ", ".join(record.get("recipients", ()))
        match record["event"]:
            case event if event in _OUTCOMES:
                yield from self._tell_outcome(record)
            case "delivery.relayed" if not self._was_told(place, record):
                yield Step(Kind.LINE, reply, server, record["next_hop"], record, Role.CLIENT)
            case "delivery.deferred" if self._was_told(place, record):
                why = "" if record.get("code") else f": {reply}"  # what was not said is not drawn yet
                yield Step(Kind.TROUBLE, f"{names}{why}", server, "", record, "Deferred")
                yield from self._wait(record, "")
            case "delivery.deferred":
                yield _lost(record, reply)
                yield from self._wait(record, reply)
            case "delivery.failed":
                if not self._was_told(place, record):
                    yield _lost(record, reply)
                yield Step(Kind.TROUBLE, names, server, "", record, "Failed")
            case "dns.answered" if self._is_looked_up(record):
                text = f"{record['question']}: {', '.join(record['answers'])}"
                yield Step(Kind.LINE, text, NAMES, server, record, Role.DNS)
            case "bounce.created":
                child = record.get("trace")
                other = record["for_trace"] if child == self._trace.id else child
                about = self._wording.trace.format(trace=other)
                yield Step(Kind.NOTE, about, server, "", record, "Bounce" if self._is_bounce(record) else "Notice")

    def _is_bounce(self, made: Record) -> bool:
        """True unless the trace is known not to have failed when the report was made: it tells of a delay then."""
        if made.get("trace") == self._trace.id:
            return True
        return any(
            record["event"] == "delivery.failed" and record.get("queue_id") == made["for_queue_id"]
            for record in self._trace.own_records
            if record["at"] <= made["at"]
        )

    def _was_told(self, place: tuple[str, str | None, int | None], record: Record) -> bool:
        """True if the dialogue that led to this outcome is drawn."""
        if place in self._told_for:
            return True
        next_queue_id = record.get("next_queue_id")
        return any(hop.queue_id == next_queue_id for hop in self._trace.hops if next_queue_id)

    def _wait(self, deferred: Record, why: str) -> Iterator[Step]:
        due = deferred.get("retry_in_seconds")
        if due == 0:
            return  # the next mail host of the domain is tried at once
        attempt = deferred.get("attempt", 1) + 1
        waiting = set(deferred["recipients"])
        started = next(
            (
                record
                for record in self._trace.own_records
                if record["event"] == "delivery.started"
                and record.get("queue_id") == deferred.get("queue_id")
                and (record["at"], record["seq"]) > (deferred["at"], deferred["seq"])
                and waiting & set(record["recipients"])
            ),
            None,
        )
        reason = f" ({why.partition(' by ')[0]})" if " by " in why else ""
        wording = self._wording
        values = {"server": deferred["server"], "reason": reason, "attempt": attempt}
        if started is not None:
            waited = seconds_between(deferred, started)
            moved = waited - seconds(deferred["at"], started["at"]) >= CLOCK_MOVED_SECONDS
            text = wording.waits_lab_time if moved else wording.waits
            values |= {"time": wording.duration(waited), "attempt": started.get("attempt") or attempt}
        elif due is not None:
            text = wording.waits_until
            values["time"] = wording.duration(due)
        else:
            text = wording.waits_on
        yield Step(Kind.WAIT, text.format(**values), deferred["server"])

    def _tell_reply(self, reply: list[Record], server: str, client: str) -> Iterator[Step]:
        """A reply of many lines as one step, of two as two, of one as it stands (RFC 5321 section 4.2.1)."""
        lines = [record["line"] for record in reply]
        if len(lines) > WHOLE_REPLY_LIMIT_COUNT:
            text = self._wording.many_lines.format(code=lines[0][:3], count=len(lines))
            yield Step(Kind.LINE, text, server, client, reply[0], Role.SERVER)
            return
        for record in reply:
            yield Step(Kind.LINE, record["line"], server, client, record, Role.SERVER)


def _spoken(said: Conversation) -> list[Record]:
    """What was said about this message; of a connection on which nothing was, all."""
    return said.records[said.lead_count :] or said.records


def _lost(record: Record, reply: str) -> Step:
    """An attempt that found nobody to speak to: no host at all, or none that answered."""
    if not record.get("next_hop"):
        return Step(Kind.TROUBLE, reply, record["server"], "", record)
    return Step(Kind.LOST, reply, record["server"], record["next_hop"], record)
