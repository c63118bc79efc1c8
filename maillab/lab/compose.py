"""A lab as a compose file: a container for each server, all on one network, where each has its address."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from maillab.lab.moving import USUAL_NET
from maillab.lab.spec import LabSpec

IMAGE: Final = "maillab:local"  # as docker/compose.yaml builds it
FIRST_PAGE_PORT: Final = 8025  # of server 0; server k's page is k ports above
MOUNTED_FILE: Final = "/labs/lab.toml"  # in the container
MOVABLE_NET: Final = f"${{MAILLAB_NET:-{USUAL_NET}}}"
MOVABLE_BITS: Final = 16
SMALLEST_NETWORK_BITS: Final = 29  # network, gateway, broadcast, and five servers
_PLAIN: Final = re.compile(r"[a-z][a-z0-9]*[.-][a-z0-9.-]*")  # what YAML takes for a text without quotes


class ComposeError(Exception):
    """This lab has no compose file; `str()` is one line that says how to mend it."""


def compose_file(spec: LabSpec, lab: str, *, ships: bool) -> str:
    """The text of a compose file that runs each server of `spec` in a container of its own.

    Args:
        spec: the lab.
        lab: the name of a lab that ships, or the path of a lab file.
        ships: whether it does: then it is in the image, and else mounted.

    Raises:
        ComposeError: the servers' addresses are in no one private network.
    """
    network = _network(spec)
    return "".join(f"{line}\n" for line in _lines(spec, lab, ships, network))


def service_names(spec: LabSpec) -> Mapping[str, str]:
    """Host name to service: what an orchestrator takes for a name has no dots."""
    names: dict[str, str] = {}
    for k, server in enumerate(spec.servers):
        name = server.host.replace(".", "-")
        names[server.host] = name if name not in names.values() else f"{name}-{k}"
    return names


def _lines(spec: LabSpec, lab: str, ships: bool, network: ipaddress.IPv4Network) -> Iterator[str]:
    movable = _is_movable(network)
    services = service_names(spec)
    name = " ".join(spec.name.split())
    yield f"# The lab {name}, a container for each server, as `maillab export compose` writes it."
    yield "#"
    yield f"#   MAILLAB_IMAGE=...    the image of maillab (default: {IMAGE}, as docker/compose.yaml builds it)"
    if movable:
        yield f"#   MAILLAB_NET=10.20    how the servers' addresses begin (default: {USUAL_NET})"
    if not ships:
        yield "#"
        yield "# The path of the lab file is as it was given: seen from the folder that this file is in."
    for foreign in spec.foreign:
        yield "#"
        yield f"# {foreign.host} is none of the lab's own servers: to be reached, it has to be at {foreign.smtp}."
    yield f"name: {_project(spec)}"
    yield ""
    yield "x-server: &server"
    yield f"  image: ${{MAILLAB_IMAGE:-{IMAGE}}}"
    if movable:
        yield f"  environment: {{MAILLAB_NET: {_quoted(MOVABLE_NET)}}}"
    yield "  init: true"
    yield "  read_only: true"
    yield "  cap_drop: [ALL]"
    yield '  security_opt: ["no-new-privileges:true"]'
    yield "  sysctls:"
    yield "    net.ipv4.ip_unprivileged_port_start: 0 # ports 25 and 53 without root"
    yield ""
    yield "services:"
    for k, server in enumerate(spec.servers):
        service = services[server.host]
        file = lab if ships else MOUNTED_FILE
        command = ["up", file, "--only", server.host, "--addressing", "hosts", "--web-access", "open"]
        yield f"  {_plain(service)}:"
        yield "    <<: *server"
        yield f"    hostname: {_plain(server.host)}"
        yield f"    command: [{', '.join(map(_quoted, command))}]"
        yield f'    ports: ["127.0.0.1:{FIRST_PAGE_PORT + k}:{FIRST_PAGE_PORT}"]'
        yield "    volumes:"
        yield f"      - {service}:/data"
        if not ships:
            source = _quoted(_in_this_folder(lab))
            yield f"      - {{type: bind, source: {source}, target: {file}, read_only: true}}"
        yield "    networks:"
        yield f"      lab: {{ipv4_address: {_quoted(_shown(server.address, movable))}}}"
    gateway = _gateway(network, [server.address for server in spec.servers])
    yield ""
    yield "networks:"
    yield "  lab:"
    yield (
        f"    ipam: {{config: [{{subnet: {_quoted(_shown(str(network), movable))}, "
        f"gateway: {_quoted(_shown(gateway, movable))}}}]}}"
    )
    yield ""
    yield "volumes:"
    for service in services.values():
        yield f"  {_plain(service)}: {{}}"


def _network(spec: LabSpec) -> ipaddress.IPv4Network:
    """The network that all servers are in: 172.16.0.0/16, or the smallest one."""
    try:
        addresses = [ipaddress.IPv4Address(server.address) for server in spec.servers]
    except ValueError:
        odd = next(server for server in spec.servers if ":" in server.address)
        raise ComposeError(
            f"the address of {odd.host} is {odd.address}, and these containers have IPv4 only; give it such an address"
        ) from None
    movable = ipaddress.IPv4Network(f"{USUAL_NET}.0.0/{MOVABLE_BITS}")
    if all(address in movable for address in addresses):
        return movable
    network = ipaddress.IPv4Network((addresses[0], SMALLEST_NETWORK_BITS), strict=False)
    while not all(address in network for address in addresses) or not _gateway(network, map(str, addresses)):
        network = network.supernet()
    if not network.is_private:
        first, last = min(addresses), max(addresses)
        raise ComposeError(
            f"the servers' addresses, from {first} to {last}, are in no one private network; give them some that are, "
            "or leave them out"
        )
    return network


def _gateway(network: ipaddress.IPv4Network, taken: Iterator[str] | Sequence[str]) -> str:
    """The highest address that no server has; "" where there is none."""
    servers = set(taken)
    hosts = (str(network[-2 - n]) for n in range(network.num_addresses - 2))
    return next((host for host in hosts if host not in servers), "")


def _is_movable(network: ipaddress.IPv4Network) -> bool:
    return str(network) == f"{USUAL_NET}.0.0/{MOVABLE_BITS}"


def _shown(address: str, movable: bool) -> str:
    return f"{MOVABLE_NET}{address.removeprefix(USUAL_NET)}" if movable else address


def _project(spec: LabSpec) -> str:
    """A project's name has lower-case letters, digits, dashes and underscores."""
    words = re.findall(r"[a-z0-9_]+", spec.name.lower())
    return "-".join(["maillab", *words])


def _in_this_folder(path: str) -> str:
    """A path that is told from other words by its beginning; a dollar sign would begin a variable."""
    return (path if path.startswith(("/", "./", "../")) else f"./{path}").replace("$", "$$")


def _plain(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
