"""A lab whose servers speak with one another, what is sent through it, and what its faults have done."""

from __future__ import annotations

from typing import Final

import trio

from maillab import Lab
from maillab.trace.record import Record
from tests.labs import records_of, subjects

ANNA: Final = "anna@nord.example"
BEN: Final = "ben@sued.example"
DIRECT: Final = """
    [lab]
    name = "direct"

    [[domain]]
    name = "nord.example"
    users = ["anna"]
    tls = "off"

    [[domain]]
    name = "sued.example"
    users = ["ben"]
    tls = "off"

    [[domain]]
    name = "ost.example"
    users = ["olga"]
    tls = "off"

    [retry]
    after_seconds = [5, 30]
    give_up_after_seconds = 100_000
"""
"""Servers that speak with one another, with nothing in between, and in clear, so that octets can be counted."""


async def send(lab: Lab, subject: str, body: str = "") -> str | None:
    """Anna writes to Ben."""
    return (await lab.send(ANNA, BEN, subject=subject, body=body)).trace


async def arrived(lab: Lab, *wanted: str) -> None:
    """Wait until Ben has got this, and see that it is all he has got."""
    with trio.fail_after(10_000):
        while len(subjects(lab, BEN)) < len(wanted):  # noqa: ASYNC110  nothing tells of it but the mailbox
            await trio.sleep(1)
    await trio.sleep(1000)  # a copy too many would have come
    assert sorted(filter(None, subjects(lab, BEN))) == sorted(wanted)
    assert lab.queue() == []


def struck(lab: Lab, name: str = "fault-1") -> list[Record]:
    """The records of what a fault has done, which are as many as it counts."""
    records = records_of(lab, "fault.injected", fault=name)
    assert len(records) == lab.faults.fired_count(name)
    return records


def replies(lab: Lab) -> list[str]:
    return [record["reply"] for record in records_of(lab, "delivery.deferred")]
