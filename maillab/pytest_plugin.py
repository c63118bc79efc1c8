"""pytest fixtures: a whole mail lab for one test, and its ladders shown when the test fails.

`maillab_lab` is for Trio suites: a lab in memory, without a port or a thread, so that pytest-trio's `autojump_clock`
makes days of retries pass at once.  `maillab_on_ports` is for all others: the lab runs in a thread, on free ports of
127.0.0.1, for code that sends with smtplib, Django or Flask-Mail.

Which lab: the marker `@pytest.mark.maillab("bounce/lab.toml")`, else `maillab_lab = ...` in the pytest section of the
configuration, else `two-schools`.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
import trio

from maillab.lab.lab import Lab
from maillab.lab.load import load_lab
from maillab.lab.mailbox import MailboxMessage
from maillab.lab.mistakes import LabFileError
from maillab.lab.post import Sent
from maillab.lab.spec import SMTP_PORT, LabSpec
from maillab.lab.start import open_lab
from maillab.lab.waiting import WAIT_SECONDS
from maillab.network.memory import MemoryNetwork
from maillab.trace.console import console_line
from maillab.trace.path import Trace

DEFAULT_LAB: Final = "two-schools"
SHOWN_TRACES: Final = 3
SHOWN_RECORDS: Final = 40
STOP_SECONDS: Final = 10.0

T = TypeVar("T")


class LabForTrio:
    """A lab in memory, for a Trio test; `lab` is the whole of it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    @property
    def traces(self) -> list[Trace]:
        """All traces, newest first."""
        return self.lab.traces

    async def send(self, sender: str, recipients: str | Sequence[str], **message: Any) -> Sent:
        """Send a mail by SMTP; see `Lab.send`."""
        return await self.lab.send(sender, recipients, **message)

    async def wait_for_message(
        self, *, to: str, subject: str | None = None, timeout_seconds: float = WAIT_SECONDS
    ) -> MailboxMessage:
        """The first message in the mailbox of `to` with that subject (or any); the test fails if none comes."""
        try:
            return await self.lab.wait_for_message(to=to, subject=subject, timeout_seconds=timeout_seconds)
        except trio.TooSlowError:
            about = "" if subject is None else f" with subject {subject!r}"
            found = [message.subject for message in self.lab.mailbox(to).messages()]
            raise AssertionError(
                f"no message for {to}{about} within {timeout_seconds} s; its mailbox has {found}"
            ) from None

    def assert_path(self, hosts: Sequence[str], *, to: str | None = None) -> None:
        """The newest message of `to` (or the newest trace) came through just these hosts, in this order."""
        if to is None:
            path = self.traces[0].path() if self.traces else []
        else:
            messages = self.lab.mailbox(to).messages()
            path = messages[-1].path if messages else []
        assert path == [*hosts], f"path of the mail for {to or 'anybody'}: {path}, expected {[*hosts]}"

    async def assert_bounced(self, recipient: str, *, timeout_seconds: float = WAIT_SECONDS) -> Trace:
        """A notice that `recipient` was not reached is made in time; gives its trace."""
        try:
            return await self.lab.wait_for_bounce(recipient, timeout_seconds=timeout_seconds)
        except trio.TooSlowError:
            raise AssertionError(f"nothing for {recipient} bounced within {timeout_seconds} s") from None


class LabOnPorts:
    """A lab in a thread, for a test that knows nothing of Trio; the methods of `LabForTrio`, without await."""

    def __init__(self, lab: LabForTrio, token: trio.lowlevel.TrioToken) -> None:
        self._lab = lab
        self._token = token

    @property
    def traces(self) -> list[Trace]:
        """All traces, newest first."""
        return self._run_sync(lambda: self._lab.traces)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the lab's first server."""
        return self.address_of(self._lab.lab.spec.servers[0].host)

    def address_of(self, server: str) -> tuple[str, int]:
        """Host and port of a server, by host name, domain or address."""
        endpoint = self._lab.lab.book.find(server, SMTP_PORT)
        if endpoint is None:
            raise LookupError(f"{server} is no server of this lab")
        return endpoint.host, endpoint.port

    def send(self, sender: str, recipients: str | Sequence[str], **message: Any) -> Sent:
        """Send a mail by SMTP; see `Lab.send`."""
        return self._run(lambda: self._lab.send(sender, recipients, **message))

    def wait_for_message(
        self, *, to: str, subject: str | None = None, timeout_seconds: float = WAIT_SECONDS
    ) -> MailboxMessage:
        """The first message in the mailbox of `to` with that subject (or any); the test fails if none comes."""

        async def wait() -> MailboxMessage:
            message = await self._lab.wait_for_message(to=to, subject=subject, timeout_seconds=timeout_seconds)
            len(message.octets)  # read here, in the lab's own thread; the test may look at them from its own
            return message

        return self._run(wait)

    def assert_path(self, hosts: Sequence[str], *, to: str | None = None) -> None:
        """The newest message of `to` (or the newest trace) came through just these hosts, in this order."""
        self._run_sync(lambda: self._lab.assert_path(hosts, to=to))

    def assert_bounced(self, recipient: str, *, timeout_seconds: float = WAIT_SECONDS) -> Trace:
        """A notice that `recipient` was not reached is made in time; gives its trace."""
        return self._run(lambda: self._lab.assert_bounced(recipient, timeout_seconds=timeout_seconds))

    def _run(self, job: Callable[[], Awaitable[T]]) -> T:
        return trio.from_thread.run(job, trio_token=self._token)

    def _run_sync(self, job: Callable[[], T]) -> T:
        return trio.from_thread.run_sync(job, trio_token=self._token)


