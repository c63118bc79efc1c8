"""Starting and ending a lab: where it listens, what is refused, and that it ends whoever is connected."""

from __future__ import annotations

import contextlib
import errno
import io
import socket
import sqlite3
from collections.abc import Sequence
from typing import Final

import orjson
import pytest
import trio

from maillab import Lab, open_lab
from maillab.lab.listening import LabStartError
from maillab.lab.load import parse_lab
from maillab.lab.mistakes import LabFileError
from maillab.lab.waiting import wait_until
from maillab.network.endpoint import Endpoint
from maillab.network.memory import MemoryNetwork
from maillab.network.network import TcpNetwork
from maillab.trace.book import TraceBook
from maillab.trace.drain import JsonLines
from tests.labs import (
    NORD,
    RELAY,
    SUED,
    TWO_SCHOOLS,
    WITH_FAR,
    foreign_server,
    memory_lab,
    records_of,
    subjects,
    visit,
)

ANNA: Final = "anna@nord.example"
BEN: Final = "ben@sued.example"
STOP_SECONDS: Final = 5  # what a lab may take to stop


def at_ports(nord: int, sued: int, relay: int) -> str:
    """Two schools and a relay, with Nord, Sued and the relay on these ports."""
    return f"""
        [lab]
        name = "two-schools"

        [[domain]]
        name = "nord.example"
        users = ["anna"]
        smarthost = "relay.example"
        smtp = "127.0.0.1:{nord}"

        [[domain]]
        name = "sued.example"
        users = ["ben"]
        smtp = "127.0.0.1:{sued}"

        [[relay]]
        host = "relay.example"
        smtp = "127.0.0.1:{relay}"
    """


def only_at_ports(nord: int, sued: int, relay: int, dns: int) -> str:
    """The same at no other ports: without TLS nobody listens for mail programs."""
    text = at_ports(nord, sued, relay).replace("smtp =", 'tls = "off"\n        smtp =')
    return f'{text}\n[dns]\nlisten = "127.0.0.1:{dns}"\n'


async def free_ports(count: int) -> list[int]:
    """Ports that nobody listens at."""
    listeners = [await TcpNetwork().listen(Endpoint("127.0.0.1", 0)) for _ in range(count)]
    for listener in listeners:
        await listener.aclose()
    return [listener.local.port for listener in listeners]


async def test_runs_on_real_ports() -> None:
    """With port 0 each server takes any free port, which `lab.ready` tells, and mail goes through all of them."""
    async with open_lab(parse_lab(at_ports(0, 0, 0), "test"), crash_ends_all=True) as lab:
        (ready,) = records_of(lab, "lab.ready")
        assert [(server["host"], server["domains"], server["address"]) for server in ready["servers"]] == [
            (NORD, ["nord.example"], "172.16.1.1"),
            (SUED, ["sued.example"], "172.16.2.1"),
            (RELAY, [], "172.16.3.1"),
        ]
        ports = {Endpoint.parse(server["smtp"]).port for server in ready["servers"]}
        assert len(ports - {0}) == 3
        assert Endpoint.parse(ready["dns"]).port != 0
        assert (ready["web"], ready["servers"][0]["imap"]) == (None, None)

        sent = await lab.send(ANNA, BEN, subject="x")
        message = await lab.mailbox(BEN).wait_for_message()
        assert message.trace == sent.trace
        assert message.path == [NORD, RELAY, SUED]
        assert [received.from_comment for received in message.message.received if received] == [
            "relay.example [172.16.3.1]",
            "mail.nord.example [172.16.1.1]",
            "[127.0.0.1]",
        ]


async def test_a_listener_on_all_interfaces_is_found_too() -> None:
    """A server at 0.0.0.0 with any free port gets its mail from the others."""
    text = at_ports(0, 0, 0).replace("127.0.0.1:0", "0.0.0.0:0")
    async with open_lab(parse_lab(text, "test"), crash_ends_all=True) as lab:
        await lab.send(ANNA, BEN, subject="x")

        assert (await lab.mailbox(BEN).wait_for_message()).path == [NORD, RELAY, SUED]


