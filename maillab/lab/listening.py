"""Every listener of the lab, before anything is served: a busy port stops the lab at once."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Collection
from typing import Final

from maillab.lab.lab import Lab
from maillab.lab.spec import Addressing, listener_endpoint
from maillab.mailserver.choices import Role
from maillab.network.endpoint import Endpoint
from maillab.network.network import NetworkListener

ALL_INTERFACES: Final = "0.0.0.0"  # of a container


class LabStartError(Exception):
    """The lab cannot start here and now; `str()` is one line that says how to mend it."""


async def listen(
    lab: Lab, addressing: Addressing, hosts: Collection[str], stack: contextlib.AsyncExitStack
) -> dict[str, dict[Role, NetworkListener]]:
    """Listen for each server of this process; the address book then knows where. `stack` closes what was opened.

    Raises:
        LabStartError: an address cannot be had.
    """
    listeners: dict[str, dict[Role, NetworkListener]] = {host: {} for host in hosts}
    in_container = addressing is Addressing.HOSTS and len(hosts) < len(lab.spec.servers)
    for k, server in enumerate(lab.spec.servers):
        if server.host not in hosts:
            continue
        for role in Role:
            place = listener_endpoint(lab.spec, k, role, addressing)
            if place is None:
                continue
            endpoint = place
            if in_container and place.host == server.address:
                endpoint = Endpoint(ALL_INTERFACES, place.port)  # where to listen, but nowhere to connect to
            try:
                listener = await lab.network.listen(endpoint)
            except OSError as error:
                mend = f'{role.name.lower()} = "HOST:PORT" in the lab file'
                raise LabStartError(cannot_listen(server.host, endpoint, error, mend)) from None
            stack.push_async_callback(listener.aclose)
            listeners[server.host][role] = listener
            lab.book.moved(server.host, role.value, Endpoint(place.host, listener.local.port))
    return listeners


def cannot_listen(who: str, endpoint: Endpoint, error: OSError, other_place: str) -> str:
    """Why `who` cannot listen there, and what to do; `other_place` is what one gives to have it elsewhere."""
    found, mend = {
        errno.EADDRINUSE: (
            "the port is in use",
            f"stop the other program (another lab?), or give {other_place}",
        ),
        errno.EADDRNOTAVAIL: (
            f"{endpoint.host} is no address of this machine",
            "use --addressing ports, or run the lab in containers",
        ),
        errno.EACCES: ("ports under 1024 need root", "use --addressing ports, or run the lab in containers"),
    }.get(error.errno or 0, (os.strerror(error.errno) if error.errno else str(error), "use another address"))
    return f"{who} cannot listen on {endpoint}: {found}; {mend}"
