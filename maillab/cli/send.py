"""`maillab send`: one mail, handed to a server of a running lab by real SMTP."""

from __future__ import annotations

import base64
import sys
from typing import Any, BinaryIO

import click
import httpx
from click.core import ParameterSource

from maillab.cli.ask import ask
from maillab.cli.options import option, url_option
from maillab.trace.cells import visible


@click.command
@option("--from", "sender", required=True, metavar="ADDRESS", help='The sender; "" is the null path <>.')
@option("--to", "recipients", required=True, multiple=True, metavar="ADDRESS", help="A recipient; repeatable.")
@option("--subject", metavar="TEXT", help="The subject of the message that is written here.")
@option("--body", metavar="TEXT", help="Its text; - is standard input.")
@option("--file", "message", type=click.File("rb"), metavar="MESSAGE.eml", help="A whole message, sent as it is.")
@option("--server", metavar="HOST:PORT", help="The server to hand it to; left out: the sender's own.")
@url_option
@click.pass_context
def send(
    context: click.Context,
    sender: str,
    recipients: tuple[str, ...],
    subject: str | None,
    body: str | None,
    message: BinaryIO | None,
    server: str | None,
    url: httpx.URL,
) -> None:
    """Send one mail as a mail program does, and tell what the server said for each recipient."""
    mail: dict[str, Any] = {"from": sender, "to": recipients}
    if message is None:
        mail |= {"subject": subject or "", "body": _typed() if body == "-" else body or ""}
    elif subject is None and body is None:
        mail["message_base64"] = base64.b64encode(message.read()).decode("ascii")
    else:
        raise click.UsageError("a whole message has its own subject and text; give --file, or --subject and --body")
    if server is not None:
        mail["server"] = server
    sent = ask(url, lambda lab: lab.post("/api/lab/send", mail))
    for recipient, outcome in sent["recipients"].items():
        verdict = "accepted" if outcome["accepted"] else "refused"
        click.echo(visible(f"{recipient}: {verdict}: {outcome['reply']}"))
    if sent["trace"] is None:
        click.echo("its trace is kept by the process that runs the server")
        return
    typed_here = context.get_parameter_source("url") is ParameterSource.COMMANDLINE
    click.echo(
        f"trace {sent['trace']}; see it with: maillab trace {sent['trace']}{f' --url {url}' if typed_here else ''}"
    )


def _typed() -> str:
    return sys.stdin.buffer.read().decode("utf-8", errors="replace")
