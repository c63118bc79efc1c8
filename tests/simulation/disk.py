"""What a process keeps over its lives: a database in memory that a crash leaves as it was at the last COMMIT."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import trio


class Disk(sqlite3.Connection):
    """A database in memory; `sqlite3.connect(":memory:", isolation_level=None, factory=Disk)`."""

    is_cut = False
    """The process that wrote here is dead: nothing that it still asks for is done."""
    last_commit_at = -1.0
    before_commit: Callable[[], object] | None = None
    after_commit: Callable[[], object] | None = None

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        if sql == "COMMIT":
            return self._commit()
        if self.is_cut and sql != "ROLLBACK":
            raise sqlite3.OperationalError("this machine is down")
        return super().execute(sql, *parameters)

    def _commit(self) -> sqlite3.Cursor:
        if self.before_commit is not None:
            self.before_commit()
        if self.is_cut:
            raise sqlite3.OperationalError("this machine is down")
        done = super().execute("COMMIT")
        self.last_commit_at = trio.current_time()
        if self.after_commit is not None:
            self.after_commit()
        return done


def new_disk() -> Disk:
    """An empty one."""
    return sqlite3.connect(":memory:", isolation_level=None, factory=Disk, cached_statements=256)
