"""The simulation objects: each rule behind "nothing is ever lost", broken in the one place that keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest

from tests.simulation.breaking import BROKEN, broken
from tests.simulation.seeds import judge

SEARCHED_COUNT: Final = 200
FIRST_SEEDS: Final[Mapping[str, int]] = {
    "250 before commit": 11,
    "retry forgotten": 2,
    "no de-duplication": 40,
    "queue in RAM": 40,
    "de-duplication by queue id alone": 53,
}
"""The first one that notices, of those from 0 on: where to begin, so that the search is short."""


@pytest.mark.parametrize("rule", BROKEN)
def test_a_broken_rule_is_noticed(rule: str) -> None:
    """Within 200 seeds, and the same seed is clean where the rule is kept."""
    first = FIRST_SEEDS.get(rule, 0)
    with broken(rule):
        caught = next((seed for seed in range(first, first + SEARCHED_COUNT) if judge(seed).violations), None)
    assert caught is not None
    assert judge(caught).violations == ()
