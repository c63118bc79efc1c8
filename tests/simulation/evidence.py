"""What lies in the mailboxes, read without any of the lab's code: copies of letters, and notices about them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import attrs

from tests.simulation.plan import Letter
from tests.simulation.world import Stored

_CLIENT: Final = re.compile(rb"client-(\d+)-(\d+)\.example")
_RETURN_PATH: Final = re.compile(rb"Return-Path: <([^>\r\n]*)>\r\n")
_RECEIVED: Final = re.compile(rb"Received: ((?:[^\r\n]|\r\n[ \t])*)\r\n")
_CLAUSES: Final = re.compile(r"(?:from (\S+)(?: \(([^)]*)\))? )?by (\S+) with (\S+) id ([0-9A-Z]{13})-(\d+)-(\d+)\b")
_STATUS: Final = re.compile(rb"Content-Type: message/delivery-status\r\n(.*?)\r\n--report-", re.DOTALL)
_RECIPIENT: Final = re.compile(rb"Final-Recipient: rfc822; (\S+)\r\nAction: (\S+)\r\n")
_IS_NOTICE: Final = re.compile(rb"From: [^\r\n]*<MAILER-DAEMON@[^\r\n]*\r\n")


@attrs.frozen
class Postmark:
    """One `Received` line."""

    client: str  # what was said with EHLO; "" for mail that the server made itself
    comment: str
    by: str
    trace: str
    hop: int
    copy: str

    @property
    def queue_id(self) -> str:
        return f"{self.trace}-{self.hop}-{self.copy}"


@attrs.frozen
class Copy:
    """A letter in a mailbox."""

    stored: Stored
    attempt: tuple[int, int]  # number of the letter, number of the attempt
    postmarks: tuple[Postmark, ...]  # the last server first
    return_path: str
    is_whole: bool  # below the postmarks it is the letter, octet for octet


@attrs.frozen
class Notice:
    """A report in a mailbox.

    Attributes:
        attempt: which it is about; the number of the attempt is 0 where the report does not tell.
        actions: what it says, by recipient in lower case.
    """

    stored: Stored
    attempt: tuple[int, int]
    postmarks: tuple[Postmark, ...]
    return_path: str
    actions: Mapping[str, str]
    about_notice: bool

    @property
    def trace(self) -> str:
        return self.postmarks[0].trace


class UnreadableError(Exception):
    """What lies in a mailbox is neither."""


def read(stored: Stored, letters: Mapping[int, Letter]) -> Copy | Notice:
    """What lies there.

    Raises:
        UnreadableError: nobody has written this.
    """
    return_path = _RETURN_PATH.match(stored.octets)
    if return_path is None:
        raise UnreadableError("no Return-Path on top")
    position, postmarks = return_path.end(), []
    client = _CLIENT.search(stored.octets)
    while (field := _RECEIVED.match(stored.octets, position)) is not None:
        clauses = _CLAUSES.match(re.sub(r"\s+", " ", field[1].decode()))
        if clauses is None:
            break
        name, comment, by, _, trace, hop, copy = clauses.groups("")
        postmarks.append(Postmark(name, comment, by, trace, int(hop), copy))
        position = field.end()
        if name.startswith("client-"):
            break  # what follows is the letter's own
    if not postmarks:
        raise UnreadableError("no Received line of ours on top")
    path = return_path[1].decode()
    if _IS_NOTICE.match(stored.octets, position):
        return _notice(stored, tuple(postmarks), path, stored.octets[position:])
    if client is None or int(client[1]) not in letters:
        raise UnreadableError("it is from none of the clients")
    number = int(client[1])
    is_whole = stored.octets[position:] == letters[number].octets
    return Copy(stored, (number, int(client[2])), tuple(postmarks), path, is_whole)


def _notice(stored: Stored, postmarks: tuple[Postmark, ...], return_path: str, octets: bytes) -> Notice:
    status = _STATUS.search(octets)
    if status is None:
        raise UnreadableError("a report without a delivery status")
    actions = {address.decode().lower(): action.decode() for address, action in _RECIPIENT.findall(status[1] + b"\r\n")}
    original = octets[status.end() :]
    client = _CLIENT.search(original)
    subject = re.search(rb"^Subject: [a-zA-Z0-9 -]*?(\d+)\r\n", original, re.MULTILINE)
    attempt = (int(client[1]), int(client[2])) if client else (int(subject[1]) if subject else -1, 0)
    about_notice = b"multipart/report" in original.partition(b"\r\n\r\n")[2].partition(b"\r\n\r\n")[0]
    return Notice(stored, attempt, postmarks, return_path, actions, about_notice)
