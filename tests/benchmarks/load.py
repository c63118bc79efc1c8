"""The load driver, a process of its own: sends mail as fast as a server takes it, and spends little itself.

Plain sockets and one selector; every octet that is sent was made before the clock started.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import attrs

CLIENT_NAME: Final = "load.example"
Talk = Iterator[tuple[bytes, int]]
"""What a connection says: octets, and how many replies it then waits for."""

_RECEIVE_OCTETS: Final = 1 << 16
_LINE: Final = b"x" * 76 + b"\r\n"


@attrs.frozen
class Task:
    """What to send.

    Attributes:
        port: of the server, on 127.0.0.1.
        messages: how many.
        sessions: how many connections at a time.
        pipelined: MAIL, RCPT and DATA in one write (RFC 2920); else each waits for the reply before it.
        kept: one connection carries many messages; else each message has its own.
        octets: about the size of each message.
        sender: the reverse-path.
        recipient: the forward-path.
        messages_per_second: the pace; 0 is as fast as the server takes it.
    """

    port: int
    messages: int
    sessions: int = 20
    pipelined: bool = False
    kept: bool = True
    octets: int = 1024
    sender: str = "anna@nord.example"
    recipient: str = "nils@nord.example"
    messages_per_second: float = 0.0

    def message(self) -> bytes:
        header = f"From: <{self.sender}>\r\nTo: <{self.recipient}>\r\nSubject: Load\r\n\r\n".encode()
        return header + _LINE * max(1, (self.octets - len(header)) // len(_LINE))


@attrs.frozen
class Load:
    """What came of it; times are in seconds, `first_reply_at` is since 1970."""

    seconds: float
    first_reply_at: float
    cpu_seconds: float
    waits: list[float]
    """From the end of the data to the reply, for each message, sorted."""
    spans: list[float]
    """From MAIL to that reply, likewise."""


class Driver:
    """All lanes, served by one selector."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.selector = selectors.DefaultSelector()
        self.waits: list[float] = []
        self.spans: list[float] = []
        self.first_reply_at = 0.0
        mail = f"MAIL FROM:<{task.sender}>\r\n".encode()
        rcpt = f"RCPT TO:<{task.recipient}>\r\n".encode()
        self.asks = [(mail + rcpt + b"DATA\r\n", 3)] if task.pipelined else [(mail, 1), (rcpt, 1), (b"DATA\r\n", 1)]
        self.message = task.message() + b".\r\n"
        self._left = task.messages
        self._started = 0.0

    def take(self) -> bool:
        """Whether there is one more message to send; the caller sends it."""
        if self.task.messages_per_second:
            due_at = self._started + (self.task.messages - self._left) / self.task.messages_per_second
            time.sleep(max(0.0, due_at - time.perf_counter()))
        self._left -= 1
        return self._left >= 0

    def run(self) -> Load:
        lanes = [_Lane(self) for _ in range(self.task.sessions)]
        if self.task.kept:
            self._serve(lanes, [lane.open() for lane in lanes])
        self._started = time.perf_counter()
        self._serve(lanes, [lane.send_kept() if self.task.kept else lane.send_one_each() for lane in lanes])
        seconds = time.perf_counter() - self._started
        for lane in lanes:
            lane.close()
        return Load(seconds, self.first_reply_at, time.process_time(), sorted(self.waits), sorted(self.spans))

    def _serve(self, lanes: Sequence[_Lane], talks: Iterable[Talk]) -> None:
        """Let every lane talk to its end."""
        talking = sum(lane.begin(talk) for lane, talk in zip(lanes, talks, strict=True))
        while talking:
            for key, _ in self.selector.select():
                talking -= not key.data.receive()


class _Lane:
    """One connection at a time."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._socket: socket.socket | None = None
        self._talk: Talk = iter(())
        self._owed = 0
        self._unread = b""

    def open(self) -> Talk:
        """Connect, and say EHLO."""
        self._socket = socket.create_connection(("127.0.0.1", self._driver.task.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._driver.selector.register(self._socket, selectors.EVENT_READ, self)
        yield b"", 1  # the greeting
        yield f"EHLO {CLIENT_NAME}\r\n".encode(), 1

    def close(self) -> None:
        if self._socket is not None:
            self._driver.selector.unregister(self._socket)
            self._socket.close()
            self._socket = None

    def send_kept(self) -> Talk:
        """Many messages over the connection that is open."""
        while self._driver.take():
            yield from self._send()

    def send_one_each(self) -> Talk:
        """A connection for each message."""
        while self._driver.take():
            yield from self.open()
            yield from self._send()
            yield b"QUIT\r\n", 1
            self.close()

    def _send(self) -> Talk:
        driver = self._driver
        began_at = time.perf_counter()
        yield from driver.asks
        ended_at = time.perf_counter()
        yield driver.message, 1
        replied_at = time.perf_counter()
        driver.waits.append(replied_at - ended_at)
        driver.spans.append(replied_at - began_at)
        driver.first_reply_at = driver.first_reply_at or time.time()

    def begin(self, talk: Talk) -> bool:
        self._talk = talk
        return self._go_on()

    def _go_on(self) -> bool:
        """Say what comes next; False at the end."""
        said = next(self._talk, None)
        if said is None:
            return False
        assert self._socket is not None  # a talk begins with opening it
        octets, self._owed = said
        self._socket.sendall(octets)
        return True

    def receive(self) -> bool:
        """Take what came, and go on when all replies are there; False at the end.

        Raises:
            RuntimeError: the server closed the connection, or refused something.
        """
        assert self._socket is not None  # the selector has it
        received = self._socket.recv(_RECEIVE_OCTETS)
        if not received:
            raise RuntimeError("the server closed the connection")
        *lines, self._unread = (self._unread + received).split(b"\r\n")
        for line in lines:
            if line[:1] not in (b"2", b"3"):
                raise RuntimeError(f"refused: {line.decode()}")
            self._owed -= line[3:4] != b"-"
        return self._owed > 0 or self._go_on()


def main() -> None:
    """Read a task as JSON from stdin, do it, and print the load as JSON."""
    print(json.dumps(attrs.asdict(Driver(Task(**json.load(sys.stdin))).run())))  # noqa: T201  for whoever started us


if __name__ == "__main__":
    main()
