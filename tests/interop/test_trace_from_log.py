"""`maillab up --log json > log`, and then `maillab trace --from-log log`: the picture from the log alone."""

from __future__ import annotations

import fcntl
import json
import signal
import smtplib
import struct
import subprocess
import termios
from pathlib import Path
from typing import Final

import pytest
import trio
from click.testing import CliRunner

from maillab.cli.main import cli
from tests.interop.conftest import StartLab
from tests.interop.lab_process import (
    WAIT_SECONDS,
    LabProcess,
    command,
    environment,
    maillab,
    records_in,
    with_free_ports,
)

NORD, RELAY, SUED = "mail.nord.example", "relay.example", "mail.sued.example"
ANNA, BEN = "anna@nord.example", "ben@sued.example"


async def send(lab: LabProcess, subject: str) -> None:
    """Send a mail from Anna to Ben, and wait until he has it."""

    def send() -> None:
        with smtplib.SMTP(*lab.smtp(NORD), local_hostname="annas-pc") as client:
            client.sendmail(ANNA, BEN, f"Subject: {subject}\r\n\r\nHallo!\r\n".encode())

    already = sum(record["event"] == "message.stored" for record in lab.records)
    await trio.to_thread.run_sync(send)
    await lab.wait_for("message.stored", uid=already + 1)


