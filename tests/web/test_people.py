"""What the people of a lab tell their mail programs."""

from __future__ import annotations

import trio.testing

from .visit import open_house


async def test_mail_settings_are_those_of_the_lab_file(autojump_clock: trio.testing.MockClock) -> None:
    """Server, ports, user and password, for everybody with a mailbox, however the address is written."""
    async with open_house() as house:
        assert (await house.ask("/api/lab/people/NILS@Nord.example")).json == {
            "address": "nils@nord.example",
            "user": "nils",
            "password": "geheim",
            "domain": "nord.example",
            "host": "mail.nord.example",
            "server_address": "172.16.1.1",
            "ports": {"smtp": 25, "submission": 587, "submissions": 465},
        }
        berta = (await house.ask("/api/lab/people/berta%40sued.example")).json
        assert (berta["password"], berta["host"], berta["server_address"]) == (
            "berta",
            "mail.sued.example",
            "172.16.2.1",
        )


async def test_nobody_has_no_settings(autojump_clock: trio.testing.MockClock) -> None:
    """An alias, a stranger and no address at all are nobody, and who is there is said."""
    async with open_house() as house:
        for nobody in ("team@nord.example", "nils@sued.example", "nils", "%20"):
            answer = await house.ask(f"/api/lab/people/{nobody}")
            assert (answer.status, answer.json["mend"]) == (404, "GET /api/lab/mailboxes lists who has one")
