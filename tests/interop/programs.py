"""Other people's programs: found, or named with the package that has them."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def program(name: str, *, package: str) -> str:
    """Where the program is; a test that wants it is skipped, or fails, where it is not."""
    path = shutil.which(name)
    if path is None:
        not_there(f"{name} is not installed", package=package)
    return path


def not_there(found: str, *, package: str) -> NoReturn:
    """A person may go without the program; where all is to be tested, its lack is a failure."""
    reason = f"{found}; apt install {package}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
