"""`maillab health`: is the lab ready? For whoever watches over it, such as a container engine."""

from __future__ import annotations

from typing import Final

import click
import httpx

from maillab.cli.options import url_option

ANSWER_SECONDS: Final = 4.0  # less than an engine waits, so that the reason is still told


@click.command
@url_option
def health(url: httpx.URL) -> None:
    """Tell whether a lab is ready: exit code 0 when all its servers listen, else 1 and the reason."""
    # Asked every few seconds, so without Trio and all that the other commands bring.
    try:
        answer = httpx.get(f"{str(url).rstrip('/')}/readyz", timeout=ANSWER_SECONDS, trust_env=False)
    except httpx.HTTPError as error:
        reason = str(error) or type(error).__name__
        raise click.ClickException(f"no lab answers at {url} ({reason}); give the lab's --url") from None
    if answer.status_code != httpx.codes.OK:
        raise click.ClickException(f"the lab at {url} is not ready (HTTP status {answer.status_code}); wait for it")
    click.echo("ready")
