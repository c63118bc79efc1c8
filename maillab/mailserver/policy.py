"""What a server's owner has decided: TLS, logging in, strictness, limits."""

from __future__ import annotations

import hmac
import ssl
from collections.abc import Callable, Mapping

import attrs

from maillab.mailserver.choices import BareNewlines, Tls
from maillab.smtp.limits import Limits


@attrs.frozen(kw_only=True)
class Policy:
    """One server's rules.

    Attributes:
        tls: for connections in both directions.
        bare_newlines: in messages that come in.
        tells_users: VRFY and EXPN answer; else they are evasive.
        login_everywhere: AUTH is offered on port 25 too.
        login_without_tls: a password may be said in clear.
        refuses_early_talkers: a client that speaks before the greeting gets 554.
        passwords: of those who may log in, by mailbox ("anna@nord.example").
        limits: for each connection.
        server_context: what the server shows in a TLS handshake; made when it is first needed.
        client_context: what it connects to others with.
    """

    tls: Tls = Tls.OFF
    bare_newlines: BareNewlines = BareNewlines.REJECT
    tells_users: bool = False
    login_everywhere: bool = False
    login_without_tls: bool = False
    refuses_early_talkers: bool = False
    passwords: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    limits: Limits = attrs.field(factory=Limits)
    server_context: Callable[[], ssl.SSLContext]
    client_context: Callable[[], ssl.SSLContext]

    def user(self, name: str, password: str) -> str | None:
        """The mailbox of who logs in, by user name or address; None if that is nobody, or the password is wrong."""
        key = name.lower()
        mailboxes = [mailbox for mailbox in self.passwords if key in (mailbox, mailbox.partition("@")[0])]
        expected = self.passwords[mailboxes[0]] if mailboxes else ""
        right = hmac.compare_digest(expected.encode(), password.encode())  # in a time that tells nothing
        return mailboxes[0] if mailboxes and right else None
