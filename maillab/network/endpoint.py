"""An address and a port, and how people write them."""

from __future__ import annotations

import ipaddress
import re
from typing import Final, NamedTuple

HIGHEST_PORT: Final = 65535  # RFC 9293 section 3.1: a port has 16 bits

_HOST_NAME: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?", re.ASCII)
_PORT: Final = re.compile(r"0|[1-9][0-9]{0,4}", re.ASCII)


class Endpoint(NamedTuple):
    """One end of a connection: an address (or a host name still to be looked up) and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """The endpoint that `text` names: `127.0.0.1:25`, `[::1]:25` or `mail.example:25`.

        Raises:
            ValueError: says what was found and what was expected.
        """
        host, _, port = text.rpartition(":")
        if not host or not _PORT.fullmatch(port) or int(port) > HIGHEST_PORT:
            expected = f"give HOST:PORT with a port from 0 to {HIGHEST_PORT}"
        elif host.startswith("[") and host.endswith("]"):
            try:
                return cls(str(ipaddress.IPv6Address(host[1:-1])), int(port))
            except ValueError:
                expected = "give an IPv6 address between [ and ]"
        elif ":" in host:
            expected = f"put an IPv6 address in brackets: [{host}]:{port}"
        elif not host.strip("0123456789."):
            # Systems read 127.1 and 010.0.0.1 in ways nobody expects, so four plain numbers or nothing.
            try:
                return cls(str(ipaddress.IPv4Address(host)), int(port))
            except ValueError:
                expected = "give HOST:PORT; an IPv4 address has four numbers from 0 to 255"
        elif _HOST_NAME.fullmatch(host):
            return cls(host, int(port))
        else:
            expected = "give HOST:PORT, where HOST is an address or a host name of letters, digits, dots and hyphens"
        raise ValueError(f'"{text}" is no address; {expected}')
