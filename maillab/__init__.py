"""A whole mail internet in one Trio process."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from maillab.lab.lab import Lab
    from maillab.lab.start import open_lab

__all__ = ["Lab", "__version__", "open_lab"]
__version__ = "0.1.0"

_HOME_OF: Final = {"Lab": "maillab.lab.lab", "open_lab": "maillab.lab.start"}


def __getattr__(name: str) -> Any:
    # Loaded when it is asked for: a command that asks a lab one question does not wait for all that runs one.
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)
