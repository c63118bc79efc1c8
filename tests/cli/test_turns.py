"""Whose turn it is when somebody types SMTP by hand."""

from __future__ import annotations

import pytest

from maillab.cli.turns import Turn, after_client, after_server


@pytest.mark.parametrize(
    ("turn", "line", "expected"),
    [
        (Turn.SERVER, "220 mail.example.com", Turn.COMMAND),
        (Turn.SERVER, "250-mail.example.com", Turn.SERVER),
        (Turn.SERVER, "250 OK", Turn.COMMAND),
        (Turn.SERVER, "250", Turn.COMMAND),
        (Turn.SERVER, "334 VXNlcm5hbWU6", Turn.COMMAND),
        (Turn.SERVER, "354 End data with <CR><LF>.<CR><LF>", Turn.TEXT),
        (Turn.SERVER, "no reply at all", Turn.SERVER),
        (Turn.SERVER, "221 bye", Turn.NOBODY),
        (Turn.COMMAND, "421 timeout", Turn.NOBODY),
        (Turn.TEXT, "421 timeout", Turn.NOBODY),
    ],
)
def test_a_reply_gives_the_turn_with_its_last_line(turn: Turn, line: str, expected: Turn) -> None:
    """Only the last line of a reply ends the server's turn, and its code says what may follow."""
    assert after_server(turn, line) is expected


@pytest.mark.parametrize(
    ("turn", "line", "expected"),
    [
        (Turn.COMMAND, "HELO carol", Turn.SERVER),
        (Turn.COMMAND, ".", Turn.SERVER),
        (Turn.TEXT, "Hallo Bob,", Turn.TEXT),
        (Turn.TEXT, "..", Turn.TEXT),
        (Turn.TEXT, "", Turn.TEXT),
        (Turn.TEXT, ".", Turn.SERVER),
    ],
)
def test_a_message_is_said_to_the_line_with_the_dot(turn: Turn, line: str, expected: Turn) -> None:
    """A command is answered at once, a message when it has ended."""
    assert after_client(turn, line) is expected
