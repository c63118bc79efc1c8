"""`maillab mailbox`: what lies in a mailbox."""

from __future__ import annotations

import json

from maillab.lab.mailbox import MailboxMessage
from tests.cli.page import Asked, maillab

NASTY = (
    b"From: Anna <anna@nord.example>\r\nSubject: =?utf-8?q?Hallo=1B[31m=C2=9B?=\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n\r\n\tGr\xc3\xbc\xc3\x9fe \x1b[2J\xc2\x9b\r\n"
)
"""What takes over a terminal that obeys it."""


async def stored(asked: Asked, octets: bytes = NASTY) -> MailboxMessage:
    await asked.lab.send("anna@nord.example", "ben@sued.example", octets=octets)
    return await asked.lab.mailbox("ben@sued.example").wait_for_message()


def is_harmless(text: str) -> bool:
    return all(char == "\n" or char.isprintable() for char in text)


async def test_a_mailbox_is_a_table(asked: Asked) -> None:
    """One row for each message, and nothing that a terminal would obey."""
    message = await stored(asked)
    result = await asked.maillab("mailbox", "Ben@Sued.Example")
    assert result.exit_code == 0
    for word in ("Anna <anna@nord.example>", "Hallo", message.trace):
        assert word in result.stdout
    assert is_harmless(result.stdout)


async def test_an_empty_mailbox_is_one_line(asked: Asked) -> None:
    """It says whose it is."""
    assert (await asked.maillab("mailbox", "ben@sued.example")).stdout == "ben@sued.example has no mail\n"


async def test_json_has_what_programs_need(asked: Asked) -> None:
    """Entries have uid, subject, from and trace; the octets are not changed, and yet harmless."""
    message = await stored(asked)
    result = await asked.maillab("mailbox", "ben@sued.example", "--format", "json")
    (entry,) = json.loads(result.stdout)
    assert entry["uid"] == message.uid
    assert entry["subject"] == message.subject
    assert entry["from"] == "Anna <anna@nord.example>"
    assert entry["trace"] == message.trace
    assert is_harmless(result.stdout)


async def test_one_message_is_shown_with_header_and_text(asked: Asked) -> None:
    """As its reader sees it, lines and tabs kept, the rest written out."""
    message = await stored(asked)
    result = await asked.maillab("mailbox", "ben@sued.example", "--show", str(message.uid))
    header, _, text = result.stdout.partition("\n\n")
    assert header.startswith("Return-Path: <anna@nord.example>\nReceived: from relay.example")
    assert "\nFrom: Anna <anna@nord.example>\n" in header
    assert text == "        Grüße \\x1b[2J\\x9b\n"
    assert is_harmless(result.stdout)


async def test_one_message_comes_as_json_too(asked: Asked) -> None:
    """With its headers in order and its text."""
    message = await stored(asked)
    result = await asked.maillab("mailbox", "ben@sued.example", "--show", str(message.uid), "--format", "json")
    document = json.loads(result.stdout)
    assert document["headers"][0] == ["Return-Path", "<anna@nord.example>"]
    assert "\x1b[2J\x9b" in document["text"]
    assert is_harmless(result.stdout)


async def test_raw_is_octet_by_octet(asked: Asked) -> None:
    """A file or a pipe gets exactly what is stored."""
    message = await stored(asked, NASTY + b"\xff\x00\r\n")
    result = await asked.maillab("mailbox", "ben@sued.example", "--raw", str(message.uid))
    assert result.stdout_bytes == message.octets


async def test_show_and_raw_are_not_for_both() -> None:
    """Both at once is wrong use."""
    result = await maillab("mailbox", "ben@sued.example", "--show", "1", "--raw", "1")
    assert result.exit_code == 2
