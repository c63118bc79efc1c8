"""Servers that answer wrongly, late or never, disks that are full, names that nobody knows."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
import trio

from maillab.dns.resolver import LOOKUP_TIMEOUT_SECONDS
from maillab.faults.fault import Fault
from maillab.lab.post import MailRefusedError
from maillab.lab.spec import SMTP_PORT
from maillab.smtp.client import END_OF_DATA_TIMEOUT_SECONDS, REPLY_TIMEOUT_SECONDS
from maillab.smtp.server import SILENCE_LIMIT_SECONDS
from maillab.trace.record import Record
from tests.faults.direct import BEN, DIRECT, arrived, replies, send, struck
from tests.labs import NORD, SUED, Visitor, memory_lab, records_of, row_count, subjects, visit

BUSY: Final = "450 4.2.0 Mailbox busy"
MAIL: Final = "MAIL FROM:<anna@nord.example>"


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        ("connect", "421 4.3.2 Too busy"),
        ("connect", "554 5.3.2 Not today"),
        ("EHLO", "421 4.3.2 Too busy"),
        ("HELO", "450 Later"),
        ("MAIL", "451 4.3.0 Later"),
        ("RCPT", BUSY),
        ("RCPT", "421 4.3.2 Too busy"),
        ("DATA", "451 4.3.0 Later"),
        ("message", "452 4.3.1 Full"),
        ("message", "421 4.3.2 Too busy"),
    ],
)
async def test_a_server_is_busy_twice_and_then_accepts(command: str, reply: str, autojump_clock: object) -> None:
    """Whatever command it is said to, the mail is deferred with the reply and arrives once."""
    async with memory_lab(DIRECT) as lab:
        lab.faults.add(Fault("reply", server="sued.example", command=command, reply=reply, times=2))
        await send(lab, "at last")
        await arrived(lab, "at last")

        first, second = struck(lab)
        assert first["server"] == second["server"] == SUED
        assert first["reason"].endswith(f"with {reply}")
        assert lab.faults.is_spent("fault-1")
        assert all(reply in each for each in replies(lab))
        assert replies(lab)
        assert row_count(lab.database, "message") == 1


async def test_a_refusal_for_good_comes_back(autojump_clock: object) -> None:
    """A 5yz is a bounce, as if the server had said so of itself."""
    async with memory_lab(DIRECT) as lab:
        lab.faults.add(Fault("reply", server=SUED, command="RCPT", address=BEN, reply="550 5.1.1 Moved away"))
        await send(lab, "x")
        bounce = await lab.wait_for_bounce(BEN)
        assert bounce.sender == ""
        assert subjects(lab, BEN) == []
        (failed,) = records_of(lab, "delivery.failed")
        assert failed["reply"] == "550 5.1.1 Moved away"


async def test_only_the_address_that_is_meant_is_refused(autojump_clock: object) -> None:
    """An address, all of a domain, the null path; without case, and nobody else."""
    async with memory_lab(DIRECT) as lab:
        for command, address in (("RCPT", "Ben@Sued.Example"), ("RCPT", "@west.example"), ("MAIL", "")):
            lab.faults.add(Fault("reply", command=command, address=address, reply=BUSY))
        async with visit(lab, SUED) as visitor:
            assert await visitor.say("MAIL FROM:<>") == BUSY
            await visitor.say(MAIL)
            assert await visitor.say("RCPT TO:<bEn@sued.example>") == BUSY
            assert await visitor.say("RCPT TO:<x@west.example>") == BUSY
            assert await visitor.say("RCPT TO:<postmaster@sued.example>") == "250 2.1.5 Ok"
        (refused, _, _) = records_of(lab, "fault.injected")
        assert (refused["fault"], refused["kind"], refused["server"]) == ("fault-3", "reply", SUED)
        assert [lab.faults.fired_count(f"fault-{n}") for n in (1, 2, 3)] == [1, 1, 1]


async def test_any_verb_can_have_a_fault(autojump_clock: object) -> None:
    """Those that mail does not need too; and what is no fault's is answered as ever."""
    async with memory_lab(DIRECT) as lab:
        for verb in ("NOOP", "RSET", "VRFY", "HELP", "QUIT"):
            lab.faults.add(Fault("reply", server=SUED, command=verb.lower(), reply=f"450 4.0.0 {verb}", times=1))
        async with visit(lab, SUED) as visitor:
            for line in ("NOOP", "RSET", "VRFY ben@sued.example", "HELP", "QUIT"):
                assert await visitor.say(line) == f"450 4.0.0 {line[:4].strip()}"
            assert await visitor.hear() == ""  # to hear QUIT is to close, whatever is said to it


