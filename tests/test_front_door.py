"""`import maillab`: what is for everybody, loaded when it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import maillab


def test_everything_that_is_offered_is_there() -> None:
    """Each name of the front door leads to what it says."""
    assert {getattr(maillab, name) for name in maillab.__all__} == {maillab.Lab, maillab.open_lab, maillab.__version__}


def test_nothing_else_is() -> None:
    """What it does not have is an error as of any module."""
    with pytest.raises(AttributeError, match="module 'maillab' has no attribute 'Laboratory'"):
        maillab.Laboratory  # noqa: B018


def test_it_opens_at_once() -> None:
    """Importing it loads nothing of a lab."""
    script = "import sys, maillab; print(*(name for name in sys.modules if name.startswith(('maillab.', 'trio'))))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "\n"
