"""What became of a recipient's copy at the next hop, and where that was said."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from maillab.mail.address import Address
from maillab.smtp.outcome import Outcome
from maillab.trace.recorder import RecordLog


@attrs.frozen
class Result:
    """One recipient's outcome; two are equal when one record can tell of both.

    Attributes:
        outcome: what became of it.
        host: the next hop.
        passes_notices: the next hop takes over what the sender wants to be told (RFC 3461 section 5.2.2).
        connection: over which it was said; "" where there was none.
        transaction: in which; None where it did not come to one.
    """

    outcome: Outcome
    host: str
    passes_notices: bool = False
    connection: str = ""
    transaction: int | None = None

    def bound(self, log: RecordLog) -> RecordLog:
        """`log` with the connection and the transaction, as far as there was one."""
        if self.connection:
            log = log.bind(connection=self.connection)
        if self.transaction is not None:
            log = log.bind(transaction=self.transaction)
        return log


def grouped(results: Mapping[Address, Result]) -> Mapping[Result, list[Address]]:
    """Recipients of whom the same is to be told, together and in their order."""
    groups: dict[Result, list[Address]] = {}
    for recipient, result in results.items():
        groups.setdefault(result, []).append(recipient)
    return groups
