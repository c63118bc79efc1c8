"""The records of a running lab as they come, without a gap as far as the lab remembers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import orjson
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from maillab.cli.ask import RunningLab, UnreachableError
from maillab.trace.record import Record

RECONNECT_SECONDS: Final = 1.0
PAGE_LIMIT_RECORDS: Final = 2_000
_REQUIRED_KEYS: Final = frozenset({"run", "at", "event", "lab"})  # and seq, but for records.lost


class Feed:
    """Follows one lab, over lost connections, lost records and new starts of the lab."""

    def __init__(
        self, lab: RunningLab, take: Callable[[Record], Awaitable[None]], tell: Callable[[str], object]
    ) -> None:
        """`take` gets each record once and in order; `tell` gets a line on what becomes of the connection."""
        self._lab = lab
        self._take = take
        self._tell = tell
        self._run = ""
        self._seq = 0

    async def follow(self) -> None:
        """Follow the lab from now on, until cancelled.

        Raises:
            AskError: it cannot be asked at first, or it says no.
        """
        now = await self._lab.object_at("/api/lab/lab")
        self._run, self._seq = now["run"], now["seq"]
        self._tell(f"watching {now['lab']} at {self._lab.url}; Ctrl-C ends")
        connected = True
        while True:
            try:
                async with self._lab.websocket("/live", after=self._seq, run=self._run) as socket:
                    if not connected:
                        self._tell(f"{self._lab.url} answers again")
                        connected = True
                    await self._listen(socket)
            except (ConnectionClosed, UnreachableError):
                if connected:
                    self._tell(f"the connection to {self._lab.url} is lost; trying again")
                    connected = False
            await trio.sleep(RECONNECT_SECONDS)

    async def _listen(self, socket: WebSocketConnection) -> None:
        while True:
            for record in self._records(await socket.get_message()):
                await self._add(record)
                if record["event"] == "records.lost":
                    await self._catch_up()

    def _records(self, frame: str | bytes) -> list[Record]:
        try:
            records = orjson.loads(frame)
        except orjson.JSONDecodeError:
            records = None
        if not isinstance(records, list) or not all(
            isinstance(record, dict) and record.keys() >= _REQUIRED_KEYS for record in records
        ):
            raise self._lab.foreign("no records")
        return records

    async def _catch_up(self) -> None:
        """Ask for what the lab did not send, and for what came since; the live records then are known already."""
        while True:
            page = await self._lab.list_at("/api/lab/records", after=self._seq, run=self._run, limit=PAGE_LIMIT_RECORDS)
            for record in page:
                await self._add(record)
            if len(page) < PAGE_LIMIT_RECORDS:
                return

    async def _add(self, record: Record) -> None:
        if "seq" in record:
            if record["run"] != self._run:  # the lab was started anew
                self._run, self._seq = record["run"], 0
            if record["seq"] <= self._seq:
                return
            self._seq = record["seq"]
        await self._take(record)
