"""What clients send: odd senders, odd recipients, odd contents."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Final

from maillab.lab.spec import LabSpec
from tests.simulation.plan import Letter, Loss, Rcpt, Way

NOTIFY: Final = ("NEVER", "FAILURE", "DELAY", "SUCCESS", "SUCCESS,FAILURE", "SUCCESS,FAILURE,DELAY")
OUTSIDER: Final = "stranger@outside.invalid"
GHOST: Final = "ghost"  # nobody has this name anywhere


def _plain(chance: Random, number: int) -> bytes:
    return f"Subject: letter {number}\r\n\r\nHello.\r\n".encode()


def _dots(chance: Random, number: int) -> bytes:
    lines = [b"", b".", b"..", b".x", b"x.", b". .", b".."]
    return f"Subject: dots {number}\r\n\r\n".encode() + b"\r\n".join(chance.choices(lines, k=12)) + b"\r\n"


def _long_line(chance: Random, number: int) -> bytes:
    return f"Subject: long {number}\r\n\r\n".encode() + b"x" * chance.choice((998, 5000, 70_000)) + b"\r\n"


def _eight_bit(chance: Random, number: int) -> bytes:
    body = "".join(chance.choices("äöüßé€漢", k=30)).encode() + bytes([0xFF, 0xFE])
    return f"Subject: eight bits {number}\r\n\r\n".encode() + body + b"\r\n"


def _many_lines(chance: Random, number: int) -> bytes:
    return f"Subject: large {number}\r\n\r\n".encode() + b"A line of text.\r\n" * chance.choice((500, 9000))


def _empty(chance: Random, number: int) -> bytes:
    return chance.choice((b"\r\n", b"\r\n\r\n", b".\r\n"))


def _headless(chance: Random, number: int) -> bytes:
    return f"No header at all, number {number}.\r\n".encode()


def _travelled(chance: Random, number: int) -> bytes:
    """It claims to come from servers of the lab: from a stranger that is content, and nothing more."""
    return (
        "Received: from liar.invalid by mail.nord.example with ESMTP id 01H0000000000-1-00;\r\n"
        "\tThu, 01 Jan 2026 00:00:00 +0000\r\n"
        f"Subject: travelled {number}\r\n\r\nbody\r\n"
    ).encode()


CONTENTS: Final[Mapping[str, Callable[[Random, int], bytes]]] = {
    "plain": _plain,
    "dots": _dots,
    "a long line": _long_line,
    "8-bit": _eight_bit,
    "many lines": _many_lines,
    "empty": _empty,
    "no header": _headless,
    "false Received": _travelled,
}


def draw_letter(chance: Random, spec: LabSpec, number: int, span_seconds: float) -> Letter:
    """Letter `number`, sent some time in the first `span_seconds`."""
    domain = chance.choice(spec.domains)
    sender = chance.choices(
        (
            f"{chance.choice(domain.users).name}@{domain.name}",
            "",
            OUTSIDER,
            f"{GHOST}@{domain.name}",
            f"{spec.domains[0].users[0].name}@{spec.domains[0].name}",
        ),
        (75, 8, 5, 5, 7),
    )[0]
    server = domain.host if chance.random() < 0.9 else chance.choice(spec.servers).host
    recipients = dict.fromkeys(_recipient(chance, spec) for _ in range(chance.choice((1, 1, 2, 3, 5))))
    kind = chance.choice(("plain", *CONTENTS))
    is_frail = chance.random() < 0.4
    return Letter(
        number=number,
        at=chance.uniform(0.0, span_seconds),
        server=server,
        sender=sender,
        recipients=tuple(Rcpt(address, _notify(chance)) for address in recipients),
        octets=CONTENTS[kind](chance, number),
        kind=kind,
        way=chance.choice((*Way, Way.PIPELINED)),
        losses=tuple(
            chance.choice((Loss.NOWHERE, Loss.IN_DATA, Loss.BEFORE_REPLY)) if is_frail else Loss.NOWHERE
            for _ in range(chance.choice((1, 2, 4, 8)))
        ),
        wait_seconds=chance.choice((0.1, 10.0, 100.0, 700.0)),
    )


def _recipient(chance: Random, spec: LabSpec) -> str:
    domain = chance.choice(spec.domains)
    names = [user.name for user in domain.users]
    lists = ["team"] if domain.aliases else []
    kind = chance.random()
    if kind < 0.03:
        return "x@nowhere.invalid"
    if kind < 0.1:
        return f"{GHOST}@{domain.name}"
    if kind < 0.14:
        return f"Postmaster@{domain.name}"
    if kind < 0.2:
        return f"{chance.choice(names).capitalize()}@{domain.name}"
    return f"{chance.choice((*names, *lists, *lists))}@{domain.name}"


def _notify(chance: Random) -> str:
    return chance.choice(NOTIFY) if chance.random() < 0.3 else ""