async def test_a_busy_port_is_one_line() -> None:
    """A port that somebody has is named with its server, and nothing else of the lab is left listening."""
    network = TcpNetwork()
    async with await network.listen(Endpoint("127.0.0.1", 0)) as taken:
        free, *others = await free_ports(3)
        spec = parse_lab(only_at_ports(free, taken.local.port, *others), "test")
        with pytest.raises(LabStartError) as caught:
            async with open_lab(spec):
                pass

        assert str(caught.value) == (
            f"{SUED} cannot listen on {taken.local}: the port is in use; stop the other program (another lab?), "
            'or give smtp = "HOST:PORT" in the lab file'
        )
        async with await network.listen(Endpoint("127.0.0.1", free)):
            pass


async def test_an_address_of_another_machine_is_one_line() -> None:
    """The lab's own addresses exist in containers only; elsewhere the way out is named."""
    text = at_ports(0, 0, 0).replace("127.0.0.1:0", "203.0.113.1:2525", 1)  # RFC 5737: nobody's address
    with pytest.raises(LabStartError) as caught:
        async with open_lab(parse_lab(text, "test")):
            pass

    assert str(caught.value) == (
        f"{NORD} cannot listen on 203.0.113.1:2525: 203.0.113.1 is no address of this machine; "
        "use --addressing ports, or run the lab in containers"
    )


@pytest.mark.parametrize(
    ("only", "line"),
    [
        (
            ["mail.nord.exmple"],
            '--only: "mail.nord.exmple" is no server of this lab; did you mean "mail.nord.example"?',
        ),
        (
            ["nord.example", NORD, "x"],
            '--only: "nord.example" is no server of this lab; did you mean "mail.nord.example"?\n'
            '--only: "x" is no server of this lab; known here: mail.nord.example, mail.sued.example, relay.example',
        ),
    ],
)
async def test_only_wants_servers_of_the_lab(only: Sequence[str], line: str) -> None:
    """A host that is none is named, with the one that was probably meant; all of them at once."""
    with pytest.raises(LabFileError) as caught:
        async with memory_lab(only=only):
            pass

    assert str(caught.value) == line


async def test_only_wants_ports_that_others_can_know() -> None:
    """Port 0 with `--only` is a mistake, wherever the server runs: the other processes could not find it."""
    spec = parse_lab(at_ports(2525, 0, 2527), "test")
    with pytest.raises(LabFileError) as caught:
        async with open_lab(spec, only=[NORD]):
            pass

    assert str(caught.value) == (
        "mail.sued.example: smtp: port 0 with --only; a port that the other processes know, "
        "give HOST:PORT in the lab file"
    )


@pytest.mark.parametrize("role", ["submission", "submissions"])
async def test_only_wants_all_ports_that_are_given(role: str) -> None:
    """Any free port for a mail program's listener is a mistake with `--only` as well."""
    text = at_ports(2525, 2526, 2527).replace('"127.0.0.1:2525"', f'"127.0.0.1:2525"\n{role} = "127.0.0.1:0"')
    with pytest.raises(LabFileError) as caught:
        async with open_lab(parse_lab(text, "test"), only=[SUED]):
            pass

    assert str(caught.value) == (
        f"{NORD}: {role}: port 0 with --only; a port that the other processes know, give HOST:PORT in the lab file"
    )


async def test_a_busy_port_of_any_listener_is_one_line() -> None:
    """The line names the key of the listener that could not be had."""
    network = MemoryNetwork()
    spec = parse_lab(at_ports(2525, 2526, 2527), "test")
    async with await network.listen(Endpoint("127.0.0.1", 17466)):
        with pytest.raises(LabStartError) as caught:
            async with open_lab(spec, network=network):
                pass

    assert str(caught.value) == (
        f"{SUED} cannot listen on 127.0.0.1:17466: the port is in use; stop the other program (another lab?), "
        'or give submissions = "HOST:PORT" in the lab file'
    )


class BusyPage:
    """A page whose port somebody has."""

    endpoint = Endpoint("127.0.0.1", 8025)

    async def listen(self, lab: Lab) -> Endpoint:
        raise OSError(errno.EADDRINUSE, "in use")

    async def run(self) -> None:
        raise AssertionError("it was never bound")


