"""Wanted faults in the pictures of a trace: where they struck, before what came of it."""

from __future__ import annotations

from typing import Final

import pytest
import trio

from maillab import Lab
from maillab.faults.fault import Fault
from maillab.trace.console import console_line
from maillab.trace.copies import State
from maillab.trace.ladder import draw_ladder
from maillab.trace.mermaid import draw_mermaid
from maillab.trace.path import Trace
from maillab.trace.story import Story
from maillab.trace.svg import draw_svg
from tests.faults.direct import ANNA, BEN, DIRECT
from tests.labs import NORD, SUED, memory_lab, records_of


async def traced(lab: Lab, fault: Fault) -> Trace:
    """The trace of a mail that met `fault` and arrived."""
    lab.faults.add(fault)
    await lab.send(ANNA, BEN, subject="x")
    await trio.sleep(1000)
    lab.faults.clear()
    await trio.sleep(1000)
    return lab.traces[-1]


CASES: Final = [
    (
        Fault("reply", server=SUED, command="RCPT", reply="450 4.2.0 Busy", times=1),
        [
            "Client: RCPT TO:<ben@sued.example>",
            "Fault: mail.sued.example answers RCPT with 450 4.2.0 Busy",
            "Server: 450 4.2.0 Busy",
        ],
    ),
    (
        Fault("reply", server=SUED, command="connect", reply="421 4.3.2 Busy", times=1),
        ["Fault: mail.sued.example answers a new connection with 421 4.3.2 Busy", "421 4.3.2 Busy"],
    ),
    (
        Fault("timeout", server=SUED, command="message", times=1),
        [
            "Client: message",
            "Fault: mail.sued.example does not answer the message",
            "Deferred: ben@sued.example: no answer for 600 seconds",
        ],
    ),
    (
        Fault("disconnect", server=SUED, command="message", late=True, times=1),
        [
            "Fault: mail.sued.example has accepted the message, and hangs up before it says so",
            "Deferred: ben@sued.example: the server closed the connection",
            "Client: message",
            "accepted before; this copy is dropped",
        ],
    ),
    (
        Fault("partition", hosts=[SUED], times=1),
        [
            "Fault: no way leads from mail.nord.example to mail.sued.example, or back",
            "no connection to mail.sued.example (172.16.2.1:25): No route to host",
        ],
    ),
    (
        Fault("dns-servfail", domain="sued.example", times=1, after=1),
        ["Fault: the question for MX sued.example is answered with SERVFAIL", "MX sued.example: SERVFAIL"],
    ),
    (
        Fault("delay", to=SUED, seconds=1),
        ["Fault: octets between mail.nord.example and mail.sued.example arrive 1 s late", "Client: message"],
    ),
]


@pytest.mark.parametrize(("fault", "told"), [pytest.param(*case, id=case[0].kind.value) for case in CASES])
async def test_a_fault_is_drawn_where_it_struck(fault: Fault, told: list[str], autojump_clock: object) -> None:
    """Once, in every picture, and before what came of it."""
    async with memory_lab(DIRECT) as lab:
        trace = await traced(lab, fault)
        steps = [f"{step.speaker}: {step.text}".removeprefix(": ") for step in Story(trace).steps]
        at = 0
        for line in told:
            at = next(n for n, step in enumerate(steps) if n >= at and step.startswith(line)) + 1
        faults = [step for step in steps if step.startswith("Fault: ")]
        assert len(faults) == len(records_of(lab, "fault.injected"))
        assert faults == [step for step in told if step.startswith("Fault: ")]
        (reason,) = (fault.removeprefix("Fault: ") for fault in faults)
        assert reason in draw_ladder(trace, 200)
        assert reason in draw_ladder(trace, 200, brief=True)
        assert "Fault" in draw_mermaid(trace)
        assert "Fault" in draw_svg(trace)
        assert trace.state is State.DELIVERED


async def test_a_slow_greeting_leaves_times_in_order(autojump_clock: object) -> None:
    """A folded conversation stands where its own lines begin: a fault that met the greeting comes before it."""
    async with memory_lab(DIRECT) as lab:
        trace = await traced(lab, Fault("delay", to=SUED, seconds=1))
        steps = Story(trace, brief=True).steps
        times = [(step.record["at"], step.record["seq"]) for step in steps if step.record is not None]
        assert times == sorted(times)


async def test_a_fault_is_a_line_for_people(autojump_clock: object) -> None:
    """Its name, its kind, and what it means."""
    async with memory_lab(DIRECT) as lab:
        await traced(lab, Fault("refuse", from_=NORD, times=1))
        (record,) = records_of(lab, "fault.injected")
        said = "fault fault-1 (refuse): a connection from mail.nord.example to mail.sued.example is refused"
        assert console_line(record, colour=False).endswith(said)
