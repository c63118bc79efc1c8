"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# The machine may be busy with other things: how long an example takes proves nothing.
settings.register_profile("maillab", deadline=None)
settings.load_profile("maillab")
