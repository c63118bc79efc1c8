"""A lab as a compose file: a container for each server, all on one network, where each has its address."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

from maillab.lab.moving import USUAL_NET
from maillab.lab.spec import PORTS_HOST, LabSpec

IMAGE: Final = "maillab:local"  # as docker/compose.yaml builds it
FIRST_PAGE_PORT: Final = 8025  # of server 0; server k's page is k ports above
MOUNTED_FILE: Final = "/labs/lab.toml"  # in the container
MOVABLE_NET: Final = f"${{MAILLAB_NET:-{USUAL_NET}}}"
MOVABLE_BITS: Final = 16
SMALLEST_NETWORK_BITS: Final = 29  # network, gateway, broadcast, and five servers
_PLAIN: Final = re.compile(r"[a-z][a-z0-9]*[.-][a-z0-9.-]*")  # what YAML takes for a text without quotes


HEAD: Final = """\
name: {project}

x-server: &server
  image: ${{MAILLAB_IMAGE:-{image}}}
{environment}  init: true
  read_only: true
  cap_drop: [ALL]
  security_opt: ["no-new-privileges:true"]
  sysctls:
    net.ipv4.ip_unprivileged_port_start: 0 # ports 25 and 53 without root

services:
"""
SERVICE: Final = """\
  {service}:
    <<: *server
    hostname: {host}
    command: [{command}]
    ports: ["127.0.0.1:{page_port}:{first_page_port}"]
    volumes:
      - {service}:/data
{mount}    networks:
      lab: {{ipv4_address: {address}}}
"""
NETWORKS: Final = """
networks:
  lab:
    ipam: {{config: [{{subnet: {subnet}, gateway: {gateway}}}]}}

volumes:
"""


class ComposeError(Exception):
    """This lab has no compose file; `str()` is one line that says how to mend it."""


def compose_file(spec: LabSpec, lab: str, *, ships: bool) -> str:
    """The text of a compose file that runs each server of `spec` in a container of its own.

    Args:
        spec: the lab.
        lab: the name of a lab that ships, or the path of a lab file.
        ships: whether it does: then it is in the image, and else mounted.

    Raises:
        ComposeError: the servers' addresses are in no one private network, or a server cannot be reached there.
    """
    _check_listeners(spec)
    network = _network(spec)
    movable = _is_movable(network)
    services = service_names(spec)
    environment = f"  environment: {{MAILLAB_NET: {_quoted(MOVABLE_NET)}}}\n" if movable else ""
    parts = ["".join(f"{line}\n" for line in _remarks(spec, movable, ships))]
    parts.append(HEAD.format(project=_project(spec), image=IMAGE, environment=environment))
    file = lab if ships else MOUNTED_FILE
    source = _quoted(_in_this_folder(lab))
    mount = "" if ships else f"      - {{type: bind, source: {source}, target: {file}, read_only: true}}\n"
    for k, server in enumerate(spec.servers):
        command = ["up", file, "--only", server.host, "--addressing", "hosts", "--web-access", "open"]
        parts.append(
            SERVICE.format(
                service=_plain(services[server.host]),
                host=_plain(server.host),
                command=", ".join(map(_quoted, command)),
                page_port=FIRST_PAGE_PORT + k,
                first_page_port=FIRST_PAGE_PORT,
                mount=mount,
                address=_address(server.address, movable),
            )
        )
    gateway = _gateway(network, spec)
    parts.append(NETWORKS.format(subnet=_address(str(network), movable), gateway=_address(gateway, movable)))
    parts += [f"  {_plain(service)}: {{}}\n" for service in services.values()]
    return "".join(parts)


def service_names(spec: LabSpec) -> Mapping[str, str]:
    """Host name to service: what an orchestrator takes for a name has no dots."""
    names: dict[str, str] = {}
    for k, server in enumerate(spec.servers):
        name = server.host.replace(".", "-")
        names[server.host] = name if name not in names.values() else f"{name}-{k}"
    return names


def _remarks(spec: LabSpec, movable: bool, ships: bool) -> Iterator[str]:
    """What a person wants to know who opens the file."""
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


def _check_listeners(spec: LabSpec) -> None:
    for server in spec.servers:
        if server.smtp is not None and server.smtp.host in (PORTS_HOST, "localhost"):
            raise ComposeError(
                f"{server.host} listens at {server.smtp}, where no other container reaches it; leave out its smtp"
            )


def _network(spec: LabSpec) -> ipaddress.IPv4Network:
    """The network that all servers are in: 172.16.0.0/16, or the smallest one."""
    for server in spec.servers:
        if ":" in server.address:
            raise ComposeError(
                f"the address of {server.host} is {server.address}, and these containers have IPv4 only; give it one"
            )
    movable = ipaddress.IPv4Network(f"{USUAL_NET}.0.0/{MOVABLE_BITS}")
    if _gateway(movable, spec):
        return movable
    network = ipaddress.IPv4Network((spec.servers[0].address, SMALLEST_NETWORK_BITS), strict=False)
    while not _gateway(network, spec):
        network = network.supernet()
    if network.is_private:
        return network
    addresses = sorted(ipaddress.IPv4Address(server.address) for server in spec.servers)
    raise ComposeError(
        f"the servers' addresses, from {addresses[0]} to {addresses[-1]}, are in no one private network; "
        "give them some that are, or leave them out"
    )


def _gateway(network: ipaddress.IPv4Network, spec: LabSpec) -> str:
    """The highest address that no server has; "" where the servers, or a gateway beside them, have no room."""
    taken = {ipaddress.IPv4Address(server.address) for server in spec.servers}
    ends = {network.network_address, network.broadcast_address}
    if any(address not in network or address in ends for address in taken):
        return ""
    highest = int(network.broadcast_address) - 1
    free = (ipaddress.IPv4Address(number) for number in range(highest, highest - len(taken) - 1, -1))
    found = next(address for address in free if address not in taken)
    return str(found) if found in network and found not in ends else ""


def _is_movable(network: ipaddress.IPv4Network) -> bool:
    return str(network) == f"{USUAL_NET}.0.0/{MOVABLE_BITS}"


def _address(address: str, movable: bool) -> str:
    return _quoted(f"{MOVABLE_NET}{address.removeprefix(USUAL_NET)}" if movable else address)


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