@pytest.fixture(scope="module")
def log_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of a lab that two mails have crossed, "Eins" and "Einladung"."""
    folder = tmp_path_factory.mktemp("log")
    lab_file = folder / "lab.toml"
    lab_file.write_text(with_free_ports("two-schools"), encoding="utf-8")

    async def log() -> bytes:
        async with trio.open_nursery() as nursery:
            lab = await LabProcess.start(nursery, lab_file)
            for subject in ("Eins", "Einladung"):
                await send(lab, subject)
            await lab.stop()
        return lab.log

    (folder / "log").write_bytes(trio.run(log))
    return folder / "log"


@pytest.fixture(scope="module")
def log(log_file: Path) -> bytes:
    return log_file.read_bytes()


def traces_in(log: bytes) -> list[str]:
    return [record["trace"] for record in records_in(log) if record["event"] == "message.stored"]


@pytest.mark.parametrize("width", [80, 160])
async def test_the_ladder_is_drawn_from_the_log_alone(log_file: Path, width: int) -> None:
    """Every host has a lane, every command and reply a line, and no line is wider than the screen."""
    done = await maillab("trace", "--from-log", log_file, "--width", width)
    assert (done.returncode, done.stderr) == (0, b"")
    ladder = done.stdout.decode()
    for words in (
        "Einladung\n",
        "delivered",
        *(f"Server {host}" for host in (NORD, RELAY, SUED)),
        "Client: ehlo annas-pc",
        f"Client: rcpt TO:<{BEN}>",
        "Server: 354 End data with <CR><LF>.<CR><LF>",
        f"{BEN}: in the mailbox at {SUED}, uid 2",
    ):
        assert words in ladder
    assert max(map(len, ladder.splitlines())) <= width


def drawn(log: bytes, *arguments: str) -> str:
    """What `maillab trace` prints for a log on its standard input; it needs no process for that."""
    result = CliRunner().invoke(cli, ["trace", *arguments, "--from-log", "-"], input=log)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_brief_is_one_arrow_for_each_hop(log: bytes) -> None:
    """Three hops, and no dialogue."""
    ladder = drawn(log, "--brief", "--width", "80")
    assert ladder.count("Queued: ") == 3
    assert "RCPT" not in ladder


def test_json_is_the_summary_and_every_record(log: bytes) -> None:
    """Programs get the hops and the records."""
    trace = json.loads(drawn(log, "--format", "json"))
    assert [hop["server"] for hop in trace["hops"]] == [NORD, RELAY, SUED]
    assert (trace["state"], trace["subject"]) == ("delivered", "Einladung")
    seqs = [record["seq"] for record in trace["records"]]
    assert seqs == sorted(seqs)


def test_mermaid_is_for_web_pages(log: bytes) -> None:
    """A sequence diagram with all hosts in it."""
    diagram = drawn(log, "--format", "mermaid")
    assert diagram.startswith("sequenceDiagram\n")
    for host in (NORD, RELAY, SUED):
        assert host in diagram


def test_the_latest_trace_is_drawn_or_the_one_asked_for(log: bytes) -> None:
    """An id in lower case is the same id."""
    first, second = traces_in(log)
    assert drawn(log).startswith("Einladung\n")
    assert drawn(log) == drawn(log, second)
    assert drawn(log, first.lower()).startswith("Eins\n")


def test_lines_of_others_in_the_log_do_no_harm(log: bytes) -> None:
    """Prefixes as compose writes them, lines that are no record, and a last line that was cut off."""
    lines = log.splitlines(keepends=True)
    mixed = b"".join(b"lab-1  | " + line + b"another program\n{}\n" for line in lines) + lines[0][:40]
    assert drawn(mixed) == drawn(log)


async def test_a_trace_that_is_not_there_is_told_with_those_that_are(log: bytes) -> None:
    """The latest first."""
    first, second = traces_in(log)
    done = await maillab("trace", "1AAAAAAAAAAAA", "--from-log", "-", stdin=log)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode() == f"maillab: no trace 1AAAAAAAAAAAA; the latest are {second}, {first}\n"


async def test_a_log_file_gets_what_stdout_gets(start_lab: StartLab, two_schools: Path, tmp_path: Path) -> None:
    """`--log-file` is in addition, line for line."""
    also = tmp_path / "also.jsonl"
    lab = await start_lab(two_schools, "--log-file", also)
    await send(lab, "Einladung")
    await lab.stop()
    assert await trio.Path(also).read_bytes() == lab.log


async def test_ctrl_c_ends_reading_and_draws_what_came(log: bytes) -> None:
    """A log that somebody still writes is drawn as far as it is there."""
    process = await trio.lowlevel.open_process(
        command("trace", "--from-log", "-", "--brief"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    assert isinstance(process.stdin, trio.lowlevel.FdStream)
    assert process.stdout is not None
    with trio.fail_after(WAIT_SECONDS):
        await process.stdin.send_all(log)
        while not waits_for_input(process.pid, process.stdin.fileno()):  # noqa: ASYNC110  the system tells nobody
            await trio.sleep(0.01)
        process.send_signal(signal.SIGINT)
        shown = b"".join([octets async for octets in process.stdout])
        assert await process.wait() == 0
    await process.stdin.aclose()
    assert f"{BEN}: in the mailbox at {SUED}, uid 2" in shown.decode()


def waits_for_input(pid: int, pipe: int) -> bool:
    """True once the process has taken all that is in the pipe, and sleeps: it has nothing else to sleep for."""
    (unread_count,) = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))
    state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    return unread_count == 0 and state == "S"


async def test_a_reader_that_leaves_early_sees_no_traceback(log_file: Path) -> None:
    """As in `maillab trace ... | head -1`."""
    process = await trio.lowlevel.open_process(
        command("trace", "--from-log", log_file),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    await process.stdout.aclose()
    with trio.fail_after(WAIT_SECONDS):
        assert b"".join([octets async for octets in process.stderr]) == b""
        await process.wait()


EMPTY_LOG: Final = b'{"run":"r","seq":1,"at":"2026-11-23T13:00:00.000Z","event":"lab.stopped","lab":"l"}\n'


@pytest.mark.parametrize(
    ("arguments", "stdin", "exit_code", "complaint"),
    [
        (["--from-log", "-"], b"", 1, "no records in <stdin>; maillab up --log json writes them"),
        (["--from-log", "-"], EMPTY_LOG, 1, "no message was accepted yet, so there is no trace"),
        (["--from-log", "missing.jsonl"], b"", 2, "'missing.jsonl': No such file or directory"),
    ],
    ids=["empty", "nothing-accepted", "missing"],
)
async def test_what_cannot_be_drawn_is_told_in_one_line(
    arguments: list[str], stdin: bytes, exit_code: int, complaint: str
) -> None:
    """One line on stderr, nothing on stdout."""
    done = await maillab("trace", *arguments, stdin=stdin)
    assert done.returncode == exit_code
    assert done.stdout == b""
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("maillab: ")
    assert complaint in line