async def test_a_busy_page_is_one_line() -> None:
    """The page's place is an option, and the line says which."""
    with pytest.raises(LabStartError) as caught:
        async with open_lab(TWO_SCHOOLS, network=MemoryNetwork(), page=BusyPage()):
            pass

    assert str(caught.value) == (
        "the page cannot listen on 127.0.0.1:8025: the port is in use; "
        "stop the other program (another lab?), or give another --web HOST:PORT"
    )


@pytest.mark.parametrize(("name", "addresses"), [("localhost.localdomain.", ()), (socket.gethostname(), None)])
async def test_a_foreign_host_may_have_a_name(name: str, addresses: tuple[str, ...] | None) -> None:
    """A host that is given by a name is believed at all its addresses; one that nobody knows holds nothing up."""
    text = at_ports(0, 0, 0) + f'[[foreign]]\nhost = "mx.far.example"\nsmtp = "{name}:2600"\n'
    if addresses is None:
        rows = await trio.socket.getaddrinfo(name, 25, type=socket.SOCK_STREAM)
        addresses = tuple(dict.fromkeys(str(row[4][0]) for row in rows))
    async with open_lab(parse_lab(text, "test"), crash_ends_all=True) as lab:
        by_address = lab.servers[NORD].site.neighbours.by_address
        assert set(addresses) <= set(by_address)
        assert all(hosts == ("mx.far.example",) for hosts in by_address.values())


async def test_two_processes_make_one_trace() -> None:
    """One lab file, two processes with `--only`, each with its own servers: their records together are one trace."""
    spec = parse_lab(only_at_ports(*await free_ports(4)), "test")
    async with (
        open_lab(spec, only=[NORD, RELAY.upper()], crash_ends_all=True) as north,
        open_lab(spec, only=[SUED], crash_ends_all=True) as south,
    ):
        assert set(north.mailboxes()) == {ANNA}
        sent = await north.send(ANNA, BEN, subject="x")
        message = await south.mailbox(BEN).wait_for_message()
        await wait_until(
            lambda: records_of(north, "delivery.relayed", server=RELAY) or None, north.recorder, "delivery.relayed"
        )
        assert (message.trace, message.path) == (sent.trace, [NORD, RELAY, SUED])

    book = TraceBook()
    for lab in (north, south):
        for record in lab.recorder.records:
            book.add(record)
    (trace,) = book.traces()
    assert [(hop.server, hop.number) for hop in trace.hops] == [(NORD, 1), (RELAY, 2), (SUED, 3)]
    assert trace.path() == [NORD, RELAY, SUED]
    assert len({record["run"] for record in trace.records}) == 2
    (accepted,) = records_of(south, "message.accepted")
    (relayed,) = records_of(north, "delivery.relayed", server=RELAY)
    assert accepted["received_from_queue_id"] == f"{sent.trace}-2-00"
    assert relayed["next_queue_id"] == accepted["queue_id"] == f"{sent.trace}-3-00"
    # The other process writes its own dialogue, so this one takes down its side of that connection too.
    assert records_of(north, "smtp.command", connection=relayed["connection"])


def break_mailboxes(db: sqlite3.Connection) -> None:
    """A fault of our own, for each mail with the subject "break"."""
    db.execute(
        "CREATE TRIGGER fault BEFORE INSERT ON message_octets WHEN instr(new.octets, CAST('break' AS BLOB))"
        " BEGIN SELECT RAISE(ABORT, 'a fault'); END"
    )


async def say_break(lab: Lab) -> str:
    """The answer to a mail that meets the fault; the connection ends with it."""
    async with visit(lab, NORD) as visitor:
        await visitor.say_all([f"MAIL FROM:<{ANNA}>", f"RCPT TO:<{ANNA}>", "DATA"])
        reply = await visitor.give(b"Subject: break\r\n\r\n.\r\n")
        assert await visitor.hear() == ""
        return reply


