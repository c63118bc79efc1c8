"""The story of a trace: lanes, and steps between them in the order to be told; the ladder and Mermaid draw it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

import attrs

from maillab.trace.conversation import Conversation, Side
from maillab.trace.path import Trace, in_order
from maillab.trace.record import Record
from maillab.trace.steps import CLIENT, MAILBOXES, Kind, Lane, Role, Step, duration

PAUSE_SECONDS: Final = 0.5
"""A conversation that is silent for so long lets others speak in between; shorter ones are told in one piece."""

WHOLE_REPLY_LIMIT_COUNT: Final = 2
"""Replies of more lines are folded to their first one; a second line may teach and is shown."""

START_MAIL_INPUT: Final = 354  # RFC 5321 section 4.2.3

_OUTCOMES: Final = frozenset({"message.accepted", "message.stored", "delivery.duplicate", "fault.injected"})

_BEHIND_MESSAGE: Final = frozenset({"message.accepted", "delivery.duplicate", "fault.injected", "smtp.reply"})
"""What tells, behind a 354, that the message has come."""

CLOCK_MOVED_SECONDS: Final = 1.0
"""A wait that is longer than it really was by so much is told to be one by the lab's clock."""


def seconds_between(earlier: Record, later: Record) -> float:
    """Seconds from one record to another; by the lab's clock, which is the real one until somebody moves it."""
    moved = earlier.get("lab_at") or later.get("lab_at")
    if moved and (earlier["run"] == later["run"] or (earlier.get("lab_at") and later.get("lab_at"))):
        first, last = (record.get("lab_at") or record["at"] for record in (earlier, later))
        return _seconds(first, last)
    return _seconds(earlier["at"], later["at"])


