"""The lab that is killed: three domains and a relay, each listener at a port that stays the same over restarts."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping
from pathlib import Path
from random import SystemRandom
from typing import Final

import attrs

NORD: Final = "mail.nord.example"
SUED: Final = "mail.sued.example"
WEST: Final = "mail.west.example"
RELAY: Final = "relay.example"
HOSTS: Final = (NORD, SUED, WEST, RELAY)

USERS: Final[Mapping[str, tuple[str, ...]]] = {
    NORD: ("anna@nord.example", "nils@nord.example"),
    SUED: ("ben@sued.example", "berta@sued.example"),
    WEST: ("wim@west.example",),
}
NOBODY: Final = ("nobody@nord.example", "niemand@sued.example", "niemand@west.example")
"""Whom a server elsewhere takes for somebody; their own refuses them, and the mail comes back."""

_PORTS: Final = range(20_000, 32_000)  # below those that the system gives to clients, which could hold one of ours

_LAB: Final = """
[lab]
name = "crash"

[[domain]]
name = "nord.example"
users = ["anna", "nils"]
smarthost = "relay.example"
smtp = "127.0.0.1:{0}"
submission = "127.0.0.1:{1}"
submissions = "127.0.0.1:{2}"

[[domain]]
name = "sued.example"
users = ["ben", "berta"]
smarthost = "relay.example"
smtp = "127.0.0.1:{3}"
submission = "127.0.0.1:{4}"
submissions = "127.0.0.1:{5}"

[[domain]]
name = "west.example"
users = ["wim"]
smtp = "127.0.0.1:{6}"
submission = "127.0.0.1:{7}"
submissions = "127.0.0.1:{8}"

[[relay]]
host = "relay.example"
smtp = "127.0.0.1:{9}"

[[foreign]]
host = "dead.example"
domains = ["dead.example"]
smtp = "127.0.0.1:{10}"

[dns]
listen = "127.0.0.1:0"

[retry]
after_seconds = [{retry}]
"""
_PORTS_COUNT: Final = 11


@attrs.frozen
class LabFile:
    """A lab file on disk, and where its servers listen."""

    path: Path
    ports: Mapping[str, int]


def lab_file(folder: Path, *, retry: str = "0.2, 0.5, 1") -> LabFile:
    """Write the lab file; at dead.example nobody listens."""
    ports = _free_ports()
    path = folder / "lab.toml"
    path.write_text(_LAB.format(*ports, retry=retry), encoding="utf-8")
    return LabFile(path, dict(zip(HOSTS, (ports[0], ports[3], ports[6], ports[9]), strict=True)))


def _free_ports() -> list[int]:
    chance = SystemRandom()  # two runs side by side are not to want the same
    with contextlib.ExitStack() as stack:
        found: list[int] = []
        while len(found) < _PORTS_COUNT:
            port = chance.choice(_PORTS)
            with contextlib.suppress(OSError):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
                found.append(port)
        return found
