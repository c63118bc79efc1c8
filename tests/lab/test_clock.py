"""Lab time: queue waits are measured in it, and it can be moved on."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from maillab.lab.clock import MOCK_EPOCH, LabClock
from maillab.lab.waiting import wait_until
from maillab.mailserver.retry import JITTER
from tests.labs import NORD, WITH_FAR, foreign_server, memory_lab, records_of

ANNA, EVE = "anna@nord.example", "eve@far.example"


async def test_a_retry_is_due_when_the_clock_is_moved_on(autojump_clock: MockClock) -> None:
    """Mail that waits for two minutes leaves at once when the lab's time has passed them."""
    async with memory_lab(WITH_FAR) as lab:
        await lab.send(ANNA, EVE)
        await trio.sleep(1)
        async with foreign_server(lab) as far:
            before = trio.current_time()
            lab.advance_clock(3600)
            await trio.testing.wait_all_tasks_blocked()
            assert len(far.mails) == 1
            assert trio.current_time() == before
        assert all("lab_at" in record for record in records_of(lab, "delivery.relayed"))
        assert not any("lab_at" in record for record in records_of(lab, "delivery.deferred"))


async def test_the_end_of_all_retries_comes_with_the_clock(autojump_clock: MockClock) -> None:
    """Moved past the give-up time, the queue gives up at the next attempt, and the sender is told."""
    async with memory_lab(WITH_FAR) as lab:
        await lab.send(ANNA, EVE)
        await trio.sleep(1)
        lab.advance_clock(5 * 86400)
        await lab.wait_for_bounce(EVE)
        assert records_of(lab, "delivery.failed", server=NORD)


async def test_the_clock_goes_on_where_it_was_after_a_restart(tmp_path: Path) -> None:
    """With a data folder the lab's time is kept, so that what was due in an hour still is."""
    clock = LabClock(tmp_path)
    clock.advance(3600)
    clock.advance(60)
    assert LabClock(tmp_path).ahead_seconds == 3660
    (tmp_path / "clock.json").write_bytes(b"yesterday")
    assert LabClock(tmp_path).ahead_seconds == 0


async def test_what_waits_is_due_at_its_time_after_a_restart(tmp_path: Path) -> None:
    """Stopped and started again, a lab whose clock was moved on waits no longer and no shorter than it would have."""
    text = WITH_FAR.replace("after_seconds = [5, 30, 120]", "after_seconds = [3600]").replace("1000", "432000")
    async with memory_lab(text, data=tmp_path) as lab:
        lab.advance_clock(7 * 86400)
        await lab.send(ANNA, EVE)
        await wait_until(lambda: records_of(lab, "delivery.deferred") or None, lab.recorder, "delivery.deferred")
        ((_, before),) = lab.queue()
    async with memory_lab(text, data=tmp_path) as lab, foreign_server(lab) as far:
        ((_, after),) = lab.queue()
        assert after == before
        assert 3000 < after.recipients[0].due_at - lab.clock.lab_time() <= 3600 * (1 + JITTER)
        assert far.connection_count == 0
        lab.advance_clock(3600 * (1 + JITTER))
        await wait_until(lambda: records_of(lab, "delivery.relayed") or None, lab.recorder, "delivery.relayed")
        assert len(far.mails) == 1


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), 367 * 86400.0])
async def test_time_goes_on_and_not_back(seconds: float, autojump_clock: MockClock) -> None:
    """What is no time to move on by is refused."""
    with pytest.raises(ValueError, match="no time to move on by"):
        LabClock().advance(seconds)


async def test_labs_under_one_mock_share_its_time(autojump_clock: MockClock) -> None:
    """A lab that is opened later begins later: what it finds in its queue is as old as it is."""
    before = LabClock()
    await trio.sleep(600)
    assert LabClock().time() == before.time() == MOCK_EPOCH + 600
