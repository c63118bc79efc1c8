"""The server's shell: replies leave together, patience ends, and nothing that a client does lasts for ever."""

from __future__ import annotations

from typing import Any

import trio

from maillab.mail.address import Address
from maillab.mail.envelope import Envelope
from maillab.smtp.limits import Limits
from maillab.trace.recorder import Recorder
from tests.smtp.list_host import ListHost, called

ANNA = Address("anna", "nord.example")
BEN = Address("ben", "x")
MAIL = "MAIL FROM:<anna@nord.example>"
COMMAND_TIMEOUT_SECONDS = Limits().command_timeout_seconds
DATA_TIMEOUT_SECONDS = Limits().data_timeout_seconds
ERROR_LIMIT = Limits().errors


async def test_a_mail_is_taken() -> None:
    """The whole way: envelope and octets reach the host, dots undoubled, and QUIT ends it."""
    host = ListHost()
    async with called(host) as caller:
        assert await caller.hear() == "220 mail.nord.example ESMTP maillab"
        assert await caller.ask("HELO carol", MAIL, "RCPT TO:<ben@x>", "DATA") == [
            "250 mail.nord.example greets carol",
            "250 2.1.0 Ok",
            "250 2.1.5 Ok",
            "354 End data with <CR><LF>.<CR><LF>",
        ]
        assert await caller.ask("Subject: x\r\n\r\n..dot\r\n.") == ["250 2.0.0 Ok: queued as number 1"]
        assert await caller.ask("QUIT", "NOOP") == ["221 2.0.0 mail.nord.example closes the connection", ""]
    assert caller.ended == "quit"
    assert host.messages == [(Envelope(ANNA, (BEN,)), b"Subject: x\r\n\r\n.dot\r\n")]


async def test_replies_to_pipelined_commands_leave_together() -> None:
    """RFC 2920 section 3.2: five commands in one segment, five replies in order and in one write."""
    async with called(ListHost()) as caller:
        await caller.hear()
        await caller.ask("EHLO client.example")
        caller.chunks.clear()
        replies = await caller.ask(MAIL, "RCPT TO:<a@x>", "RCPT TO:<nobody@x>", "RCPT TO:<c@x>", "DATA")
        assert [reply[:3] for reply in replies] == ["250", "250", "550", "250", "354"]
        assert len(caller.chunks) == 1


async def test_commands_behind_the_end_of_data_are_answered_in_order() -> None:
    """Two whole mails in one segment are two mails; the data's reply comes before the next command's."""
    host = ListHost()
    async with called(host) as caller:
        await caller.enter_data()
        await caller.say("first\r\n.", MAIL, "RCPT TO:<c@x>", "DATA", "second\r\n.", "NOOP")
        assert [(await caller.hear())[:9] for _ in range(6)] == [
            *("250 2.0.0", "250 2.1.0", "250 2.1.5", "354 End d", "250 2.0.0", "250 2.0.0")
        ]
    assert [octets for _, octets in host.messages] == [b"first\r\n", b"second\r\n"]


async def test_data_after_refused_recipients_is_no_data() -> None:
    """Everybody refused: DATA is out of order, and what follows are commands."""
    async with called(ListHost()) as caller:
        await caller.hear()
        replies = await caller.ask("EHLO client.example", MAIL, "RCPT TO:<nobody@x>", "DATA", "NOOP")
        assert [reply[:3] for reply in replies] == ["250", "250", "550", "503", "250"]


async def test_a_mail_may_come_octet_by_octet() -> None:
    """The size of the segments does not matter."""
    host = ListHost()
    async with called(host) as caller:
        await caller.hear()
        for octet in f"EHLO c\r\n{MAIL}\r\nRCPT TO:<ben@x>\r\nDATA\r\n..\r\n.\r\nQUIT\r\n".encode():
            await caller.stream.send_all(bytes([octet]))
        replies = [(await caller.hear())[:3] for _ in range(7)]
    assert replies == ["250", "250", "250", "354", "250", "221", ""]
    assert host.messages == [(Envelope(ANNA, (BEN,)), b".\r\n")]


async def test_an_early_talker_is_served() -> None:
    """A client that does not wait for the greeting gets it all the same, and then its answers."""
    async with called(ListHost()) as caller:
        await caller.say("NOOP")
        assert [(await caller.hear())[:3] for _ in range(2)] == ["220", "250"]


async def test_help_says_how_a_command_is_typed() -> None:
    """With a topic one command, without one, or with one nobody knows, all of them."""
    async with called(ListHost()) as caller:
        await caller.hear()
        commands = "214 2.0.0 HELO EHLO MAIL RCPT DATA BDAT STARTTLS AUTH RSET NOOP VRFY EXPN HELP QUIT"
        assert await caller.ask("HELP", "HELP rcpt", "HELP me") == [
            commands,
            "214 2.0.0 RCPT TO:<recipient@domain>",
            commands,
        ]


