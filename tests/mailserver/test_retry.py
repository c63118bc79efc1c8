"""Retry: when a deferred message is tried again, when it is given up, and that the lab's clock keeps to it."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from maillab import Lab
from maillab.mailserver.retry import RetryPlan
from tests.labs import FAR, WITH_FAR, foreign_server, lab_second, memory_lab, records_of, row_count, subjects

ANNA: Final = "anna@nord.example"
SHORT: Final = WITH_FAR.replace("after_seconds = [5, 30, 120]", "after_seconds = [5, 30]").replace("= 1000", "= 60")
PLAN: Final = RetryPlan((5, 30, 120), 1000)


@pytest.mark.parametrize(("attempt", "wait_seconds"), [(1, 5), (2, 30), (3, 120), (4, 120), (99, 120)])
def test_waits_as_planned(attempt: int, wait_seconds: float) -> None:
    """Each attempt has its own wait, and the last wait repeats."""
    assert PLAN.next_attempt(attempt, accepted_at=0, now=500) == 500 + wait_seconds


def test_the_last_attempt_is_at_the_very_end() -> None:
    """A wait that would pass the end is cut there; a message that has reached its end is given up."""
    assert PLAN.next_attempt(9, accepted_at=100, now=1040) == 1100
    assert PLAN.next_attempt(9, accepted_at=100, now=1100) is None
    assert PLAN.next_attempt(9, accepted_at=100, now=2000) is None


def test_gives_up_at_once_where_that_is_the_plan() -> None:
    """With no time to give up in, the first failure is the last."""
    assert RetryPlan((5,), 0).next_attempt(1, accepted_at=7, now=7) is None


@given(
    st.lists(st.floats(0.001, 1e6), min_size=1, max_size=5),
    st.floats(0, 1e5),
    st.floats(0, 2e9),
)
def test_every_plan_ends(waits: list[float], give_up_after_seconds: float, accepted_at: float) -> None:
    """Attempts follow one another in time, the last is at the end of the message's time, none comes later."""
    plan = RetryPlan(tuple(waits), give_up_after_seconds)
    end = accepted_at + give_up_after_seconds
    times = [accepted_at]
    while len(times) < 1000:
        due_at = plan.next_attempt(len(times), accepted_at, times[-1])
        if due_at is None:
            break
        times.append(due_at)
    else:
        assert give_up_after_seconds > min(waits)  # it was going to take long
    assert all(earlier <= later <= end for earlier, later in pairwise(times))
    if len(times) < 1000:
        assert times[-1] == end


def attempts(lab: Lab) -> list[float]:
    """When each attempt began, in seconds of lab time since the start."""
    return [lab_second(record) for record in records_of(lab, "delivery.started", next_hop=FAR)]


async def test_refused_connections_are_tried_again_as_planned(autojump_clock: object) -> None:
    """A host that is not there is asked again at the planned times, to the millisecond, and gets the mail at last."""
    async with memory_lab(WITH_FAR) as lab:
        await lab.send(ANNA, "x@far.example", subject="hello")
        await trio.sleep(200)
        deferred = records_of(lab, "delivery.deferred")
        assert [lab_second(record) for record in deferred] == [0, 5, 35, 155]
        assert [record["retry_in_seconds"] for record in deferred] == [5, 30, 120, 120]
        assert [record["attempt"] for record in deferred] == [1, 2, 3, 4]
        assert {record["reply"] for record in deferred} == {f"connection refused by {FAR} (172.20.0.1:25)"}
        assert {record["code"] for record in deferred} == {None}

        async with foreign_server(lab) as far:
            await trio.sleep(100)
            assert attempts(lab) == [0, 5, 35, 155, 275]
            (relayed,) = records_of(lab, "delivery.relayed")
            assert (relayed["attempt"], relayed["recipients"]) == (5, ["x@far.example"])
            assert len(far.mails) == 1
        assert row_count(lab.database, "queue") == row_count(lab.database, "message") == 0


