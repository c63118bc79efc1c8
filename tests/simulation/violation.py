"""What should never be."""

from __future__ import annotations

import attrs


@attrs.frozen
class Violation:
    """A rule that was broken.

    Attributes:
        trace: where to look, if that is known.
    """

    rule: str
    what: str
    trace: str = ""

    def __str__(self) -> str:
        return f"{self.rule}: {self.what}"
