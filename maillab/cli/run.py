"""Trio under a command: what a task raises reaches the command line as it is."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import click
import trio

Result = TypeVar("Result")


def run(main: Callable[[], Awaitable[Result]]) -> Result:
    """Run `main` on Trio; what it raises comes out as it is."""
    with ungrouped():
        return trio.run(main)


@contextlib.contextmanager
def ungrouped() -> Iterator[None]:
    """What the body raises comes out as it is, and not in the groups of its nurseries.

    Of several errors, Ctrl-C counts most, then what is told in one line.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        errors = [*_leaves(group)]
        for kind in (KeyboardInterrupt, click.ClickException):
            for error in errors:
                if isinstance(error, kind):
                    raise error from error.__cause__
        if len(errors) > 1:
            raise
        raise errors[0] from errors[0].__cause__


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if not isinstance(error, BaseExceptionGroup):
        yield error
        return
    for each in error.exceptions:
        yield from _leaves(each)
