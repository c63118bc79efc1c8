"""The closed list of events that a record may carry, and what each says.

One structlog event = one record = one JSON line.  The recorder refuses names that are not here, and the README's
table is tested against this list.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

Record = dict[str, Any]
"""One record: always `run`, `seq`, `at`, `event` and `lab`; the rest where it applies."""

CONTEXT_KEYS: Final = ("server", "connection", "transaction", "trace", "queue_id", "hop", "lab_at")
"""Keys that any event may carry, where they apply."""


@attrs.frozen
class Event:
    """What one event says, and the keys it may carry besides `CONTEXT_KEYS`."""

    says: str
    keys: tuple[str, ...] = ()


EVENTS: Final[Mapping[str, Event]] = {
    "lab.ready": Event("the lab runs; addresses of everything", ("web", "servers", "dns")),
    "lab.stopped": Event("the lab has ended", ()),
    "connection.opened": Event("somebody connected", ("protocol", "side", "peer", "peer_name")),
    "connection.closed": Event("the connection is over, and why", ("protocol", "side", "peer", "peer_name", "reason")),
    "connection.crashed": Event("our own code failed in this connection only", ("error",)),
    "smtp.command": Event("one line that the client said", ("verb", "line")),
    "smtp.reply": Event("one line that the server answered", ("code", "enhanced", "line")),
    "message.accepted": Event(
        "250 after the data: it is on disk and this server's duty now",
        ("sender", "recipients", "size_octets", "sha256", "subject", "received_from_queue_id", "for_trace"),
    ),
    "message.refused": Event("refused before or after the data", ("code", "reason", "sender", "recipients")),
    "policy.checked": Event("a rule was asked, and its answer", ("policy", "result", "reason")),
    "dns.answered": Event("a lookup for a delivery, and what it brought", ("question", "answers")),
    "delivery.started": Event("one attempt for one next hop begins", ("recipients", "next_hop", "attempt")),
    "delivery.relayed": Event(
        "the next hop has taken it", ("recipients", "next_hop", "attempt", "code", "reply", "next_queue_id")
    ),
    "delivery.deferred": Event(
        "not now; it is tried again", ("recipients", "next_hop", "attempt", "code", "reply", "retry_in_seconds")
    ),
    "delivery.failed": Event("never; given up", ("recipients", "next_hop", "attempt", "code", "reply")),
    "delivery.duplicate": Event(
        "a copy that was accepted before came again and was dropped",
        ("recipients", "previous_host", "received_from_queue_id"),
    ),
    "message.stored": Event("it lies in a mailbox", ("mailbox", "uid")),
    "bounce.created": Event(
        "a notice was written: a mail failed, is late, or has arrived", ("for_queue_id", "for_trace", "recipients")
    ),
    "tls.started": Event("from here on the connection is encrypted", ("side", "peer_name", "version")),
    "auth.succeeded": Event("somebody logged in", ("user", "mechanism")),
    "auth.failed": Event("somebody could not log in", ("user", "mechanism", "error")),
    "fault.injected": Event("a fault that was asked for has struck", ("fault", "kind", "reason")),
    "storage.failed": Event("the disk or the database failed; nothing of that was kept", ("error",)),
    "records.lost": Event("records are missing here: a viewer was slow, or a disk was full", ("count",)),
}
