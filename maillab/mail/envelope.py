"""The envelope: all that a server needs to deliver a mail, and looks at (RFC 5321 section 2.3.1)."""

from __future__ import annotations

import attrs

from maillab.mail.address import Address


@attrs.frozen
class Envelope:
    """Who sends and who receives, and what the message needs of the servers on its way.

    Attributes:
        reverse_path: where a bounce would go; None is the null path `<>` (RFC 5321 section 4.5.5).
        recipients: the forward paths that were accepted, in their order.
        eight_bit: BODY=8BITMIME was said (RFC 6152).
        smtputf8: SMTPUTF8 was said (RFC 6531 section 3.4).
    """

    reverse_path: Address | None
    recipients: tuple[Address, ...]
    eight_bit: bool = False
    smtputf8: bool = False

    @property
    def sender(self) -> str:
        """The reverse path as records show it: "" for the null path."""
        return "" if self.reverse_path is None else str(self.reverse_path)
