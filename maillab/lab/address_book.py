"""One address book: whatever name a host goes by, and the standard port, to where it really listens."""

from __future__ import annotations

import socket
from collections.abc import Collection

from maillab.lab.addressing import listener_endpoint
from maillab.lab.spec import SMTP_PORT, Addressing, LabSpec
from maillab.mailserver.choices import Role
from maillab.network.endpoint import Endpoint
from maillab.network.network import LOOPBACK


class AddressBook:
    """Hosts by host name, domain and address.  Nobody else is in it, and nobody else is ever connected to."""

    def __init__(self, spec: LabSpec, addressing: Addressing, local_hosts: Collection[str]) -> None:
        """`local_hosts` run in this process; the others are where their spec says."""
        self._listeners: dict[tuple[str, int], Endpoint] = {}
        self._host_at: dict[Endpoint, str] = {}
        self._shown: dict[str, str] = {}
        self._shown_as: dict[str, str] = {}
        self._host_of: dict[str, str] = {}
        self._local_hosts = frozenset(local_hosts)
        self._lab_hosts = frozenset(server.host for server in spec.servers)
        for k, server in enumerate(spec.servers):
            self._enter(server.host, (*server.domains, server.address), server.address)
            for role in Role:
                endpoint = listener_endpoint(spec, k, role, addressing)
                if endpoint is not None:
                    self.moved(server.host, role.value, endpoint)
        for foreign in spec.foreign:
            self._enter(foreign.host, foreign.domains, foreign.smtp.host)
            self.moved(foreign.host, SMTP_PORT, foreign.smtp)

    def find(self, host: str, port: int) -> Endpoint | None:
        """The real listener behind `host` (a host name, a domain or an address) and a standard port."""
        return self._listeners.get((self._host_of.get(host.lower(), ""), port))

    def host_of(self, name: str) -> str | None:
        """The host name behind a host name, a domain or an address."""
        return self._host_of.get(name.lower())

    @property
    def names(self) -> Collection[str]:
        """Every host name, domain and address, in lower case."""
        return self._host_of.keys()

    def ports(self, host: str) -> list[int]:
        """The standard ports that `host` (a host name, a domain or an address) listens at."""
        name = self._host_of.get(host.lower())
        return sorted(port for listening, port in self._listeners if listening == name)

    def shown(self, host: str) -> str | None:
        """The address that people see: 172.16.1.1."""
        return self._shown.get(self._host_of.get(host.lower(), ""))

    def is_local(self, host: str) -> bool:
        """True for a server that runs in this process."""
        return host in self._local_hosts

    def host_at(self, endpoint: Endpoint) -> str | None:
        """The host whose listener for mail is really there."""
        return self._host_at.get(_located(endpoint))

    def opener_at(self, address: str) -> str | None:
        """The host outside this process whose connections leave from `address`; nobody's own is one that all share."""
        host = None if address in LOOPBACK.values() else self._shown_as.get(address)
        return None if host is None or self.is_local(host) else host

    def is_started(self, host: str) -> bool:
        """True for a server of the lab, in whatever process; False for one that the lab only knows."""
        return host in self._lab_hosts

    def moved(self, host: str, port: int, listener: Endpoint) -> None:
        """`host` really listens at `listener`: known for sure only when it does, as port 0 is any free one."""
        self._listeners[host, port] = listener
        if listener.port:
            self._host_at[_located(listener)] = host

    def _enter(self, host: str, other_names: Collection[str], shown: str) -> None:
        self._shown[host] = shown
        self._shown_as.setdefault(shown, host)
        for name in (host, *other_names):
            self._host_of.setdefault(name.lower(), host)


def _located(endpoint: Endpoint) -> Endpoint:
    """The endpoint as a listener tells it, which knows addresses only (RFC 6761 section 6.3)."""
    return endpoint._replace(host=LOOPBACK[socket.AF_INET]) if endpoint.host == "localhost" else endpoint
