"""All that is known of one trace: where its records are, and the dialogue about it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import attrs

from maillab.trace.conversation import Conversation
from maillab.trace.memory import Excerpt, Place
from maillab.trace.record import Record


@attrs.frozen
class Contents:
    """What a gathering has gathered."""

    records: list[Record]
    conversations: list[Conversation]


@attrs.define(eq=False)
class Gathering:
    """One trace, as its records come in.

    Attributes:
        children: traces of notices about it.
        began_at: when the first record of it was written; "" before there is one.
    """

    children: list[str] = attrs.field(factory=list)
    began_at: str = ""
    _records: Excerpt = attrs.field(factory=Excerpt)
    _conversations: list[Conversation] = attrs.field(factory=list)

    def add(self, at: str, place: Place) -> None:
        """Take a record that was written at that time."""
        self._began(at)
        self._records.append(place)

    def claim(self, said: Conversation) -> None:
        """The dialogue of one transaction was about it."""
        said.claimed = True
        self._began(said.began_at)
        self._conversations.append(said)

    @property
    def size(self) -> int:
        """Grows with every record."""
        return len(self.children) + len(self._records) + sum(len(said.lines) for said in self._conversations)

    def look(self) -> Callable[[], Contents]:
        """Gives what is known now, whatever comes later; records are read only when that is called."""
        said = [(each, len(each.lines)) for each in self._conversations]
        return partial(_read, self._records, len(self._records), said)

    def _began(self, at: str) -> None:
        if not self.began_at or at < self.began_at:
            self.began_at = at


def _read(records: Excerpt, count: int, said: list[tuple[Conversation, int]]) -> Contents:
    return Contents(records.read(count), [each.read(line_count) for each, line_count in said])
