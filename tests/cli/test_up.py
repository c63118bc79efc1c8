"""`maillab up` and its page: where it is, and who may see it."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import orjson
import pytest

from tests.cli.page import Command, maillab, process

LAB = """
[lab]
name = "tiny"

[[domain]]
name = "nord.example"
users = ["anna"]
smtp = "127.0.0.1:0"
"""


@pytest.fixture
def lab(tmp_path: Path) -> str:
    """A lab file whose server is on a free port."""
    path = tmp_path / "lab.toml"
    path.write_text(LAB)
    return str(path)


@asynccontextmanager
async def up(lab: str, *arguments: str, **environment: str) -> AsyncIterator[tuple[Command, str]]:
    """The command, and where its page is: "" is nowhere.  It is asked to stop at the end, and does."""
    async with process("up", lab, *arguments, **environment) as running:
        ready = orjson.loads((await running.output.until("\n")).splitlines()[0])
        assert ready["event"] == "lab.ready"
        yield running, f"http://{ready['web']}" if ready["web"] else ""
        running.running.send_signal(signal.SIGTERM)
        assert await running.ended() == 0


async def test_the_page_is_open_on_loopback(lab: str) -> None:
    """On this machine alone nobody is asked for a password, even where one is set; stdout has records only."""
    async with (
        up(lab, "--web", "127.0.0.1:0", MAILLAB_PASSWORD="unused") as (running, url),
        httpx.AsyncClient(trust_env=False) as client,
    ):
        assert (await client.get(f"{url}/api/lab/lab")).json()["lab"] == "tiny"
        assert (await client.get(f"{url}/livez", headers={"Host": "lab.example"})).status_code == 403
    assert await running.errors.rest() == ""


async def test_a_password_is_made_and_told(lab: str) -> None:
    """Where a password is wanted and none is set, one is made and printed, and not among the records."""
    async with up(lab, "--web-access", "password", MAILLAB_WEB="127.0.0.1:0", MAILLAB_PASSWORD="") as (running, url):
        line = await running.errors.until("\n")
        password = line.removeprefix("The page's password is ").removesuffix(" (any user name).\n")
        assert len(password) == 16
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"{url}/api/lab/lab")).status_code == 401
            assert (await client.get(f"{url}/api/lab/lab", auth=("", password))).status_code == 200
    assert password not in await running.output.rest()


async def test_elsewhere_the_password_is_asked_for(lab: str) -> None:
    """On all interfaces there is a password by default: that of the environment, which is not printed."""
    names = {"MAILLAB_PASSWORD": "geheim", "MAILLAB_ALLOWED_HOSTS": "lab.example,other.example"}
    async with up(lab, "--web", "0.0.0.0:0", **names) as (running, url):
        assert await running.errors.until("\n") == "The page asks for the password in MAILLAB_PASSWORD.\n"
        url = url.replace("0.0.0.0", "127.0.0.1")
        async with httpx.AsyncClient(trust_env=False, headers={"Host": "lab.example"}) as client:
            assert (await client.get(f"{url}/metrics")).status_code == 401
            assert (await client.get(f"{url}/metrics", auth=("x", "geheim"))).status_code == 200
    async with (
        up(lab, "--web", "0.0.0.0:0", MAILLAB_WEB_ACCESS="open") as (_, url),
        httpx.AsyncClient(trust_env=False) as client,
    ):
        assert (await client.get(f"{url.replace('0.0.0.0', '127.0.0.1')}/metrics")).status_code == 200


async def test_the_addresses_may_begin_otherwise(lab: str) -> None:
    """With --net, or as a session says it in the environment, the servers are in another private network."""
    for arguments, environment in ((["--net", "10.20"], {}), ([], {"MAILLAB_NET": "10.20"})):
        async with process("up", lab, *arguments, MAILLAB_WEB="off", **environment) as running:
            ready = orjson.loads((await running.output.until("\n")).splitlines()[0])
            assert [server["address"] for server in ready["servers"]] == ["10.20.1.1"]
            running.running.send_signal(signal.SIGTERM)
            assert await running.ended() == 0
    result = await maillab("up", lab, "--net", "8.8")
    assert result.exit_code == 2
    assert '"8.8" is not how private addresses begin; give two numbers' in result.output


async def test_there_may_be_no_page(lab: str) -> None:
    """With --web off the lab has none."""
    async with up(lab, "--web", "off", "--web-access", "password") as (running, url):
        assert url == ""
    assert await running.errors.rest() == ""


async def test_of_several_processes_one_has_the_usual_place(tmp_path: Path) -> None:
    """With --only, the page's usual port is for the process of the first server; others have none unless told."""
    path = tmp_path / "lab.toml"
    text = f"{LAB}[[domain]]{LAB.partition('[[domain]]')[2].replace('nord', 'sued')}"
    with contextlib.ExitStack() as stack:  # ports that were free a moment ago
        for _ in range(2):
            probe = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            text = text.replace(":0", f":{probe.getsockname()[1]}", 1)
    path.write_text(text.replace("users", 'tls = "off"\nusers'))
    async with up(str(path), "--only", "mail.sued.example") as (_, url):
        assert url == ""
    async with up(str(path), "--only", "mail.sued.example", "--web", "127.0.0.1:0") as (_, url):
        assert url


async def test_people_are_told_where_the_page_is(lab: str) -> None:
    """Below the table of servers, with an address that a browser here can open, and the password."""
    arguments = ("--web", "0.0.0.0:0", "--log", "console")
    async with process("up", lab, *arguments, MAILLAB_PASSWORD="", COLUMNS="40") as running:
        printed = await running.output.until("Ctrl-C stops")
        (url,) = [line.split()[-1] for line in printed.splitlines() if line.startswith("The page is at")]
        (password,) = [line.split()[4] for line in printed.splitlines() if line.startswith("The page's password")]
        assert url.startswith("http://localhost:")
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"{url}readyz")).text == "ready"
            assert (await client.get(url, auth=("", password))).status_code == 200


@pytest.mark.parametrize("web", ["127.0.0.1", "8025", "127.0.0.1:99999", "http://localhost:8025", ""])
async def test_a_place_that_is_none_is_wrong_use(web: str, lab: str) -> None:
    """What is no HOST:PORT is exit code 2."""
    result = await maillab("up", lab, "--web", web)
    assert result.exit_code == 2
    assert 'or "off"' in result.output
