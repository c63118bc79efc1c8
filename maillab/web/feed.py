"""The live feed: what happens, as it happens, for any number of viewers.

All viewers read from the recorder's own memory, each at its own place in it: a viewer that is slow holds nothing
but a number.  Frames end where everybody's do, so that one rendering serves all who have kept up: the same octets
go out on every connection, and a viewer costs a write.  They are told a few at a time, spread over the time between
two frames: a crowd that is told at once would hold up the mail.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import orjson
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from maillab.trace.record import Record
from maillab.trace.recorder import Recorder
from maillab.web.messages import Request, rfc3339
from maillab.web.websocket import NORMAL, Farewell, Upgrade, Websocket, text_frame

FRAME_SECONDS: Final = 0.02  # between two frames; faster is not seen
FRAME_SECONDS_PER_VIEWER: Final = 0.0016  # from 13 viewers on: no more than 625 frames/s, with 300 half a second apart
TOLD_TOGETHER_COUNT: Final = 5  # viewers; half a millisecond, so long nobody else runs
FRAME_LIMIT_OCTETS: Final = 1 << 19  # half of what trio-websocket takes as one message
LAG_LIMIT_RECORDS: Final = 5_000  # who falls further behind than that is too slow
_FRAMES_KEPT_COUNT: Final = 8


class Feed:
    """Tells viewers of one recorder; `listen` is its listener, and `run` sets the pace."""

    def __init__(self, recorder: Recorder, time: Callable[[], float]) -> None:
        self._recorder = recorder
        self._time = time
        self._viewer_count = 0
        self._published = recorder.seq
        self._news = trio.Event()
        self._waiting = trio.lowlevel.ParkingLot()
        self._frames: dict[int, tuple[int, bytes]] = {}  # of this tick: where one begins, to its end and its octets

    def listen(self, _record: Record) -> None:
        self._news.set()

    async def run(self) -> None:
        """Publish what is new, in steps, until cancelled."""
        while True:
            await self._news.wait()
            self._news = trio.Event()
            self._published = self._recorder.seq
            self._frames.clear()
            steps = max(1, math.ceil(len(self._waiting) / TOLD_TOGETHER_COUNT))
            seconds = max(FRAME_SECONDS, self._viewer_count * FRAME_SECONDS_PER_VIEWER)
            for _ in range(steps):
                self._waiting.unpark(count=TOLD_TOGETHER_COUNT)
                await trio.sleep(seconds / steps)

    def view(self, request: Request) -> Upgrade:
        """A websocket that tells what comes `after` a place, or from now on.

        Raises:
            Refusal: `after` is no number.
        """
        after = place(request, self._recorder) if "after" in request.query or "run" in request.query else None

        async def talk(websocket: Websocket) -> Farewell:
            seq = self._recorder.seq
            self._viewer_count += 1
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._tell, websocket, seq if after is None else min(after, seq))
                    await _hear_out(websocket.connection)
                    nursery.cancel_scope.cancel()
            finally:
                self._viewer_count -= 1
            return Farewell(NORMAL, "")

        return Upgrade(talk)

    async def _tell(self, websocket: Websocket, position: int) -> None:
        """Tell all behind `position`; whoever falls far behind is told how much it misses, and goes on from now."""
        least_lag = self._recorder.seq - position  # who begins far behind is not slow: who falls back is
        while True:
            lag = self._published - position
            if lag <= 0:
                await self._waiting.park()
                continue
            least_lag = min(least_lag, lag)
            forgotten = self._recorder.seq - len(self._recorder.records) - position
            if lag > least_lag + LAG_LIMIT_RECORDS:
                position, frame = self._published, self._lost(lag)
                least_lag = 0
            elif forgotten > 0:
                position, frame = position + forgotten, self._lost(forgotten)
            else:
                position, frame = self.frame(position)
            next_frame_at = trio.current_time() + FRAME_SECONDS
            await websocket.send_frame(frame)
            if position < self._published:  # who has everything waits for news, which are so far apart anyway
                await trio.sleep_until(next_frame_at)

    def frame(self, position: int) -> tuple[int, bytes]:
        """Where the frame behind `position` ends, and its octets: the same for all who stand there."""
        if position not in self._frames:
            if len(self._frames) >= _FRAMES_KEPT_COUNT:
                self._frames.clear()
            self._frames[position] = self._rendered(position)
        return self._frames[position]

    def _rendered(self, position: int) -> tuple[int, bytes]:
        records, seq = self._recorder.records, self._recorder.seq
        pieces: list[bytes] = []
        octets = 0
        # A run's records are counted without gaps, and the latest is the last in memory: this one finds each.
        for index in range(position - seq, self._published - seq):
            piece = orjson.dumps(records[index])
            octets += len(piece)
            if pieces and octets > FRAME_LIMIT_OCTETS:
                break
            pieces.append(piece)
        return position + len(pieces), text_frame(f"[{b','.join(pieces).decode()}]")

    def _lost(self, count: int) -> bytes:
        lost = {"event": "records.lost", "run": self._recorder.run, "lab": self._recorder.lab}
        return text_frame(orjson.dumps([{**lost, "at": rfc3339(self._time()), "count": count}]).decode())


def place(request: Request, recorder: Recorder) -> int:
    """Where a client stands by its `after` and `run`: a place in another run is before the first record of this."""
    after = request.number("after", 0)
    return after if request.query.get("run", recorder.run) == recorder.run else 0


async def _hear_out(websocket: WebSocketConnection) -> None:
    """A viewer has nothing to say, but its close frame is behind whatever it says."""
    try:
        while True:
            await websocket.get_message()
    except ConnectionClosed:
        return
