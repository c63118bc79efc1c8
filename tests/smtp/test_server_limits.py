"""The server's shell: patience ends, and nothing that a client does lasts for ever or grows without end."""

from __future__ import annotations

import tracemalloc

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from maillab.smtp.limits import Limits
from maillab.smtp.server import FAREWELL_TIMEOUT_SECONDS
from tests.smtp.list_host import ListHost, called

MAIL = "MAIL FROM:<anna@nord.example>"
COMMAND_TIMEOUT_SECONDS = Limits().command_timeout_seconds
DATA_TIMEOUT_SECONDS = Limits().data_timeout_seconds
ERROR_LIMIT = Limits().errors
PATIENT = Limits(commands_without_mail=10**9)


async def test_a_silent_client_is_left_alone_after_five_minutes(autojump_clock: MockClock) -> None:
    """RFC 5321 section 4.5.3.2.7; each line begins the time anew."""
    async with called(ListHost()) as caller:
        await caller.hear()
        for _ in range(3):
            await trio.sleep(COMMAND_TIMEOUT_SECONDS - 1)
            assert await caller.ask("NOOP") == ["250 2.0.0 Ok"]
        start = trio.current_time()
        assert await caller.hear() == "421 4.4.2 mail.nord.example waited 300 seconds and heard nothing; closing"
        assert trio.current_time() - start == pytest.approx(COMMAND_TIMEOUT_SECONDS)
        assert await caller.hear() == ""
    assert caller.ended == "silent for 300 seconds"


async def test_inside_data_silence_may_last_three_minutes(autojump_clock: MockClock) -> None:
    """RFC 5321 section 4.5.3.2.5: the time counts between blocks of data, and nothing is stored then."""
    host = ListHost()
    async with called(host) as caller:
        await caller.enter_data()
        for _ in range(3):
            await trio.sleep(DATA_TIMEOUT_SECONDS - 1)
            await caller.say("more text")
        start = trio.current_time()
        assert (await caller.hear()).startswith("421 4.4.2 ")
        assert trio.current_time() - start == pytest.approx(DATA_TIMEOUT_SECONDS)
    assert host.messages == []


async def test_a_client_that_reads_nothing_is_left_too(autojump_clock: MockClock) -> None:
    """Commands without end whose replies are never read hold a connection no longer than silence does."""
    async with called(ListHost(PATIENT)) as caller:
        with pytest.raises(trio.BrokenResourceError):  # noqa: PT012  it sends until the server has gone
            while True:
                await caller.say(*["NOOP"] * 20_000)
        assert trio.current_time() == pytest.approx(COMMAND_TIMEOUT_SECONDS + FAREWELL_TIMEOUT_SECONDS)
    assert caller.ended == "silent for 300 seconds"


@pytest.mark.parametrize("inside_data", [False, True])
async def test_a_server_that_stops_says_so(inside_data: bool, autojump_clock: MockClock) -> None:
    """RFC 5321 section 3.8: 421 at any time, also inside data; nothing is stored."""
    host = ListHost()
    async with called(host) as caller:
        if inside_data:
            await caller.enter_data()
            await caller.say("half a message")
        else:
            await caller.hear()
        await wait_all_tasks_blocked()
        caller.server.cancel()
        assert await caller.hear() == "421 4.3.2 mail.nord.example is being stopped; try again later"
        assert await caller.hear() == ""
    assert host.messages == []


async def test_stopping_waits_for_nobody(autojump_clock: MockClock) -> None:
    """A client that reads nothing does not keep the server from stopping."""
    async with called(ListHost(PATIENT)) as caller:
        with trio.move_on_after(10):
            while True:
                await caller.say(*["NOOP"] * 1000)
        caller.server.cancel()
        start = trio.current_time()
        with pytest.raises(trio.BrokenResourceError):  # noqa: PT012
            while True:
                await caller.say("NOOP" * 1000)
        assert trio.current_time() - start == pytest.approx(FAREWELL_TIMEOUT_SECONDS)