@pytest.mark.parametrize("command", ["connect", "EHLO", "MAIL", "RCPT", "DATA", "message"])
async def test_a_server_that_says_nothing_ends_in_a_timeout(command: str, autojump_clock: object) -> None:
    """The client waits as long as RFC 5321 section 4.5.3.2 says, no longer, and the mail is tried again."""
    async with memory_lab(DIRECT) as lab:
        lab.faults.add(Fault("timeout", server=SUED, command=command, times=1))
        begun_at = trio.current_time()
        await send(lab, "at last")
        while not replies(lab):  # noqa: ASYNC110  nothing tells of it but the records
            await trio.sleep(1)
        patience = END_OF_DATA_TIMEOUT_SECONDS if command == "message" else REPLY_TIMEOUT_SECONDS
        assert trio.current_time() - begun_at == pytest.approx(patience, abs=5)
        assert replies(lab) == [f"no answer for {patience:.0f} seconds"]
        await arrived(lab, "at last")
        (record,) = struck(lab)
        assert record["server"] == SUED
        (closed,) = records_of(lab, "connection.closed", side="server", connection=record["connection"])
        assert closed["reason"] == "fault-1: timeout"


async def test_a_silent_server_does_not_wait_for_ever(autojump_clock: object) -> None:
    """A client whose power went never goes: when nobody can be waiting any more, the server closes by itself."""
    async with memory_lab(DIRECT) as lab:
        lab.faults.add(Fault("timeout", server=SUED, command="NOOP"))
        async with visit(lab, SUED) as visitor:
            begun_at = trio.current_time()
            assert await visitor.say("NOOP") == ""
            assert trio.current_time() - begun_at == pytest.approx(SILENCE_LIMIT_SECONDS, abs=2)


@pytest.mark.parametrize("command", ["connect", "EHLO", "MAIL", "RCPT", "DATA", "message"])
async def test_a_server_hangs_up(command: str, autojump_clock: object) -> None:
    """Without a word; the mail is tried again, and arrives once."""
    async with memory_lab(DIRECT) as lab:
        lab.faults.add(Fault("disconnect", server=SUED, command=command, times=1))
        await send(lab, "at last")
        await arrived(lab, "at last")
        (record,) = struck(lab)
        assert replies(lab) == ["the server closed the connection"]
        assert records_of(lab, "delivery.duplicate") == []
        (closed,) = records_of(lab, "connection.closed", side="server", connection=record["connection"])
        assert closed["reason"] == "fault-1: disconnect"


async def test_earlier_replies_are_said_before_it_hangs_up(autojump_clock: object) -> None:
    """A client that pipelines learns what became of the commands before."""
    async with memory_lab(DIRECT) as lab:
        lab.faults.add(Fault("disconnect", server=SUED, command="RCPT"))
        async with visit(lab, SUED) as visitor:
            replies = await visitor.say_all([MAIL, "RCPT TO:<ben@sued.example>", "DATA"])
            assert replies == ["250 2.1.0 Ok", "", ""]


async def test_a_lost_reply_shows_a_duplicate(autojump_clock: object) -> None:
    """The mail was accepted and its 250 never came: it is sent again, recognised, and kept once."""
    async with memory_lab(DIRECT) as lab:
        lab.faults.add(Fault("disconnect", server=SUED, command="message", late=True, times=1))
        trace = await send(lab, "once")
        await arrived(lab, "once")
        (record,) = struck(lab)
        (accepted,) = records_of(lab, "message.accepted", server=SUED)
        assert accepted["seq"] < record["seq"]
        assert (record["connection"], record["transaction"]) == (accepted["connection"], accepted["transaction"])
        (duplicate,) = records_of(lab, "delivery.duplicate")
        assert (duplicate["trace"], duplicate["recipients"]) == (trace, [BEN])


async def test_a_fault_leaves_outside_clients_in_the_dark_too(autojump_clock: object) -> None:
    """A mail program has no queue: it is told that there was no answer."""
    async with memory_lab(DIRECT) as lab:
        lab.faults.add(Fault("timeout", server=NORD, command="DATA"))
        with pytest.raises(MailRefusedError, match="no answer for 300 seconds"):
            await send(lab, "x")


async def test_a_full_disk_refuses_mail_with_452_and_loses_nothing(autojump_clock: object) -> None:
    """The server that has it refuses, others go on; room again, and everything arrives."""
    async with memory_lab(DIRECT) as lab:
        lab.faults.add(Fault("disk-full", server="sued.example"))
        await send(lab, "waits")
        await trio.sleep(100)
        assert replies(lab)
        assert all(reply.startswith("452 4.3.1") for reply in replies(lab))
        assert records_of(lab, "message.refused", server=SUED, code=452)
        assert struck(lab)[0]["reason"] == f"a commit of {SUED} fails: database or disk is full"
        lab.faults.clear()
        await arrived(lab, "waits")