async def test_a_crash_ends_one_connection(autojump_clock: object) -> None:
    """A fault of our own is a record with its traceback, and an answer; all other connections go on."""
    async with memory_lab(crash_ends_all=False) as lab, visit(lab, NORD) as bystander:
        await lab.database.write(break_mailboxes)
        assert (await say_break(lab)).startswith("451 4.3.0 ")

        (crash,) = records_of(lab, "connection.crashed")
        assert (crash["server"], crash["connection"]) == (NORD, "c2")
        assert "Traceback" in crash["error"]
        assert "IntegrityError: a fault" in crash["error"]
        (closed,) = records_of(lab, "connection.closed", connection="c2")
        assert closed["reason"].startswith("crashed: IntegrityError(")
        assert (await bystander.say("NOOP")).startswith("250 ")
        await lab.send(ANNA, ANNA, subject="works")
        assert subjects(lab, ANNA) == ["works"]


async def test_a_crash_ends_a_test(autojump_clock: object) -> None:
    """With `crash_ends_all` the fault itself comes out of the lab, not a group around it."""

    async def crash() -> None:
        async with memory_lab(crash_ends_all=True) as lab:
            await lab.database.write(break_mailboxes)
            await say_break(lab)
            await trio.sleep_forever()

    with pytest.raises(sqlite3.IntegrityError, match="a fault"):
        await crash()


async def test_an_error_of_the_caller_comes_out_as_it_is(autojump_clock: object) -> None:
    """What the body raises is not wrapped, and the lab ends before it goes on."""
    with pytest.raises(ZeroDivisionError):
        async with memory_lab() as lab:
            raise ZeroDivisionError
    assert lab.recorder.records[-1]["event"] == "lab.stopped"


async def test_ends_with_clients_connected(autojump_clock: object) -> None:
    """Idle, in the middle of a message or deaf: whoever is connected, the lab says 421 and ends within 5 s."""
    heard: list[str] = []
    network = MemoryNetwork()

    async def be_deaf(lab: Lab) -> None:
        target = lab.book.find(NORD, 25)
        assert target is not None
        async with await network.connect(target, None, None) as stream:
            with contextlib.suppress(trio.BrokenResourceError):
                while True:
                    await stream.send_all(b"HELP\r\n" * 1000)

    async with trio.open_nursery() as nursery:
        async with memory_lab(WITH_FAR, network=network) as lab, foreign_server(lab, thinks_seconds=10_000):
            stack = [visit(lab, NORD) for _ in range(2)]
            idle, writing = [await each.__aenter__() for each in stack]
            await writing.say_all([f"MAIL FROM:<{ANNA}>", f"RCPT TO:<{ANNA}>", "DATA"])
            nursery.start_soon(be_deaf, lab)
            await lab.send(ANNA, "x@far.example", subject="on its way")
            await trio.sleep(1)
            stopping_at = trio.current_time()
        assert trio.current_time() - stopping_at <= STOP_SECONDS
        heard += [await idle.hear(), await writing.hear()]
        for each in stack:
            await each.__aexit__(None, None, None)

    assert [line[:9] for line in heard] == ["421 4.3.2", "421 4.3.2"]
    assert lab.recorder.records[-1]["event"] == "lab.stopped"

    def ends(event: str) -> set[tuple[str, str]]:
        return {(record["connection"], record["side"]) for record in records_of(lab, event)}

    assert ends("connection.opened") == ends("connection.closed")


async def test_is_cancelled_cleanly(autojump_clock: object) -> None:
    """A lab that is cancelled from outside ends as one that is left, and its sinks get every record."""
    lines = io.BytesIO()
    with trio.move_on_after(10):
        async with open_lab(
            TWO_SCHOOLS, addressing="hosts", network=MemoryNetwork(), sinks=[JsonLines(lines)], crash_ends_all=True
        ) as lab:
            await lab.send(ANNA, BEN, subject="x")
            await trio.sleep_forever()

    records = [orjson.loads(line) for line in lines.getvalue().splitlines()]
    assert records == list(lab.recorder.records)
    assert [records[0]["event"], records[-1]["event"]] == ["lab.ready", "lab.stopped"]
    assert records_of(lab, "message.stored", mailbox=BEN)
