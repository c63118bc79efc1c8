"""What a seed has drawn, as values: nothing here happens yet."""

from __future__ import annotations

import enum
from typing import Final

import attrs

from maillab.faults.fault import Fault
from maillab.lab.spec import LabSpec

CLIENT_ADDRESS: Final = "10.0.0.1"  # strangers to the lab; no server is there


class Loss(enum.Enum):
    """Where a client loses the connection."""

    NOWHERE = "nowhere"
    IN_DATA = "in the middle of its message"
    BEFORE_REPLY = "before the reply to its message"


class Way(enum.Enum):
    """How a client speaks."""

    LOCKSTEP = "lockstep"
    PIPELINED = "pipelined"
    CHUNKED = "BDAT"  # RFC 3030


@attrs.frozen
class Rcpt:
    """One recipient as the client names it."""

    address: str
    notify: str = ""  # NOTIFY of RFC 3461; "" says nothing


@attrs.frozen(kw_only=True)
class Letter:
    """A message that a client wants to be rid of.

    Attributes:
        number: it is in the name that the client says with EHLO, and so in the first `Received` line.
        octets: sent alike at each attempt.
        losses: for each attempt; the client gives up after the last one.
    """

    number: int
    at: float
    server: str
    sender: str
    recipients: tuple[Rcpt, ...]
    octets: bytes
    kind: str
    way: Way
    losses: tuple[Loss, ...]
    wait_seconds: float


class Death(enum.Enum):
    """How a process ends."""

    RESET = "killed"  # kill -9: the kernel resets its connections
    SILENT = "power cut"  # nobody hears of it
    STOP = "stopped"  # by the rules: 421 and QUIT are said


class Trigger(enum.Enum):
    """What a crash waits for."""

    TIME = "second"
    SEND = "send"  # the n-th time that its servers send octets; some of these leave
    RECORD = "record"
    BEFORE_COMMIT = "COMMIT, before it"
    AFTER_COMMIT = "COMMIT, after it"


@attrs.frozen
class Crash:
    """The end of one life of a process, and how long it is down."""

    process: int
    trigger: Trigger
    count: float  # the n-th of its kind in this life, or its n-th second
    death: Death
    down_seconds: float


@attrs.frozen
class Shock:
    """A fault, and how long it is wanted; when all is healed it is over in any case."""

    at: float
    seconds: float
    fault: Fault


@attrs.frozen
class Jump:
    """The lab's clock is moved on."""

    at: float
    seconds: float


@attrs.frozen(kw_only=True)
class Weather:
    """What octets meet on their way.

    Attributes:
        latency_seconds: at most, for each send.
        fragments: what was sent in one go arrives in any pieces.
        reset_chance: for each send, that the connection is reset when some of the octets have left; until all is
            healed.
    """

    latency_seconds: float = 0.0
    fragments: bool = False
    reset_chance: float = 0.0


@attrs.frozen(kw_only=True)
class Plan:
    """All that a seed has drawn.

    Attributes:
        processes: the hosts of each.
        heal_at: no crash and no fault from then on.
    """

    seed: int
    spec: LabSpec
    processes: tuple[tuple[str, ...], ...]
    letters: tuple[Letter, ...]
    crashes: tuple[Crash, ...]
    shocks: tuple[Shock, ...]
    jumps: tuple[Jump, ...]
    weather: Weather
    heal_at: float

    @property
    def refusals(self) -> frozenset[int]:
        """The 5yz codes that faults answer with, whoever the recipient is."""
        codes = (int((shock.fault.reply or "0")[:3]) for shock in self.shocks)
        return frozenset(code for code in codes if code >= 500)
