"""The envelope: all that a server needs to deliver a mail, and looks at (RFC 5321 section 2.3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from maillab.mail.address import Address


@attrs.frozen
class Notice:
    """What the sender wants to be told about one recipient (RFC 3461 sections 4.1 and 4.2).

    Attributes:
        notify: NEVER alone, or some of SUCCESS, FAILURE and DELAY; empty where nothing was said.
        orcpt: the recipient as the sender first named it, as on the wire: "rfc822;ben@sued.example".
    """

    notify: tuple[str, ...] = ()
    orcpt: str | None = None


NO_NOTICE: Final = Notice()


@attrs.frozen
class Envelope:
    """Who sends and who receives, and what the message needs of the servers on its way.

    Attributes:
        reverse_path: where a bounce would go; None is the null path `<>` (RFC 5321 section 4.5.5).
        recipients: the forward paths that were accepted, in their order.
        eight_bit: BODY=8BITMIME was said (RFC 6152).
        smtputf8: SMTPUTF8 was said (RFC 6531 section 3.4).
        ret: how much of the message a bounce brings back, FULL or HDRS (RFC 3461 section 4.3).
        envid: the sender's own name for this envelope, as xtext (RFC 3461 section 4.4).
        notices: for recipients about whom something was said.
    """

    reverse_path: Address | None
    recipients: tuple[Address, ...]
    eight_bit: bool = False
    smtputf8: bool = False
    ret: str | None = None
    envid: str | None = None
    notices: Mapping[Address, Notice] = attrs.field(factory=dict)

    @property
    def sender(self) -> str:
        """The reverse path as records show it: "" for the null path."""
        return "" if self.reverse_path is None else str(self.reverse_path)
