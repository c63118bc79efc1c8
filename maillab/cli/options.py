"""Options that several commands share, and how every option also reads the environment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click
import httpx

DEFAULT_URL: Final = "http://127.0.0.1:8025"
PORT_LIMIT: Final = 65535
ENVIRONMENT_PREFIX: Final = "MAILLAB_"

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def lab_url(text: str) -> httpx.URL:
    """Where a running lab answers, as it was typed; `HOST:PORT` alone is taken for http://HOST:PORT.

    Raises:
        click.BadParameter: nothing like that can be asked.
    """
    try:
        url = httpx.URL(text if "://" in text else f"http://{text}")
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.userinfo:
        raise click.BadParameter("a password in a URL is there for all to see; give it as MAILLAB_PASSWORD")
    usual = url.scheme in ("http", "https") and url.host and (url.port or 0) <= PORT_LIMIT
    if not usual or url.query or url.fragment:
        raise click.BadParameter(f'"{text}" is no address of a lab; give one like {DEFAULT_URL}')
    return url


def option(name: str, *others: str, **attributes: Any) -> Callable[[Decorated], Decorated]:
    """As `click.option`, for an option that also reads MAILLAB_<OPTION>: --log-file reads MAILLAB_LOG_FILE."""
    variable = ENVIRONMENT_PREFIX + name.removeprefix("--").replace("-", "_").upper()
    return click.option(name, *others, envvar=variable, show_envvar=True, **attributes)


format_option = option(
    "--format",
    "output_format",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="A table for people, or JSON for programs.",
)

url_option = option(
    "--url",
    type=lab_url,
    metavar="URL",
    default=DEFAULT_URL,
    show_default=True,
    help="Where the lab answers that is asked.",
)

urls_option = option(
    "--url",
    "urls",
    type=lab_url,
    metavar="URL",
    multiple=True,
    default=[DEFAULT_URL],
    show_default=True,
    help="Where a lab answers; repeatable, what several labs tell is merged.",
)
