"""The API about the message of a trace: its envelope, its header with who wrote which field, and its text.

What the servers saw of it is in the envelope; header and text are read from a copy that is still there, in a mailbox
or in a queue.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

import attrs

from maillab.mail.address import Address, AddressError
from maillab.mail.message import HeaderField, Message
from maillab.mail.received import Received
from maillab.mailbox import store
from maillab.mailserver import queued
from maillab.trace.identity import QueueId
from maillab.trace.path import Hop, Trace
from maillab.web.desk import Desk
from maillab.web.letter import Letter
from maillab.web.messages import Request, Response, json_response, refused
from maillab.web.traces import find_trace

COPIES_LIMIT_COUNT: Final = 50
FIELDS_LIMIT_COUNT: Final = 200
FIELD_LIMIT: Final = 2_000  # characters of one field
TEXT_LIMIT: Final = 50_000  # characters
RECIPIENTS_LIMIT_COUNT: Final = 100

_SENDERS: Final = ("from", "sender")  # RFC 5322 section 3.6.2
_RECIPIENTS: Final = ("to", "cc", "bcc")  # RFC 5322 section 3.6.3
# Read mildly and without going back: the standard library's parser recurses with each "(".
_QUOTED_NAME: Final = re.compile(r'"[^"]*"(?!@)')
_ADDRESS: Final = re.compile(r'(?:"[^"]*"|[^\s<>()\[\],;:"@]+)@[^\s<>(),;:"@]+')


class Difference(enum.StrEnum):
    """What the header says otherwise than the envelope, which is all that servers go by."""

    OTHER_SENDER = "other-sender"  # From names somebody else
    NO_SENDER = "no-sender"  # there is no From
    HIDDEN_RECIPIENT = "hidden-recipient"  # in the envelope alone, as by Bcc
    NO_RECIPIENT = "no-recipient"  # nobody is named in To or Cc
    NOT_A_RECIPIENT = "not-a-recipient"  # named in the header, and no copy goes there by this envelope


@attrs.frozen
class Copy:
    """A copy of the message, and where it lies."""

    id: str
    server: str
    queue_id: str
    mailbox: str | None = None
    uid: int | None = None

    def octets(self, desk: Desk) -> bytes | None:
        """The copy, as its reader or the next server gets it; None if it is there no more."""
        try:
            if self.mailbox is None or self.uid is None:
                read = partial(queued.octets, server=self.server, queue_id=self.queue_id)
            else:
                read = partial(store.octets, server=self.server, mailbox=self.mailbox, uid=self.uid)
            return desk.lab.database.read(read)
        except LookupError:
            return None


async def message(desk: Desk, request: Request) -> Response:
    """The message of one trace, in its three zones; the copy that came furthest, unless another is asked for."""
    trace = find_trace(desk, request)
    there = [(copy, octets) for copy in _copies(trace) if (octets := copy.octets(desk)) is not None]
    wanted = request.query.get("copy")
    furthest = max(there, key=lambda each: _hop(each[0]), default=None)
    chosen = furthest if wanted is None else next((each for each in there if each[0].id == wanted), None)
    if wanted is not None and chosen is None:
        raise refused(404, f"no copy {wanted}", f"there are {', '.join(copy.id for copy, _ in there) or 'none'}")
    answer: dict[str, Any] = {
        "trace": trace.id,
        "envelope": _envelope(trace),
        "copies": [_shown(copy) for copy, _ in there],
        "copy": chosen and chosen[0].id,
    }
    if chosen:
        answer |= _zones(trace, *chosen)
    return json_response(answer)


def _copies(trace: Trace) -> list[Copy]:
    """Where copies may lie: in mailboxes, and in the queues of those who took it last."""
    stored = [
        Copy(
            f"{record['mailbox']}/{record['uid']}",
            record["server"],
            record["queue_id"],
            record["mailbox"],
            record["uid"],
        )
        for record in trace.own_records
        if record["event"] == "message.stored"
    ]
    waiting = [Copy(hop.queue_id, hop.server, hop.queue_id) for hop in reversed(trace.hops)]
    return [*stored[:COPIES_LIMIT_COUNT], *waiting[:COPIES_LIMIT_COUNT]]


def _hop(copy: Copy) -> int:
    queue_id = QueueId.parse(copy.queue_id)
    return queue_id.hop if queue_id else 0


def _shown(copy: Copy) -> dict[str, Any]:
    return {
        "copy": copy.id,
        "place": "queue" if copy.mailbox is None else "mailbox",
        "server": copy.server,
        "mailbox": copy.mailbox,
        "uid": copy.uid,
    }


def _envelope(trace: Trace) -> dict[str, Any]:
    """What MAIL and RCPT said to the first server."""
    first = trace.hops[0] if trace.hops else None
    return {
        "sender": trace.sender,
        "recipients": list(trace.recipients[:RECIPIENTS_LIMIT_COUNT]),
        "recipient_count": len(trace.recipients),
        "server": first and first.server,
        "written_here": _writer(trace) is not None,
    }


def _writer(trace: Trace) -> Hop | None:
    """The server that wrote the message itself; None where a client gave it to one."""
    first = next((record for record in trace.own_records if record["event"] == "message.accepted"), None)
    return trace.hops[0] if first is not None and not first.get("connection") else None


def _zones(trace: Trace, copy: Copy, octets: bytes) -> dict[str, Any]:
    """Header and text of one copy, and what in them differs from the envelope."""
    letter = Letter(octets)
    fields = letter.message.fields
    text = letter.text
    writers = _writers(trace, copy, letter.message)
    own = [field for field, written in zip(fields, writers, strict=True) if written is None]
    senders, recipients = _addresses(own, _SENDERS), _addresses(own, _RECIPIENTS)
    return {
        "fields": [
            {"name": field.name, "text": field.text[:FIELD_LIMIT], **(written or {"server": None})}
            for field, written in zip(fields[:FIELDS_LIMIT_COUNT], writers, strict=False)
        ],
        "text": text[:TEXT_LIMIT],
        "is_cut": len(fields) > FIELDS_LIMIT_COUNT or len(text) > TEXT_LIMIT,
        "size_octets": len(octets),
        "addresses": [*dict.fromkeys([*map(_key, (trace.sender, *trace.recipients)), *senders, *recipients])],
        "differences": [*_differences(trace, senders, recipients)],
    }


def _writers(trace: Trace, copy: Copy, message: Message) -> list[dict[str, Any] | None]:
    """Who added each field on the way: a server, and at which hop; None for what the message came with.

    A `Received` line is a server's own if the lab remembers that this server gave that id.  Lines above it that name
    somebody else are those of hosts outside the lab; lines below the lowest one are content, whatever they claim.
    """
    hops: Mapping[str, Hop] = {hop.queue_id: hop for hop in trace.hops}
    found: list[dict[str, Any] | None] = []
    last = 0
    for number, field in enumerate(message.fields):
        written = _written(field, hops)
        if number == 0 and copy.mailbox is not None and field.name.lower() == "return-path":
            hop = hops.get(copy.queue_id)
            written = {"server": copy.server, "hop": hop and hop.number, "certain": True}
        if written and written["certain"]:
            last = number
        found.append(written)
    return [written if number <= last else None for number, written in enumerate(found)]


def _written(field: HeaderField, hops: Mapping[str, Hop]) -> dict[str, Any] | None:
    received = Received.parse(field.octets) if field.name.lower() == "received" else None
    if received is None:
        return None
    hop = hops.get(received.id)
    if hop is None or hop.server != received.by:
        return {"server": received.by, "hop": None, "certain": False}
    return {"server": hop.server, "hop": hop.number, "certain": True}


def _addresses(fields: list[HeaderField], names: tuple[str, ...]) -> list[str]:
    """The addresses in these fields, each once, as they are compared."""
    texts = [field.text[:FIELD_LIMIT] for field in fields[:FIELDS_LIMIT_COUNT] if field.name.lower() in names]
    return [*dict.fromkeys(_key(address) for text in texts for address in _ADDRESS.findall(_QUOTED_NAME.sub("", text)))]


def _key(address: str) -> str:
    try:
        return Address.parse(address).key
    except AddressError:
        return address.lower()


def _differences(trace: Trace, senders: list[str], recipients: list[str]) -> Iterator[dict[str, str]]:
    envelope_sender = _key(trace.sender)
    envelope = [_key(recipient) for recipient in trace.recipients[:RECIPIENTS_LIMIT_COUNT]]
    if not senders:
        yield {"kind": Difference.NO_SENDER}
    elif envelope_sender and envelope_sender not in senders:
        yield {"kind": Difference.OTHER_SENDER, "address": senders[0]}
    if not recipients:
        yield {"kind": Difference.NO_RECIPIENT}
    else:
        yield from (
            {"kind": Difference.HIDDEN_RECIPIENT, "address": each} for each in envelope if each not in recipients
        )
    others = [each for each in recipients if each not in envelope]
    yield from ({"kind": Difference.NOT_A_RECIPIENT, "address": each} for each in others[:RECIPIENTS_LIMIT_COUNT])
