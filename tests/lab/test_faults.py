"""Faults in a lab file: what is read, and what is wrong with those that cannot be."""

from __future__ import annotations

from typing import Final

import attrs
import pytest

from maillab.faults.fault import COMMON_KEYS, KEYS, Fault, Kind, key_of
from maillab.lab.load import parse_lab
from maillab.lab.mistakes import LabFileError
from tests.labs import WITH_FAR, memory_lab

EXAMPLES: Final = {
    "refuse": "",
    "delay": 'from = "clients"\nto = "nord.example"\nseconds = 2\njitter_seconds = 0.5',
    "throttle": "octets_per_second = 100",
    "cut": "after_octets = 0",
    "blackhole": 'to = "far.example"',
    "partition": 'hosts = ["nord.example", "clients"]',
    "reply": 'command = "RCPT"\naddress = "@nord.example"\nreply = "450 4.2.0 Mailbox busy"',
    "timeout": 'server = "MAIL.nord.example"\ncommand = "message"',
    "disconnect": 'command = "message"\nlate = true',
    "disk-full": 'server = "nord.example"\ntimes = 3\nafter = 1\nchance = 0.5\nname = "no-room"',
    "disk-fails": "",
    "disk-slow": "seconds = 0.25",
    "dns-servfail": 'domain = "far.example"',
    "dns-timeout": "",
}


def lab_file(*tables: str) -> str:
    return WITH_FAR + "".join(f"\n[[fault]]\n{table}\n" for table in tables)


async def test_every_kind_is_read_and_planned(autojump_clock: object) -> None:
    """A lab begins with the faults of its file, in their order, numbered where they have no name."""
    text = lab_file(*(f'kind = "{kind}"\n{keys}' for kind, keys in EXAMPLES.items()))
    async with memory_lab(text) as lab:
        faults = lab.faults.faults
        assert [fault.kind.value for fault in faults] == [kind.value for kind in Kind] == [*EXAMPLES]
        assert [fault.name for fault in faults[:3]] == ["fault-1", "fault-2", "fault-3"]
        assert faults[1] == Fault(
            "delay", name="fault-2", from_="clients", to="nord.example", seconds=2, jitter_seconds=0.5
        )
        assert faults[9].to_table() == {
            "name": "no-room",
            "kind": "disk-full",
            "times": 3,
            "after": 1,
            "chance": 0.5,
            "server": "nord.example",
        }


def test_every_key_of_a_fault_belongs_to_some_kind() -> None:
    """No key that nothing reads, and no kind without its line in the table."""
    keys = {*COMMON_KEYS, *(key for kind in KEYS.values() for key in (*kind.needed, *kind.possible))}
    assert keys == {key_of(field.name) for field in attrs.fields(Fault)}
    assert KEYS.keys() == set(Kind)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("", "fault[0].kind: missing; this has to be given"),
        ('kind = "delay"', "fault[0].seconds: missing; delay has to know it"),
        (
            'kind = "refuse"\nseconds = 2',
            "fault[0].seconds: refuse does not take this; it takes from, to",
        ),
        ('kind = "refuse"\ntoo = "nord.example"', 'fault[0].too: unknown key; did you mean "to"?'),
        (
            'kind = "refuse"\nfrom = "nrod.example"',
            'fault[0].from: "nrod.example" is no host and no domain of the lab; did you mean "nord.example"?',
        ),
        (
            'kind = "refuse"\nto = "clients"',
            'fault[0].to: nobody connects to "clients"; there are far.example, mail.far.example, mail.nord.example, '
            "nord.example",
        ),
        ('kind = "refuse"\nto = 3', "fault[0].to: 3 is no host or domain; give it in quotes"),
        ('kind = "partition"\nhosts = []', "fault[0].hosts: [] parts nobody; give one host at least"),
        ('kind = "partition"', "fault[0].hosts: missing; partition has to know it"),
        (
            'kind = "disk-full"\nserver = "far.example"',
            'fault[0].server: "far.example" is not started by this lab; there are mail.nord.example',
        ),
        (
            'kind = "timeout"\ncommand = "RCTP"',
            'fault[0].command: "RCTP" is no command; did you mean "RCPT"?',
        ),
        (
            'kind = "timeout"\ncommand = "DATA"\naddress = "anna@nord.example"',
            "fault[0].address: no path comes with DATA; leave it out, or take MAIL or RCPT",
        ),
        (
            'kind = "timeout"\ncommand = "RCPT"\naddress = ""',
            "fault[0].address: nobody is called by the null path; "
            "give one like ben@sued.example, or @sued.example for all of a domain",
        ),
        (
            'kind = "timeout"\ncommand = "MAIL"\naddress = "anna"',
            'fault[0].address: "anna" is no address; '
            "give one like ben@sued.example, or @sued.example for all of a domain",
        ),
        (
            'kind = "reply"\ncommand = "MAIL"\nreply = "250 Ok"',
            'fault[0].reply: "250 Ok" is no reply that refuses; '
            "give a code from 400 to 599 and a text in ASCII, like 450 4.2.0 Mailbox busy",
        ),
        (
            'kind = "reply"\ncommand = "MAIL"\nreply = "450 5.2.0 Busy"',
            "fault[0].reply: 5.2.0 does not go with 450; begin it with 4 (RFC 3463)",
        ),
        (
            'kind = "disconnect"\ncommand = "RCPT"\nlate = true',
            'fault[0].late: only a message can be accepted first; give command = "message", or leave it out',
        ),
        ('kind = "refuse"\ntimes = 0', "fault[0].times: 0 is out of range; give a number from 1 to 2147483647"),
        ('kind = "refuse"\nchance = 2', "fault[0].chance: 2 is no chance; give a number from 0 to 1"),
        (
            'kind = "refuse"\nchance = "1"',
            'fault[0].chance: "1" is no number; give a number from 0 to 1, without quotes',
        ),
        (
            'kind = "refuse"\nname = "a/b"',
            'fault[0].name: "a/b" is no name; give letters, digits, dots and hyphens, or leave it out',
        ),
        ('kind = "delay"\nseconds = -1', "fault[0].seconds: -1 is no span of time; give 0 to 315360000 seconds"),
    ],
)
def test_a_fault_that_cannot_be_is_a_mistake(table: str, said: str) -> None:
    """One line: where, what was found, what was expected."""
    with pytest.raises(LabFileError) as error:
        parse_lab(lab_file(table), "test")
    assert str(error.value) == said


