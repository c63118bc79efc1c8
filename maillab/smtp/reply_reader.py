"""Reading replies, as a client has to: lines in any cutting, never more than can be borne (RFC 5321 section 4.2)."""

from __future__ import annotations

import re
from typing import Final

from maillab.mail.status import split_reply_text
from maillab.smtp.replies import Reply

REPLY_LIMIT_OCTETS: Final = 1 << 16  # what a next hop may say in one reply, all its lines together
# RFC 5321 section 4.2; also a code with nothing behind it, and a second digit that is none of its.
_REPLY_LINE: Final = re.compile(r"[2-5][0-9]{2}(?:[ -]|\Z)")


class BadReplyError(Exception):
    """What the server said is no SMTP reply; there is nothing to answer."""


class ReplyReader:
    """Gathers reply lines, in any cutting, into replies (RFC 5321 section 4.2)."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._lines: list[str] = []
        self._reply_octets = 0

    @property
    def has_unread_octets(self) -> bool:
        return bool(self._buffer or self._lines)

    def feed(self, octets: bytes | bytearray) -> None:
        self._buffer += octets

    def next_reply(self) -> Reply | None:
        """The next whole reply, or None while its end is not there.

        Raises:
            BadReplyError: what came is no reply, or is longer than `REPLY_LIMIT_OCTETS`.
        """
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end]).removesuffix(b"\r").decode("utf-8", "backslashreplace")
            del self._buffer[: end + 1]
            self._reply_octets += end + 1
            self._check_size(0)
            if not _REPLY_LINE.match(line):
                raise BadReplyError(f"no SMTP reply: {line[:80]!r}")
            code = line[:3]
            if self._lines and self._lines[0][:3] != code:
                raise BadReplyError(f"a reply whose code changes from {self._lines[0][:3]} to {code}")
            self._lines.append(line)
            if line[3:4] != "-":
                return self._take()
        self._check_size(len(self._buffer))
        return None

    def _check_size(self, waiting_octets: int) -> None:
        if self._reply_octets + waiting_octets > REPLY_LIMIT_OCTETS:
            raise BadReplyError(f"a reply of more than {REPLY_LIMIT_OCTETS} octets")

    def _take(self) -> Reply:
        code = int(self._lines[0][:3])
        texts = [line[4:] for line in self._lines]
        self._lines = []
        self._reply_octets = 0
        status, _ = split_reply_text(texts[0])
        if status is None or status.class_ != code // 100:  # RFC 2034 section 4: the classes agree
            return Reply(code, tuple(texts))
        return Reply(code, tuple(split_reply_text(text)[1] for text in texts), str(status))
