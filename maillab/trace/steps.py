"""The words of a picture: lanes, and the steps between them; `story` tells them, `ladder` and `mermaid` draw them."""

from __future__ import annotations

import enum
from typing import Final

import attrs

from maillab.trace.record import Record

MAILBOXES: Final = "\0mailboxes"
"""The key of the lane of all mailboxes; no host can be called so."""

CLIENT: Final = "\0client"
"""The key of the lane of the client from outside."""

NAMES: Final = "\0dns"
"""The key of the lane of the name servers."""


class Role(enum.StrEnum):
    CLIENT = "Client"
    SERVER = "Server"
    MAILBOXES = "Mailboxes"
    DNS = "DNS"


@attrs.frozen
class Lane:
    """One that takes part: the client, a host, all mailboxes together, or the name servers."""

    key: str
    role: Role
    name: str
    detail: str = ""
    label: str = ""
    """The role in the language of the picture."""

    @property
    def title(self) -> str:
        return self.label or self.role.value


class Kind(enum.Enum):
    TITLE = enum.auto()  # a conversation begins
    LINE = enum.auto()  # a line of dialogue
    MESSAGE = enum.auto()  # the message itself
    STORED = enum.auto()  # into a mailbox
    LOST = enum.auto()  # an arrow that does not arrive
    TAKEN = enum.auto()  # a server answers for the message from here on
    TROUBLE = enum.auto()  # deferred, failed
    NOTE = enum.auto()  # a bounce, a duplicate
    WAIT = enum.auto()  # nothing happens for a while


class Fold(enum.StrEnum):
    """How a conversation is told: as one arrow, or line by line."""

    FOLDED = "folded"
    UNFOLDED = "unfolded"


@attrs.frozen
class Step:
    """One thing that happens: at `source`, or from `source` to `target`."""

    kind: Kind
    text: str
    source: str
    target: str = ""
    record: Record | None = None
    """The record that tells of it, where one does."""
    speaker: str = ""
    """Who says it, in a word; of what is not said, what it is."""
    label: str = ""
    """The speaker in the language of the picture."""
    talk: str = ""
    """The key of the conversation that it belongs to."""
    fold: Fold | None = None
    """The one step by which a conversation is folded or unfolded says how it is told."""

    @property
    def at(self) -> str:
        """When, as the record has it; "" for what has no time."""
        return "" if self.record is None else str(self.record["at"])

    @property
    def spoken(self) -> str:
        """Its words, with who says them."""
        return f"{self.label or self.speaker}: {self.text}" if self.speaker else self.text


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    if seconds < 2 * 86400:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"
