"""The `maillab` command: its subcommands, and how what goes wrong is told in one line."""

from __future__ import annotations

import sys
from collections.abc import Iterator, MutableMapping
from importlib import import_module
from typing import Final

import click

import maillab
from maillab.lab.mistakes import LabFileError

COMMANDS: Final = (
    "up",
    "labs",
    "validate",
    "send",
    "trace",
    "traces",
    "watch",
    "mailbox",
    "queue",
    "console",
    "clock",
    "dns",
    "fault",
    "ca",
    "export",
    "health",
)
"""Each is in the module of its name."""


class _Commands(MutableMapping[str, click.Command]):
    """Commands that are loaded when they are asked for: most need little of what a running lab needs.

    It is felt where a container's health is asked for every few seconds.
    """

    def __init__(self) -> None:
        self._loaded: dict[str, click.Command | None] = dict.fromkeys(COMMANDS)

    def __getitem__(self, name: str) -> click.Command:
        command = self._loaded[name]
        if command is None:
            command = self._loaded[name] = getattr(import_module(f"maillab.cli.{name}"), name)
        return command

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._loaded)

    def __len__(self) -> int:
        return len(self._loaded)


@click.group(commands=_Commands(), context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(maillab.__version__, prog_name="maillab")
def cli() -> None:
    """A whole mail internet in one process: run it, send mail through it, trace every hop."""


def main() -> None:
    """Run the command line.

    Exit codes: 0 done, 1 the task failed, 2 wrong use.
    """
    try:
        sys.exit(cli.main(standalone_mode=False))
    except LabFileError as error:
        for mistake in error.mistakes:
            click.echo(f"maillab: {mistake}", err=True)
        sys.exit(click.UsageError.exit_code)
    except click.UsageError as error:
        hint = f" (see {error.ctx.command_path} --help)" if error.ctx else ""
        click.echo(f"maillab: {error.format_message()}{hint}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        click.echo(f"maillab: {error.format_message()}", err=True)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(0)
