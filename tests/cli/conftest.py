"""A running lab for the commands that ask one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.cli.page import Asked, asked_lab


@pytest.fixture
async def asked() -> AsyncIterator[Asked]:
    """The lab two-schools, with a page."""
    async with asked_lab() as running:
        yield running