async def test_a_crash_is_answered_and_raised() -> None:
    """What was answered before goes out first, then 451; the fault reaches whoever serves."""
    host = ListHost()
    async with called(host) as caller:
        await caller.enter_data()
        replies = await caller.ask("text\r\n.", MAIL, "RCPT TO:<crash@x>", "NOOP")
    assert replies == [
        "250 2.0.0 Ok: queued as number 1",
        "250 2.1.0 Ok",
        "451 4.3.0 Our fault: the message could not be taken; try again later",
        "",
    ]
    assert isinstance(caller.ended, RuntimeError)


async def test_a_host_that_says_421_is_done() -> None:
    """421 closes the connection, whoever says it (RFC 5321 section 4.2.2)."""
    async with called(ListHost()) as caller:
        await caller.hear()
        replies = await caller.ask("EHLO client.example", MAIL, "RCPT TO:<busy@x>", "NOOP")
    assert [reply[:3] for reply in replies] == ["250", "250", "421", ""]
    assert caller.ended == "the server said 421"


async def test_half_a_message_is_no_message() -> None:
    """A client that stops sending inside data has sent nothing."""
    host = ListHost()
    async with called(host) as caller:
        await caller.enter_data()
        await caller.say("Subject: half", "", "a message", ".x")
        await caller.stream.send_eof()
        assert await caller.hear() == ""
    assert host.messages == []
    assert caller.ended == "closed by the client"


async def test_a_client_that_stops_sending_still_hears() -> None:
    """What came before the end of sending is answered."""
    async with called(ListHost()) as caller:
        await caller.say("EHLO client.example", "NOOP")
        await caller.stream.send_eof()
        assert [(await caller.hear())[:3] for _ in range(4)] == ["220", "250", "250", ""]


async def test_a_client_that_is_gone_is_no_crash() -> None:
    """A connection that breaks ends the conversation, and only that."""
    async with called(ListHost()) as caller:
        await caller.say("NOOP")
        await caller.stream.aclose()  # with the greeting unread: the server is told that nobody listens
    assert caller.ended == "connection lost"


async def test_each_line_is_a_record() -> None:
    """Commands and reply lines in order, whole, and numbered by transaction while there is one."""
    recorder = Recorder("test", "r1", trio.current_time)
    async with called(ListHost(), recorder.bind(connection="c1")) as caller:
        await caller.hear()
        await caller.ask("EHLO client.example", "mail FROM:<>", "RCPT TO:<nobody@x>", "RCPT TO:<b@x>", "DATA")
        await caller.ask("text\r\n.")
        await caller.ask("NOOP", MAIL, "DATA", "RSET", "x\0y", "QUIT")
    assert all(record["connection"] == "c1" for record in recorder.records)
    assert [said(record) for record in recorder.records] == [
        ("-", 220, None, "220 mail.nord.example ESMTP maillab"),
        ("-", "EHLO", "EHLO client.example"),
        ("-", 250, None, "250-mail.nord.example greets client.example"),
        ("-", 250, None, "250-PIPELINING"),
        ("-", 250, None, "250-CHUNKING"),
        ("-", 250, None, "250-DSN"),
        ("-", 250, None, "250 STARTTLS"),
        (1, "MAIL", "mail FROM:<>"),
        (1, 250, "2.1.0", "250 2.1.0 Ok"),
        (1, "RCPT", "RCPT TO:<nobody@x>"),
        (1, 550, "5.1.1", "550 5.1.1 <nobody@x>: no such user at nord.example"),
        (1, "RCPT", "RCPT TO:<b@x>"),
        (1, 250, "2.1.5", "250 2.1.5 Ok"),
        (1, "DATA", "DATA"),
        (1, 354, None, "354 End data with <CR><LF>.<CR><LF>"),
        (1, 250, "2.0.0", "250 2.0.0 Ok: queued as number 1"),
        ("-", "NOOP", "NOOP"),
        ("-", 250, "2.0.0", "250 2.0.0 Ok"),
        (2, "MAIL", "MAIL FROM:<anna@nord.example>"),
        (2, 250, "2.1.0", "250 2.1.0 Ok"),
        (2, "DATA", "DATA"),
        (2, 503, "5.5.1", "503 5.5.1 DATA is out of order; expected now: RCPT TO:<recipient@domain>"),
        (2, "RSET", "RSET"),
        (2, 250, "2.0.0", "250 2.0.0 Ok"),
        ("-", "X", r"x\x00y"),
        ("-", 501, "5.5.2", "501 5.5.2 A command has no control characters in it"),
        ("-", "QUIT", "QUIT"),
        ("-", 221, "2.0.0", "221 2.0.0 mail.nord.example closes the connection"),
    ]


def said(record: dict[str, Any]) -> tuple[object, ...]:
    """Transaction and words of one line of dialogue."""
    transaction = record.get("transaction", "-")
    if record["event"] == "smtp.command":
        return transaction, record["verb"], record["line"]
    return transaction, record["code"], record["enhanced"], record["line"]
