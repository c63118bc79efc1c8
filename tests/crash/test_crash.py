"""The real process in short: killed, on a disk that fails or is full, with a queue that grows."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.crash.audit import waiting_count
from tests.crash.failing_disk import PACKAGE, FailingDisk, Fault
from tests.crash.full_disk import NoFileSystemError, fill
from tests.crash.growing import MEMORY_LIMIT_OCTETS, grow
from tests.crash.killing import kill_again_and_again
from tests.crash.lab_file import HOSTS
from tests.crash.process import Process
from tests.interop.programs import not_there, program

SEED = 20261123


@pytest.fixture(scope="module")
def strace() -> str:
    """strace, where it may trace."""
    strace = program("strace", package=PACKAGE)
    tried = subprocess.run([strace, "-f", "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        not_there(f"strace may not trace here: {tried.stderr.strip()}", package=PACKAGE)
    return strace


@pytest.fixture(scope="module")
def failing_disk(strace: str, tmp_path_factory: pytest.TempPathFactory) -> FailingDisk:
    return FailingDisk(tmp_path_factory.mktemp("failing"))


@pytest.mark.parametrize("apart", [False, True], ids=["one process", "a process each"])
def test_a_kill_loses_nothing_and_doubles_nothing(apart: bool, tmp_path: Path) -> None:
    """Killed under load and started again: all that was acknowledged is there or came back, and nothing twice."""
    done = kill_again_and_again(tmp_path, len(HOSTS) if apart else 3, apart=apart, seed=SEED)
    assert done.verdict.is_well, [*done.verdict.lines()]
    assert done.verdict.acknowledged
    assert done.complaints == ""
    assert done.open_traces == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault("pwrite64", "ENOSPC", 1),
        Fault("pwrite64", "EIO", 12),
        Fault("fdatasync", "EIO", 2),
        Fault("fdatasync", "ENOSPC", 5),
        Fault("write", "ENOSPC", 1),
    ],
    ids=str,
)
def test_a_disk_that_fails_once_loses_nothing(fault: Fault, failing_disk: FailingDisk) -> None:
    """A write or a sync that fails is a refusal or a wait; what was refused is not there, and all else is."""
    failed = failing_disk.run(fault)
    assert failed.struck
    assert failed.is_well, failed.line()


def test_a_full_disk_refuses_mail_and_takes_it_again(tmp_path: Path) -> None:
    """452 and why; with room again mail is taken without a restart; a start on a full disk is no traceback."""
    try:
        filled = fill(tmp_path)
    except NoFileSystemError as error:
        pytest.skip(f"no small file system here: {error}")
    assert filled.first_refusal.startswith("452 4.3.1 The disk of this server is full or fails")
    assert filled.again.startswith("250 ")
    assert filled.start_when_full.count("\n") <= 1
    assert "Traceback" not in filled.said + filled.start_when_full
    assert filled.verdict.is_well
    assert not filled.refused_but_there


def test_a_queue_takes_little_memory(tmp_path: Path) -> None:
    """Two thousand messages for a dead host: the process stays small, also when it starts again with all of them."""
    grown = grow(tmp_path, 2000, durable=True)
    assert grown.is_well
    with Process(tmp_path / "lab.toml", "--data", tmp_path / "data", stderr=tmp_path / "stderr") as process:
        process.wait_until_ready()
        assert process.most_memory_octets < MEMORY_LIMIT_OCTETS
    assert waiting_count([tmp_path / "data"]) == 2000


DAMAGES = {
    "header": (0, b"\xa5" * 4096),
    "pages": (4096 * 4, b"\xa5" * 4096 * 3),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_database_is_one_line(damage: str, tmp_path: Path) -> None:
    """`maillab up` names the file and says what to do, ends with 1, and changes nothing."""
    grow(tmp_path, 10, durable=True)
    file = tmp_path / "data" / "lab.db"
    with Process(tmp_path / "lab.toml", "--data", tmp_path / "data", stderr=tmp_path / "stderr") as process:
        process.wait_until_ready()
        assert process.stop() == 0
    at, octets = DAMAGES[damage]
    with file.open("r+b") as opened:
        opened.seek(at)
        opened.write(octets)
    before = file.read_bytes()
    with Process(tmp_path / "lab.toml", "--data", tmp_path / "data", stderr=tmp_path / "stderr") as process:
        assert process.wait() == 1
        assert process.said.startswith(f"maillab: {file}: ")
        assert "move it away" in process.said
        assert process.said.count("\n") == 1
    assert file.read_bytes() == before
