"""`maillab queue`: what waits, and how it is tried at once."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from trio.testing import wait_all_tasks_blocked

from maillab.mailserver.queue import Work
from tests.cli.page import Asked, asked_lab
from tests.labs import FAR, NORD, WITH_FAR, foreign_server


@pytest.fixture
async def with_far() -> AsyncIterator[Asked]:
    """A lab in which mail to far.example waits, as nobody is there."""
    async with asked_lab(WITH_FAR) as running:
        yield running


async def waiting(asked: Asked) -> Work:
    """A mail that was tried once and waits."""
    await asked.lab.send("anna@nord.example", "zoe@far.example", subject="Hallo")
    await wait_all_tasks_blocked()
    ((_, work),) = asked.lab.queue()
    return work


async def test_what_waits_is_a_table(with_far: Asked) -> None:
    """Where it waits, for whom, for which next hop, and what was said last."""
    work = await waiting(with_far)
    result = await with_far.maillab("queue")
    assert result.exit_code == 0
    for word in (work.entry.queue_id, NORD, "<anna@nord.example>", "zoe@far.example", FAR, "onnection refused"):
        assert word in " ".join(result.stdout.split())


async def test_an_empty_queue_is_one_line(asked: Asked) -> None:
    """And an empty list for programs."""
    assert (await asked.maillab("queue")).stdout == "nothing waits\n"
    assert (await asked.maillab("queue", "--format", "json")).stdout == "[]\n"


async def test_json_is_a_list_of_objects(with_far: Asked) -> None:
    """Programs get each message with its recipients."""
    work = await waiting(with_far)
    (found,) = json.loads((await with_far.maillab("queue", "--format", "json")).stdout)
    assert found["queue_id"] == work.entry.queue_id
    assert [recipient["address"] for recipient in found["recipients"]] == ["zoe@far.example"]


@pytest.mark.parametrize("output_format", ["table", "json"])
async def test_a_message_is_tried_at_once(with_far: Asked, output_format: str) -> None:
    """`--retry` lets it go now, and tells which server does it."""
    work = await waiting(with_far)
    async with foreign_server(with_far.lab) as far:
        result = await with_far.maillab("queue", "--retry", work.entry.queue_id, "--format", output_format)
        await wait_all_tasks_blocked()
        assert len(far.mails) == 1
    if output_format == "json":
        assert json.loads(result.stdout) == {"queue_id": work.entry.queue_id, "servers": [NORD]}
    else:
        assert result.stdout == f"{work.entry.queue_id} is tried at once by {NORD}\n"
    assert with_far.lab.queue() == []
