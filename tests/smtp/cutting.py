"""Octets as a network may bring them: in pieces of any size."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from hypothesis import strategies as st

piece_sizes = st.lists(st.integers(1, 9), min_size=1, max_size=5) | st.lists(st.integers(1, 600), min_size=1)
"""Sizes of pieces in octets; they repeat from the beginning until everything is cut."""


def cut(octets: bytes, sizes: Sequence[int]) -> Iterator[bytes]:
    """`octets` in pieces of these sizes."""
    start = 0
    for size in itertools.cycle(sizes):
        if start >= len(octets):
            return
        yield octets[start : start + size]
        start += size
