"""One trace over all hops, by the standard means: the id in the `Received` line of the server before us."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from maillab.mail.message import Message
from maillab.trace.identity import QueueId


@attrs.frozen(kw_only=True)
class Neighbours:
    """Whom a server believes; all names in lower case.

    Attributes:
        lab_hosts: servers that the lab starts.
        foreign_hosts: servers that it does not start, and believes all the same.
        by_address: real address to the hosts that connect from it: those that this process does not run.  In one
            process our own are told by the register of outgoing connections instead.
    """

    lab_hosts: frozenset[str]
    foreign_hosts: frozenset[str] = frozenset()
    by_address: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)


@attrs.frozen
class Arrival:
    """Where a message that a believed peer brought stands in its trace.

    Attributes:
        queue_id: what the last server of the lab called it.
        hop: the number of the hop here; the lines of foreign hosts count as hops too.
        previous_host: who wrote the topmost line.
        previous_id: that host's own id for it, and so the key to know a second coming by; "" where it wrote none,
            and then nothing can be known again.
    """

    queue_id: QueueId
    hop: int
    previous_host: str
    previous_id: str


def arrival(message: Message, neighbours: Neighbours) -> Arrival | None:
    """The trace that `message` continues, if its topmost `Received` lines are of hosts we believe.

    Only for mail that a believed peer brings: to anybody else's, such lines are content.
    """
    for skipped, received in enumerate(message.received):
        if received is None:
            return None
        by = received.by.lower()
        if by in neighbours.lab_hosts:
            queue_id = QueueId.parse(received.id)
            if queue_id is None:
                return None
            top = message.received[0]
            assert top is not None  # we came past it
            return Arrival(queue_id, queue_id.hop + 1 + skipped, top.by.lower(), top.id)
        if by not in neighbours.foreign_hosts:
            return None
    return None
