"""`maillab clock`: an hour passes at once."""

from __future__ import annotations

import pytest
from trio.testing import wait_all_tasks_blocked

from tests.cli.page import asked_lab
from tests.labs import WITH_FAR, foreign_server, records_of


@pytest.mark.parametrize(("span", "seconds"), [("+90s", 90), ("+10min", 600), ("+1h", 3600), ("+5d", 432000)])
async def test_the_lab_is_moved_on(span: str, seconds: float) -> None:
    """The lab's time jumps, and the command tells how far it is ahead."""
    async with asked_lab(WITH_FAR) as asked:
        result = await asked.maillab("clock", span)
        assert result.exit_code == 0
        assert f"{seconds:g} s ahead" in result.stdout
        assert asked.lab.clock.ahead_seconds == seconds


async def test_five_days_of_retries_end_in_a_bounce() -> None:
    """Mail to a host that is gone comes back at once when the days have passed."""
    async with asked_lab(WITH_FAR) as asked:
        await asked.lab.send("anna@nord.example", "zoe@far.example", subject="Hallo")
        await wait_all_tasks_blocked()
        await asked.maillab("clock", "+5d")
        await asked.lab.wait_for_bounce("zoe@far.example")
        assert records_of(asked.lab, "delivery.failed")


async def test_what_waits_leaves_when_it_is_due() -> None:
    """A deferred mail is tried again when the clock has passed its time."""
    async with asked_lab(WITH_FAR) as asked:
        await asked.lab.send("anna@nord.example", "zoe@far.example", subject="Hallo")
        await wait_all_tasks_blocked()
        async with foreign_server(asked.lab) as far:
            await asked.maillab("clock", "+10min")
            await wait_all_tasks_blocked()
            assert len(far.mails) == 1


@pytest.mark.parametrize("span", ["1h", "-1h", "+h", "+1w", "+1e9d"])
async def test_what_is_no_time_is_wrong_use(span: str) -> None:
    """One line says what a time looks like."""
    async with asked_lab(WITH_FAR) as asked:
        result = await asked.maillab("clock", "--", span)
        assert result.exit_code == 2
        assert "+1h or +5d" in result.stderr
