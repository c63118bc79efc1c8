"""What is known of a destination, and a destination that is down: asked seldom, by one, and not for every message."""

from __future__ import annotations

from typing import Final

import pytest
import trio
from trio.testing import MockClock

from maillab.mailserver.result import Result
from maillab.mailserver.retry import RetryPlan
from maillab.mailserver.standing import Standing
from maillab.network.caller import Caller
from maillab.network.endpoint import Endpoint
from maillab.network.memory import MemoryNetwork
from maillab.network.memory_stream import MemoryStream
from maillab.smtp.outcome import Deferred
from tests.labs import FAR, NORD, WITH_FAR, foreign_server, lab_second, memory_lab, records_of, subjects

ANNA: Final = "anna@nord.example"
ZOE: Final = "zoe@far.example"
REFUSED: Final = Result(Deferred("connection refused"), FAR)
LONG: Final = WITH_FAR.replace("give_up_after_seconds = 1000", "give_up_after_seconds = 432000")


def in_vain(standing: Standing, now: float, *, attempt: int = 1, failures_before: int | None = None) -> None:
    before = standing.failure_count if failures_before is None else failures_before
    standing.was_in_vain(REFUSED, now, attempt=attempt, failures_before=before, jitter=0)


def test_waits_grow_with_each_failure() -> None:
    """It is left alone by the plan, for longer and longer, and reached once it begins anew."""
    standing = Standing(RetryPlan((5, 30, 120), 1000))
    waits = []
    for _ in range(4):
        in_vain(standing, 100)
        waits.append(standing.ask_again_at - 100)
    assert waits == [5, 30, 120, 120]
    assert standing.is_left_alone(219)
    assert not standing.is_left_alone(220)
    standing.was_reached()
    assert not standing.is_left_alone(100)
    in_vain(standing, 300)
    assert standing.ask_again_at == 305


def test_attempts_side_by_side_are_one_failure() -> None:
    """Ten connections that were refused at a time say what one would have said."""
    standing = Standing(RetryPlan((5, 30, 120), 1000))
    for now in range(10):
        in_vain(standing, now, failures_before=0)
    assert (standing.failure_count, standing.ask_again_at) == (1, 14)


def test_goes_on_where_the_message_is() -> None:
    """After a restart nothing is known, but that this was the third attempt."""
    standing = Standing(RetryPlan((5, 30, 120), 1000))
    in_vain(standing, 0, attempt=3)
    assert standing.ask_again_at == 120


class SlowNetwork(MemoryNetwork):
    """A network on which Far does not answer: each try takes its time, and fails."""

    def __init__(self) -> None:
        super().__init__()
        self.tries: list[float] = []

    async def connect(self, target: Endpoint, source: str | None, caller: Caller | None) -> MemoryStream:
        if target.host == "172.20.0.1":
            self.tries.append(trio.current_time())
            await trio.sleep(20)
            raise TimeoutError(110, "no way there")
        return await super().connect(target, source, caller)


async def test_a_host_that_does_not_answer_is_tried_by_one(autojump_clock: MockClock) -> None:
    """Mail that comes while nobody knows yet is tried; from then on one try at a time speaks for all that wait."""
    network = SlowNetwork()
    async with memory_lab(LONG, network=network) as lab:
        start = trio.current_time()
        for n in range(8):
            await lab.send(ANNA, ZOE, subject=str(n))
        await trio.sleep(500)
        tries = [round(each - start) for each in network.tries]
        # Eight at once, as nothing was known; then the plan's waits of 5, 30 and 120 s, each after a try of 20 s.
        assert tries == [*[0] * 8, 25, 75, 215, 355, 495]
        (last,) = {record["reply"] for record in records_of(lab, "delivery.deferred") if lab_second(record) > 100} - {
            f"no connection to {FAR} (172.20.0.1:25): no way there"
        }
        assert last == f"not tried again yet: no connection to {FAR} (172.20.0.1:25): no way there"


async def test_an_attempt_that_was_none_does_not_count(autojump_clock: MockClock) -> None:
    """Who comes while a host is left alone has used up nothing: no attempt, and no connection to tell of."""
    async with memory_lab(LONG) as lab:
        await lab.send(ANNA, ZOE, subject="first")
        await trio.sleep(1)
        second = await lab.send(ANNA, ZOE, subject="second")
        await trio.sleep(1)
        (deferred,) = records_of(lab, "delivery.deferred", trace=second.trace)
        assert (deferred["attempt"], deferred["next_hop"], deferred.get("connection")) == (0, FAR, None)
        attempts = {work.entry.trace: work.recipients[0].attempts for _, work in lab.queue()}
        assert attempts[second.trace or ""] == 0
        async with foreign_server(lab) as far:
            await trio.sleep(5)
            assert len(far.mails) == 2
        (started,) = records_of(lab, "delivery.started", trace=second.trace)
        assert started["attempt"] == 1


async def test_trying_now_asks_that_host_only(autojump_clock: MockClock) -> None:
    """`retry_now` for one message asks its host, and no other that is left alone."""
    text = f"""{LONG}
    [[foreign]]
    host = "mail.west.example"
    domains = ["west.example"]
    smtp = "172.21.0.1:25"
    """
    async with memory_lab(text) as lab:
        to_far = await lab.send(ANNA, ZOE)
        await lab.send(ANNA, "x@west.example")
        await trio.sleep(1)
        before = len(records_of(lab, "delivery.started"))
        await lab.retry_now(f"{to_far.trace}-1-00")
        await lab.send(ANNA, "y@west.example")
        await trio.sleep(1)
        assert [record["next_hop"] for record in records_of(lab, "delivery.started")[before:]] == [FAR]


async def test_reached_by_one_is_reached_by_all(autojump_clock: MockClock) -> None:
    """As soon as somebody was there, new mail leaves at once."""
    async with memory_lab(LONG) as lab:
        first = await lab.send(ANNA, ZOE)
        await trio.sleep(1)
        async with foreign_server(lab) as far:
            await lab.retry_now(f"{first.trace}-1-00")
            await trio.sleep(0.1)
            await lab.send(ANNA, ZOE)
            await trio.sleep(0.1)
            assert len(far.mails) == 2


@pytest.mark.parametrize("down_for_seconds", [0, 1000])
async def test_five_days_that_pass_at_once_cost_one_try(down_for_seconds: float, autojump_clock: MockClock) -> None:
    """Moved to the end of all their times, thirty mails come back after one more try, each with a report of its own."""
    async with memory_lab(LONG) as lab:
        await lab.send(ANNA, ZOE)
        await trio.sleep(down_for_seconds)
        for _ in range(29):
            await lab.send(ANNA, ZOE)
        await trio.sleep(1)
        start = trio.current_time()
        lab.advance_clock(5 * 86400)
        await trio.testing.wait_all_tasks_blocked()
        assert trio.current_time() == start
        assert len([record for record in records_of(lab, "delivery.started") if "lab_at" in record]) == 1
        assert len(records_of(lab, "delivery.failed", server=NORD)) == len(records_of(lab, "bounce.created")) == 30
        assert subjects(lab, ANNA) == ["Undeliverable mail"] * 30
        assert lab.queue() == []
