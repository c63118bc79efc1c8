"""A whole mail internet in one Trio process."""

from maillab.lab.lab import Lab
from maillab.lab.start import open_lab

__all__ = ["Lab", "__version__", "open_lab"]
__version__ = "0.1.0"
