"""Where the real listeners are: what the lab file says, or what follows from the addressing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from maillab.lab.spec import PORTS_HOST, Addressing, LabSpec, RelaySpec
from maillab.mailserver.choices import Role
from maillab.network.endpoint import Endpoint

FIRST_PORTS: Final[Mapping[Role, int]] = {Role.SMTP: 2525, Role.SUBMISSION: 15870, Role.SUBMISSIONS: 17465}
"""Where server 0 listens when all servers share an address; server k does k ports above."""
DNS_PORT: Final = 53  # RFC 1035 section 4.2
PORTS_DNS_PORT: Final = 5353


def listener_endpoint(spec: LabSpec, k: int, role: Role, addressing: Addressing) -> Endpoint | None:
    """Where server k really listens for `role`; None where it does not.  What the file says beats the addressing."""
    server = spec.servers[k]
    if role.is_submission and (isinstance(server, RelaySpec) or not server.has_login(role)):
        return None
    given: Endpoint | None = getattr(server, role.name.lower())
    if given is not None:
        return given
    if server.smtp is not None and server.smtp.port == 0:
        return server.smtp  # a server that takes any free port takes it for all
    if addressing is Addressing.HOSTS:
        return Endpoint(server.address, role.value)
    return Endpoint(PORTS_HOST, FIRST_PORTS[role] + k)


def dns_endpoints(spec: LabSpec, addressing: Addressing, hosts: Collection[str]) -> list[Endpoint]:
    """Where the name server of this process listens, which runs `hosts`: at one place, or at every server's address."""
    if spec.dns.listen is None and addressing is Addressing.HOSTS:
        return [Endpoint(server.address, DNS_PORT) for server in spec.servers if server.host in hosts]
    if spec.servers[0].host not in hosts:
        return []  # of several processes one has the place: the one that runs the first server
    if spec.dns.listen is not None:
        return [spec.dns.listen]
    if all(server.smtp is not None and server.smtp.port == 0 for server in spec.servers):
        return [Endpoint(PORTS_HOST, 0)]  # a lab that takes any free ports takes one for this too
    return [Endpoint(PORTS_HOST, PORTS_DNS_PORT)]