@pytest.mark.parametrize("kind", ["disk-full", "disk-fails"])
async def test_an_outcome_that_cannot_be_stored_is_no_second_copy(kind: str, autojump_clock: object) -> None:
    """The sender's own disk fails after the other side has accepted: the outcome waits, and nothing is sent again."""
    async with memory_lab(DIRECT) as lab:
        lab.faults.add(Fault(kind, server=NORD, after=1, times=2))
        await send(lab, "once")
        await arrived(lab, "once")
        assert len(struck(lab)) == 2
        assert len(records_of(lab, "storage.failed", server=NORD)) == 2
        assert records_of(lab, "delivery.duplicate") == []


async def test_a_failing_fsync_is_not_tried_again(autojump_clock: object) -> None:
    """What failed is undone and refused; nothing of it is left behind, and the next one is a new commit."""
    async with memory_lab(DIRECT) as lab:
        lab.faults.add(Fault("disk-fails", server=NORD, times=1))
        with pytest.raises(MailRefusedError, match="452"):
            await send(lab, "lost")
        assert row_count(lab.database, "message") == 0
        assert struck(lab)[0]["reason"] == f"a commit of {NORD} fails: disk I/O error"
        await send(lab, "kept")
        await arrived(lab, "kept")


async def test_a_slow_disk_keeps_the_order(autojump_clock: object) -> None:
    """Each commit takes longer, the answer comes after it, and nobody overtakes when the disk is well again."""
    async with memory_lab(DIRECT) as lab:
        lab.faults.add(Fault("disk-slow", server=NORD, seconds=7))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send, lab, "one")
            await trio.sleep(1)
            lab.faults.clear()
            await send(lab, "two")
            assert trio.current_time() == pytest.approx(7, abs=0.1)
        await arrived(lab, "one", "two")
        first, second = records_of(lab, "message.accepted", server=NORD)
        assert (first["subject"], second["subject"]) == ("one", "two")
        assert len(records_of(lab, "fault.injected")) == 1


@pytest.mark.parametrize(
    ("kind", "says"), [("dns-servfail", "MX sued.example: SERVFAIL"), ("dns-timeout", "no answer within 10 s")]
)
async def test_names_that_cannot_be_looked_up_are_tried_again(kind: str, says: str, autojump_clock: object) -> None:
    """A temporary failure: the mail waits, and its trace tells why."""
    async with memory_lab(DIRECT) as lab:
        lab.faults.add(Fault(kind, domain="sued.example", times=2, after=1))  # NORD asks once before it accepts
        begun_at = trio.current_time()
        trace = await send(lab, "at last")
        await arrived(lab, "at last")
        assert all(says in reply for reply in replies(lab))
        first, _ = struck(lab)
        assert (first["trace"], first["server"]) == (trace, NORD)
        if kind == "dns-timeout":
            assert trio.current_time() - begun_at > 2 * LOOKUP_TIMEOUT_SECONDS


async def test_a_failing_name_is_a_whole_domain(autojump_clock: object) -> None:
    """Names below it fail with it, others do not."""
    async with memory_lab(DIRECT) as lab:
        lab.faults.add(Fault("dns-servfail", domain="ost.example"))
        await send(lab, "x")
        await arrived(lab, "x")
        assert struck(lab) == []
        lab.faults.clear()
        lab.faults.add(Fault("dns-servfail", domain=SUED))
        await send(lab, "y")
        await trio.sleep(1)
        assert {each["reason"].split(" for ")[1] for each in struck(lab)} == {
            f"A {SUED} is answered with SERVFAIL",
            f"AAAA {SUED} is answered with SERVFAIL",
        }
        lab.faults.clear()
        await arrived(lab, "x", "y")


FAULT_ADDRESSES: Final = DIRECT.replace('name = "direct"', 'name = "direct"\nfault_addresses = true')


