"""`maillab traces` and `maillab trace` of a running lab."""

from __future__ import annotations

import io
import json

import pytest
from rich.cells import cell_len
from trio.testing import wait_all_tasks_blocked

from maillab.trace.drain import json_lines
from maillab.trace.ladder import draw_ladder
from maillab.trace.mermaid import draw_mermaid
from maillab.trace.path import Trace
from tests.cli.page import Asked, maillab


async def delivered(asked: Asked, subject: str) -> Trace:
    """The trace of one mail from Anna to Ben that came to rest."""
    sent = await asked.lab.send("anna@nord.example", "ben@sued.example", subject=subject, body="Hallo!")
    await asked.lab.mailbox("ben@sued.example").wait_for_message(subject=subject)
    await wait_all_tasks_blocked()
    trace = asked.lab.trace_book.get(sent.trace or "")
    assert trace is not None
    return trace


async def test_traces_are_listed_newest_first(asked: Asked) -> None:
    """As a table for people."""
    older, newer = await delivered(asked, "Einladung"), await delivered(asked, "[red]Absage\u202e")
    result = await asked.maillab("traces")
    assert result.exit_code == 0
    assert result.stdout.index(newer.id) < result.stdout.index(older.id)
    for word in ("<anna@nord.example>", "ben@sued.example", "Einladung", "[red]Absage\\u202e", "delivered"):
        assert word in result.stdout


async def test_json_is_complete_unless_limited(asked: Asked) -> None:
    """A list of objects, as the API has them."""
    older, newer = await delivered(asked, "Einladung"), await delivered(asked, "Absage")
    listed = json.loads((await asked.maillab("traces", "--format", "json")).stdout)
    assert listed == [newer.summary(), older.summary()]
    limited = json.loads((await asked.maillab("traces", "--format", "json", "--limit", "1")).stdout)
    assert limited == [newer.summary()]


async def test_the_latest_trace_is_drawn_when_none_is_named(asked: Asked) -> None:
    """As a ladder of the width that is asked for."""
    trace = await delivered(asked, "Einladung")
    result = await asked.maillab("trace", "--width", "100")
    assert result.stdout == draw_ladder(trace, 100, brief=False)
    assert "in the mailbox at mail.sued.example" in result.stdout


@pytest.mark.parametrize("width", ["40", "77", "500"])
async def test_the_ladder_is_as_wide_as_it_may_be(asked: Asked, width: str) -> None:
    """Any width that a terminal has is good."""
    trace = await delivered(asked, "Einladung")
    result = await asked.maillab("trace", trace.id.lower(), "--brief", "--width", width)
    assert result.exit_code == 0
    assert trace.id in result.stdout
    assert max(map(cell_len, result.stdout.splitlines())) <= int(width)


async def test_a_trace_comes_as_mermaid_and_json_too(asked: Asked) -> None:
    """For web pages, and for programs."""
    trace = await delivered(asked, "Einladung")
    mermaid = await asked.maillab("trace", trace.id, "--format", "mermaid", "--brief")
    assert mermaid.stdout == draw_mermaid(trace, brief=True)
    document = json.loads((await asked.maillab("trace", trace.id, "--format", "json")).stdout)
    assert document == trace.document()


async def test_a_log_is_drawn_without_any_lab(asked: Asked) -> None:
    """`--from-log` asks nobody, and draws the same."""
    trace = await delivered(asked, "Einladung")
    log = io.BytesIO(json_lines(asked.lab.recorder.records))
    options = ("--from-log", "-", "--width", "100", "--url", "http://127.0.0.1:1")
    result = await maillab("trace", trace.id, *options, said=log.getvalue())
    assert result.stdout == draw_ladder(trace, 100, brief=False)
