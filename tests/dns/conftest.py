"""What DNS tests share: records that can be read afterwards, and `dig`."""

from __future__ import annotations

import os
import shutil

import pytest

from maillab.trace.recorder import Recorder


@pytest.fixture
def recorder() -> Recorder:
    return Recorder("village", "r", lambda: 0.0)


@pytest.fixture(scope="session")
def dig() -> str:
    """A person may go without dig; where all is to be tested, its lack is a failure."""
    path = shutil.which("dig")
    if path is None:
        reason = "dig is not installed; apt install bind9-dnsutils"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return path