async def test_an_address_asks_for_its_fault(autojump_clock: object) -> None:
    """Known or not, and only where its domain is at home."""
    async with memory_lab(FAULT_ADDRESSES) as lab:
        async with visit(lab, SUED) as visitor:
            await visitor.say(MAIL)
            assert (
                await visitor.say("RCPT TO:<x.450@sued.example>")
                == "450 4.2.0 <x.450@sued.example> asks for this reply"
            )
            assert (await visitor.say("RCPT TO:<Ben.552@Sued.Example>")).startswith("552 5.2.0 ")
            assert (await visitor.say("RCPT TO:<ben.250@sued.example>")).startswith("550 ")
            assert (await visitor.say("RCPT TO:<ben@sued.example>")).startswith("250 ")
            assert await visitor.say("RCPT TO:<x.disconnect@sued.example>") == ""
        async with visit(lab, NORD) as visitor:
            await visitor.say(MAIL)
            assert (await visitor.say("RCPT TO:<x.450@sued.example>")).startswith("250 ")
        records: list[Record] = records_of(lab, "fault.injected")
        assert [each["kind"] for each in records] == ["reply", "reply", "disconnect"]
        assert {each["fault"] for each in records} == {"fault-address"}
        assert records[0]["reason"] == "<x.450@sued.example> asks for it"


async def test_a_closing_reply_and_a_silence_can_be_asked_for(autojump_clock: object) -> None:
    """`.421` closes the connection as any 421 does, and `.timeout` is silent until the client goes."""
    async with memory_lab(FAULT_ADDRESSES) as lab:
        async with visit(lab, SUED) as visitor:
            await visitor.say(MAIL)
            assert (await visitor.say("RCPT TO:<x.421@sued.example>")).startswith("421 4.3.2 ")
            assert await visitor.hear() == ""
        async with visit(lab, SUED) as visitor:
            await visitor.say(MAIL)
            with trio.move_on_after(1_000) as patience:
                await visitor.say("RCPT TO:<x.timeout@sued.example>")
            assert patience.cancelled_caught
        await trio.sleep(1)
        reasons = [each["reason"] for each in records_of(lab, "connection.closed", server=SUED)]
        assert reasons[-1] == "fault-address: timeout"


async def test_without_the_switch_such_an_address_is_nobody(autojump_clock: object) -> None:
    """A lab that does not ask for it has no magic addresses."""
    async with memory_lab(DIRECT) as lab:
        async with visit(lab, SUED) as visitor:
            await visitor.say(MAIL)
            assert (await visitor.say("RCPT TO:<x.450@sued.example>")).startswith("550 5.1.1 ")
        assert records_of(lab, "fault.injected") == []


async def test_a_fault_in_a_textbook_has_no_enhanced_code(autojump_clock: object) -> None:
    """Where enhanced codes are not announced, the lab makes none up."""
    async with memory_lab(FAULT_ADDRESSES.replace("[lab]", '[lab]\nreplies = "filius-en"')) as lab:
        target = lab.book.find(SUED, SMTP_PORT)
        assert target is not None
        async with await lab.network.connect(target, None, None) as stream:
            visitor = Visitor(stream)
            await visitor.hear()
            for line in ("HELO x", MAIL):
                await visitor.say(line)
            assert await visitor.say("RCPT TO:<x.450@sued.example>") == "450 <x.450@sued.example> asks for this reply"


@pytest.mark.parametrize("other_faults", [0, 3])
async def test_the_same_seed_gives_the_same_firings(other_faults: int, autojump_clock: object) -> None:
    """Chance of a fault grows from the lab's seed and the fault's name: not from what else happens."""
    struck_at = {}
    for run, seed in enumerate((7, 7, 8)):
        patient = "[limits]\nerrors = 1000\ncommands_without_mail = 1000\n"
        async with memory_lab(patient + DIRECT.replace("[lab]", f"[lab]\nseed = {seed}")) as lab:
            for number in range(other_faults if run == 1 else 0):
                lab.faults.add(Fault("reply", name=f"other-{number}", command="RSET", reply=BUSY, chance=0.5))
            lab.faults.add(Fault("reply", name="coin", server=SUED, command="NOOP", reply=BUSY, chance=0.5))
            async with visit(lab, SUED) as visitor:
                said = [(await visitor.say_all(["RSET", "NOOP"]))[1] for _ in range(60)]
            struck_at[run] = [number for number, reply in enumerate(said) if reply == BUSY]
            assert len(struck(lab, "coin")) == len(struck_at[run])
    assert struck_at[0] == struck_at[1]
    assert struck_at[0] != struck_at[2]
    assert 15 < len(struck_at[0]) < 45


@pytest.mark.parametrize("kind", ["disk-full", "disk-fails"])
async def test_a_disk_fails_in_its_own_thread_too(kind: str, tmp_path: Path) -> None:
    """On disk as in memory: refused and undone, and the next commit is like any other."""
    async with memory_lab(DIRECT, data=tmp_path) as lab:
        lab.faults.add(Fault(kind, server=NORD, times=1))
        with pytest.raises(MailRefusedError, match="452"):
            await send(lab, "refused")
        assert row_count(lab.database, "message") == 0
        await send(lab, "kept")
        await lab.wait_for_message(to=BEN, subject="kept")
