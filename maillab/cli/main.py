"""The `maillab` command: its subcommands, and how what goes wrong is told in one line."""

from __future__ import annotations

import sys

import click

import maillab
from maillab.cli.ca import ca
from maillab.cli.clock import clock
from maillab.cli.console import console
from maillab.cli.dns import dns
from maillab.cli.fault import fault
from maillab.cli.labs import labs
from maillab.cli.mailbox import mailbox
from maillab.cli.queue import queue
from maillab.cli.send import send
from maillab.cli.trace import trace
from maillab.cli.traces import traces
from maillab.cli.up import up
from maillab.cli.validate import EXIT_WRONG_USE, validate
from maillab.cli.watch import watch
from maillab.lab.mistakes import LabFileError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(maillab.__version__, prog_name="maillab")
def cli() -> None:
    """A whole mail internet in one process: run it, send mail through it, trace every hop."""


for command in (up, labs, validate, send, trace, traces, watch, mailbox, queue, console, clock, dns, fault, ca):
    cli.add_command(command)


def main() -> None:
    """Run the command line.

    Exit codes: 0 done, 1 the task failed, 2 wrong use.
    """
    try:
        sys.exit(cli.main(standalone_mode=False))
    except LabFileError as error:
        for mistake in error.mistakes:
            click.echo(f"maillab: {mistake}", err=True)
        sys.exit(EXIT_WRONG_USE)
    except click.UsageError as error:
        hint = f" (see {error.ctx.command_path} --help)" if error.ctx else ""
        click.echo(f"maillab: {error.format_message()}{hint}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        click.echo(f"maillab: {error.format_message()}", err=True)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(0)
