"""`maillab fault`: what goes wrong on purpose, and its end."""

from __future__ import annotations

import json

from maillab.cli.fault import fault
from maillab.faults.fault import COMMON_KEYS, KEYS, Fault
from tests.cli.page import asked_lab

BUSY = ("--server", "sued.example", "--command", "RCPT", "--reply", "450 4.2.0 Mailbox busy", "--times", "2")


async def test_faults_are_added_listed_and_cleared() -> None:
    """What was typed is planned and shown, for people and for programs; cleared, it is gone."""
    async with asked_lab("two-schools") as asked:
        added = await asked.maillab("fault", "add", "reply", *BUSY)
        said = 'times = 2, server = "sued.example", command = "RCPT", reply = "450 4.2.0 Mailbox busy"'
        assert (added.exit_code, added.stdout) == (0, f"fault-1: reply {said}\n")
        parted = await asked.maillab("fault", "add", "partition", "--hosts", "nord.example", "--hosts", "clients")
        assert parted.stdout == 'fault-2: partition hosts = ["nord.example","clients"]\n'
        assert asked.lab.faults.faults[1] == Fault("partition", name="fault-2", hosts=["nord.example", "clients"])

        table = (await asked.maillab("fault", "list")).stdout
        for word in ("fault-1", "reply", "450 4.2.0 Mailbox busy", "Struck", "fault-2"):
            assert word in table
        listed = json.loads((await asked.maillab("fault", "list", "--format", "json")).stdout)
        assert [(each["name"], each["fired_count"], each["spent"]) for each in listed] == [
            ("fault-1", 0, False),
            ("fault-2", 0, False),
        ]
        assert (await asked.maillab("fault", "clear", "fault-2")).stdout == "cleared: fault-2\n"
        assert (await asked.maillab("fault", "clear")).stdout == "cleared: fault-1\n"
        assert (await asked.maillab("fault", "clear")).stdout == "cleared: nothing was planned\n"
        assert (await asked.maillab("fault", "list")).stdout == "no faults\n"


def test_every_key_of_a_fault_is_an_option() -> None:
    """And no option is none."""
    keys = {*COMMON_KEYS, *(key for kind in KEYS.values() for key in (*kind.needed, *kind.possible))} - {"kind"}
    options = {option for each in fault.commands["add"].params for option in each.opts if option.startswith("--")}
    assert options - {"--url"} == {f"--{key.replace('_', '-')}" for key in keys}


async def test_a_fault_that_cannot_be_is_told_in_one_line() -> None:
    """What was found and how to mend it, with exit code 1; a kind that is none is wrong use."""
    async with asked_lab("two-schools") as asked:
        for arguments, said in (
            (("add", "delay", "--to", "sued.example"), "seconds: missing; delay has to know it"),
            (("add", "refuse", "--to", "sude.example"), 'did you mean "sued.example"?'),
            (("clear", "fault-7"), "no fault is called fault-7; there are none"),
        ):
            result = await asked.maillab("fault", *arguments)
            assert result.exit_code == 1
            assert said in result.stderr
            assert result.stderr.count("\n") == 1
        assert (await asked.maillab("fault", "add", "delya")).exit_code == 2
        assert asked.lab.faults.faults == ()


async def test_an_empty_address_is_the_null_path() -> None:
    """It is given, and not left out."""
    async with asked_lab("two-schools") as asked:
        added = await asked.maillab("fault", "add", "timeout", "--command", "MAIL", "--address", "")
        assert added.exit_code == 0
        assert asked.lab.faults.faults[0].address == ""
