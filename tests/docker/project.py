"""A compose file of docker/ as people run it, by a real engine, in a project of the tests' own."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import httpx
from click.testing import CliRunner

from maillab.cli.main import cli
from maillab.trace.record import Record
from tests.interop.lab_process import environment

DOCKER: Final = Path(__file__).parent.parent.parent / "docker"
IMAGE: Final = "maillab:test"  # not the one of a session that somebody else runs here
PAGE_PORT: Final = 8025
RUN_SECONDS: Final = 600.0  # a build without a cache loads all that it needs
UP_SECONDS: Final = 120
WAIT_SECONDS: Final = 90.0
LOOK_SECONDS: Final = 0.5


def run(*words: object, stdin: bytes = b"", variables: Mapping[str, str] | None = None) -> bytes:
    """What a program prints, which ends well."""
    done = subprocess.run(
        [*map(str, words)],
        input=stdin,
        capture_output=True,
        timeout=RUN_SECONDS,
        check=False,
        env={**environment(), **(variables or {})},
    )
    said = done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")
    assert done.returncode == 0, f"{' '.join(map(str, words))}: exit code {done.returncode}\n{said}"
    return done.stdout


def maillab(*arguments: object, stdin: bytes = b"") -> str:
    """What a `maillab` command on this machine prints."""
    result = CliRunner().invoke(cli, [*map(str, arguments)], input=stdin)
    assert result.exit_code == 0, result.output
    return result.stdout


def wait_until(what: str, come: Callable[[], Any], seconds: float = WAIT_SECONDS) -> Any:
    """What `come` gives as soon as it is true; containers tell nobody."""
    deadline = time.monotonic() + seconds
    while not (found := come()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(LOOK_SECONDS)
    return found


class Project:
    """The services of a compose file; `running` lets them run."""

    def __init__(
        self,
        file: str,
        *profiles: str,
        services: Sequence[str] = (),
        page_host: str = "127.0.0.1",
        **variables: str,
    ) -> None:
        """`services` and what they depend on are to run, or all; the file reads `variables` from the environment."""
        self.name = f"maillab-test-{Path(file).stem.replace('.', '-')}"
        self.variables = {"MAILLAB_IMAGE": IMAGE, **variables}
        self.page_host = page_host
        self._services = services
        self.up_seconds = 0.0
        chosen = [word for profile in profiles for word in ("--profile", profile)]
        self._compose = ["docker", "compose", "--file", str(DOCKER / file), "--project-name", self.name, *chosen]

    @contextlib.contextmanager
    def running(self) -> Iterator[Project]:
        """From nothing to healthy, and to nothing again."""
        try:
            self.down()
            self.up()
            yield self
        finally:
            self.down()

    def compose(self, *words: object, stdin: bytes = b"") -> bytes:
        return run(*self._compose, *words, stdin=stdin, variables=self.variables)

    def words(self, *words: str) -> Sequence[str]:
        """A compose command, for whoever types into what it starts."""
        return [*self._compose, *words]

    def up(self) -> None:
        """What is not running runs, and what is watched is healthy."""
        began = time.monotonic()
        self.compose("up", "--detach", "--wait", "--wait-timeout", UP_SECONDS, "--no-build", *self._services)
        self.up_seconds = time.monotonic() - began

    def down(self) -> None:
        """Nothing is left, of no profile: what is not chosen would be passed over."""
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", 2)

    def exec(self, service: str, *words: str, stdin: bytes = b"") -> str:
        """What a program in the service's container prints."""
        return self.compose("exec", "--no-TTY", service, *words, stdin=stdin).decode()

    def container(self, service: str) -> str:
        return self.compose("ps", "--all", "--quiet", service).decode().strip()

    def inspect(self, service: str) -> dict[str, Any]:
        """All that the engine knows of the service's container."""
        (found,) = json.loads(run("docker", "inspect", self.container(service)))
        assert isinstance(found, dict)
        return found

    def kill(self, service: str) -> None:
        """`docker kill`: no chance to do anything."""
        run("docker", "kill", self.container(service))

    def log(self, *services: str) -> bytes:
        """As it is put into a pipe."""
        return self.compose("logs", "--no-log-prefix", *services)

    def records(self, *services: str) -> list[Record]:
        lines = self.log(*services).splitlines()
        return [json.loads(line[line.index(b"{") :]) for line in lines if b'"event":' in line]

    def wait_for(self, service: str, event: str, **keys: object) -> Record:
        """The first record of `event` that says all of `keys`."""

        def come() -> list[Record]:
            return [
                record
                for record in self.records(service)
                if record["event"] == event and all(record.get(key) == value for key, value in keys.items())
            ]

        found: list[Record] = wait_until(f"{event} {keys}", come)
        return found[0]

    def ask(self, path: str, document: object = None, *, port: int = PAGE_PORT) -> Any:
        """What the API answers; with `document`, to a POST."""
        url = f"http://{self.page_host}:{port}/api/lab/{path}"
        password = self.variables.get("MAILLAB_PASSWORD", "")
        with httpx.Client(trust_env=False, auth=("", password), timeout=WAIT_SECONDS) as client:
            answer = client.get(url) if document is None else client.post(url, json=document)
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.json()

    def subjects(self, mailbox: str, *, port: int = PAGE_PORT) -> list[str]:
        """Of the mail that lies there."""
        return [mail["subject"] for mail in self.ask(f"mailboxes/{mailbox}/messages", port=port)]
