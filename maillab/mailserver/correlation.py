"""One trace over all hops, by the standard means: the id in the `Received` line of the server before us."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import attrs

from maillab.mail.message import Message
from maillab.mail.received import Received
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
        previous_id: that host's own id for it; "" where it wrote none.
        ways: hosts that had it since it was last here, nearest first, each with its own id: by any of them a second
            coming is known.  Where a reply was lost, the first copy may have come straight from a host, and the second
            by way of a backup MX.  Of hosts that are not the lab's only the nearest counts, as nobody knows what others
            behind it do; with an id that it did not write nothing can be known again.
    """

    queue_id: QueueId
    hop: int
    previous_host: str
    previous_id: str
    ways: tuple[tuple[str, str], ...] = ()


def arrival(message: Message, neighbours: Neighbours, here: str) -> Arrival | None:
    """The trace that `message` continues at the host `here`, if its topmost `Received` lines are of hosts we believe.

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
            previous = (top.by.lower(), top.id)
            ways = (previous,) if skipped else tuple(_ways(message.received, queue_id.trace, neighbours, here))
            return Arrival(queue_id, queue_id.hop + 1 + skipped, *previous, ways if top.id else ())
        if by not in neighbours.foreign_hosts:
            return None
    return None


def _ways(lines: Iterable[Received | None], trace: str, neighbours: Neighbours, here: str) -> Iterator[tuple[str, str]]:
    """The lines of the lab's servers, down to where the message was here before, or where its trace began."""
    for received in lines:
        by = received.by.lower() if received else ""
        queue_id = QueueId.parse(received.id) if received else None
        if by not in neighbours.lab_hosts or by == here or queue_id is None or queue_id.trace != trace:
            return
        yield by, str(queue_id)
        if queue_id.hop == 1:
            return  # what stands below came with the message, whatever it says
