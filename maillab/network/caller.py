"""Who opens a connection, as the other end of it in this process may know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs


@attrs.define
class Caller:
    """Who of this process opened a connection: a host name, and the connection's id in the records.

    `about` is what it carries now, as records say it; the caller keeps it true.
    """

    host: str
    connection: str
    about: Mapping[str, Any] = attrs.field(factory=dict, eq=False)
