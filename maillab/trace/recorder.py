"""Takes down what happens: one call of structlog, one record, in order and without gaps.

Nothing here is global: each lab owns its recorder, and structlog is not configured.  A record is made whole
at once (checked, stamped, harmless to print) and kept as a dict; its JSON is made later, by the drain.
"""

from __future__ import annotations

import contextlib
import difflib
import itertools
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import structlog
import trio

from maillab.trace.drain import FLUSH_SECONDS, Drain, Sink, to_stderr
from maillab.trace.memory import RecordMemory
from maillab.trace.record import CONTEXT_KEYS, EVENTS, Record

MEMORY_RECORDS: Final = 200_000
BACKLOG_LIMIT_RECORDS: Final = 10_000  # about 3 MB of JSON; more than that makes acceptance wait
_LARGEST_INTEGER: Final = 2**63 - 1  # what every reader of JSON lines can take (orjson, jq, SQLite)

_ALLOWED: Final[Mapping[str, frozenset[str]]] = {
    name: frozenset((*CONTEXT_KEYS, *event.keys)) for name, event in EVENTS.items()
}
_CONTEXT: Final = frozenset(CONTEXT_KEYS)
# What could end a line, move a cursor or break UTF-8: C0, DEL, C1, U+2028 and U+2029, lone surrogates.
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def escaped(text: str) -> str:
    r"""`text` on one line and without control characters: \r, \n, \xNN and \uNNNN stand in their place."""
    return text if text.isprintable() else _UNSAFE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    if character == "\r":
        return r"\r"
    if character == "\n":
        return r"\n"
    return f"\\x{ord(character):02x}" if character <= "\xff" else f"\\u{ord(character):04x}"


def _json_value(value: object) -> Any:
    """`value` as JSON has it, copied, so that nobody changes a record afterwards."""
    match value:
        case None | bool():
            return value
        case str():
            return escaped(str.__str__(value))  # also of a str that is an enum's member
        case int() if abs(value) <= _LARGEST_INTEGER:
            return int(value)
        case float():
            return float(value)
        case list() | tuple():
            return [_json_value(each) for each in value]
        case dict() if all(isinstance(key, str) for key in value):
            return {escaped(key): _json_value(each) for key, each in value.items()}
    raise TypeError(f"{value!r} is no JSON value; give text, numbers, true, false, null, lists and objects of these")


def _check(name: str, keys: Collection[str]) -> None:
    """Only events of the closed list, and only the keys that the event may carry."""
    allowed = _ALLOWED.get(name)
    if allowed is None:
        near = difflib.get_close_matches(str(name), EVENTS, n=1)
        hint = f'did you mean "{near[0]}"?' if near else f"there are {', '.join(EVENTS)}"
        raise ValueError(f'no event is called "{name}"; {hint}')
    if not allowed.issuperset(keys):
        wrong = ", ".join(key for key in keys if key not in allowed)
        may = ", ".join((*EVENTS[name].keys, *CONTEXT_KEYS))
        raise ValueError(f'"{name}" does not carry {wrong}; it may carry {may}')


def _make_safe(values: dict[str, Any]) -> dict[str, Any]:
    """Leave JSON types only, and no control characters in any text."""
    for key, value in values.items():
        kind = type(value)
        if kind is str:
            if not value.isprintable():
                values[key] = escaped(value)
        elif kind is not int or not -_LARGEST_INTEGER <= value <= _LARGEST_INTEGER:
            values[key] = _json_value(value)
    return values


class RecordLog(structlog.BoundLoggerBase):
    """Writes records that share a context: a server, a connection, a transaction."""

    def bind(self, **context: Any) -> RecordLog:
        """A log whose records carry `context` too: made safe and put in order here, once for all of them."""
        unordered = {**self._context, **_make_safe(context)}
        ordered = {key: unordered.pop(key) for key in CONTEXT_KEYS if key in unordered}
        return RecordLog(self._logger, self._processors, ordered | unordered)

    def record(self, event: str, **keys: Any) -> None:
        """Take down `event` now.

        Raises:
            ValueError: no such event, or it does not carry such a key.
            TypeError: a value is none that JSON has.
        """
        if not _CONTEXT.isdisjoint(keys):
            context = {key: keys.pop(key) for key in CONTEXT_KEYS if key in keys}
            self.bind(**context).record(event, **keys)
        else:
            self._proxy_to_logger("keep", event, **_make_safe(keys))

    def _process_event(
        self, _method: str, event: str | None, event_kw: dict[str, Any]
    ) -> tuple[tuple[Record], dict[str, Any]]:
        """Instead of a chain of processors, each of which would be handed a copy: one that makes the record at once."""
        return (self._logger.stamped(str(event), self._context | event_kw),), {}


