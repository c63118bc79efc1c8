"""The same lab in another network: where a lab has real addresses, a school may be using 172.16 itself."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Final

import attrs

from maillab.lab.spec import LabSpec
from maillab.network.endpoint import Endpoint

USUAL_NET: Final = "172.16"
"""How the addresses begin that follow from the numbers of servers."""
NET_PREFIX_BITS: Final = 16
_USUAL: Final = re.compile(rf"(?<![\d.]){re.escape(USUAL_NET)}\.(?=\d)")
_TEXTS: Final = frozenset({"address", "value"})  # of a server, and of a DNS record


def read_net(text: str) -> str:
    """The two numbers that addresses are to begin with.

    Raises:
        ValueError: it is none, or not a private one: a lab's mail does not leave it.
    """
    try:
        if ipaddress.IPv4Network(f"{text}.0.0/{NET_PREFIX_BITS}").is_private:
            return text
    except ValueError:
        pass
    raise ValueError(f'"{text}" is not how private addresses begin; give two numbers, as in "{USUAL_NET}" or "10.20"')


def moved(spec: LabSpec, net: str) -> LabSpec:
    """The same lab with `net` in the place of 172.16, in whatever address of its servers, peers and DNS records."""
    result: LabSpec = _moved(spec, f"{net}.")
    return result


def _moved(value: Any, beginning: str) -> Any:
    if isinstance(value, Endpoint):
        return value._replace(host=_USUAL.sub(beginning, value.host))
    if isinstance(value, tuple):
        return tuple(_moved(each, beginning) for each in value)
    if not attrs.has(type(value)):
        return value
    changes: dict[str, Any] = {}
    for field in attrs.fields(type(value)):
        part = getattr(value, field.name)
        if field.name in _TEXTS and isinstance(part, str):
            changes[field.name] = _USUAL.sub(beginning, part)
        else:
            changes[field.name] = _moved(part, beginning)
    return attrs.evolve(value, **changes)
