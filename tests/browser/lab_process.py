"""A lab in a process of its own, for browser tests: they wait on the browser, and so are not Trio's."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any, Final

import httpx

from maillab.network.endpoint import Endpoint
from maillab.trace.record import Record
from tests.interop.lab_process import STOP_SECONDS, WAIT_SECONDS, command, environment, records_in, said

LOOK_AGAIN_SECONDS: Final = 0.02


class BrowsedLab:
    """A `maillab up` with its page; it can be stopped, and started again at the same address."""

    def __init__(self, lab_file: Path, options: tuple[str, ...], password: str | None = None) -> None:
        self._environment = environment() | ({"MAILLAB_PASSWORD": password} if password else {})
        self._lab_file = lab_file
        self._options = options
        self._log_file = lab_file.with_suffix(".log")
        self._complaints_file = lab_file.with_suffix(".err")
        self._process: subprocess.Popen[bytes]
        self._web = "127.0.0.1:0"
        self.start()
        self.http = httpx.Client(base_url=self.url, trust_env=False, timeout=WAIT_SECONDS)

    @property
    def url(self) -> str:
        """The page's address, with a slash at its end."""
        return f"http://{self._web}/"

    @property
    def records(self) -> list[Record]:
        """What this start of the lab has written so far."""
        return records_in(self._log_file.read_bytes())

    def start(self) -> None:
        """Start it, and wait until it runs."""
        arguments = command("up", self._lab_file, "--web", self._web, "--log", "json", *self._options)
        with self._log_file.open("wb") as log, self._complaints_file.open("ab") as complaints:
            self._process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=complaints, env=self._environment
            )
        self._web = self.wait_for("lab.ready")["web"]

    def stop(self) -> None:
        """End it as a system does; it ends in time, and well."""
        if self._process.poll() is None:
            self._process.terminate()
            assert self._process.wait(STOP_SECONDS) == 0, self._complaints_file.read_text()

    def kill(self) -> None:
        """End it without giving it a chance to do anything; once it has ended, nothing happens."""
        self._process.kill()
        self._process.wait(STOP_SECONDS)
        self.http.close()

    def wait_for(self, event: str, **keys: object) -> Record:
        """The first record of `event` that says all of `keys`."""
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            for record in self.records:
                if said(record, event, keys):
                    return record
            time.sleep(LOOK_AGAIN_SECONDS)
        raise AssertionError(f"no {event} {keys}: {self._complaints_file.read_text()}")

    def smtp(self, host: str) -> Endpoint:
        """Where the server of that host name really listens."""
        (server,) = (each for each in self.wait_for("lab.ready")["servers"] if each["host"] == host)
        return Endpoint.parse(server["smtp"])

    def send(self, sender: str, *recipients: str, **order: Any) -> dict[str, Any]:
        """Send a mail as the API does; `order` has subject, body, message, ..."""
        answer = self.http.post("api/lab/send", json={"from": sender, "to": [*recipients], **order})
        assert answer.is_success, answer.text
        sent: dict[str, Any] = answer.json()
        return sent
