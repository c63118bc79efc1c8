"""What DNS follows from a lab file."""

from __future__ import annotations

import dns.message
import dns.rcode
import pytest
import trio

from maillab import open_lab
from maillab.lab.load import load_lab, parse_lab
from maillab.lab.mistakes import LabFileError
from maillab.lab.zones import zones_of
from maillab.network.endpoint import Endpoint
from tests.labs import TWO_SCHOOLS

BACKUP = """
[lab]
name = "backup"
[[domain]]
name = "nord.example"
users = ["anna"]
[[domain]]
name = "sued.example"
users = ["ben"]
[[relay]]
host = "relay.example"
[dns]
records = [
    { name = "sued.example", type = "MX", value = "20 relay.example" },
    { name = "www.nord.example", type = "CNAME", value = "mail.nord.example" },
]
"""


def values(question: tuple[str, str], text: str | None = None) -> list[str]:
    """What the zones of a lab say."""
    answer = zones_of(parse_lab(text, "test") if text else TWO_SCHOOLS).answer(*question)
    return [str(rdata).rstrip(".") for rrset in answer.answers for rdata in rrset]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (("sued.example", "MX"), ["10 mail.sued.example"]),
        (("mail.sued.example", "A"), ["172.16.2.1"]),
        (("sued.example", "A"), ["172.16.2.1"]),
        (("relay.example", "A"), ["172.16.3.1"]),
        (("1.2.16.172.in-addr.arpa", "PTR"), ["mail.sued.example"]),
        (("nord.example", "NS"), ["mail.nord.example"]),
        (("relay.example", "MX"), []),
    ],
)
def test_a_lab_has_the_records_that_its_mail_needs(question: tuple[str, str], expected: list[str]) -> None:
    """Every domain has an MX, every host an address and a name for it, and a domain's name leads to its server."""
    assert values(question) == expected


def test_the_file_adds_records() -> None:
    """What the file says stands beside what follows from it."""
    assert sorted(values(("sued.example", "MX"), BACKUP)) == ["10 mail.sued.example", "20 relay.example"]
    assert values(("www.nord.example", "A"), BACKUP) == ["mail.nord.example", "172.16.1.1"]


def test_gartenparty_is_found_as_in_the_textbook() -> None:
    """The learner types `example.com`, and means 172.16.1.1."""
    answer = zones_of(load_lab("gartenparty")).answer("example.com", "A")
    assert [str(rdata) for rrset in answer.answers for rdata in rrset] == ["172.16.1.1"]


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ('{ name = "sued.example", type = "MX", value = "relay.example" }', "dns.records[0]"),
        ('{ name = "sued.example", type = "MY", value = "20 relay.example" }', "no record type"),
        ('{ name = "elsewhere.test", type = "A", value = "192.0.2.1" }', "elsewhere.test"),
        ('{ name = "sued.example", type = "A", value = "172.16.2.999" }', "no value of A records"),
        ('{ name = "sued.example", typ = "A", value = "172.16.2.9" }', 'did you mean "type"?'),
    ],
)
def test_a_record_that_is_none_is_a_mistake_of_the_file(record: str, said: str) -> None:
    """Each is told with its place, what was found and what was expected."""
    with pytest.raises(LabFileError) as caught:
        parse_lab(BACKUP.replace('{ name = "sued.example", type = "MX", value = "20 relay.example" }', record), "test")
    (mistake,) = caught.value.mistakes
    assert said in str(mistake)
    assert mistake.path.startswith("dns.records[0]")


async def test_the_lab_answers_by_datagram() -> None:
    """A running lab tells where it answers, and what is changed in it is true at once."""
    async with open_lab(TWO_SCHOOLS.on_free_ports(), crash_ends_all=True) as lab:
        where = Endpoint.parse(lab.recorder.records[-1]["dns"])
        with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as asking, trio.fail_after(30):
            for value in ("10 mail.sued.example.", "5 relay.example."):
                lab.zones.set("sued.example", "MX", [value])
                query = dns.message.make_query("sued.example", "MX")
                await asking.sendto(query.to_wire(), tuple(where))
                response = dns.message.from_wire((await asking.recvfrom(4096))[0])
                assert response.rcode() == dns.rcode.NOERROR
                assert [str(rdata) for rdata in response.answer[0]] == [value]
