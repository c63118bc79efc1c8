"""Every listener of the lab, before anything is served: a busy port stops the lab at once."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Collection
from typing import Final

from maillab.dns.server import DnsListener
from maillab.dns.server import listen as dns_listen
from maillab.lab.addressing import dns_endpoints, listener_endpoint
from maillab.lab.lab import Lab
from maillab.lab.spec import Addressing
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
    in_container = _has_container(lab, addressing, hosts)
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


async def listen_for_names(
    lab: Lab, addressing: Addressing, hosts: Collection[str], stack: contextlib.AsyncExitStack
) -> list[DnsListener]:
    """Listen for DNS, where this process does; `stack` closes what was opened.

    Raises:
        LabStartError: an address cannot be had.
    """
    listeners = []
    in_container = _has_container(lab, addressing, hosts)
    for place in dns_endpoints(lab.spec, addressing, hosts):
        endpoint = Endpoint(ALL_INTERFACES, place.port) if in_container and lab.spec.dns.listen is None else place
        try:
            listener = await dns_listen(lab.network, endpoint)
        except OSError as error:
            raise LabStartError(cannot_listen("the name server", endpoint, error, "[dns] listen")) from None
        stack.push_async_callback(listener.aclose)
        listeners.append(listener)
        if in_container:
            break  # all interfaces are one place
    return listeners


def _has_container(lab: Lab, addressing: Addressing, hosts: Collection[str]) -> bool:
    """True for the one server of a process among several: it has all interfaces of its container to itself."""
    return addressing is Addressing.HOSTS and len(hosts) == 1 < len(lab.spec.servers)
