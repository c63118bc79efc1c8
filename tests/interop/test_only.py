"""`--only`: one lab in two processes, which find each other by their ports."""

from __future__ import annotations

import contextlib
import json
import smtplib
import socket
from pathlib import Path
from typing import Final

import pytest
import trio

from tests.interop.conftest import StartLab
from tests.interop.lab_process import LABS, maillab

NORD, RELAY, SUED = "mail.nord.example", "relay.example", "mail.sued.example"
ANNA, BEN = "anna@nord.example", "ben@sued.example"
TABLES: Final = ("[[domain]]", "[[domain]]", "[[relay]]")


@pytest.fixture
def lab_file(tmp_path: Path) -> Path:
    """Two schools on ports that were free a moment ago, and on no others: the processes have to know each other's."""
    text = (LABS / "two-schools" / "lab.toml").read_text(encoding="utf-8")
    with contextlib.ExitStack() as stack:
        for table in TABLES:
            probe = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            text = text.replace(
                f"{table}\n", f'{table} #\nsmtp = "127.0.0.1:{probe.getsockname()[1]}"\ntls = "off"\n', 1
            )
        names = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        text += f'\n[dns]\nlisten = "127.0.0.1:{names.getsockname()[1]}"\n'
    path = tmp_path / "lab.toml"
    path.write_text(text, encoding="utf-8")
    return path


async def test_two_processes_make_one_trace(start_lab: StartLab, lab_file: Path, tmp_path: Path) -> None:
    """A mail goes from one process to the other; the two logs, put together in any order, are one trace."""
    schools = await start_lab(lab_file, "--only", f"{NORD},{SUED}", "--data", tmp_path / "schools")
    relay = await start_lab(lab_file, "--only", RELAY, "--data", tmp_path / "relay")

    def send() -> None:
        with smtplib.SMTP(*schools.smtp(NORD)) as client:
            client.sendmail(ANNA, BEN, b"Subject: Einladung\r\n\r\nHallo!\r\n")

    await trio.to_thread.run_sync(send)
    stored = await schools.wait_for("message.stored", mailbox=BEN)
    await relay.wait_for("delivery.relayed")
    accepted = await relay.wait_for("message.accepted")
    assert (stored["trace"], stored["hop"]) == (accepted["trace"], 3)
    for lab in (schools, relay):
        await lab.stop()
        assert lab.complaints == b""

    logs = [tmp_path / "schools.jsonl", tmp_path / "relay.jsonl"]
    for path, lab in zip(logs, (schools, relay), strict=True):
        await trio.Path(path).write_bytes(lab.log)
    drawings = []
    for first, second in (logs, logs[::-1]):
        done = await maillab("trace", "--from-log", first, "--from-log", second, "--brief")
        drawings.append(done.stdout.decode())
    assert drawings[0] == drawings[1]
    assert drawings[0].count("Queued: ") == 3
    merged = json.loads(
        (await maillab("trace", "--from-log", "-", "--format", "json", stdin=schools.log + relay.log)).stdout
    )
    assert [hop["server"] for hop in merged["hops"]] == [NORD, RELAY, SUED]
    assert len({record["run"] for record in merged["records"]}) == 2


async def test_only_the_servers_named_run(start_lab: StartLab, lab_file: Path) -> None:
    """The ports of the others stay free."""
    lab = await start_lab(lab_file, "--only", RELAY)
    with pytest.raises(OSError, match="connect"):
        await trio.open_tcp_stream(*lab.smtp(NORD))
    async with await trio.open_tcp_stream(*lab.smtp(RELAY)) as client:
        assert (await client.receive_some()).startswith(b"220 relay.example ")
