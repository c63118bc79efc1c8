"""Who is at the other end of a connection."""

from __future__ import annotations

import attrs


@attrs.frozen
class Peer:
    """Who is at the other end.

    Attributes:
        address: as people see it; a server of the lab has its lab address here.
        name: the host name of a server that we believe, None for everybody else.
        believed: its `Received` lines are taken for true.
    """

    address: str
    name: str | None = None
    believed: bool = False

    @property
    def tcp_info(self) -> str:
        """RFC 5321 section 4.4: "relay.example [172.16.3.1]"."""
        literal = f"[IPv6:{self.address}]" if ":" in self.address else f"[{self.address}]"
        return f"{self.name} {literal}" if self.name else literal
