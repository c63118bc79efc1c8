"""Rude visitors at a real TCP port: none of them slows the lab, nor keeps it from stopping."""

from __future__ import annotations

import contextlib
import math
import shutil
import socket
from typing import Final, cast

import httpx
import pytest
import trio
import trio.testing
from trio_websocket import ConnectionClosed, open_websocket_url, wrap_client_stream

from maillab.lab.start import open_lab
from maillab.network.memory import MemoryNetwork
from maillab.web.messages import Request
from maillab.web.site import Website

from .test_access import HANDSHAKE
from .visit import ANY_PORT, House, open_house

STOP_SECONDS: Final = 3.0  # it takes milliseconds; a lab must stop within 5 s
UPGRADE: Final = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in HANDSHAKE.items())
HALF: Final = (
    "",
    "GET / HT",
    "GET / HTTP/1.1\r\nHost: localhost\r\n",
    "POST /api/lab/send HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n{",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "GET /api/lab/records HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3,
    f"GET /live?after=0 HTTP/1.1\r\nHost: localhost\r\n{UPGRADE}\r\n",
    f"GET /console?server=nord.example HTTP/1.1\r\nHost: localhost\r\n{UPGRADE}\r\n",
    f"GET /live HTTP/1.1\r\nHost: localhost\r\n{UPGRADE}\r\n\x81\xff\x00\x00",
)


async def rude_visitors(house: House) -> list[trio.SocketStream]:
    """One of each kind, with the smallest of receive buffers, and none of them ever reads."""
    streams = []
    for part in HALF:
        connection = trio.socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        await connection.connect(house.page)
        streams.append(trio.SocketStream(connection))
        await streams[-1].send_all(part.encode("latin-1"))
    return streams


def fill(house: House, count: int) -> None:
    """Records enough to fill every buffer between the lab and its viewers."""
    log = house.lab.recorder.bind(server="mail.nord.example")
    for _ in range(count):
        log.record("policy.checked", policy="size", result="pass", reason="x" * 1000)


async def test_the_lab_works_and_stops_with_all_of_them() -> None:
    """Mail goes its way while they are there, and the end of the lab is theirs at once."""
    stopping = math.inf
    async with contextlib.AsyncExitStack() as stack:
        async with open_house(tcp=True) as house:
            fill(house, 5_000)
            for stream in await rude_visitors(house):
                stack.push_async_callback(trio.aclose_forcefully, stream)
            for _ in range(10):
                fill(house, 500)
                with trio.fail_after(10):
                    await house.lab.send("anna@nord.example", ["ben@sued.example"], subject="on time")
                    await house.lab.mailbox("ben@sued.example").wait_for_message(subject="on time")
                    async with httpx.AsyncClient(trust_env=False) as client:
                        assert (await client.get(f"{house.url}/livez")).text == "ok"
            stopping = trio.current_time()
        assert trio.current_time() - stopping < STOP_SECONDS


async def test_they_may_all_leave_at_any_time() -> None:
    """Connections that break in the middle of anything leave nothing behind."""
    async with open_house(tcp=True) as house:
        fill(house, 5_000)
        for _ in range(3):
            for stream in await rude_visitors(house):
                # Closing with no time to linger resets the connection.
                stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                stream.socket.close()
            fill(house, 10)
            await house.quiet()
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"{house.url}/livez")).text == "ok"


async def test_a_crowd_of_viewers_is_served() -> None:
    """Real clients share the port: httpx, and websockets of trio-websocket."""
    async with open_house(tcp=True) as house:
        seen: list[str] = []

        async def watch(task_status: trio.TaskStatus[None]) -> None:
            async with open_websocket_url(f"{house.url.replace('http', 'ws')}/live") as live:
                task_status.started()
                seen.append(str(await live.get_message()))

        async with trio.open_nursery() as nursery:
            for _ in range(30):
                await nursery.start(watch)
            await house.quiet()
            fill(house, 1)
        assert len(seen) == 30
        assert len(set(seen)) == 1


