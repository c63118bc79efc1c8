"""A disk that is full: a small file system in memory, which a lab fills with mail, and on which it is started."""

from __future__ import annotations

import contextlib
import smtplib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final

import attrs

from tests.crash.audit import Verdict, find, judge
from tests.crash.lab_file import NORD, USERS, lab_file
from tests.crash.load import Ledger, Mail, send
from tests.crash.process import EndedTooSoonError, Process

DISK_OCTETS: Final = 4 << 20
RESERVE_OCTETS: Final = 1 << 20  # what is given back later
MAIL_OCTETS: Final = 40_000
MAIL_LIMIT_COUNT: Final = 200  # far more than fit


class NoFileSystemError(Exception):
    """There is no small file system to be had here: only root may mount one."""


@attrs.frozen
class Filled:
    """What came of it.

    Attributes:
        first_refusal: the reply to the first mail for which there was no room.
        again: the reply to the first mail after there was room again, without a restart.
        start_when_full: what the lab said on stderr when it was started on the full disk; "" if it runs there.
        verdict: of every mail, at the end.
        refused_but_there: mails that were refused and lie in a mailbox all the same.
        said: the lab's stderr while its disk was full.
    """

    first_refusal: str
    again: str
    start_when_full: str
    verdict: Verdict
    refused_but_there: int
    said: str


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of its own.

    Raises:
        NoFileSystemError: it cannot be mounted.
    """
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={DISK_OCTETS}"]
    mounted = subprocess.run(["mount", *options, "maillab", folder], capture_output=True, text=True, check=False)
    if mounted.returncode:
        raise NoFileSystemError(mounted.stderr.strip())
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def fill(folder: Path) -> Filled:
    """Fill a small disk with mail, give it room again, and start a lab on it when it is full."""
    chance = Random(1)
    lab = lab_file(folder)
    ledger = Ledger()
    with small_disk(folder / "disk") as disk:
        data = disk / "data"
        reserve = disk / "reserve"
        arguments = (lab.path, "--data", data, "--log-file", disk / "log")
        reserve.write_bytes(bytes(RESERVE_OCTETS))
        with Process(*arguments, stderr=folder / "stderr") as process:
            process.wait_until_ready()
            first_refusal = _send_until_refused(lab.ports[NORD], ledger, chance)
            reserve.unlink()
            again = _send(lab.ports[NORD], ledger, chance, octets=1000)
            assert process.stop() == 0, process.said
            said = process.said
        _fill_up(reserve)
        start_when_full = ""
        with Process(*arguments, stderr=folder / "stderr") as process:
            try:
                process.wait_until_ready()
            except EndedTooSoonError as ended:
                start_when_full = str(ended)
        reserve.unlink()
        with Process(*arguments, stderr=folder / "stderr") as process:
            process.wait_until_ready()
            assert process.stop() == 0, process.said
        found = find([data], ledger)
    return Filled(
        first_refusal=first_refusal,
        again=again,
        start_when_full=start_when_full,
        verdict=judge(ledger, found),
        refused_but_there=sum(key in ledger.refused for key, _ in found.stored),
        said=said,
    )


def _send_until_refused(port: int, ledger: Ledger, chance: Random) -> str:
    for _ in range(MAIL_LIMIT_COUNT):
        reply = _send(port, ledger, chance, octets=MAIL_OCTETS)
        if not reply.startswith("250 "):
            return reply
    raise AssertionError(f"{MAIL_LIMIT_COUNT} mails of {MAIL_OCTETS} octets fit into {DISK_OCTETS}")


def _send(port: int, ledger: Ledger, chance: Random, *, octets: int) -> str:
    sender, recipient = USERS[NORD]
    key = f"full-{chance.getrandbits(32):08x}"
    lines = "".join(f"{chance.randbytes(30).hex()}\r\n" for _ in range(octets // 62))
    text = f"From: <{sender}>\r\nTo: <{recipient}>\r\nSubject: {key}\r\n\r\n{lines}"
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.ehlo("a-client.example")
        return send(client, Mail(key, sender, (recipient,), text.encode()), ledger)


def _fill_up(file: Path) -> None:
    with file.open("wb", buffering=0) as filling, contextlib.suppress(OSError):
        for size in (1 << 16, 1):
            with contextlib.suppress(OSError):
                while True:
                    filling.write(bytes(size))
