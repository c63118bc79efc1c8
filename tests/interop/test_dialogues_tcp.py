"""Each golden dialogue over real TCP, in clear and inside TLS: what memory streams promise holds on a socket."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from maillab import open_lab
from maillab.mailserver.choices import Role
from maillab.network.network import NetworkStream
from maillab.network.tls import connect_tls
from tests.dialogues.dialogue import PATHS, Dialogue, Player

PATIENCE_SECONDS: Final = 20.0  # a busy machine may take its time; only a failure waits so long
# Nobody waits for minutes here. Peers are seen at another address than in a lab with an address for each server.
IN_CLEAR: Final = [path for path in PATHS if not Dialogue.read(path).needs_clock]
IN_TLS: Final = [path for path in IN_CLEAR if not Dialogue.read(path).in_clear]
WORDS: Final = {r"\[172\.16\.1\.1\]": "[127.0.0.1]"}


async def played(dialogue: Dialogue, *, in_tls: bool) -> None:
    async with open_lab(dialogue.spec.on_free_ports(), crash_ends_all=True) as lab:
        endpoint = lab.book.find(dialogue.server, dialogue.role.value)
        assert endpoint is not None
        stream: NetworkStream = await lab.network.connect(endpoint, None, None)
        if dialogue.role is Role.SUBMISSIONS:
            stream = await connect_tls(stream, lab.authority.client_context(), "server")
        player = Player(lab, stream, PATIENCE_SECONDS)
        try:
            if in_tls:
                await player.begin_tls()
            await player.play(dialogue.with_words(WORDS).lines)
        finally:
            await player.close()


@pytest.mark.parametrize("path", IN_CLEAR, ids=lambda path: path.stem)
async def test_dialogue_over_tcp(path: Path) -> None:
    """The lab answers as the dialogue says."""
    await played(Dialogue.read(path), in_tls=False)


@pytest.mark.parametrize("path", IN_TLS, ids=lambda path: path.stem)
async def test_dialogue_over_tcp_in_tls(path: Path) -> None:
    """Inside TLS the lab answers the same."""
    await played(Dialogue.read(path).in_tls, in_tls=True)
