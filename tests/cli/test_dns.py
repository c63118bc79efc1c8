"""`maillab dns`: the lab's records, and changing them."""

from __future__ import annotations

import json

from tests.cli.page import asked_lab


async def test_records_are_listed_and_changed() -> None:
    """What is set stands in the list at once, in the place of what was there; without a value it is gone."""
    async with asked_lab("two-schools") as asked:

        async def values() -> list[str]:
            found = json.loads((await asked.maillab("dns", "list", "--format", "json")).stdout)
            return [record["value"] for record in found if (record["name"], record["type"]) == ("sued.example", "MX")]

        assert await values() == ["10 mail.sued.example"]
        changed = await asked.maillab("dns", "set", "sued.example", "mx", "5 relay.example", "10 mail.sued.example")
        assert changed.exit_code == 0
        assert sorted(await values()) == ["10 mail.sued.example", "5 relay.example"]
        assert (await asked.maillab("dns", "set", "sued.example", "MX")).exit_code == 0
        assert await values() == []


async def test_the_table_has_every_record() -> None:
    """For people: name, TTL, type, value."""
    async with asked_lab("two-schools") as asked:
        result = await asked.maillab("dns", "list")
        for word in ("sued.example", "MX", "10 mail.sued.example", "172.16.3.1"):
            assert word in result.stdout


async def test_a_record_that_is_none_changes_nothing() -> None:
    """One line says what was found and what was expected."""
    async with asked_lab("two-schools") as asked:
        before = asked.lab.zones.records()
        for wrong in (("sued.example", "MX", "relay"), ("sued.example", "MY", "x"), ("other.test", "A", "192.0.2.1")):
            result = await asked.maillab("dns", "set", *wrong)
            assert result.exit_code == 1
            assert result.stderr.count("\n") == 1
        assert asked.lab.zones.records() == before
