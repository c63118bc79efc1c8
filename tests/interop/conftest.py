"""Labs in processes of their own, and the programs that speak to them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest
import trio

from tests.interop.lab_process import LabProcess, with_free_ports
from tests.interop.programs import not_there, program

StartLab = Callable[..., Awaitable[LabProcess]]


@pytest.fixture
async def start_lab(nursery: trio.Nursery) -> AsyncIterator[StartLab]:
    """Starts `maillab up` with any arguments; what still runs at the end of the test is stopped, and stops well."""
    started: list[LabProcess] = []

    async def start(*arguments: object, within: Sequence[str] = ()) -> LabProcess:
        started.append(await LabProcess.start(nursery, *arguments, within=within))
        return started[-1]

    try:
        yield start
        for lab in started:
            if lab.process.returncode is None:
                await lab.stop()
    finally:
        for lab in started:
            if lab.process.returncode is None:
                lab.process.kill()


@pytest.fixture
def two_schools(tmp_path: Path) -> Path:
    """The lab file of two-schools, all servers on free ports."""
    return _lab_file(tmp_path, "two-schools")


@pytest.fixture
def gartenparty(tmp_path: Path) -> Path:
    """The lab file of gartenparty, its server on a free port."""
    return _lab_file(tmp_path, "gartenparty")


def _lab_file(folder: Path, lab: str) -> Path:
    path = folder / f"{lab}.toml"
    path.write_text(with_free_ports(lab), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def swaks() -> str:
    return program("swaks", package="swaks")


@pytest.fixture(scope="session")
def curl() -> str:
    return program("curl", package="curl")


@pytest.fixture(scope="session")
def dig() -> str:
    return program("dig", package="bind9-dnsutils")


@pytest.fixture(scope="session")
def ip() -> str:
    return program("ip", package="iproute2")


@pytest.fixture(scope="session")
def msmtp() -> str:
    return program("msmtp", package="msmtp")


@pytest.fixture(scope="session")
def postfix() -> str:
    """Postfix starts as root, and only so."""
    postfix = program("postfix", package="postfix")
    if os.geteuid() != 0:
        not_there("postfix is started by root only", package="postfix")
    return postfix


@pytest.fixture(scope="session")
def nc() -> str:
    """The nc of OpenBSD: the others have no -C."""
    nc = program("nc", package="netcat-openbsd")
    if "OpenBSD" not in subprocess.run([nc, "-h"], capture_output=True, text=True, check=False).stderr:
        not_there("nc is not OpenBSD's", package="netcat-openbsd")
    return nc
