"""A person's mailbox as a program sees it: what is in it, and waiting for what comes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import cached_property

import attrs

from maillab.lab.waiting import WAIT_SECONDS, wait_until
from maillab.mail.message import Message
from maillab.mailbox import store
from maillab.storage.database import Database
from maillab.trace.recorder import Recorder


@attrs.frozen
class MailboxMessage:
    """One message in a mailbox; its octets are read when they are asked for."""

    entry: store.Entry
    _read: Callable[[int], bytes] = attrs.field(repr=False, eq=False)

    @property
    def uid(self) -> int:
        return self.entry.uid

    @property
    def trace(self) -> str:
        return self.entry.trace

    @cached_property
    def octets(self) -> bytes:
        """The message as its reader gets it, `Return-Path:` and `Received:` on top."""
        return self._read(self.entry.uid)

    @property
    def message(self) -> Message:
        return Message(self.octets)

    @property
    def subject(self) -> str | None:
        return self.message.subject

    @property
    def path(self) -> list[str]:
        """The hosts that this copy came through, the first one first, by its own `Received` lines."""
        return [received.by if received else "?" for received in reversed(self.message.received)]


class MailboxView:
    """The mailbox of one address."""

    def __init__(self, database: Database, recorder: Recorder, server: str, address: str) -> None:
        self.address = address
        self.server = server
        self._database = database
        self._recorder = recorder

    def messages(self) -> list[MailboxMessage]:
        """What is in it now, oldest first."""
        entries = self._database.read(lambda db: store.entries(db, self.server, self.address))
        return [MailboxMessage(entry, self._octets) for entry in entries]

    async def wait_for_message(
        self, *, subject: str | None = None, timeout_seconds: float = WAIT_SECONDS
    ) -> MailboxMessage:
        """The first message in the mailbox with that subject (or any), waiting for it if it is not there yet.

        Raises:
            trio.TooSlowError: none came within `timeout_seconds`.
        """

        def look() -> MailboxMessage | None:
            return next((each for each in self.messages() if subject is None or each.subject == subject), None)

        found = await wait_until(look, self._recorder, "message.stored", timeout_seconds=timeout_seconds)
        found.octets  # noqa: B018  read now, so that it can be looked at when the lab is gone
        return found

    def _octets(self, uid: int) -> bytes:
        try:
            return self._database.read(lambda db: store.octets(db, self.server, self.address, uid))
        except sqlite3.ProgrammingError:
            reason = f"message {uid} of {self.address} cannot be read: the lab has ended; read `octets` while it runs"
            raise RuntimeError(reason) from None