def _seconds(first: str, last: str) -> float:
    return (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()


@attrs.define
class _Passage:
    """Records that are told in one piece."""

    records: list[Record]
    said: Conversation | None = None
    begins: bool = False


class Story:
    """Lanes and steps of one trace."""

    def __init__(self, trace: Trace, brief: bool = False) -> None:
        self._trace = trace
        self._brief = brief
        self._told_for = {(said.run, said.connection, said.transaction): said for said in trace.conversations}
        self._senders: dict[int, str] = {}
        self._data_asked: set[int] = set()
        self.lanes = self._find_lanes()
        self.steps = tuple(step for passage in self._passages() for step in self._tell(passage))

    def _find_lanes(self) -> tuple[Lane, ...]:
        """The client first, then hosts by hop, then the mailboxes."""
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
            if self._brief:
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
        first = [passage.records[0] for passage in passages]
        order = sorted(range(len(first)), key=lambda n: (first[n]["at"], first[n]["run"], first[n]["seq"]))
        return [passages[n] for n in order]

    def _tell(self, passage: _Passage) -> Iterator[Step]:
        if passage.said is None:
            yield from self._tell_alone(passage.records[0])
        elif self._brief:
            yield from self._tell_briefly(passage.said, passage.records)
        else:
            yield from self._tell_dialogue(passage)

    def _tell_dialogue(self, passage: _Passage) -> Iterator[Step]:
        said = passage.said
        assert said is not None
        client, server = self._senders[id(said)], said.server
        if passage.begins:
            name = next(lane.name for lane in self.lanes if lane.key == client)
            yield Step(Kind.TITLE, f"Client {name} to Server {server}", client, server)
        reply: list[Record] = []
        for record in passage.records:
            event = record["event"]
            if id(said) in self._data_asked and event in _BEHIND_MESSAGE:
                self._data_asked.discard(id(said))
                size = record.get("size_octets")
                text = "message" if size is None else f"message, {size} octets"
                yield Step(Kind.MESSAGE, text, client, server, record, Role.CLIENT)
            if event == "smtp.command":
                yield Step(Kind.LINE, record["line"], client, server, record, Role.CLIENT)
            elif event == "smtp.reply":
                reply.append(record)
                if record["line"][3:4] != "-":
                    yield from _tell_reply(reply, server, client)
                    if record.get("code") == START_MAIL_INPUT:
                        self._data_asked.add(id(said))
                    reply = []
            else:
                yield from self._tell_outcome(record)
        if reply:
            yield from _tell_reply(reply, server, client)

    def _tell_outcome(self, record: Record) -> Iterator[Step]:
        server = record["server"]
        match record["event"]:
            case "message.accepted" if not self._brief or not record.get("connection"):
                made = "" if record.get("connection") else ", written here"
                yield Step(Kind.TAKEN, f"{record['queue_id']}{made}", server, "", record, "Queued")
            case "message.stored":
                text = f"{record['mailbox']}, uid {record['uid']}"
                yield Step(Kind.STORED, text, server, MAILBOXES, record, "Stored")
            case "tls.started":
                text = f"encrypted from here on ({record['version'].partition(' ')[0]})"
                yield Step(Kind.NOTE, text, server, "", record, "TLS")
            case "delivery.duplicate":
                yield Step(Kind.NOTE, "accepted before; this copy is dropped", server, "", record)
            case "fault.injected":
                yield Step(Kind.NOTE, record["reason"], server, "", record, "Fault")

    def _tell_briefly(self, said: Conversation, records: list[Record]) -> Iterator[Step]:
        client = self._senders[id(said)]
        spoken = said.records[said.lead_count :] or said.records
        accepted = next((record for record in records if record["event"] == "message.accepted"), None)
        last = accepted or next((r for r in reversed(spoken) if r.get("verb") != "QUIT"), spoken[-1])
        taken, refusals = _recipients_answered(spoken)
        took = duration(seconds_between(spoken[0], last))
        if accepted is not None:
            yield Step(Kind.MESSAGE, f"{accepted['queue_id']} in {took}", client, said.server, spoken[0], "Queued")
        elif said.side is Side.CLIENT and taken:
            yield Step(Kind.MESSAGE, f"by {said.server} in {took}", client, said.server, spoken[0], "Queued")
        elif any(record["event"] == "delivery.duplicate" for record in records):
            yield Step(Kind.MESSAGE, f"in {took}", client, said.server, spoken[0], "Sent again")
        else:
            yield Step(Kind.LINE, f"after {took}", client, said.server, spoken[0], "Refused")
        for line in refusals:
            yield Step(Kind.LINE, line, said.server, client, spoken[0], Role.SERVER)
        for record in records:
            if record["event"] in _OUTCOMES:
                yield from self._tell_outcome(record)

    def _tell_alone(self, record: Record) -> Iterator[Step]:
        server = record.get("server", "")
        reply = record.get("reply") or "no reply"
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
            case "bounce.created":
                child = record.get("trace")
                about = f"trace {record['for_trace']}" if child == self._trace.id else f"trace {child}"
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
        if started is not None:
            waited = seconds_between(deferred, started)
            moved = waited - _seconds(deferred["at"], started["at"]) >= CLOCK_MOVED_SECONDS
            waits = f"waits {duration(waited)}{' of lab time' if moved else ''}"
            text = f"{waits} in the queue of {deferred['server']}{reason}, attempt {started.get('attempt') or attempt}"
            yield Step(Kind.WAIT, text, deferred["server"])
            return
        when = f" due {duration(due)} later" if due is not None else " to come"
        text = f"waits in the queue of {deferred['server']}{reason}, attempt {attempt}{when}"
        yield Step(Kind.WAIT, text, deferred["server"])


def _lost(record: Record, reply: str) -> Step:
    """An attempt that found nobody to speak to: no host at all, or none that answered."""
    if not record.get("next_hop"):
        return Step(Kind.TROUBLE, reply, record["server"], "", record)
    return Step(Kind.LOST, reply, record["server"], record["next_hop"], record)


def _tell_reply(reply: list[Record], server: str, client: str) -> Iterator[Step]:
    """A reply of many lines as one step, of two as two, of one as it stands (RFC 5321 section 4.2.1)."""
    lines = [record["line"] for record in reply]
    if len(lines) > WHOLE_REPLY_LIMIT_COUNT:
        text = f"{lines[0][:3]} … ({len(lines)} lines)"
        yield Step(Kind.LINE, text, server, client, reply[0], Role.SERVER)
        return
    for record in reply:
        yield Step(Kind.LINE, record["line"], server, client, record, Role.SERVER)


def _recipients_answered(records: list[Record]) -> tuple[int, list[str]]:
    """How many RCPT were accepted, and the refusals of this transaction with what they refuse.

    Pipelined commands may all stand before the first reply (RFC 2920 section 3.1), so they are matched in turn.
    """
    commands: list[tuple[str, str]] = []
    replies: list[str] = []
    for record in records:
        if record["event"] == "smtp.command":
            commands.append((record["verb"], record["line"]))
        elif record["event"] == "smtp.reply" and record["line"][3:4] != "-":
            replies.append(record["line"])
            if record.get("code") == START_MAIL_INPUT:
                commands.insert(len(replies), ("DATA", "message"))  # answered next, without a command of its own
    taken = 0
    refusals: list[str] = []
    for (verb, command), reply in zip(commands, replies, strict=False):
        taken += verb == "RCPT" and reply.startswith("2")
        if verb == "DATA" and command != "message" and refusals and not taken:
            continue  # sent ahead of the replies (RFC 2920 section 3.1), and nothing was left to send
        if verb in ("MAIL", "RCPT", "DATA") and reply[:1] in ("4", "5"):
            refusals.append(f"{reply} ({command})")
    return taken, refusals
