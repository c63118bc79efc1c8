"""What Prometheus reads."""

from __future__ import annotations

import trio
import trio.testing
from prometheus_client.parser import text_string_to_metric_families

from .visit import House, open_house


async def read(house: House) -> dict[tuple[str, str], float]:
    """Every number, by its name and server."""
    answer = await house.ask("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = text_string_to_metric_families(answer.body.decode())
    return {(sample.name, sample.labels["server"]): sample.value for family in families for sample in family.samples}


async def test_each_server_counts_its_own(autojump_clock: trio.testing.MockClock) -> None:
    """A mail over a relay, one that comes back, and one that is refused stand in the numbers of each server."""
    async with open_house() as house:
        before = await read(house)
        assert set(before.values()) == {0}
        await house.lab.send("anna@nord.example", ["ben@sued.example"])
        await house.lab.send("anna@nord.example", ["nobody@sued.example"])
        await house.ask("/api/lab/send", "POST", b'{"from": "", "to": ["nobody@nord.example"]}')
        await trio.sleep(1)
        after = await read(house)
        assert after.keys() == before.keys()
        accepted = [after["maillab_messages_accepted_total", host] for host in house.lab.servers]
        assert accepted == [3, 1, 3]  # the second mail came back from the relay
        assert after["maillab_messages_stored_total", "mail.sued.example"] == 1
        assert after["maillab_messages_refused_total", "mail.nord.example"] == 1
        assert after["maillab_bounces_created_total", "relay.example"] == 1
        assert after["maillab_deliveries_relayed_total", "relay.example"] == 2
        assert after["maillab_deliveries_failed_total", "relay.example"] == 1
        assert after["maillab_connections_total", "relay.example"] >= 1


async def test_what_waits_and_who_is_there_is_counted(autojump_clock: trio.testing.MockClock) -> None:
    """Queue length and open connections go up and down."""
    async with open_house() as house:
        house.lab.book.moved("relay.example", 25, house.page._replace(port=1))
        for _ in range(3):
            await house.lab.send("anna@nord.example", ["ben@sued.example"])
        await trio.sleep(1)
        target = house.lab.book.find("mail.sued.example", 25)
        assert target is not None
        async with await house.lab.network.connect(target, None, None):
            await house.quiet()
            numbers = await read(house)
            assert numbers["maillab_queue_length", "mail.nord.example"] == 3
            assert numbers["maillab_deliveries_deferred_total", "mail.nord.example"] >= 1
            assert numbers["maillab_open_connections", "mail.sued.example"] == 1
        await house.quiet()
        assert (await read(house))["maillab_open_connections", "mail.sued.example"] == 0


async def test_labs_count_apart(autojump_clock: trio.testing.MockClock) -> None:
    """Two labs in one process have registries of their own."""
    async with open_house() as one, open_house() as two:
        await one.lab.send("anna@nord.example", ["nils@nord.example"])
        assert (await read(one))["maillab_messages_stored_total", "mail.nord.example"] == 1
        assert (await read(two))["maillab_messages_stored_total", "mail.nord.example"] == 0
