"""Viewers of the live feed, a process of its own: raw websockets (RFC 6455) on one selector.

All count what comes; the first one also reads it, and notes how old each record is when it arrives.
"""

from __future__ import annotations

import base64
import json
import os
import selectors
import socket
import struct
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import attrs

_RECEIVE_OCTETS: Final = 1 << 18
_TEXT: Final = 1  # opcode, RFC 6455 section 5.2
_LOST: Final = b'"records.lost"'


@attrs.define
class Seen:
    """What all viewers saw together.

    Attributes:
        frames: of all viewers.
        losses: times that a viewer was told that it had missed records.
        ages: of each record when the first viewer had it, in seconds.
    """

    frames: int = 0
    losses: int = 0
    ages: list[float] = attrs.field(factory=list)


class _Viewer:
    """One websocket; what it receives is never masked (RFC 6455 section 5.1)."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET /live HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        self._unread = b""
        while b"\r\n\r\n" not in self._unread:
            self._unread += self._receive()
        answer, _, self._unread = self._unread.partition(b"\r\n\r\n")
        if b" 101 " not in answer.partition(b"\r\n")[0]:
            raise RuntimeError(f"no websocket: {answer.decode()}")

    def _receive(self) -> bytes:
        octets = self.socket.recv(_RECEIVE_OCTETS)
        if not octets:
            raise RuntimeError("the server closed a feed")
        return octets

    def frames(self) -> Iterator[bytes]:
        """The text frames that are whole now."""
        self._unread += self._receive()
        while len(self._unread) >= 2:
            start, size = 2, self._unread[1] & 127
            if size > 125:
                form = ">H" if size == 126 else ">Q"
                start += struct.calcsize(form)
                if len(self._unread) < start:
                    return
                (size,) = struct.unpack_from(form, self._unread, 2)
            if len(self._unread) < start + size:
                return
            frame, self._unread = self._unread[: start + size], self._unread[start + size :]
            if frame[0] & 15 == _TEXT:
                yield frame[start:]


def watch(port: int, viewer_count: int) -> Seen:
    """Connect, say so on stdout, and count until stdin is closed."""
    seen = Seen()
    with selectors.DefaultSelector() as selector:
        for number in range(viewer_count):
            viewer = _Viewer(port)
            selector.register(viewer.socket, selectors.EVENT_READ, (viewer, number == 0))
        selector.register(sys.stdin, selectors.EVENT_READ)
        print("ready", flush=True)  # noqa: T201  for whoever started us
        while True:
            for key, _ in selector.select():
                if key.data is None:
                    return seen
                viewer, is_first = key.data
                for frame in viewer.frames():
                    seen.frames += 1
                    seen.losses += _LOST in frame
                    if is_first:
                        seen.ages += _ages(json.loads(frame))


def _ages(records: list[dict[str, Any]]) -> list[float]:
    now = time.time()
    return [now - datetime.fromisoformat(record["at"]).timestamp() for record in records]


if __name__ == "__main__":
    print(json.dumps(attrs.asdict(watch(*map(int, sys.argv[1:])))))  # noqa: T201  for whoever started us
