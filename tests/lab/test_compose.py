"""A lab as a compose file."""

from __future__ import annotations

import re

import attrs
import pytest

from maillab.lab.compose import ComposeError, compose_file, service_names
from maillab.lab.load import load_lab, parse_lab, shipped_labs
from maillab.lab.spec import DomainSpec, LabSpec
from maillab.network.endpoint import Endpoint
from tests.test_floors import REPOSITORY

TWO_SCHOOLS = load_lab("two-schools")


def lab(*addresses: str) -> LabSpec:
    """A lab with a server at each of these addresses."""
    domains = [DomainSpec(name=f"d{k}.example", address=address) for k, address in enumerate(addresses)]
    return LabSpec(name="Net & co.", domains=tuple(domains))


def network_of(text: str) -> tuple[str, str]:
    """Subnet and gateway."""
    (found,) = re.findall(r'subnet: "([^"]+)", gateway: "([^"]+)"', text)
    assert isinstance(found, tuple)
    return found


def test_the_file_that_ships_is_that_of_two_schools() -> None:
    """`maillab export compose two-schools > docker/compose.split.yaml` makes it anew."""
    shipped = (REPOSITORY / "docker/compose.split.yaml").read_text(encoding="utf-8")
    assert shipped == compose_file(TWO_SCHOOLS, "two-schools", ships=True)


@pytest.mark.parametrize("name", shipped_labs())
def test_a_session_has_room_for_every_lab_that_ships(name: str) -> None:
    """In docker/compose.yaml the one container is at the address of each server."""
    session = (REPOSITORY / "docker/compose.yaml").read_text(encoding="utf-8")
    (lab_service,) = re.findall(r"(?ms)^  lab:$(.*?)^$", session)
    taken = {f"172.16{rest}" for rest in re.findall(r'ipv4_address: "\$\{MAILLAB_NET:-172\.16\}([\d.]+)"', lab_service)}
    assert {server.address for server in load_lab(name).servers} <= taken


def test_a_lab_of_ones_own_is_mounted() -> None:
    """From where it was given, told from the name of a volume, with no dollar sign that begins a variable."""
    text = compose_file(TWO_SCHOOLS, "my $lab.toml", ships=False)
    mount = '- {type: bind, source: "./my $$lab.toml", target: /labs/lab.toml, read_only: true}'
    assert text.count(mount) == 3
    assert text.count('command: ["up", "/labs/lab.toml", "--only", ') == 3
    assert 'source: "../lab.toml"' in compose_file(TWO_SCHOOLS, "../lab.toml", ships=False)


def test_addresses_of_ones_own_make_the_smallest_network() -> None:
    """It has a gateway that is no server's, and is not moved by a variable."""
    text = compose_file(lab("10.1.2.1", "10.1.2.6"), "net", ships=True)
    assert network_of(text) == ("10.1.2.0/29", "10.1.2.5")
    assert 'ipv4_address: "10.1.2.6"' in text
    assert "MAILLAB_NET" not in text
    assert network_of(compose_file(lab("10.1.2.1", "10.1.2.200"), "net", ships=True))[0] == "10.1.2.0/24"
    full = [f"10.1.2.{n}" for n in range(1, 7)]
    assert network_of(compose_file(lab(*full), "net", ships=True)) == ("10.1.2.0/28", "10.1.2.14")
    assert network_of(compose_file(lab("10.1.2.7"), "net", ships=True)) == ("10.1.2.0/28", "10.1.2.14")


def test_many_servers_need_more_than_one_16() -> None:
    """The 256th is at 172.17.0.1."""
    spec = LabSpec(name="many", domains=tuple(DomainSpec(name=f"d{k}.example") for k in range(256)))
    assert network_of(compose_file(spec, "many", ships=True))[0] == "172.16.0.0/15"


@pytest.mark.parametrize(
    ("addresses", "said"),
    [
        (("172.16.1.1", "10.0.0.1"), "from 10.0.0.1 to 172.16.1.1, are in no one private network; give them some"),
        (("8.8.8.8",), "are in no one private network"),
        (("172.16.1.1", "fd00::1"), "the address of mail.d1.example is fd00::1, and these containers have IPv4 only"),
    ],
)
def test_addresses_that_no_network_holds_are_refused(addresses: tuple[str, ...], said: str) -> None:
    """In one line that says how to mend it."""
    with pytest.raises(ComposeError, match=re.escape(said)):
        compose_file(lab(*addresses), "net", ships=True)


def test_a_server_that_nobody_else_reaches_is_refused() -> None:
    """On the loopback interface of its container it is alone."""
    spec = LabSpec(name="alone", domains=(DomainSpec(name="d.example", smtp=Endpoint("127.0.0.1", 2600)),))
    with pytest.raises(
        ComposeError, match=r"mail\.d\.example listens at 127\.0\.0\.1:2600, where .*; leave out its smtp"
    ):
        compose_file(spec, "alone", ships=True)


def test_names_fit_where_names_are_narrow() -> None:
    """A project has lower case, a service no dots, and no two services have one name; odd words are quoted."""
    spec = parse_lab(
        '[lab]\nname = "x"\n[[domain]]\nname = "n.example"\nusers = ["a"]\nhost = "a-b.c"\n[[relay]]\nhost = "a.b-c"\n'
        '[[relay]]\nhost = "on"\n',
        "test",
    )
    assert service_names(spec) == {"a-b.c": "a-b-c", "a.b-c": "a-b-c-1", "on": "on"}
    text = compose_file(attrs.evolve(spec, name="Net & co."), "x", ships=True)
    assert "\nname: maillab-net-co\n" in text
    assert '\n  "on":\n' in text
    assert '\n    hostname: "on"\n' in text


def test_who_is_not_of_the_lab_is_named() -> None:
    """Nobody starts it, but it has to be there."""
    text = compose_file(load_lab("with-postfix"), "with-postfix", ships=True)
    assert (
        "# mail.postfix.example is none of the lab's own servers: to be reached, it has to be at 172.16.3.25:25."
        in text
    )