@contextlib.contextmanager
def lab_in_thread(spec: LabSpec) -> Iterator[LabOnPorts]:
    """Run a lab in a thread of its own, on free ports; a fault of the lab itself comes out at the end."""
    started: queue.SimpleQueue[tuple[Lab, trio.lowlevel.TrioToken, trio.Event] | BaseException] = queue.SimpleQueue()

    async def main() -> None:
        async with open_lab(spec.on_free_ports(), crash_ends_all=True) as lab:
            stop = trio.Event()
            started.put((lab, trio.lowlevel.current_trio_token(), stop))
            await stop.wait()

    def run() -> None:
        try:
            trio.run(main)
        except BaseException as error:
            started.put(error)

    thread = threading.Thread(target=run, name="maillab", daemon=True)
    thread.start()
    first = started.get()
    if isinstance(first, BaseException):
        raise first
    lab, token, stop = first
    try:
        yield LabOnPorts(LabForTrio(lab), token)
    finally:
        with contextlib.suppress(trio.RunFinishedError):  # it has crashed before
            token.run_sync_soon(stop.set)
        thread.join(STOP_SECONDS)
    if not started.empty():
        error = started.get()
        assert isinstance(error, BaseException)  # there is one start only
        raise error


_LABS: Final = pytest.StashKey[list[Callable[[], str]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(
        "maillab_lab", "the lab of maillab's fixtures: a lab file, its folder, or a name", default=DEFAULT_LAB
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "maillab(lab): the lab that maillab's fixtures run for this test")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the mail did, where a test with a lab failed."""
    report = yield
    if report.when == "call" and report.failed:
        for shown in item.stash.get(_LABS, []):
            report.sections.append(("maillab", shown()))
    return report


@pytest.fixture
def maillab_spec(request: pytest.FixtureRequest) -> LabSpec:
    """The lab that a test asks for; override this fixture to make one in Python."""
    marker = request.node.get_closest_marker("maillab")
    lab = str(marker.args[0] if marker else request.config.getini("maillab_lab"))
    beside = request.config.rootpath / lab
    try:
        return load_lab(beside if beside.exists() else Path(lab) if Path(lab).exists() else lab)
    except LabFileError as error:  # the mistake is in the marker, or in the lab file: our own lines say nothing of it
        pytest.fail("\n".join(map(str, error.mistakes)), pytrace=False)


@pytest.fixture
def maillab_on_ports(maillab_spec: LabSpec, request: pytest.FixtureRequest) -> Iterator[LabOnPorts]:
    """A lab on free ports, for code that sends with smtplib, Django or Flask-Mail."""
    with lab_in_thread(maillab_spec) as lab:
        _show_on_failure(request, lambda: lab._run_sync(lambda: _what_happened(lab._lab.lab)))
        yield lab


try:
    from pytest_trio import trio_fixture
except ImportError:

    @pytest.fixture
    def maillab_lab() -> None:
        """A whole lab in memory, for Trio tests."""
        needed = "maillab_lab is for Trio tests: pip install pytest-trio; other tests use maillab_on_ports"
        pytest.fail(needed, pytrace=False)
else:

    @trio_fixture  # type: ignore[untyped-decorator]  # pytest-trio has no types
    async def maillab_lab(maillab_spec: LabSpec, request: pytest.FixtureRequest) -> AsyncIterator[LabForTrio]:
        """A whole lab in memory, for Trio tests."""
        async with open_lab(maillab_spec, addressing="hosts", network=MemoryNetwork(), crash_ends_all=True) as lab:
            _show_on_failure(request, lambda: _what_happened(lab))
            yield LabForTrio(lab)


def _show_on_failure(request: pytest.FixtureRequest, shown: Callable[[], str]) -> None:
    request.node.stash.setdefault(_LABS, []).append(shown)


def _what_happened(lab: Lab) -> str:
    """The newest traces as ladders, oldest of them first; without any, what was said last."""
    newest = lab.traces[:SHOWN_TRACES]
    if newest:
        return "\n".join(trace.ladder() for trace in reversed(newest))
    said = [*lab.recorder.records][-SHOWN_RECORDS:]
    return "no message was accepted; the last records:\n" + "\n".join(console_line(record, False) for record in said)
