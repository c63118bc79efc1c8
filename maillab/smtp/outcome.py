"""What comes of sending: for each recipient a value, and for a connection that is of no use an exception."""

from __future__ import annotations

import attrs

from maillab.smtp.replies import Reply


@attrs.frozen
class Delivered:
    """The server has taken the message for this recipient."""

    reply: Reply


@attrs.frozen
class Deferred:
    """Not now: a 4yz reply, or (`reply` None) no answer that can be trusted."""

    reason: str
    reply: Reply | None = None


@attrs.frozen
class Failed:
    """Never: a 5yz reply, or (`reply` None) something the server does not offer and the message needs."""

    reason: str
    reply: Reply | None = None
    status: str = "5.0.0"


Outcome = Delivered | Deferred | Failed


class UnusableError(Exception):
    """The server cannot be talked to now; `str()` says why."""

    def __init__(self, reason: str, reply: Reply | None = None) -> None:
        super().__init__(reason)
        self.reply = reply


class InjectionError(UnusableError):
    """Somebody else speaks on the connection; to go on in clear would be to do as he wants."""
