"""What everybody who answers requests may reach: the lab, and what this room keeps about it."""

from __future__ import annotations

import attrs

from maillab.lab.lab import Lab
from maillab.trace.record import Record
from maillab.web.access import Gate
from maillab.web.feed import Feed
from maillab.web.metrics import Metrics


@attrs.define
class Desk:
    """The surroundings of all handlers of one page."""

    lab: Lab
    gate: Gate
    feed: Feed
    metrics: Metrics
    ready: Record | None = None
    """The lab's own `lab.ready`; None while it starts."""
