"""The attacks at a strength that takes a moment; `python -m tests.abuse` has them in full."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.abuse.__main__ import GROWTH_LIMIT_OCTETS
from tests.abuse.attacks import ATTACKS, Strength
from tests.abuse.lab_under_attack import lab_under_attack

QUICK = Strength(
    connections=60, line_octets=3_000_000, recipients=5_000, message_octets=30_000_000, chunk_octets=250_000
)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured by /proc, which Linux has")
async def test_the_lab_holds(tmp_path: Path) -> None:
    """Each attack ends as it should, costs bounded memory, and others are greeted meanwhile and afterwards."""
    async with lab_under_attack(tmp_path) as lab:
        for attack in ATTACKS:
            figures = await lab.suffer(attack, QUICK)
            assert figures.heard == attack.ends_with, attack.name
            assert figures.growth_octets < GROWTH_LIMIT_OCTETS, attack.name
            assert figures.greetings > 0
