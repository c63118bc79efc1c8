"""How much may be asked of a server, and what becomes of who asks for more."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest
import trio

from maillab import Lab, open_lab
from maillab.lab.load import parse_lab
from maillab.lab.waiting import wait_until
from maillab.mailserver.choices import Role
from maillab.mailserver.mailserver import EARLY_TALKER_PAUSE_SECONDS
from maillab.mailserver.turnstile import Turnstile
from maillab.network.memory_stream import MemoryStream
from maillab.network.network import NetworkStream
from tests.labs import NORD, SUED, memory_lab, records_of, row_count
from tests.mailserver.guests import ADDRESS, guest

ANNA: Final = "anna@nord.example"
STRANGER: Final = "eve@elsewhere.example"
TO_ANNA: Final = (f"MAIL FROM:<{STRANGER}>", f"RCPT TO:<{ANNA}>")


def lab_file(limits: str = "", domain: str = "") -> str:
    """Nord and Sued, with these limits; `domain` is about Nord."""
    return f"""
        [lab]
        name = "limits"

        [[domain]]
        name = "nord.example"
        users = ["anna", "nils"]
        aliases = {{ team = ["anna", "nils", "ben@sued.example"] }}
        {domain}

        [[domain]]
        name = "sued.example"
        users = ["ben"]

        [limits]
        {limits}
    """


@asynccontextmanager
async def stream_to(lab: Lab, role: Role = Role.SMTP, source: str = ADDRESS) -> AsyncIterator[NetworkStream]:
    """A bare connection to Nord."""
    target = lab.book.find(NORD, role.value)
    assert target is not None
    async with await lab.network.connect(target, source, None) as stream:
        yield stream


async def all_of(stream: NetworkStream) -> bytes:
    """What is said until the server closes."""
    return b"".join([bytes(octets) async for octets in stream])


async def test_message_octets(autojump_clock: object) -> None:
    """The limit is announced; a message of just that size is taken, one octet more is refused, by DATA and by BDAT."""
    async with memory_lab(lab_file("message_octets = 5000")) as lab, guest(lab) as client:
        assert "SIZE 5000" in await client.hello()
        assert (await client.say(f"MAIL FROM:<{STRANGER}> SIZE=5001")).startswith("552 5.3.4 ")
        assert (await client.send(STRANGER, ANNA, b"x" * 4998 + b"\r\n")).startswith("250 ")
        assert (await client.send(STRANGER, ANNA, b"x" * 4999 + b"\r\n")).startswith("552 5.3.4 ")
        for size, code in ((5000, "250 2.0.0"), (5001, "552 5.3.4")):
            await client.say_all(TO_ANNA)
            assert (await client.give(b"BDAT %d LAST\r\n" % size + b"x" * size)).startswith(code)

        assert row_count(lab.database, "message") == 2
        assert len(records_of(lab, "policy.checked", policy="size", result="refused")) == 3


async def test_a_liar_about_its_size_is_refused_at_the_end(autojump_clock: object) -> None:
    """What is sent counts, and not what was announced."""
    async with memory_lab(lab_file("message_octets = 5000")) as lab, guest(lab) as client:
        await client.say_all([f"MAIL FROM:<{STRANGER}> SIZE=10", f"RCPT TO:<{ANNA}>", "DATA"])
        assert (await client.give(b"x" * 9000 + b"\r\n.\r\n")).startswith("552 5.3.4 ")


async def test_recipients(autojump_clock: object) -> None:
    """One recipient too many is put off with 452 4.5.3; the others get the message."""
    async with memory_lab(lab_file("recipients = 100")) as lab, guest(lab) as client:
        await client.say(f"MAIL FROM:<{STRANGER}>")
        replies = await client.say_all([f"RCPT TO:<{ANNA}>"] * 101)

        assert {reply[:9] for reply in replies[:100]} == {"250 2.1.5"}
        assert replies[100] == "452 4.5.3 Too many recipients; 100 is the limit, send the rest in another transaction"


async def test_who_searches_for_users_is_shown_out(autojump_clock: object) -> None:
    """As many refused recipients in one session as a message may have are borne, and then it is over with 421."""
    async with memory_lab(lab_file("recipients = 100")) as lab, guest(lab) as client:
        await client.say(f"MAIL FROM:<{STRANGER}>")
        replies = await client.say_all([f"RCPT TO:<user{n}@nord.example>" for n in range(101)])

        assert {reply[:9] for reply in replies[:100]} == {"550 5.1.1"}
        assert replies[100].startswith("421 4.7.0 ")
        assert await client.hear() == ""


async def test_errors(autojump_clock: object) -> None:
    """The last error that is borne is answered with 421."""
    async with memory_lab(lab_file("errors = 3")) as lab, guest(lab) as client:
        assert [(await client.say("WHAT"))[:3] for _ in range(3)] == ["500", "500", "421"]
        assert await client.hear() == ""


async def test_commands_without_mail(autojump_clock: object) -> None:
    """Who only ever says NOOP is shown out; who sends a mail now and then is not."""
    async with memory_lab(lab_file("commands_without_mail = 6")) as lab:
        async with guest(lab) as client:
            assert [(await client.say("NOOP"))[:3] for _ in range(5)] == ["250"] * 4 + ["421"]
        async with guest(lab) as client:
            for _ in range(4):
                assert [(await client.say("NOOP"))[:3] for _ in range(3)] == ["250"] * 3
                assert (await client.send(STRANGER, ANNA, b"\r\n")).startswith("250 ")


async def test_command_timeout(autojump_clock: object) -> None:
    """Who is silent for too long hears 421 4.4.2; each word begins the time anew."""
    async with memory_lab(lab_file("command_timeout_seconds = 20")) as lab, guest(lab) as client:
        for _ in range(3):
            await trio.sleep(15)
            assert (await client.say("NOOP")).startswith("250 ")
        start = trio.current_time()
        assert (await client.hear()).startswith("421 4.4.2 ")
        assert 19 <= trio.current_time() - start <= 21


async def test_data_timeout(autojump_clock: object) -> None:
    """Within a message there is a time of its own, and what came of the message is dropped."""
    async with memory_lab(lab_file("data_timeout_seconds = 7")) as lab, guest(lab) as client:
        await client.say_all([*TO_ANNA, "DATA"])
        start = trio.current_time()
        assert (await client.give(b"Subject: x\r\n")).startswith("421 4.4.2 ")
        assert 6 <= trio.current_time() - start <= 8
        assert row_count(lab.database, "message") == 0


async def test_connections_in_all(autojump_clock: object) -> None:
    """One connection too many is told so and closed, whichever server it is for; with room again it is served."""
    async with memory_lab(lab_file("connections = 2")) as lab:
        async with guest(lab), guest(lab, SUED), stream_to(lab) as stream:
            said = await all_of(stream)
            assert said == b"421 4.7.0 mail.nord.example has too many connections; try again later\r\n"
        await trio.sleep(1)
        async with guest(lab), guest(lab, SUED):
            pass

        reasons = [record["reason"] for record in records_of(lab, "connection.closed", side="server")]
        assert reasons.count("mail.nord.example has too many connections; try again later") == 1


async def test_connections_per_peer(autojump_clock: object) -> None:
    """A peer with too many connections is sent away, and others are not; by default there is no such limit."""
    async with memory_lab(lab_file("connections_per_peer = 2")) as lab, guest(lab), guest(lab, SUED):
        async with stream_to(lab) as stream:
            assert (await all_of(stream)).startswith(b"421 4.7.0 ")
        async with guest(lab, source="192.0.2.8"):
            pass


async def test_servers_of_the_lab_are_peers_of_their_own() -> None:
    """On one shared address, a limit per peer holds a client back and no server."""
    text = lab_file("connections_per_peer = 1")
    async with open_lab(parse_lab(text, "test").on_free_ports(), crash_ends_all=True) as lab:
        await lab.send(ANNA, "ben@sued.example", subject="x")
        async with stream_to(lab, source="127.0.0.1") as held:
            assert (await held.receive_some()).startswith(b"220 ")
            async with stream_to(lab, source="127.0.0.1") as stream:
                assert (await all_of(stream)).startswith(b"421 4.7.0 ")
            await lab.wait_for_message(to="ben@sued.example")


async def test_one_too_many_for_tls_is_only_closed(autojump_clock: object) -> None:
    """Where TLS is expected from the first octet, nothing is said in clear."""
    async with (
        memory_lab(lab_file("connections_per_peer = 1")) as lab,
        guest(lab),
        stream_to(lab, Role.SUBMISSIONS) as stream,
    ):
        assert await all_of(stream) == b""


def test_a_turnstile_counts() -> None:
    """Who was let in and left makes room; who was not let in takes none."""
    turnstile = Turnstile(3, 2)

    assert [turnstile.enter(peer) for peer in ("a", "a", "a", "b", "b")] == [True, True, False, True, False]
    turnstile.leave("a")
    assert [turnstile.enter(peer) for peer in ("b", "a")] == [True, False]


async def test_an_early_talker_is_recorded_and_served(autojump_clock: object) -> None:
    """By default a client that does not wait for the greeting is served, and a record tells of it."""
    async with memory_lab(lab_file()) as lab, stream_to(lab) as stream:
        await stream.send_all(b"NOOP\r\nQUIT\r\n")

        assert [line[:3] for line in (await all_of(stream)).splitlines()] == [b"220", b"250", b"221"]
        (checked,) = records_of(lab, "policy.checked")
        assert (checked["policy"], checked["result"]) == ("early-talker", "served")


async def test_an_early_talker_is_noticed_on_a_real_port() -> None:
    """Octets that are there before the greeting are seen without being read."""
    async with open_lab(parse_lab(lab_file(), "test").on_free_ports(), crash_ends_all=True) as lab:
        target = lab.book.find(NORD, 25)
        assert target is not None
        with socket.create_connection(target) as early:  # without a checkpoint: the lab has not accepted it yet
            early.sendall(b"QUIT\r\n")
            await wait_until(lambda: records_of(lab, "connection.closed") or None, lab.recorder, "connection.closed")

        (checked,) = records_of(lab, "policy.checked")
        assert (checked["policy"], checked["result"]) == ("early-talker", "served")


async def test_an_early_talker_may_be_refused(autojump_clock: object) -> None:
    """With `early_talkers = "refuse"` it gets 554, and nothing of what it said is carried out."""
    async with memory_lab(lab_file(domain='early_talkers = "refuse"')) as lab:
        async with stream_to(lab) as stream:
            await stream.send_all(b"EHLO x\r\n")
            assert (await all_of(stream)).startswith(b"554 5.5.1 mail.nord.example had not spoken yet")

        (checked,) = records_of(lab, "policy.checked")
        assert (checked["policy"], checked["result"]) == ("early-talker", "refused")
        assert records_of(lab, "smtp.command") == []


async def test_who_waits_for_the_greeting_is_greeted(autojump_clock: object) -> None:
    """A server that minds early talkers greets a moment later, and then serves as any other."""
    async with memory_lab(lab_file(domain='early_talkers = "refuse"')) as lab:
        start = trio.current_time()
        async with guest(lab) as client:
            assert trio.current_time() - start == EARLY_TALKER_PAUSE_SECONDS
            assert (await client.send(STRANGER, ANNA, b"\r\n")).startswith("250 ")
        async with stream_to(lab) as stream:
            await stream.send_eof()  # who leaves before the greeting is no early talker
            assert (await all_of(stream))[:4] == b"220 "

        assert records_of(lab, "policy.checked") == records_of(lab, "connection.crashed") == []


async def test_who_is_lost_before_the_greeting_is_no_crash(autojump_clock: object) -> None:
    """A connection that breaks while the server waits for an early talker is over, and that is all."""
    async with memory_lab(lab_file(domain='early_talkers = "refuse"')) as lab:
        target = lab.book.find(NORD, 25)
        assert target is not None
        stream = await lab.network.connect(target, ADDRESS, None)
        assert isinstance(stream, MemoryStream)
        stream.leave(reset=True)
        await trio.sleep(5)

        (closed,) = records_of(lab, "connection.closed")
        assert closed["reason"] == "connection lost"
        assert records_of(lab, "connection.crashed") == []


@pytest.mark.parametrize(
    ("line", "evasive", "open_"),
    [
        (f"VRFY {ANNA}", "252 2.5.0 ", f"250 2.1.5 <{ANNA}>"),
        (f"VRFY <{ANNA}>", "252 2.5.0 ", f"250 2.1.5 <{ANNA}>"),
        ("VRFY anna", "252 2.5.0 ", f"250 2.1.5 <{ANNA}>"),
        ("VRFY postmaster", "252 2.5.0 ", "250 2.1.5 <postmaster@nord.example>"),
        ("VRFY nobody", "252 2.5.0 ", "550 5.1.1 nobody: no such user here"),
        ("VRFY ben@sued.example", "252 2.5.0 ", "550 5.1.1 "),
        ("VRFY a b", "252 2.5.0 ", "550 5.1.1 "),
        ("EXPN team", "502 5.5.1 EXPN is not offered here", "250 2.1.5 <ben@sued.example>"),
        ("EXPN anna", "502 5.5.1 ", f"250 2.1.5 <{ANNA}>"),
        ("EXPN nobody", "502 5.5.1 ", "550 5.1.1 "),
        ("VRFY", "501 5.5.4 ", "501 5.5.4 "),
        ("EXPN", "501 5.5.4 ", "501 5.5.4 "),
    ],
)
async def test_who_is_here(line: str, evasive: str, open_: str, autojump_clock: object) -> None:
    """VRFY and EXPN tell nothing by default, and everything with `vrfy = true`; neither needs a transaction."""
    for domain, expected in (("", evasive), ("vrfy = true", open_)):
        async with memory_lab(lab_file(domain=domain)) as lab, guest(lab) as client:
            assert (await client.say(line)).startswith(expected)


async def test_a_list_is_one_line_for_each_member(autojump_clock: object) -> None:
    """EXPN tells all members, in their order."""
    async with memory_lab(lab_file(domain="vrfy = true")) as lab, guest(lab) as client:
        await client.say("EXPN <Team@nord.example>")

        lines = [record["line"] for record in records_of(lab, "smtp.reply")][-3:]
        assert lines == [f"250-2.1.5 <{ANNA}>", "250-2.1.5 <nils@nord.example>", "250 2.1.5 <ben@sued.example>"]
