"""What a server's owner chooses from: TLS, strictness about newlines, and what a listener is for."""

from __future__ import annotations

import enum


class Tls(enum.Enum):
    """Is a connection encrypted?  Between servers no certificate is checked (RFC 7435)."""

    OFF = "off"
    OPPORTUNISTIC = "opportunistic"  # offered, and used where it is offered
    REQUIRED = "required"  # no mail without it, in neither direction


class BareNewlines(enum.Enum):
    """What becomes of a message with a CR or LF on its own (RFC 5321 section 2.3.8)."""

    REJECT = "reject"
    NORMALIZE = "normalize"  # each becomes CR LF
    LAX = "lax"  # taken as it is, and LF.LF ends the data: how SMTP smuggling is shown


class Role(enum.Enum):
    """What a listener is for."""

    SMTP = 25
    SUBMISSION = 587  # RFC 6409
    SUBMISSIONS = 465  # RFC 8314 section 3.3: TLS from the first octet

    @property
    def is_submission(self) -> bool:
        return self is not Role.SMTP
