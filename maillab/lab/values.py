"""Readers of the lab file's single values: each takes what TOML gave, and returns it or says what is wrong with it.

Nothing is turned into anything else on the way: "25" is no number, 25 is no text, true is neither.
"""

from __future__ import annotations

import enum
import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from maillab.faults.fault import CLIENTS, Chance, Line, Occasions, Octets, Place, Rate, Span, Times
from maillab.faults.fault import Name as FaultName
from maillab.lab.mistakes import as_toml, nearest
from maillab.lab.spec import (
    Count,
    CountOrNone,
    HostName,
    IPAddress,
    LocalPart,
    Password,
    ReachableEndpoint,
    Recipients,
    Seconds,
    SecondsOrNone,
    Seed,
    Target,
)
from maillab.mail.address import Address, AddressError
from maillab.network.endpoint import Endpoint

HOST_NAME_LIMIT_CHARACTERS: Final = 253  # RFC 1035 section 2.3.4: 255 octets on the wire
LABEL: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")  # RFC 1123 section 2.1
FAULT_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
COUNT_LIMIT: Final = 2**31 - 1  # what every reader of a lab file can hold
WAIT_LIMIT_SECONDS: Final = 10 * 365 * 86_400  # no mail waits ten years, and every date stays a date


class WrongValue(ValueError):  # noqa: N818 - it is a finding on its way into a Mistake, not an error of the program
    """A value that may not stand where it stands; the fields are those of `Mistake`."""

    def __init__(self, found: str, expected: str, mend: str = "") -> None:
        super().__init__(f"{found}; {expected}")
        self.found: Final = found
        self.expected: Final = expected
        self.mend: Final = mend


def read_text(value: object) -> str:
    """A line of text for people."""
    text = _string(value, "text")
    if not text.strip() or not text.isprintable():
        raise WrongValue(f"{as_toml(text)} is no line of text", "give printable characters")
    return text


def read_host_name(value: object) -> str:
    """A host or domain name: RFC 1123 section 2.1, in ASCII, without the final dot."""
    name = _string(value, "host name")
    found = f"{as_toml(name)} is no host name"
    labels = name.split(".")
    if len(name) <= HOST_NAME_LIMIT_CHARACTERS and all(map(LABEL.fullmatch, labels)):
        if labels[-1].isdigit():  # RFC 1123 section 2.1: so that no name looks like an IPv4 address
            raise WrongValue(found, "give a name whose last part is no number, like mail.nord.example")
        return name
    if not name.isascii():
        try:
            raise WrongValue(found, f"give its ASCII form {as_toml(name.encode('idna').decode('ascii'))}")
        except UnicodeError:
            pass  # not even a name in Unicode: the general advice serves better
    raise WrongValue(
        found, "give letters, digits and hyphens with single dots between, 63 in a part, 253 in all (RFC 1123)"
    )


def is_host_name(name: str) -> bool:
    """Whether `read_host_name` takes it."""
    try:
        return read_host_name(name) == name
    except WrongValue:
        return False


def read_local_part(value: object) -> str:
    """A user's or alias's name: a local part that needs no quotes (Dot-string of RFC 5321 section 4.1.2)."""
    name = _string(value, "user name")
    try:
        if Address.parse(f"{name}@domain.example").local_part == name:
            return name
    except AddressError:
        pass
    raise WrongValue(
        f"{as_toml(name)} is no user name",
        "give only the part before the @" if "@" in name else "give letters, digits, hyphens and single dots",
    )


def read_password(value: object) -> str:
    """A password: POP3 and IMAP have no way to say an empty one or a control character."""
    password = _string(value, "password")
    if not password or not password.isprintable():
        raise WrongValue("no usable password", "give at least one printable character", "or leave it out")
    return password


def read_target(value: object) -> str:
    """An alias's member: a user or alias of the same domain, or a mail address."""
    target = _string(value, "user")
    try:
        Address.parse(target if "@" in target else f"{target}@domain.example")
    except AddressError:
        raise WrongValue(
            f"{as_toml(target)} is no user and no mail address", "give a name of this domain", "or USER@DOMAIN"
        ) from None
    return target


def read_ip_address(value: object) -> str:
    """An IP address that one server can have."""
    text = _string(value, "IP address")
    try:
        address = ipaddress.ip_address(text)
        if not (address.is_unspecified or address.is_multicast or "%" in text):
            return str(address)
    except ValueError:
        pass
    raise WrongValue(
        f"{as_toml(text)} is no server's IP address", "give one like 172.16.1.1, without a port", "or leave it out"
    )


def read_endpoint(value: object) -> Endpoint:
    """Where a server of the lab listens; port 0 is any free port."""
    return _endpoint(value, "or leave it out")


def read_reachable_endpoint(value: object) -> Endpoint:
    """Where a foreign server listens: it has a port already."""
    endpoint = _endpoint(value)
    if endpoint.port == 0:
        raise WrongValue(f"{as_toml(value)} cannot be connected to", "give HOST:PORT with a port from 1 to 65535")
    return endpoint


