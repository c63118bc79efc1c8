"""`maillab health`."""

from __future__ import annotations

import functools
import socket
import subprocess
import sys

import trio

from tests.cli.page import Asked, maillab


async def test_a_lab_that_is_ready_is_healthy(asked: Asked) -> None:
    """Exit code 0, for whoever watches over it."""
    result = await asked.maillab("health")
    assert (result.exit_code, result.output) == (0, "ready\n")


async def test_a_lab_that_starts_is_not_ready(nursery: trio.Nursery) -> None:
    """While its servers do not listen yet, the answer is no, and so is the exit code."""

    async def says_no(client: trio.SocketStream) -> None:
        await client.receive_some()
        await client.send_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    listeners = await nursery.start(functools.partial(trio.serve_tcp, says_no, 0, host="127.0.0.1"))
    url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
    result = await maillab("health", "--url", url)
    assert result.exit_code == 1
    assert f"the lab at {url} is not ready (HTTP status 503); wait for it" in result.output


async def test_where_nobody_answers_nothing_is_healthy() -> None:
    """Exit code 1, and one line that says how to mend it."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    result = await maillab("health", "--url", url)
    assert result.exit_code == 1
    assert f"no lab answers at {url} (" in result.output
    assert result.output.endswith("give the lab's --url\n")


def test_it_loads_no_more_than_it_needs() -> None:
    """It is asked every few seconds in every container, so neither Trio nor what runs a lab is loaded for it."""
    script = "import sys; from maillab.cli.main import cli; cli.commands['health']; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert "maillab.cli.health" in loaded
    assert {"trio", "dns", "maillab.lab.lab", "maillab.cli.up"}.isdisjoint(loaded)
