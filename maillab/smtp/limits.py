"""How much a client may ask of a server."""

from __future__ import annotations

import attrs


@attrs.frozen
class Limits:
    """How much one connection may ask of a server; a lab can set each.

    Attributes:
        message_octets: the longest message; 552 beyond it (RFC 1870).
        recipients: of one transaction; 452 beyond it. RFC 5321 section 4.5.3.1.8 wants 100 at least.
        errors: lines in one session that are no command, out of turn, or refused; 421 at the last. A refused sender,
            recipient or message is no error.
        commands_without_mail: commands between two messages that bring none on; 421 at the last.
        command_timeout_seconds: how long a client may be silent (RFC 5321 section 4.5.3.2.7).
        data_timeout_seconds: the same within a message (RFC 5321 section 4.5.3.2.5).
    """

    message_octets: int = 25 << 20
    recipients: int = 1000
    errors: int = 10
    commands_without_mail: int = 100
    command_timeout_seconds: float = 300.0
    data_timeout_seconds: float = 180.0
