"""All that is known of one trace: its records and the dialogue about it, packed while nothing new comes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import Any, Final

import attrs

from maillab.trace.conversation import Conversation, Side
from maillab.trace.memory import packed, unpacked
from maillab.trace.record import Record

_FIELDS: Final = tuple(field.name for field in attrs.fields(Conversation))
_values_of: Final = attrgetter(*_FIELDS)


@attrs.frozen
class Contents:
    """What a gathering has gathered."""

    records: list[Record] = attrs.field(factory=list)
    conversations: list[Conversation] = attrs.field(factory=list)

    def size(self) -> int:
        """Grows with every record."""
        return len(self.records) + sum(len(said.records) for said in self.conversations)


@attrs.define(eq=False)
class Gathering:
    """One trace, as its records come in.

    Attributes:
        children: traces of notices about it.
        began_at: when the first record of it was written; "" before there is one.
    """

    children: list[str] = attrs.field(factory=list)
    began_at: str = ""
    _contents: Contents | None = attrs.field(factory=Contents)
    _packed: bytes = b""

    def add(self, record: Record) -> None:
        self._began(record)
        self._open().records.append(record)

    def claim(self, said: Conversation) -> None:
        """The dialogue of one transaction was about it."""
        said.claimed = True
        self._began(said.records[0])
        self._open().conversations.append(said)

    @property
    def size(self) -> int | None:
        """Grows with every record; None while it is packed, and so does not change."""
        return None if self._contents is None else len(self.children) + self._contents.size()

    def look(self) -> Callable[[], Contents]:
        """Gives what is known now, whatever comes later; what is packed is opened only when that is called."""
        if self._contents is None:
            return partial(_opened, self._packed)
        now = Contents([*self._contents.records], [*self._contents.conversations])
        return lambda: now

    def pack(self) -> bool:
        """Take little room from now on; False while something may still be said in a dialogue of it."""
        if self._contents is None:
            return True
        if not all(said.over for said in self._contents.conversations):
            return False
        self._packed = packed([self._contents.records, [*map(_values_of, self._contents.conversations)]])
        self._contents = None
        return True

    def _began(self, record: Record) -> None:
        self.began_at = min(self.began_at or record["at"], record["at"])

    def _open(self) -> Contents:
        if self._contents is None:
            self._contents, self._packed = _opened(self._packed), b""
        return self._contents


def _opened(octets: bytes) -> Contents:
    records, said = unpacked(octets)
    return Contents(records, [_conversation(dict(zip(_FIELDS, values, strict=True))) for values in said])


def _conversation(values: dict[str, Any]) -> Conversation:
    return Conversation(**values | {"side": Side(values["side"])})
