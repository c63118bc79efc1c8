"""Each golden dialogue, over memory streams: in clear, and inside TLS where that makes no other dialogue of it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from trio.testing import MockClock

from maillab import open_lab
from maillab.mailserver.choices import Role
from maillab.network.memory import MemoryNetwork
from maillab.network.network import NetworkStream
from maillab.network.tls import connect_tls
from tests.dialogues.dialogue import PATHS, Dialogue, Player

PATIENCE_SECONDS: Final = 1.0  # an answer that is due comes at once
IN_TLS: Final = [path for path in PATHS if not Dialogue.read(path).in_clear]


async def played(dialogue: Dialogue, *, in_tls: bool) -> None:
    async with open_lab(dialogue.spec, addressing="hosts", network=MemoryNetwork(), crash_ends_all=True) as lab:
        endpoint = lab.book.find(dialogue.server, dialogue.role.value)
        assert endpoint is not None
        stream: NetworkStream = await lab.network.connect(endpoint, None, None)
        if dialogue.role is Role.SUBMISSIONS:
            stream = await connect_tls(stream, lab.authority.client_context(), "server")
        player = Player(lab, stream, PATIENCE_SECONDS)
        try:
            if in_tls:
                await player.begin_tls()
            await player.play(dialogue.lines)
        finally:
            await player.close()


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
async def test_dialogue(path: Path, autojump_clock: MockClock) -> None:
    """The lab answers as the dialogue says."""
    await played(Dialogue.read(path), in_tls=False)


@pytest.mark.parametrize("path", IN_TLS, ids=lambda path: path.stem)
async def test_dialogue_in_tls(path: Path, autojump_clock: MockClock) -> None:
    """Inside TLS the lab answers the same."""
    await played(Dialogue.read(path).in_tls, in_tls=True)
