"""The lab as a process: `maillab up` with its records in a file, as somebody runs it."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from tests.benchmarks.processes import Server, running, wait_for

SENDER: Final = "anna@nord.example"
NEIGHBOUR: Final = "nils@nord.example"
FAR_RECIPIENT: Final = "ben@sued.example"

# Without TLS, as Postfix to Postfix is without it.
LAB_FILE: Final = """
[lab]
name = "benchmark"
title = { en = "Benchmark" }

[[domain]]
name = "nord.example"
users = ["anna", "nils"]
smtp = "127.0.0.1:0"
tls = "off"

[[domain]]
name = "sued.example"
users = ["ben"]
smtp = "127.0.0.1:0"
tls = "off"
"""


class RecordFile:
    """What the lab has written so far; what is counted is read once and piece by piece."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._stored_count = 0
        self._rest = b""

    def ready(self) -> dict[str, Any] | None:
        """The `lab.ready` record, which is the first, when it is there."""
        line = self._file.readline()
        self._file.seek(0)
        record: dict[str, Any] | None = json.loads(line) if line.endswith(b"\n") else None
        return record

    def stored_count(self) -> int:
        """How many messages are in a mailbox."""
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        self._stored_count += sum(b'"event":"message.stored"' in line for line in lines)
        return self._stored_count


@contextlib.contextmanager
def lab(*, durable: bool, web: str = "off") -> Iterator[Server]:
    """The lab, all its records in a file; `durable` keeps mail on disk, `web` is where its page is."""
    with tempfile.TemporaryDirectory(prefix="maillab-benchmark-") as folder:
        home = Path(folder)
        lab_file, log = home / "lab.toml", home / "records.jsonl"
        lab_file.write_text(LAB_FILE)
        command = [sys.executable, "-m", "maillab", "up", str(lab_file), "--log", "json", "--web", web]
        if durable:
            command += ["--data", str(home / "data")]
        with log.open("wb") as stdout, log.open("rb") as written, running(command, stdout=stdout) as process:
            records = RecordFile(written)
            wait_for("maillab", process, lambda: records.ready() is not None)
            ready = records.ready()
            assert ready is not None  # it was waited for
            port = int(ready["servers"][0]["smtp"].rpartition(":")[2])
            yield Server((process.pid,), port, records.stored_count)
