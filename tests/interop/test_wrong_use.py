"""What `maillab up` cannot start is said in one line on stderr, with an exit code, and never by a traceback."""

from __future__ import annotations

import socket
from pathlib import Path

import trio

from tests.interop.conftest import StartLab
from tests.interop.lab_process import Outcome, maillab

FAILED, WRONG_USE = 1, 2


def told(done: Outcome) -> str:
    """The one line that was said."""
    assert done.stdout == b""
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("maillab: ")
    return line.removeprefix("maillab: ")


async def test_a_busy_port(two_schools: Path) -> None:
    """The server and the port are named, and how to mend it."""
    with socket.create_server(("127.0.0.1", 0)) as busy:
        smtp = f"127.0.0.1:{busy.getsockname()[1]}"
        path = trio.Path(two_schools)
        await path.write_text((await path.read_text()).replace("127.0.0.1:0", smtp, 1))
        done = await maillab("up", two_schools)
    assert done.returncode == FAILED
    assert told(done).startswith(f"mail.nord.example cannot listen on {smtp}: the port is in use; stop ")


async def test_an_unknown_lab() -> None:
    """The nearest name is guessed, and those that ship are listed."""
    done = await maillab("up", "two-shcools")
    assert done.returncode == WRONG_USE
    line = told(done)
    assert '"two-shcools" is no lab; did you mean "two-schools"?' in line
    assert "gartenparty" in line


async def test_a_lab_file_that_is_not_there(tmp_path: Path) -> None:
    """The path is named."""
    done = await maillab("up", tmp_path / "lab.toml")
    assert done.returncode == WRONG_USE
    assert told(done).startswith(f"{tmp_path / 'lab.toml'}: no such file")


async def test_a_lab_file_that_is_no_toml(tmp_path: Path) -> None:
    """The line and column are named."""
    await trio.Path(tmp_path / "lab.toml").write_text('[lab]\nname = "a"b\n')
    done = await maillab("up", tmp_path)
    assert done.returncode == WRONG_USE
    assert "line 2, column " in told(done)


async def test_a_lab_file_with_mistakes(tmp_path: Path) -> None:
    """Every mistake is a line, and `validate` says the same ones."""
    path = tmp_path / "lab.toml"
    await trio.Path(path).write_text(
        '[lab]\nname = "wrong"\n[[domain]]\nname = "nord.example"\nusers = "anna"\nsmtp = "127.0.0.1:99999"\n'
    )
    started, validated = await maillab("up", path), await maillab("validate", path)
    assert (started.returncode, validated.returncode) == (WRONG_USE, WRONG_USE)
    assert (started.stdout, validated.stdout) == (b"", b"")
    lines = started.stderr.decode().splitlines()
    assert [line.removeprefix("maillab: ").split(":")[0] for line in lines] == ["domain[0].users", "domain[0].smtp"]
    assert [f"maillab: {line}" for line in validated.stderr.decode().splitlines()] == lines


async def test_a_server_that_is_not_in_the_lab() -> None:
    """`--only` with a name that no server has."""
    done = await maillab("up", "two-schools", "--only", "mail.nord.exampel")
    assert done.returncode == WRONG_USE
    assert 'did you mean "mail.nord.example"?' in told(done)


async def test_only_needs_ports_that_others_can_know(two_schools: Path) -> None:
    """Port 0 is any free port, and the other processes could not find it."""
    done = await maillab("up", two_schools, "--only", "relay.example")
    assert done.returncode == WRONG_USE
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 3
    assert all("port 0 with --only" in line for line in lines)


async def test_a_data_folder_in_use(start_lab: StartLab, two_schools: Path, tmp_path: Path) -> None:
    """The process that holds it is named; it goes on undisturbed, and the folder is free once it has ended."""
    data = tmp_path / "data"
    lab = await start_lab(two_schools, "--data", data)
    done = await maillab("up", two_schools, "--data", data)
    assert done.returncode == FAILED
    assert told(done).startswith(f"{data} is in use by process {lab.process.pid}; ")
    await lab.stop()
    await start_lab(two_schools, "--data", data)


async def test_a_data_folder_that_is_a_file(two_schools: Path, tmp_path: Path) -> None:
    """The path is named."""
    await trio.Path(tmp_path / "data").write_text("")
    done = await maillab("up", two_schools, "--data", tmp_path / "data")
    assert done.returncode == WRONG_USE
    assert str(tmp_path / "data") in told(done)


async def test_a_data_folder_of_another_program(two_schools: Path, tmp_path: Path) -> None:
    """A database that is not ours is left as it is."""
    await trio.Path(tmp_path / "lab.db").write_text("no database\n" * 100)
    done = await maillab("up", two_schools, "--data", tmp_path)
    assert done.returncode == FAILED
    assert "it is no SQLite file" in told(done)
    assert (await trio.Path(tmp_path / "lab.db").read_text()).startswith("no database\n")


async def test_a_log_file_that_cannot_be_written(two_schools: Path, tmp_path: Path) -> None:
    """The path is named, and why."""
    done = await maillab("up", two_schools, "--log-file", tmp_path / "nowhere" / "log")
    assert done.returncode == FAILED
    assert told(done) == f"{tmp_path / 'nowhere' / 'log'}: No such file or directory"


async def test_an_unknown_option(two_schools: Path) -> None:
    """The nearest option is guessed."""
    done = await maillab("up", two_schools, "--dta", "x")
    assert done.returncode == WRONG_USE
    assert "--dta" in told(done)
