"""The book of traces: records of many servers, gathered to traces as they come."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final

from maillab.trace.conversation import Side, Talk
from maillab.trace.gathering import Gathering
from maillab.trace.memory import Place, RecordMemory
from maillab.trace.path import Trace
from maillab.trace.record import Record

CLOSED_TALKS_LIMIT_COUNT: Final = 64
"""Connections between servers that are remembered after their end: the sender records its outcome after closing."""

VIEWS_LIMIT_COUNT: Final = 256
"""Traces that are not built anew for who asks again."""

SMTP_PROTOCOLS: Final = frozenset({"smtp", "submission", "submissions"})


class TraceBook:
    """Gathers records to traces, one record at a time; it never looks at a record twice before somebody asks.

    Records of one process must come in its order; processes may come in any, one after the other or mixed.
    """

    def __init__(self, limit: int = 10_000) -> None:
        """`limit` traces are kept, the one begun first goes first."""
        self._limit = limit
        self._gatherings: OrderedDict[str, Gathering] = OrderedDict()
        self._views: OrderedDict[str, tuple[int, Trace]] = OrderedDict()  # what was built of how many records
        self._own_memory = RecordMemory(0)  # of records that nobody else remembers: it forgets, their traces do not
        self._talks: dict[tuple[str, str], Talk] = {}
        self._closed_talks: OrderedDict[tuple[str, str], Talk] = OrderedDict()
        self._domains_of: dict[str, frozenset[str]] = {}
        self._adders: Mapping[str, Callable[[Record, Place], None]] = {
            "smtp.command": self._add_dialogue,
            "smtp.reply": self._add_dialogue,
            "connection.opened": self._open,
            "connection.closed": self._close,
            "lab.ready": self._learn_servers,
            "lab.stopped": lambda record, _place: self.end_run(record["run"]),
            "bounce.created": self._add_bounce,
        }

    def add(self, record: Record, place: Place | None = None) -> None:
        """Take the next record; any event, in constant time.  It is read from `place` later, when somebody asks."""
        self._adders.get(record["event"], self._add_other)(record, place or self._own_memory.append(record))

    def get(self, trace_id: str) -> Trace | None:
        """The trace as it stands now, or None when nothing is known of it."""
        gathering = self._gatherings.get(trace_id)
        if gathering is None or not gathering.began_at:
            return None
        size = gathering.size
        built_of, view = self._views.get(trace_id, (0, None))
        if view is None or built_of != size:
            view = Trace(trace_id, gathering, self._domains_of)
            self._views[trace_id] = size, view
            if len(self._views) > VIEWS_LIMIT_COUNT:
                self._views.popitem(last=False)
        return view

    @property
    def latest(self) -> Trace | None:
        """The newest mail that somebody sent; a notice that a server made only where there is nothing else."""
        traces = self.traces()
        return next((trace for trace in traces if trace.parent is None), traces[0] if traces else None)

    def traces(self) -> list[Trace]:
        """All traces, newest first."""
        began_at = {name: gathering.began_at for name, gathering in reversed(self._gatherings.items())}
        known = (self.get(name) for name in sorted(began_at, key=began_at.__getitem__, reverse=True))
        return [trace for trace in known if trace]

    @property
    def remembered_connections(self) -> int:
        """How many connections are remembered: the open ones, and a few closed ones between servers."""
        return len(self._talks) + len(self._closed_talks)

    def _gathering(self, trace_id: str) -> Gathering:
        """To be added to."""
        gathering = self._gatherings.get(trace_id)
        if gathering is None:
            gathering = self._gatherings[trace_id] = Gathering()
            if len(self._gatherings) > self._limit:
                oldest, _ = self._gatherings.popitem(last=False)
                self._views.pop(oldest, None)
        return gathering

    def _add_dialogue(self, record: Record, place: Place) -> None:
        key = record["run"], record["connection"]
        talk = self._talks.get(key)
        if talk is None:
            talk = self._talks[key] = Talk()
        talk.add(record, place)

    def _add_other(self, record: Record, place: Place) -> None:
        trace_id = record.get("trace")
        connection = record.get("connection")
        if trace_id is None:
            talk = self._talks.get((record["run"], connection)) if connection else None
            if talk is not None:
                talk.add(record, place)
            return
        gathering = self._gathering(trace_id)
        gathering.add(record["at"], place)
        if connection:
            self._claim_dialogue(gathering, (record["run"], connection), record.get("transaction"))
        parent = record.get("for_trace")
        if parent and parent != trace_id:
            self._name_child(parent, trace_id)

    def _claim_dialogue(self, gathering: Gathering, key: tuple[str, str], transaction: int | None) -> None:
        """What was said of this mail; where it did not come to that, what was in the way."""
        talk = self._talks.get(key) or self._closed_talks.get(key)
        if talk is None:
            return
        if transaction is None:
            for at, fault in talk.faults_before_mail():
                gathering.add(at, fault)
            return
        said = talk.conversations.get(transaction)
        if said is not None and not said.claimed:
            gathering.claim(said)

    def _add_bounce(self, record: Record, place: Place) -> None:
        """A bounce is told twice: in its own trace, and in that of the mail which came back."""
        self._add_other(record, place)
        parent = record["for_trace"]
        if parent != record.get("trace"):
            self._gathering(parent).add(record["at"], place)

    def _name_child(self, parent: str, child: str) -> None:
        children = self._gathering(parent).children
        if child not in children:
            children.append(child)

    def _open(self, record: Record, _place: Place) -> None:
        if record["protocol"] in SMTP_PROTOCOLS:
            self._talks.setdefault((record["run"], record["connection"]), Talk()).open(record)

    def _close(self, record: Record, _place: Place) -> None:
        key = record["run"], record["connection"]
        talk = self._talks.get(key)
        if talk is None or not talk.close(record):
            return
        del self._talks[key]
        if record["side"] == Side.CLIENT.value or record.get("peer_name"):
            self._closed_talks[key] = talk
            if len(self._closed_talks) > CLOSED_TALKS_LIMIT_COUNT:
                self._closed_talks.popitem(last=False)

    def _learn_servers(self, record: Record, _place: Place) -> None:
        self._domains_of |= {server["host"]: frozenset(server["domains"]) for server in record["servers"]}

    def end_run(self, run: str) -> None:
        """The process of that run has ended, be it that it was killed and could not say so; its traces stay."""
        for talks in (self._talks, self._closed_talks):
            for key in [key for key in talks if key[0] == run]:
                del talks[key]
