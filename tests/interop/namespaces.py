"""Network namespaces: a network of a test's own, in which servers have real addresses and real ports."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import attrs

COMMAND_TIMEOUT_SECONDS: Final = 20.0
RESOLVER_FOLDER: Final = Path("/etc/netns")  # ip-netns(8): what lies here stands in the place of /etc
_LAB_WIDTH: Final = 12  # 172.16.0.0/12 is where all hosts of a lab are: one network without a router
_REFUSALS: Final = ("Operation not permitted", "Permission denied", "Operation not supported", "not supported")


class NamespacesRefusedError(Exception):
    """The kernel makes no namespaces for us; `str()` says what it said."""


@attrs.frozen
class Namespace:
    """A network namespace."""

    name: str

    @property
    def within(self) -> list[str]:
        """What stands before a command to run it there; the process is the command's own."""
        return ["ip", "netns", "exec", self.name]


@contextlib.contextmanager
def two_namespaces(lab: Sequence[str], other: Sequence[str], *, resolver: str) -> Iterator[tuple[Namespace, Namespace]]:
    """Two namespaces with a cable between them, which have these addresses; the other one asks `resolver` for names.

    Raises:
        NamespacesRefusedError: this machine does not let us.
    """
    here, there = (Namespace(f"maillab-{os.getpid()}-{name}") for name in ("lab", "other"))
    with contextlib.ExitStack() as stack:
        for namespace, addresses in ((here, lab), (there, other)):
            _ip("netns", "add", namespace.name)
            stack.callback(_ip, "netns", "delete", namespace.name)
            _ip("-n", namespace.name, "link", "set", "lo", "up")
            if namespace is there:
                _ip("link", "add", "cable", "netns", here.name, "type", "veth", "peer", "cable", "netns", there.name)
                for end, own in ((here, lab), (there, addresses)):
                    for address in own:
                        _ip("-n", end.name, "address", "add", f"{address}/{_LAB_WIDTH}", "dev", "cable")
                    _ip("-n", end.name, "link", "set", "cable", "up")
        folder = RESOLVER_FOLDER / there.name
        folder.mkdir(parents=True)
        stack.callback(shutil.rmtree, folder)
        (folder / "resolv.conf").write_text(f"nameserver {resolver}\n")
        yield here, there


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=COMMAND_TIMEOUT_SECONDS, check=False)
    if done.returncode:
        said = f"ip {' '.join(words)}: {done.stderr.strip()}"
        if any(refusal in done.stderr for refusal in _REFUSALS):
            raise NamespacesRefusedError(said)
        raise RuntimeError(said)
