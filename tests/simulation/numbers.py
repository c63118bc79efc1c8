"""Numbers by chance, of the kinds that plans need."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


def log_uniform(chance: Random, least: float, most: float) -> float:
    """Each order of magnitude as often as any other."""
    return math.exp(chance.uniform(math.log(least), math.log(most)))


def weighted(chance: Random, choices: Sequence[T]) -> T:
    """One of `choices`, the first ones rather."""
    return choices[min(int(chance.expovariate(0.6)), len(choices) - 1)]
