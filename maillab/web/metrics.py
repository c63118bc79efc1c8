"""Numbers for Prometheus: what each server accepted, refused, stored, deferred and bounced, and what waits.

Not here: prometheus-client's own counters. They are global by habit, take a lock for each step and show when
they were made; a lab counts in Trio's thread alone, and is asked once in a while.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from maillab.lab.lab import Lab
from maillab.mailserver import queue
from maillab.trace.record import Record

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"  # of what generate_latest writes

COUNTED: Final[Mapping[str, tuple[str, str]]] = {
    "message.accepted": ("maillab_messages_accepted", "Messages that were accepted with 250 after the data"),
    "message.refused": ("maillab_messages_refused", "Messages that were refused, before or after the data"),
    "message.stored": ("maillab_messages_stored", "Copies that were put into a mailbox"),
    "delivery.relayed": ("maillab_deliveries_relayed", "Attempts that ended with the next hop taking the message"),
    "delivery.deferred": ("maillab_deliveries_deferred", "Attempts that ended in a later retry"),
    "delivery.failed": ("maillab_deliveries_failed", "Attempts that ended for good, without success"),
    "bounce.created": ("maillab_bounces_created", "Notices of failure that were made"),
    "connection.opened": ("maillab_connections", "Connections that were made to the server"),
}


class Metrics(Collector):
    """Counts records; `listen` is a listener of the lab's recorder."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._counts: dict[str, Counter[str]] = {event: Counter() for event in COUNTED}
        self._closed: Counter[str] = Counter()
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def listen(self, record: Record) -> None:
        event = record["event"]
        if event.startswith("connection.") and record.get("side") != "server":
            return
        if event == "connection.closed":
            self._closed[record["server"]] += 1
        elif (counts := self._counts.get(event)) is not None:
            counts[record["server"]] += 1

    def text(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        servers = list(self._lab.servers)
        for event, (name, says) in COUNTED.items():
            family = CounterMetricFamily(name, says, labels=["server"])
            for server in servers:
                family.add_metric([server], self._counts[event][server])
            yield family
        opened = self._counts["connection.opened"]
        connections = GaugeMetricFamily("maillab_open_connections", "Connections to the server", labels=["server"])
        waiting = GaugeMetricFamily("maillab_queue_length", "Messages that wait for delivery", labels=["server"])
        for server in servers:
            connections.add_metric([server], opened[server] - self._closed[server])
            waiting.add_metric([server], self._lab.database.read(partial(queue.length, server=server)))
        yield connections
        yield waiting