async def test_ten_errors_are_enough() -> None:
    """The tenth line that is no command, or out of order, is answered with 421; a refused recipient is no error."""
    async with called(ListHost()) as caller:
        await caller.hear()
        await caller.ask("EHLO client.example", MAIL, *["RCPT TO:<nobody@x>"] * 2 * ERROR_LIMIT)
        replies = await caller.ask(*["XYZZY", "DATA"] * (ERROR_LIMIT // 2), "NOOP")
    assert [reply[:3] for reply in replies] == ["500", "503"] * 4 + ["500", "421", ""]
    assert replies[-2] == "421 4.7.0 mail.nord.example met too many errors; closing"
    assert caller.ended == "too many errors"


async def test_a_line_without_an_end_is_not_listened_to() -> None:
    """After a megabyte of one line: 421, and the connection is closed."""
    async with called(ListHost()) as caller:
        await caller.hear()
        with pytest.raises(trio.BrokenResourceError):  # noqa: PT012
            while True:
                await caller.stream.send_all(b"x" * 10_000)
        assert await caller.hear() == "421 4.7.0 mail.nord.example met a line without an end; closing"
    assert caller.ended == "a line without an end"


async def test_a_message_of_the_limit_is_taken() -> None:
    """The limit itself is not too much."""
    host = ListHost()
    async with called(host) as caller:
        await caller.enter_data()
        octets = b"x" * (host.limits.message_octets - 2) + b"\r\n"
        assert await caller.ask(f"{octets.decode()}.") == ["250 2.0.0 Ok: queued as number 1"]
    assert host.messages[0][1] == octets


async def test_a_message_over_the_limit_is_read_and_dropped() -> None:
    """552 at the true end, one reply, nothing kept on the way, and the next mail is taken."""
    host = ListHost()
    async with called(host) as caller:
        await caller.enter_data()
        line = b"x" * 998 + b"\r\n"
        tracemalloc.start()
        try:
            for _ in range(5000):
                await caller.stream.send_all(line)
            peak_octets = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak_octets < 1_000_000
        assert await caller.ask(".") == ["552 5.3.4 Message too big; 1000 octets is the limit"]
        await caller.ask(MAIL, "RCPT TO:<ben@x>", "DATA")
        assert await caller.ask("small\r\n.") == ["250 2.0.0 Ok: queued as number 1"]
    assert [octets for _, octets in host.messages] == [b"small\r\n"]


@pytest.mark.parametrize("command", ["NOOP", "RSET", "EHLO c", "HELP", "VRFY anna", "AUTH LOGIN\r\n="])
async def test_work_without_a_mail_comes_to_an_end(command: str) -> None:
    """A hundred commands in a row that bring no mail on are answered with 421; QUIT is heard before."""
    limits = Limits(commands_without_mail=6)
    host = ListHost(limits, wants_tls=False)
    async with called(host) as caller:
        await caller.hear()
        replies = await caller.ask(*(["EHLO c"] + [command] * 6)[:7])
        assert "421 4.7.0 mail.nord.example met 6 commands and no mail; closing" in replies
        assert [reply[:3] for reply in replies].index("421") < 6
    assert caller.ended == "the server said 421"


async def test_a_mail_begins_the_count_anew() -> None:
    """Whoever sends mail may say a lot besides."""
    host = ListHost(Limits(commands_without_mail=6))
    async with called(host) as caller:
        await caller.hear()
        await caller.ask("EHLO client.example")
        for _ in range(5):
            replies = await caller.ask("NOOP", "RSET", MAIL, "RCPT TO:<ben@x>", "NOOP", "DATA", "text\r\n.")
            assert [reply[:3] for reply in replies] == ["250", "250", "250", "250", "250", "354", "250"]
        assert (await caller.ask("NOOP", "NOOP", "NOOP", "NOOP", "NOOP", "QUIT"))[-1].startswith("221 ")


async def test_refusals_of_the_host_are_errors_too() -> None:
    """What is legal and refused every time is not listened to for ever; refused recipients are left out."""
    async with called(ListHost(Limits(errors=3))) as caller:
        await caller.hear()
        await caller.ask("EHLO client.example", MAIL, *["RCPT TO:<nobody@x>"] * 9)
        assert [reply[:3] for reply in await caller.ask("EXPN team", "EXPN team", "EXPN team")] == ["502", "502", "421"]
    assert caller.ended == "too many errors"


async def test_limits_are_the_hosts(autojump_clock: MockClock) -> None:
    """Each of them may be set, also to less than a second."""
    async with called(ListHost(Limits(command_timeout_seconds=0.5))) as caller:
        await caller.hear()
        assert (await caller.hear()).startswith("421 4.4.2 mail.nord.example waited 0.5 seconds ")
