"""What a server shell asks of those above it."""

from __future__ import annotations

import ssl
from typing import Protocol

from maillab.smtp.limits import Limits
from maillab.smtp.replies import Reply, ReplyStyle
from maillab.smtp.sasl import Credentials
from maillab.smtp.table import Event
from maillab.smtp.words import Hello, MailFrom, RcptTo
from maillab.trace.recorder import RecordLog


class NoReply(Exception):  # noqa: N818  not an error: how a conversation may be made to end
    """There is no reply, on purpose; `str()` says why, for `connection.closed`."""


class HangUp(NoReply):
    """The connection is closed."""


class FallSilent(NoReply):
    """The connection stays open until the client goes, and whatever it says is not answered."""


class Interceptor(Protocol):
    """Steps in between what a client says and what the host answers: wanted faults enter here."""

    def before(self, event: Event | None, log: RecordLog) -> Reply | None:
        """What to say instead of what the host would, which is not asked then; None lets it answer.

        None for `event` is the greeting; a refusal in its place ends the connection.

        Raises:
            NoReply: nothing is said any more.
        """

    def after(self, event: Event, reply: Reply, log: RecordLog) -> None:
        """The host has answered, and what it accepted is done; the client has not heard of it yet.

        Raises:
            NoReply: nor will it.
        """


class Host(Protocol):
    """What a server shell asks of those above it, for one connection.

    Each method answers one event; a reply that accepts moves the session on.  `log` carries the connection and the
    transaction.
    """

    name: str
    """The server's host name."""

    style: ReplyStyle
    limits: Limits
    lax: bool
    """LF alone ends a line of a message: wrong, and there to be shown."""

    def greeting(self) -> Reply:
        """The first line of the server (RFC 5321 section 3.1)."""

    async def hello(self, hello: Hello) -> Reply:
        """HELO or EHLO; a transaction that was open is forgotten (RFC 5321 section 4.1.4)."""

    async def mail(self, mail: MailFrom, log: RecordLog) -> Reply:
        """MAIL: a transaction begins."""

    async def recipient(self, rcpt: RcptTo, log: RecordLog) -> Reply:
        """RCPT: is this recipient taken?"""

    async def message(self, octets: bytes, log: RecordLog) -> Reply:
        """The end of the data: 250 only when the message is safe."""

    def too_big(self, log: RecordLog) -> Reply:
        """The message was longer than the limit, and was dropped on the way in."""

    def reset(self) -> None:
        """The transaction is forgotten."""

    def verify(self, who: str) -> Reply:
        """VRFY."""

    def expand(self, list_name: str) -> Reply:
        """EXPN."""

    def start_tls(self) -> Reply:
        """STARTTLS: 220 when `tls_context` is ready to be used now."""

    @property
    def tls_context(self) -> ssl.SSLContext:
        """What the server shows in a handshake."""

    def tls_started(self, description: str) -> None:
        """The handshake is done: what the client said before is forgotten (RFC 3207 section 4.2)."""

    def may_log_in(self) -> Reply | None:
        """AUTH: why it is refused now, or None."""

    async def log_in(self, credentials: Credentials, mechanism: str, log: RecordLog) -> Reply:
        """The exchange has come to its end: is this who he says?"""