class Recorder:
    """The records of one run of one lab.  Used from Trio's thread only."""

    def __init__(self, lab: str, run: str, now: Callable[[], float], *, memory: int = MEMORY_RECORDS) -> None:
        """`now` gives seconds since 1970; `memory` is how many records are kept."""
        self.lab = escaped(lab)
        self.run = run
        self.seq = 0
        self.records = RecordMemory(memory)
        self.ahead_seconds = 0.0
        """How far the lab's clock was moved on: where it was, records carry `lab_at` too."""
        self._now = now
        self._milliseconds = self._second = -1
        self._text = self._second_text = ""
        self._connections = itertools.count(1)
        self._listeners: tuple[Callable[[Record], object], ...] = ()
        self._drain: Drain | None = None

    def bind(self, **context: Any) -> RecordLog:
        """A log whose records all carry `context`; bind it further as more is known."""
        return RecordLog(self, (), {}).bind(**context)

    def new_connection(self) -> str:
        """The id of a connection, one for both its ends: c1, c2, ..."""
        return f"c{next(self._connections)}"

    def add_listener(self, listener: Callable[[Record], object]) -> None:
        """Call `listener` with each record from now on, at once and in order; it is quick and records nothing."""
        self._listeners += (listener,)

    def remove_listener(self, listener: Callable[[Record], object]) -> None:
        """Stop calling `listener`."""
        self._listeners = tuple(each for each in self._listeners if each != listener)

    def load(self, records: Iterable[Record]) -> None:
        """Put the records of an earlier run, oldest first, before this run's; sinks do not get them again."""
        own = [*self.records]
        self.records = RecordMemory(self.records.limit)
        # One by one: many records at a time are much memory, which Python seldom gives back.
        for record in deque(records, maxlen=self.records.limit - len(own)) if own else records:
            self.records.append(record)
            for listener in self._listeners:
                listener(record)
        for record in own:
            self.records.append(record)

    def after(self, seq: int) -> list[Record]:
        """This run's records after `seq`, as far as memory goes back: the first need not be `seq + 1`."""
        count = min(self.seq - max(seq, 0), len(self.records))
        return [*itertools.islice(reversed(self.records), max(count, 0))][::-1]

    async def room(self) -> None:
        """Wait while the sinks are far behind; return at once, without a checkpoint, when they are not."""
        if self._drain is not None and self._drain.backlog_count >= BACKLOG_LIMIT_RECORDS:
            await self._drain.below(BACKLOG_LIMIT_RECORDS)

    @contextlib.asynccontextmanager
    async def drained_to(
        self, *sinks: Sink, complain: Callable[[str], object] = to_stderr, flush_seconds: float = FLUSH_SECONDS
    ) -> AsyncIterator[None]:
        """While this lasts, every record goes to all `sinks`, complete and in order; the rest at its end.

        A sink that fails, or that nobody reads at the end, is given up with one line to `complain`, which is
        called in a thread; `flush_seconds` bounds the end.  No sinks, no task and no thread.  What the block
        raises comes out as it is, not in a group.
        """
        if not sinks:
            yield
            return
        failure: BaseException | None = None
        drain = self._drain = Drain(sinks, complain, flush_seconds)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(drain.run)
                try:
                    yield
                finally:
                    self._drain = None
                    drain.close()
        except BaseExceptionGroup as group:
            if len(group.exceptions) > 1:
                raise
            failure = group.exceptions[0]
        if failure is not None:
            raise failure

    def keep(self, record: Record) -> None:
        """Where a record goes once it is made."""
        self.records.append(record)
        if self._drain is not None:
            self._drain.add(record)
        for listener in self._listeners:
            listener(record)

    def stamped(self, event: str, values: Mapping[str, Any]) -> Record:
        """A record: who, when and which number, in the order in which people read."""
        _check(event, values)
        self.seq += 1
        record = {"run": self.run, "seq": self.seq, "at": self._at(), "event": event, "lab": self.lab, **values}
        if self.ahead_seconds:
            record["lab_at"] = _rfc3339(self._now() + self.ahead_seconds)
        return record

    def _at(self) -> str:
        """Now, as RFC 3339 with milliseconds; records of a busy lab share their second, and many their millisecond."""
        milliseconds = round(self._now() * 1000)
        if milliseconds != self._milliseconds:
            self._milliseconds = milliseconds
            second, millisecond = divmod(milliseconds, 1000)
            if second != self._second:
                self._second = second
                self._second_text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._text = f"{self._second_text}.{millisecond:03}Z"
        return self._text


def _rfc3339(at: float) -> str:
    """RFC 3339 in UTC, with milliseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
