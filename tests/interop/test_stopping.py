"""Ctrl-C and SIGTERM end a lab within five seconds and with exit code 0, whatever its clients are doing."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
import trio

from tests.interop.conftest import StartLab
from tests.interop.lab_process import WAIT_SECONDS, LabProcess

NORD: Final = "mail.nord.example"
PIPE_OCTETS: Final = 1 << 16  # what a pipe takes, on Linux, while nobody reads
MESSAGE_BEGUN: Final = (
    b"EHLO client\r\nMAIL FROM:<anna@nord.example>\r\nRCPT TO:<ben@sued.example>\r\nDATA\r\n",
    b"\r\n354 ",
    b"Subject: never ends\r\n\r\nand so on\r\n",
)


@asynccontextmanager
async def client_of(lab: LabProcess) -> AsyncIterator[trio.SocketStream]:
    """A client that has heard the greeting."""
    async with await trio.open_tcp_stream(*lab.smtp(NORD)) as client:
        assert (await client.receive_some()).startswith(b"220 ")
        yield client


async def hear(client: trio.SocketStream, ending: bytes) -> bytes:
    """What the server says, until `ending` is in it or it closes."""
    heard = b""
    with trio.fail_after(WAIT_SECONDS):
        while ending not in heard and (octets := await client.receive_some()):
            heard += octets
    return heard


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def ending(request: pytest.FixtureRequest) -> signal.Signals:
    number = request.param
    assert isinstance(number, signal.Signals)
    return number


async def test_a_lab_without_clients_ends(start_lab: StartLab, two_schools: Path, ending: signal.Signals) -> None:
    """Its last record is that it stopped, and nothing is said on stderr."""
    lab = await start_lab(two_schools)
    await lab.stop(ending)
    assert lab.records[-1]["event"] == "lab.stopped"
    assert lab.complaints == b""


async def test_a_client_that_waits_is_told(start_lab: StartLab, two_schools: Path, ending: signal.Signals) -> None:
    """A connected client hears 421 and the end of the connection, and the records say why."""
    lab = await start_lab(two_schools)
    async with client_of(lab) as client:
        await lab.stop(ending)
        assert (await hear(client, b"the end")).startswith(b"421 4.3.2 ")
    closed = next(record for record in lab.records if record["event"] == "connection.closed")
    assert closed["reason"] == "the lab is stopping"


async def test_a_client_in_the_middle_of_a_message_is_told(
    start_lab: StartLab, two_schools: Path, ending: signal.Signals
) -> None:
    """It hears 421, so that it keeps the message and tries again; nothing was accepted."""
    lab = await start_lab(two_schools)
    commands, go_on, text = MESSAGE_BEGUN
    async with client_of(lab) as client:
        await client.send_all(commands)
        await hear(client, go_on)
        await client.send_all(text)
        await lab.stop(ending)
        assert (await hear(client, b"the end")).startswith(b"421 ")
    assert "message.accepted" not in {record["event"] for record in lab.records}


@pytest.fixture
def patient(two_schools: Path) -> Path:
    """The two schools, where nobody is shown out for saying much and sending nothing."""
    two_schools.write_text(two_schools.read_text() + "\n[limits]\ncommands_without_mail = 1000000\n")
    return two_schools


async def test_a_client_that_does_not_read_holds_nobody_up(start_lab: StartLab, patient: Path) -> None:
    """Its replies fill every buffer on the way, and the lab ends all the same."""
    lab = await start_lab(patient)
    async with client_of(lab) as client:
        await client.send_all(b"EHLO client\r\n")
        with trio.move_on_after(0.5):  # sooner or later the lab stops reading too: it waits to be read
            while True:
                await client.send_all(b"HELP\r\n" * 5_000)
        await lab.stop()


async def test_a_stdout_that_nobody_reads_holds_nobody_up(start_lab: StartLab, patient: Path) -> None:
    """The pipe is full, the lab ends in time, and stderr says what was lost."""
    lab = await start_lab(patient)
    lab.stop_reading()
    command_count = PIPE_OCTETS // 100  # each is two records of more than a hundred octets
    async with client_of(lab) as client:
        await client.send_all(b"NOOP\r\n" * command_count + b"QUIT\r\n")
        await hear(client, b"221 ")
    await lab.stop()
    (complaint,) = lab.complaints.decode().splitlines()
    assert complaint.startswith("stdout: not read in time; ")