async def test_a_large_body_is_refused_to_a_real_client() -> None:
    """Although the client goes on sending, it gets to read the 413."""
    async with open_house(tcp=True) as house, httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{house.url}/api/lab/send", content=b"x" * (33 << 20))
        assert answer.status_code == 413


async def test_a_real_websocket_client_brings_the_password() -> None:
    """With it the feed opens; without it, or from a foreign page, the answer is one of HTTP."""
    async with open_house(tcp=True, password="secret") as house:
        live = f"{house.url.replace('http', 'ws')}/live"
        async with open_websocket_url(live, extra_headers=[(b"Authorization", b"Basic OnNlY3JldA==")]) as connection:
            fill(house, 1)
            assert "policy.checked" in str(await connection.get_message())
        handshake = {name.replace("_", "-"): value for name, value in HANDSHAKE.items()}
        async with httpx.AsyncClient(trust_env=False, headers=handshake) as client:
            assert (await client.get(f"{house.url}/live")).status_code == 401
            foreign = {"Origin": "http://evil.example"}
            assert (await client.get(f"{house.url}/live", headers=foreign, auth=("", "secret"))).status_code == 403


async def test_who_watches_is_closed_with_the_lab() -> None:
    """The end of the lab ends every websocket."""

    async def watch(house: House, path: str, task_status: trio.TaskStatus[None]) -> None:
        async with await house.connect() as stream, trio.open_nursery() as nursery:
            live = await wrap_client_stream(nursery, cast(trio.SocketStream, stream), "localhost", path)
            task_status.started()
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await live.get_message()

    with trio.fail_after(STOP_SECONDS):
        async with trio.open_nursery() as nursery, open_house(tcp=True) as house:
            for path in ("/live", "/console?server=nord.example"):
                await nursery.start(watch, house, path)


async def test_a_busy_port_is_an_error() -> None:
    """Two pages cannot share a port, and the lab says which it is."""
    async with open_house(tcp=True) as house:
        with pytest.raises(Exception, match=f"the page cannot listen on {house.page}: the port is in use"):
            async with open_lab("two-schools", addressing="hosts", network=MemoryNetwork(), page=Website(house.page)):
                pass


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_curl_gets_its_answers() -> None:
    """The most common client of all: one connection for two requests, HEAD, h2c, and a file that waits for 100."""
    async with open_house(tcp=True) as house:
        message = f"Subject: by curl\n\n{'x' * 2_000_000}"
        order = f'{{"from": "anna@nord.example", "to": "nils@nord.example", "message": {message!r}}}'.replace("'", '"')

        async def curl(*arguments: str, said: bytes = b"") -> str:
            done = await trio.run_process(
                ["curl", "--silent", "--show-error", "--max-time", "20", *arguments], stdin=said, capture_stdout=True
            )
            return done.stdout.decode()

        assert await curl(f"{house.url}/livez", f"{house.url}/readyz") == "okready"
        assert "200 OK" in await curl("--head", f"{house.url}/")
        assert await curl("--http2", f"{house.url}/livez") == "ok"
        sent = await curl(
            "--data-binary", "@-", "-H", "Expect: 100-continue", f"{house.url}/api/lab/send", said=order.encode()
        )
        assert '"accepted":true' in sent
        assert "400 Bad Request" in await curl("--include", "--request-target", "*", f"{house.url}/")


async def test_a_crash_is_a_record_and_ends_one_request() -> None:
    """A fault of our own is written down with its traceback; the visitor gets 500, and the lab goes on."""

    class Clumsy(Website):
        async def admit(self, request: Request) -> None:  # type: ignore[override]
            raise ZeroDivisionError("a fault of our own")

    website = Clumsy(ANY_PORT)
    async with open_lab("two-schools", addressing="hosts", network=MemoryNetwork(), page=website) as lab:
        async with httpx.AsyncClient(trust_env=False) as client:
            for _ in range(2):
                assert (await client.get(f"{website.url}livez")).status_code == 500
        crashes = [record for record in lab.recorder.records if record["event"] == "connection.crashed"]
        assert len(crashes) == 2
        assert "ZeroDivisionError: a fault of our own" in crashes[0]["error"]
