"""The benchmarks measure something: tiny counts, and no word about time."""

from __future__ import annotations

import pytest

from tests.benchmarks.crowd import CrowdScenario
from tests.benchmarks.feed import FeedScenario
from tests.benchmarks.lab_process import FAR_RECIPIENT
from tests.benchmarks.load import Task
from tests.benchmarks.processes import discarding_server
from tests.benchmarks.report import Scale
from tests.benchmarks.scenarios import DURABLE, IN_MEMORY, Scenario, Start

TINY = Scale(messages=5, rounds=1, warm_up_messages=2)


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("pipelined", [True, False])
def test_each_kind_of_load_reaches_server_and_table(kept: bool, pipelined: bool) -> None:
    """Sessions kept or not, pipelined or not: all messages are accepted, beside aiosmtpd too."""
    servers: dict[str, Start] = {"in memory": IN_MEMORY, "aiosmtpd": discarding_server}
    task = Task(0, 0, sessions=2, kept=kept, pipelined=pipelined)
    assert "in memory : aiosmtpd = " in Scenario("Smoke", task, servers).run(TINY)


def test_mail_that_crosses_is_measured_to_the_last_mailbox() -> None:
    """The clock stops when the far mailbox has everything."""
    task = Task(0, 0, recipient=FAR_RECIPIENT)
    assert "durable" in Scenario("Smoke", task, {"durable": DURABLE}, crossing=True).run(TINY)


def test_a_crowd_is_held_against_nobody() -> None:
    """Both are measured in each round, and their ratio is of mail that was sent alike."""
    *_, alone, watched, ratio = CrowdScenario(viewer_count=2).run(TINY).splitlines()
    assert (alone.split()[0], watched.split()[0]) == ("0", "2")
    assert ratio.startswith("  watched : alone = ")


def test_viewers_of_the_feed_see_every_record() -> None:
    """Two viewers, and nothing is lost."""
    *_, row = FeedScenario(viewer_counts=(2,)).run(TINY).splitlines()
    assert row.split()[0] == "2"
    assert row.split()[-1] == "0"
