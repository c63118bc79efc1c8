"""Rules that are broken on purpose, each in the one function that keeps it: the simulation must object."""

from __future__ import annotations

import copy
import functools
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final
from unittest.mock import patch

import trio

from maillab.mailserver import queue
from maillab.mailserver.reception import Reception
from maillab.smtp.answers import Answer
from maillab.smtp.replies import Reply
from maillab.storage import messages
from maillab.trace.recorder import RecordLog

COMMIT_LATER_SECONDS: Final = 0.2


def _reply_before_commit(original: Callable[..., Any]) -> Callable[..., Any]:
    """250 is said at once, and the message is committed soon after."""

    async def message(self: Reception, octets: bytes, log: RecordLog) -> Reply:
        async def commit_later() -> None:
            await trio.sleep(COMMIT_LATER_SECONDS)
            with suppress(Exception):  # the lab may be gone by then, and the message with it
                await original(later, octets, log)

        later = copy.copy(self)
        trio.lowlevel.spawn_system_task(commit_later)
        self.reset()
        return self.style.reply(Answer.QUEUED, queue_id="soon")

    return message


def _forget_retries(original: Callable[..., Any]) -> Callable[..., Any]:
    """Nothing is ever due later."""
    return lambda *_, **__: None


def _know_nothing_again(original: Callable[..., Any]) -> Callable[..., Any]:
    """No second coming is known."""
    return lambda *_, **__: set()


def _know_messages_again(original: Callable[..., Any]) -> Callable[..., Any]:
    """A message that came once is known, for whomever it comes again."""

    def seen_before(
        db: sqlite3.Connection, server: str, host: str, queue_id: str, recipients: Collection[str]
    ) -> set[str]:
        rows = db.execute(
            "SELECT 1 FROM arrived WHERE server = ? AND previous_host = ? AND previous_queue_id = ?",
            (server, host, queue_id),
        )
        return set(recipients) if rows.fetchone() else set()

    return seen_before


def _forget_queue(original: Callable[..., Any]) -> Callable[..., Any]:
    """What was queued is gone after a restart."""

    @functools.wraps(original)
    def forget(db: sqlite3.Connection, server: str, before: float) -> None:
        for (message_id,) in db.execute(
            "DELETE FROM queue WHERE server = ? RETURNING message_id", (server,)
        ).fetchall():
            messages.release(db, server, message_id)
        db.execute("DELETE FROM queue_recipient WHERE server = ?", (server,))
        original(db, server, before)

    return forget


BROKEN: Final[Mapping[str, tuple[Any, str, Callable[[Callable[..., Any]], Callable[..., Any]]]]] = {
    "250 before commit": (Reception, "message", _reply_before_commit),
    "retry forgotten": (queue, "next_due", _forget_retries),
    "no de-duplication": (queue, "seen_before", _know_nothing_again),
    "queue in RAM": (queue, "forget", _forget_queue),
    "de-duplication by queue id alone": (queue, "seen_before", _know_messages_again),
}


@contextmanager
def broken(rule: str) -> Iterator[None]:
    """While this lasts, the rule is broken."""
    owner, name, breaking = BROKEN[rule]
    with patch.object(owner, name, breaking(getattr(owner, name))):
        yield
