"""`maillab watch`: what happens in running labs, while it happens."""

from __future__ import annotations

import heapq
import itertools
import math
import os
import sys
from collections.abc import Callable, Sequence
from typing import Final

import click
import httpx
import trio

from maillab.cli.ask import running_lab
from maillab.cli.feed import Feed
from maillab.cli.options import option, urls_option
from maillab.cli.output import harmless_json
from maillab.cli.run import run
from maillab.trace.console import console_line
from maillab.trace.record import Record

HOP_EVENTS: Final = frozenset(
    {
        "lab.ready",
        "lab.stopped",
        "message.accepted",
        "message.refused",
        "message.stored",
        "delivery.relayed",
        "delivery.deferred",
        "delivery.failed",
        "delivery.duplicate",
        "bounce.created",
        "connection.crashed",
        "storage.failed",
        "records.lost",
    }
)
"""What is shown without --dialogue: a message came a step further, or it did not."""

MERGE_SECONDS: Final = 0.25  # how long a record waits for earlier ones of other labs
WAITING_LIMIT_RECORDS: Final = 1_000  # then the labs have to wait, and they tell what they drop


@click.command
@option("--dialogue", is_flag=True, help="Show every line that client and server say, and not only each hop.")
@option(
    "--json", "as_json", is_flag=True, help="JSON lines instead; with --dialogue all that `trace --from-log` needs."
)
@urls_option
def watch(dialogue: bool, as_json: bool, urls: Sequence[httpx.URL]) -> None:
    """Show live what happens in running labs, until Ctrl-C."""
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def show(record: Record) -> None:
        if dialogue or record["event"] in HOP_EVENTS:
            click.echo(harmless_json(record) if as_json else console_line(record, colour), color=colour)

    run(lambda: _watch(urls, show))


async def _watch(urls: Sequence[httpx.URL], show: Callable[[Record], object]) -> None:
    incoming, records = trio.open_memory_channel[Record](WAITING_LIMIT_RECORDS)
    async with trio.open_nursery() as nursery:
        for url in urls:
            nursery.start_soon(_follow, url, incoming)
        await show_in_order(records, show, MERGE_SECONDS if len(urls) > 1 else 0.0)


async def _follow(url: httpx.URL, incoming: trio.MemorySendChannel[Record]) -> None:
    async with running_lab(url) as lab:
        await Feed(lab, incoming.send, lambda line: click.echo(line, err=True)).follow()


async def show_in_order(
    records: trio.MemoryReceiveChannel[Record], show: Callable[[Record], object], window_seconds: float
) -> None:
    """Show `records` by their time, where an earlier one comes at most `window_seconds` after a later one."""
    waiting: list[tuple[str, int, float, Record]] = []
    for arrival in itertools.count():
        with trio.move_on_at(waiting[0][2] + window_seconds if waiting else math.inf):
            record = await records.receive()
            # What one lab told first stays first: the number of arrival decides between equal times.
            heapq.heappush(waiting, (record["at"], arrival, trio.current_time(), record))
        while waiting and waiting[0][2] + window_seconds <= trio.current_time():
            show(heapq.heappop(waiting)[-1])
