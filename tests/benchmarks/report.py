"""How much is measured, and the measurements as plain text: a table, and the ratios of pairs."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

import attrs

HEADINGS = ("server", "messages/s", "(min to max)", "CPU us/message", "stored p50 ms", "p99 ms")


@attrs.frozen
class Scale:
    """How much of everything."""

    messages: int
    rounds: int
    warm_up_messages: int = 200


@attrs.frozen
class Measurement:
    """One run of one server; `waits` are sorted, from the end of the data to the reply, in seconds."""

    messages_per_second: float
    cpu_seconds_per_message: float
    waits: list[float]

    def wait(self, part: float) -> float:
        return part_of(self.waits, part)


def part_of(values: Sequence[float], part: float) -> float:
    """The value below which `part` of the sorted `values` lie."""
    return values[min(int(len(values) * part), len(values) - 1)]


def columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """The rows as lines, indented, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def table(title: str, measured: Mapping[str, Sequence[Measurement]]) -> str:
    """A row for each server, medians of its runs; the ratios are of the runs that stood side by side.

    The first server is the one that the others are held against.
    """
    rows = [HEADINGS, *(_row(name, runs) for name, runs in measured.items())]
    lines = [title, *columns(rows)]
    (first, base), *others = measured.items()
    for name, runs in others:
        rate = [one.messages_per_second / other.messages_per_second for one, other in zip(base, runs, strict=True)]
        cpu = [
            one.cpu_seconds_per_message / other.cpu_seconds_per_message for one, other in zip(base, runs, strict=True)
        ]
        lines.append(f"  {first} : {name} = {spread(rate)} in rate, {spread(cpu)} in CPU per message")
    return "\n".join(lines)


def _row(name: str, runs: Sequence[Measurement]) -> tuple[str, ...]:
    rates = [run.messages_per_second for run in runs]
    return (
        name,
        f"{statistics.median(rates):.0f}",
        f"({min(rates):.0f} to {max(rates):.0f})",
        f"{statistics.median(run.cpu_seconds_per_message for run in runs) * 1e6:.0f}",
        f"{statistics.median(run.wait(0.50) for run in runs) * 1e3:.2f}",
        f"{statistics.median(run.wait(0.99) for run in runs) * 1e3:.2f}",
    )


def spread(ratios: Sequence[float]) -> str:
    """The median of ratios, and between what they lie."""
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
