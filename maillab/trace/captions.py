"""What every picture of a trace says in words: times, names, and what became of each copy."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from maillab.trace.cells import visible
from maillab.trace.copies import Copy, State
from maillab.trace.wording import ENGLISH, Wording

NAMES_LIMIT_COUNT: Final = 20
"""So many recipients are named in the head and at the foot, then counted; a list may hold a thousand."""

DAY_SECONDS: Final = 86_400


def since(start: str, at: str) -> str:
    """Seconds since the start, and days and hours where it takes so long."""
    seconds = (datetime.fromisoformat(at) - datetime.fromisoformat(start)).total_seconds()
    if seconds < 3600:
        return f"{seconds:.3f}"
    days, rest = divmod(int(seconds), DAY_SECONDS)
    clock = f"{rest // 3600}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{days} d {clock.zfill(8)}" if days else clock


def names_of(addresses: list[str] | tuple[str, ...], wording: Wording = ENGLISH) -> str:
    named = ", ".join(visible(address) or "<>" for address in addresses[:NAMES_LIMIT_COUNT])
    more = len(addresses) - NAMES_LIMIT_COUNT
    return wording.more.format(names=named, count=more) if more > 0 else named


def fate(copy: Copy, wording: Wording = ENGLISH) -> str:
    has_code = copy.next_hop and (copy.reply or "")[:3].isdigit()
    said = wording.said.format(next_hop=copy.next_hop) if has_code else ""
    reply = f"{said}: {copy.reply}" if copy.reply else ""
    match copy.state:
        case State.DELIVERED:
            return wording.delivered.format(server=copy.server, uid=copy.uid)
        case State.FAILED:
            return wording.failed.format(server=copy.server, reply=reply)
        case State.DEFERRED:
            return wording.deferred.format(server=copy.server, reply=reply)
        case State.RELAYED:
            return wording.relayed.format(next_hop=copy.next_hop)
        case State.UNDERWAY:
            return wording.underway.format(server=copy.server)
