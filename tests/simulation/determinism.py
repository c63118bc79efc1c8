"""The order in which Trio runs its tasks, from a seed.

Private API of Trio, which Hypothesis uses in the same way (`trio._core._run._hypothesis_plugin_setup`): with the flag
set, each batch of tasks is sorted by age and then shuffled by `_r`.  `test_determinism.py` would notice if it went.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

from trio._core import _run

_trio: Any = _run


@contextmanager
def seeded_scheduling(seed: int) -> Iterator[None]:
    """While this lasts, tasks that could run in any order run in the one that `seed` leads to."""
    allowed, state = _trio._ALLOW_DETERMINISTIC_SCHEDULING, _trio._r.getstate()
    _trio._ALLOW_DETERMINISTIC_SCHEDULING = True
    _trio._r.seed(seed)
    try:
        yield
    finally:
        _trio._ALLOW_DETERMINISTIC_SCHEDULING = allowed
        _trio._r.setstate(state)


def chance_of(seed: int, *names: object) -> Random:
    """Chance of its own for each purpose, so that one draw more here changes nothing there."""
    return Random(f"{seed}/{'/'.join(map(str, names))}")  # hashed by SHA-512, whatever PYTHONHASHSEED says