def read_seconds(value: object) -> float:
    """A wait; 0 would try again without end and without pause."""
    seconds = read_seconds_or_none(value)
    if not seconds:
        raise WrongValue(f"{as_toml(value)} is no wait", "give a number of seconds above 0")
    return seconds


def read_seconds_or_none(value: object) -> float:
    """A span of time that may be nothing."""
    if type(value) not in (int, float):
        raise WrongValue(f"{as_toml(value)} is no number", "give a number of seconds, without quotes")
    assert isinstance(value, int | float)
    if not 0 <= value <= WAIT_LIMIT_SECONDS:  # nan is not, either
        raise WrongValue(f"{as_toml(value)} is no span of time", f"give 0 to {WAIT_LIMIT_SECONDS} seconds")
    return value


def read_flag(value: object) -> bool:
    """Yes or no."""
    if not isinstance(value, bool):
        raise WrongValue(f"{as_toml(value)} is neither true nor false", "write true or false, without quotes")
    return value


def read_count(value: object, *, least: int = 1) -> int:
    """How many at most."""
    if type(value) is not int:
        raise WrongValue(f"{as_toml(value)} is no whole number", f"give a number from {least}, without quotes")
    assert isinstance(value, int)
    if not least <= value <= COUNT_LIMIT:
        raise WrongValue(f"{value} is out of range", f"give a number from {least} to {COUNT_LIMIT}")
    return value


def read_recipients(value: object) -> int:
    """How many recipients a transaction may have (RFC 5321 section 4.5.3.1.8)."""
    return read_count(value, least=100)


def read_count_or_none(value: object) -> int:
    """How many at most; 0 for no limit."""
    return read_count(value, least=0)


def read_whole_number(value: object) -> int:
    """Any that every reader of a lab file can hold."""
    if type(value) is not int:
        raise WrongValue(f"{as_toml(value)} is no whole number", "give one like 42, without quotes")
    assert isinstance(value, int)
    if not -COUNT_LIMIT <= value <= COUNT_LIMIT:
        raise WrongValue(f"{as_toml(value)} is out of range", f"give a number from -{COUNT_LIMIT} to {COUNT_LIMIT}")
    return value


def read_chance(value: object) -> float:
    """How likely something is."""
    if type(value) not in (int, float):
        raise WrongValue(f"{as_toml(value)} is no number", "give a number from 0 to 1, without quotes")
    assert isinstance(value, int | float)
    if not 0 <= value <= 1:
        raise WrongValue(f"{as_toml(value)} is no chance", "give a number from 0 to 1")
    return value


def read_fault_name(value: object) -> str:
    """What a fault is called, on command lines and in paths too."""
    name = _string(value, "name")
    if not FAULT_NAME.fullmatch(name):
        raise WrongValue(f"{as_toml(name)} is no name", "give letters, digits, dots and hyphens", "or leave it out")
    return name


def read_place(value: object) -> str:
    """A host name, a domain, an address of a server, or "clients"."""
    place = _string(value, "host or domain")
    return place if place == CLIENTS else read_host_name(place)


def read_line(value: object) -> str:
    """A line that may be empty; what may stand in it, its fault knows."""
    text = _string(value, "text")
    if not text.isprintable():
        raise WrongValue(f"{as_toml(text)} is no line of text", "give printable characters")
    return text


def read_choice(value: object, choices: type[enum.Enum]) -> enum.Enum:
    """One of a few words."""
    known = [str(choice.value) for choice in choices]
    for choice in choices:
        if choice.value == value:
            return choice
    guess = nearest(value, known) if isinstance(value, str) else None
    mend = f'did you mean "{guess}"?' if guess else ""
    raise WrongValue(f"{as_toml(value)} is no choice", f"give {' or '.join(map(as_toml, known))}", mend)


READERS: Final[Mapping[Any, Callable[[object], object]]] = {
    str: read_text,
    HostName: read_host_name,
    LocalPart: read_local_part,
    Password: read_password,
    Target: read_target,
    IPAddress: read_ip_address,
    Endpoint: read_endpoint,
    ReachableEndpoint: read_reachable_endpoint,
    Seconds: read_seconds,
    SecondsOrNone: read_seconds_or_none,
    bool: read_flag,
    Seed: read_whole_number,
    FaultName: read_fault_name,
    Place: read_place,
    Line: read_line,
    Times: read_count,
    Rate: read_count,
    Occasions: read_count_or_none,
    Octets: read_count_or_none,
    Span: read_seconds_or_none,
    Chance: read_chance,
    Count: read_count,
    CountOrNone: read_count_or_none,
    Recipients: read_recipients,
}


def _endpoint(value: object, mend: str = "") -> Endpoint:
    text = _string(value, "address")
    try:
        return Endpoint.parse(text)
    except ValueError as error:
        # Its line is "FOUND is no address; give ...": the first half is ours to write, the advice is its own.
        found = f"{as_toml(text)} is no address"
        advice = str(error).removeprefix(f'"{text}" is no address; ')
        raise WrongValue(found, advice, mend) from None


def _string(value: object, wanted: str) -> str:
    if isinstance(value, str):
        return value
    raise WrongValue(f"{as_toml(value)} is no {wanted}", "give it in quotes")