def test_a_fault_of_unknown_kind_is_one_mistake() -> None:
    """What else may be wrong with it depends on what it is to be; other faults are judged all the same."""
    with pytest.raises(LabFileError) as error:
        parse_lab(lab_file('kind = "dleay"\nseconds = 3', 'kind = "refuse"\nseconds = 3'), "test")
    first, second = error.value.mistakes
    assert first.path == "fault[0].kind"
    assert first.mend == 'did you mean "delay"?'
    assert second.path == "fault[1].seconds"


def test_a_name_can_be_given_once() -> None:
    """Faults without names have none in common."""
    with pytest.raises(LabFileError) as error:
        parse_lab(lab_file(*['kind = "refuse"'] * 2, *['kind = "refuse"\nname = "one"'] * 2), "test")
    assert str(error.value) == (
        'fault[3].name: "one" is the name of fault[2] already; give each its own, or leave it out'
    )


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("seed = 1.5", "lab.seed: 1.5 is no whole number; give one like 42, without quotes"),
        ("seed = 3000000000", "lab.seed: 3000000000 is out of range; give a number from -2147483647 to 2147483647"),
        (
            'fault_addresses = "yes"',
            'lab.fault_addresses: "yes" is neither true nor false; write true or false, without quotes',
        ),
    ],
)
def test_the_switches_of_a_lab_are_checked(keys: str, said: str) -> None:
    """Seeds are numbers, and addresses that ask for faults are on or off."""
    with pytest.raises(LabFileError) as error:
        parse_lab(WITH_FAR.replace("[lab]", f"[lab]\n{keys}"), "test")
    assert str(error.value) == said


async def test_a_program_is_told_the_same(autojump_clock: object) -> None:
    """`add` refuses what validate would, and a name that is taken; nothing is planned then."""
    async with memory_lab(WITH_FAR) as lab:
        lab.faults.add(Fault("refuse", name="one"))
        with pytest.raises(ValueError, match='name: "one" is taken; give another one, or clear that first'):
            lab.faults.add(Fault("refuse", name="one"))
        with pytest.raises(
            ValueError, match=r'seconds: missing; delay has to know it; to: "nowhere\.example" is no host'
        ):
            lab.faults.add(Fault("delay", to="nowhere.example"))
        assert [fault.name for fault in lab.faults.faults] == ["one"]
        assert lab.faults.clear("one") == ("one",)
        assert lab.faults.clear("one") == ()
        with pytest.raises(LookupError, match='no fault is called "one"; there are none'):
            lab.faults.fired_count("one")