async def test_gives_up_with_a_bounce(autojump_clock: object) -> None:
    """What could not be delivered in its time comes back to its sender, and waits no longer."""
    async with memory_lab(SHORT) as lab:
        await lab.send(ANNA, "x@far.example", subject="hello")
        await trio.sleep(1000)

        assert attempts(lab) == [0, 5, 35, 60]
        (failed,) = records_of(lab, "delivery.failed")
        assert lab_second(failed) == 60
        assert failed["reply"] == f"given up after 4 attempts: connection refused by {FAR} (172.20.0.1:25)"
        assert subjects(lab, ANNA) == ["Undeliverable mail"]
        assert row_count(lab.database, "queue") == 0


async def test_4yz_waits_and_5yz_fails_each_recipient_for_itself(autojump_clock: object) -> None:
    """One transaction, three fates: delivered, tried again, failed at once; only the failed one comes back."""
    script = {
        "RCPT TO:<later@far.example>": ["451 4.2.0 not now"],
        "RCPT TO:<never@far.example>": ["550 5.1.1 nobody of that name"],
    }
    async with memory_lab(WITH_FAR) as lab, foreign_server(lab, script) as far:
        await lab.send(ANNA, ["now@far.example", "later@far.example", "never@far.example"], subject="hello")
        await trio.sleep(20)

        relayed = records_of(lab, "delivery.relayed")
        assert [(record["recipients"], lab_second(record)) for record in relayed] == [
            (["now@far.example"], 0),
            (["later@far.example"], 5),
        ]
        (deferred,) = records_of(lab, "delivery.deferred")
        assert (deferred["recipients"], deferred["code"]) == (["later@far.example"], 451)
        assert deferred["reply"] == "451 4.2.0 not now"
        (failed,) = records_of(lab, "delivery.failed")
        assert (failed["recipients"], failed["code"]) == (["never@far.example"], 550)
        (bounce,) = records_of(lab, "bounce.created")
        assert bounce["recipients"] == ["never@far.example"]
        assert len(far.mails) == 2
        assert far.mails[0] == far.mails[1]
        assert [line for line in far.heard if line.startswith("RCPT TO:<now")] == ["RCPT TO:<now@far.example>"]


@pytest.mark.parametrize("line", ["", "EHLO", "MAIL", "DATA", "."])
async def test_4yz_at_any_step_waits(line: str, autojump_clock: object) -> None:
    """Whatever is answered with 4yz, the message is tried again after the first wait."""
    async with memory_lab(WITH_FAR) as lab, foreign_server(lab, {line: ["450 4.3.2 busy"]}) as far:
        await lab.send(ANNA, "x@far.example", subject="hello")
        await trio.sleep(10)

        assert attempts(lab) == [0, 5]
        assert len(far.mails) == 1


@pytest.mark.parametrize("line", ["MAIL", "RCPT", "DATA", "."])
async def test_5yz_at_any_step_fails_at_once(line: str, autojump_clock: object) -> None:
    """Whatever of a message is answered with 5yz, it is tried once and comes back with that reply."""
    async with memory_lab(WITH_FAR) as lab, foreign_server(lab, {line: ["554 5.6.0 no thanks"]}):
        await lab.send(ANNA, "x@far.example", subject="hello")
        await trio.sleep(500)

        assert attempts(lab) == [0]
        (bounce,) = lab.mailbox(ANNA).messages()
        assert b"554 5.6.0 no thanks" in bounce.octets


async def test_a_message_that_waits_holds_up_no_other(autojump_clock: object) -> None:
    """A later message to the same host goes out at its own time."""
    script = {"RCPT TO:<later@far.example>": ["451 4.2.0 not now"] * 3}
    async with memory_lab(WITH_FAR) as lab, foreign_server(lab, script) as far:
        await lab.send(ANNA, "later@far.example", subject="first")
        await trio.sleep(1)
        await lab.send(ANNA, "now@far.example", subject="second")
        await trio.sleep(1)
        assert len(far.mails) == 1
        await trio.sleep(200)

        assert attempts(lab) == [0, 1, 5, 35, 155]
        assert b"Subject: second" in far.mails[0]
        assert b"Subject: first" in far.mails[1]
