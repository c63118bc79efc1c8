"""Dialogue before anybody knows which message it was about: connections and the transactions in them.

The trace of a mail is known only at the end of its data, so the lines said until then wait here, by connection and
transaction, until a record that names the trace claims them.
"""

from __future__ import annotations

import enum
from typing import Final

import attrs

from maillab.trace.memory import Excerpt, Place
from maillab.trace.record import Record

UNCLAIMED_LIMIT_COUNT: Final = 8
"""So many transactions of one connection are remembered; a kept connection may carry thousands."""

LINES_LIMIT_COUNT: Final = 5_000
"""Lines kept of one transaction, and of what was said outside of one: 1,000 recipients take 2,000."""

START_MAIL_INPUT: Final = 354  # RFC 5321 section 4.2.3


class Side(enum.Enum):
    """The end of a connection that wrote its dialogue down."""

    CLIENT = "client"
    SERVER = "server"


@attrs.define(eq=False)
class Conversation:
    """One transaction: from MAIL to its end, and the lines around it that belong to it."""

    run: str
    connection: str
    transaction: int
    side: Side
    server: str
    """The host that receives."""
    client: str | None
    """The host that sends, when it is a server of the lab."""
    client_peer: str
    """The address that the server saw; "" when only the client wrote."""
    hello: str
    """The name that the client gave in HELO or EHLO; "" before it gave one."""
    began_at: str
    """When its first line was said."""
    lines: Excerpt
    """All that was said so far."""
    lead_count: int
    """So many of `lines` were said before MAIL: greeting, EHLO, NOOP."""
    claimed: bool = False
    records: list[Record] = attrs.field(factory=list)
    """The lines, once they are read."""

    @property
    def key(self) -> str:
        """Names it among all of a trace, in one word."""
        return f"{self.run}.{self.connection}.{self.transaction}"

    def add(self, place: Place) -> None:
        if len(self.lines) < LINES_LIMIT_COUNT:
            self.lines.append(place)

    def read(self, count: int) -> Conversation:
        """The conversation as it was when it had `count` lines, with its records."""
        return attrs.evolve(self, records=self.lines.read(count))


def same_conversation(told: Conversation, heard: Conversation) -> bool:
    """True if sender and receiver wrote down the same transaction, each in its own process."""
    sender = heard.client or heard.hello  # at an address that many share, only its EHLO tells who it is
    return (
        told.server == heard.server
        and (told.client or "").lower() == sender.lower()
        and told.records[0]["at"] <= heard.records[-1]["at"]
        and heard.records[0]["at"] <= told.records[-1]["at"]
    )


@attrs.define(eq=False)
class Talk:
    """One connection: who is at its ends, and the transactions said over it."""

    opened: dict[str, Record] = attrs.field(factory=dict)
    open_sides: set[str] = attrs.field(factory=set)
    hello: str = ""
    waiting: list[Place] = attrs.field(factory=list)
    waiting_since: str = ""
    """When the first of these was written, if there are any."""
    faults: list[tuple[str, Place]] = attrs.field(factory=list)
    """Those of the waiting that are faults, and when they struck."""
    conversations: dict[int, Conversation] = attrs.field(factory=dict)

    def open(self, record: Record) -> None:
        self.opened[record["side"]] = record
        self.open_sides.add(record["side"])

    def add(self, record: Record, place: Place) -> None:
        """Take one record of this connection that names no trace."""
        transaction = record.get("transaction")
        if transaction is None:
            if record.get("verb") in ("EHLO", "HELO"):
                self.hello = record["line"][4:].strip()
            if not self.waiting:
                self.waiting_since = record["at"]
            if len(self.waiting) < LINES_LIMIT_COUNT:
                self.waiting.append(place)
                if record["event"] == "fault.injected":
                    self.faults.append((record["at"], place))
            return
        conversation = self.conversations.get(transaction)
        if conversation is None:
            conversation = self._begin(transaction, record)
        conversation.add(place)

    def faults_before_mail(self) -> list[tuple[str, Place]]:
        """What kept the connection from coming so far as a mail: told once, with what became of that mail."""
        faults, self.faults = self.faults, []
        told = [place for _, place in faults]
        self.waiting = [place for place in self.waiting if place not in told]
        return faults

    def close(self, record: Record) -> bool:
        """Take `connection.closed` of one end; True when it was the last open end.

        The closing QUIT and 221 belong to the last transaction where a client from outside spoke; a server of the lab
        closes an idle connection long after its last mail.
        """
        self.open_sides.discard(record["side"])
        if record["side"] == Side.SERVER.value and record.get("peer_name") is None and self.conversations:
            last = self.conversations[max(self.conversations)]
            for line in self.waiting:
                last.add(line)
            self.waiting, self.faults = [], []
        return not self.open_sides

    def _begin(self, transaction: int, record: Record) -> Conversation:
        server_end = self.opened.get(Side.SERVER.value)
        client_end = self.opened.get(Side.CLIENT.value)
        if server_end is None and client_end is not None:
            side, server = Side.CLIENT, client_end.get("peer_name") or client_end["peer"]
            client, client_peer = client_end["server"], ""
        else:
            side, server = Side.SERVER, record["server"]
            client = server_end.get("peer_name") if server_end else None
            client_peer = server_end["peer"] if server_end else ""
        lead = self.waiting
        began_at = self.waiting_since if lead else record["at"]
        before = self.conversations.get(transaction - 1)
        if before is not None and not before.claimed and client is None:
            # A mail typed by hand and begun anew (RSET) still shows how its connection began.
            began_at = before.began_at
            lead = (before.lines.places(before.lead_count) + lead)[:LINES_LIMIT_COUNT]
        self.waiting, self.faults = [], []
        conversation = Conversation(
            record["run"],
            record["connection"],
            transaction,
            side,
            server,
            client,
            client_peer,
            self.hello,
            began_at,
            Excerpt(lead),
            len(lead),
        )
        self.conversations[transaction] = conversation
        if len(self.conversations) > UNCLAIMED_LIMIT_COUNT:
            del self.conversations[min(self.conversations)]
        return conversation


def recipients_answered(records: list[Record]) -> tuple[int, list[str]]:
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
