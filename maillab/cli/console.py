"""`maillab console`: the simple client in a terminal, to speak SMTP by hand with a server of a running lab."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from typing import Final

import attrs
import click
import httpx
import trio
from trio_websocket import CloseReason, ConnectionClosed, WebSocketConnection

from maillab.cli.ask import AskError, MissingError, RunningLab, ask
from maillab.cli.keyboard import Keyboard
from maillab.cli.options import option, url_option
from maillab.cli.turns import Turn, after_client, after_server
from maillab.lab.mistakes import did_you_mean
from maillab.lab.spec import SMTP_PORT
from maillab.trace.cells import visible

TERMINAL_PATIENCE_SECONDS: Final = 2.0  # somebody who sees that no answer comes may want to type on
PIPE_PATIENCE_SECONDS: Final = 30.0
NORMAL_CLOSURE: Final = 1000  # RFC 6455 section 7.4.1
_ENDPOINT: Final = re.compile(r"\S+:[0-9]+")


@attrs.frozen
class Words:
    """What the simple client itself says, as the lesson has it."""

    opened: str
    closed: str
    socket_closed: str


ENGLISH: Final = Words("Connection established", "Connection closed", "Socket to {} closed")
GERMAN: Final = Words("Verbindung hergestellt", "Verbindung getrennt", "Socket zu {} getrennt")


def words_for(environment: Mapping[str, str]) -> Words:
    """The words in the language of the user, who names it as POSIX has it: LC_ALL beats LC_MESSAGES beats LANG."""
    language = next(filter(None, map(environment.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    return GERMAN if language.lower().startswith("de") else ENGLISH


@click.command
@click.argument("server")
@option("--port", type=click.IntRange(1, 65535), default=SMTP_PORT, show_default=True, help="The server's port.")
@url_option
def console(server: str, port: int, url: httpx.URL) -> None:
    """Type SMTP to SERVER (a host, domain or address of the lab), until it closes or you press Ctrl-D."""
    words = words_for(os.environ)

    async def talk(lab: RunningLab) -> CloseReason | None:
        try:
            async with lab.websocket("/console", server=server, port=port) as socket:
                return await Conversation(socket, Keyboard(), words.opened).run()
        except MissingError as missing:
            servers = (await lab.object_at("/api/lab/lab"))["servers"]
            known = {name for each in servers for name in (each["host"], *each["domains"], each["address"])}
            mend = f"{server} does not listen there" if server.lower() in known else did_you_mean(server, known)
            raise AskError(f"{missing.found}; {mend}") from None

    closed = ask(url, talk)
    if closed is not None and closed.code != NORMAL_CLOSURE:
        raise AskError(visible(closed.reason or f"the lab at {url} is gone"))
    endpoint = _ENDPOINT.search(closed.reason or "") if closed else None
    click.echo(words.socket_closed.format(visible(endpoint[0])) if endpoint else words.closed)


class Conversation:
    """Shows what the server says, and sends what is typed, each line with its speaker in words.

    From a pipe, the next line is sent when the server has answered the last one.
    """

    def __init__(self, socket: WebSocketConnection, keyboard: Keyboard, opened: str) -> None:
        """`opened` is said before all else, once the server is known to be there."""
        self._socket = socket
        self._keyboard = keyboard
        self._opened: str | None = opened
        self._patience_seconds = TERMINAL_PATIENCE_SECONDS if keyboard.is_terminal else PIPE_PATIENCE_SECONDS
        self._turn = Turn.SERVER
        self._heard = trio.Event()
        self._prompted = False

    async def run(self) -> CloseReason | None:
        """Talk to the end; gives the reason when the server ended it, None when the input did."""
        reason: CloseReason | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._speak, nursery.cancel_scope)
            try:
                while True:
                    frame = await self._socket.get_message()
                    self._hear(frame if isinstance(frame, str) else frame.decode("utf-8", errors="replace"))
            except ConnectionClosed as closed:
                reason = closed.reason
            nursery.cancel_scope.cancel()
        if self._prompted:
            click.echo()
        return reason

    def _hear(self, frame: str) -> None:
        prompted = self._prompted
        for line in frame.split("\n"):
            self._show(f"Server: {visible(line)}")
            self._turn = after_server(self._turn, line)
        if prompted:
            self._prompt()
        self._heard.set()

    async def _speak(self, conversation: trio.CancelScope) -> None:
        while True:
            await self._wait_for_turn()
            if self._keyboard.is_terminal:
                self._prompt()
            line = await self._keyboard.line()
            if line is None:
                conversation.cancel()
                return
            self._prompted = False  # the line's own end is on the screen
            if not self._keyboard.is_terminal:
                self._show(f"Client: {visible(line)}")
            self._turn = after_client(self._turn, line)
            with contextlib.suppress(ConnectionClosed):  # then `run` knows the reason
                await self._socket.send_message(line)

    async def _wait_for_turn(self) -> None:
        """Wait until the client may speak, but not for ever: a server may say nothing at all."""
        with trio.move_on_after(self._patience_seconds):
            while self._turn not in (Turn.COMMAND, Turn.TEXT):
                self._heard = trio.Event()
                await self._heard.wait()

    def _show(self, text: str, *, whole: bool = True) -> None:
        if self._prompted:  # somebody is typing: leave that line
            click.echo()
            self._prompted = False
        if self._opened is not None:
            click.echo(self._opened)
            self._opened = None
        click.echo(text, nl=whole)

    def _prompt(self) -> None:
        self._show("Client: ", whole=False)
        self._prompted = True
