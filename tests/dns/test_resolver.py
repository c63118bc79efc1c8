"""Each rule of where mail goes, with a zone as plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from random import Random

import pytest
import trio
from dns.rcode import Rcode
from trio.testing import MockClock, assert_checkpoints

from maillab.dns.lookup import Ask, NoAnswerError, Question, asking
from maillab.dns.mail_hosts import Hosts, NullMx, TemporaryFailure
from maillab.dns.resolver import LOOKUP_TIMEOUT_SECONDS, Resolver
from maillab.dns.zone import Answer, Zones
from maillab.trace.recorder import Recorder, RecordLog
from tests.dns.routes import CASES, NORD, RELAY_ONLY, SUED_FIRST
from tests.dns.village import village


def failing(zones: Zones, rcodes: Mapping[str, Rcode]) -> Ask:
    """The hook of a fault plan: some questions fail."""
    ask = asking(zones)

    async def ask_with_faults(question: Question, log: RecordLog) -> Answer:
        rcode = rcodes.get(str(question))
        return await ask(question, log) if rcode is None else Answer(rcode)

    return ask_with_faults


def answered(recorder: Recorder) -> list[tuple[str, list[str]]]:
    return [(record["question"], record["answers"]) for record in recorder.records]


@pytest.mark.parametrize("name", CASES)
async def test_where_mail_goes(name: str, recorder: Recorder) -> None:
    """The rule in the case's name."""
    case = CASES[name]
    resolver = Resolver(failing(village(case.more), case.failing), Random(1))
    outcome = await resolver.mail_hosts(
        case.domain, asking_host=case.asking_host, asking_addresses=case.asking_addresses, log=recorder.bind()
    )
    assert outcome == case.outcome


async def test_equal_preferences_take_turns(recorder: Recorder) -> None:
    """Among equals each comes first about as often, and no preference is ever turned round."""
    more = "".join(f"sued.example MX 10 mx{n}.sued.example\nmx{n}.sued.example A 10.0.0.{n}\n" for n in range(3))
    resolver = Resolver(asking(village(more)), Random(1))
    firsts: Counter[str] = Counter()
    for _ in range(400):
        outcome = await resolver.mail_hosts("sued.example", asking_host=NORD, log=recorder.bind())
        assert isinstance(outcome, Hosts)
        assert [host.preference for host in outcome.hosts] == [10, 10, 10, 10, 20]
        firsts[outcome.hosts[0].host] += 1
    assert len(firsts) == 4
    assert min(firsts.values()) > 60


async def test_every_lookup_is_a_record(recorder: Recorder) -> None:
    """Question and answers are as people write them, with the context of the delivery that asked."""
    zones = village("post.west.example CNAME sued.example\nbranch.west.example NS ns.elsewhere.example")
    resolver = Resolver(failing(zones, {"MX nord.example": Rcode.SERVFAIL}), Random(1))
    log = recorder.bind(server=NORD, trace="1JD2V9XK3M4QZ")
    for domain in (
        "post.west.example",
        "nowhere.sued.example",
        "elsewhere.example",
        "nord.example",
        "branch.west.example",
    ):
        await resolver.mail_hosts(domain, asking_host="relay.example", log=log)
    assert answered(recorder) == [
        ("MX post.west.example", ["CNAME sued.example", "10 mail.sued.example", "20 relay.example"]),
        ("A mail.sued.example", ["172.16.2.1"]),
        ("AAAA mail.sued.example", ["fd00::2"]),
        ("MX nowhere.sued.example", ["NXDOMAIN"]),
        ("MX elsewhere.example", ["REFUSED"]),
        ("MX nord.example", ["SERVFAIL"]),
        ("MX branch.west.example", ["NS ns.elsewhere.example"]),
    ]
    assert {(record["event"], record["server"], record["trace"]) for record in recorder.records} == {
        ("dns.answered", NORD, "1JD2V9XK3M4QZ")
    }


async def test_a_host_without_what_was_asked_for_is_told_from_none(recorder: Recorder) -> None:
    """NODATA is not NXDOMAIN; after NXDOMAIN nobody asks for the other type."""
    resolver = Resolver(asking(village()), Random(1))
    assert await resolver.addresses("relay.example", log=recorder.bind()) == ["172.16.3.1"]
    assert await resolver.addresses("mail.sued.example", log=recorder.bind()) == ["172.16.2.1", "fd00::2"]
    assert await resolver.addresses("gone.west.example", log=recorder.bind()) == []
    assert answered(recorder) == [
        ("A relay.example", ["172.16.3.1"]),
        ("AAAA relay.example", ["NODATA"]),
        ("A mail.sued.example", ["172.16.2.1"]),
        ("AAAA mail.sued.example", ["fd00::2"]),
        ("A gone.west.example", ["NXDOMAIN"]),
    ]


async def test_addresses_that_nobody_knows_now_are_an_error(recorder: Recorder) -> None:
    """An empty list would say that there are none."""
    resolver = Resolver(failing(village(), {"A relay.example": Rcode.SERVFAIL}), Random(1))
    with pytest.raises(NoAnswerError, match=r"^A relay\.example: SERVFAIL$"):
        await resolver.addresses("relay.example", log=recorder.bind())


async def test_who_gets_no_answer_tries_again_later(recorder: Recorder, autojump_clock: MockClock) -> None:
    """A name server that is silent costs a bounded time, and is a temporary failure."""

    async def silence(question: Question, log: RecordLog) -> Answer:
        await trio.sleep_forever()
        raise AssertionError(question)

    outcome = await Resolver(silence, Random(1)).mail_hosts("sued.example", asking_host=NORD, log=recorder.bind())
    assert outcome == TemporaryFailure("MX sued.example: no answer within 10 s")
    assert trio.current_time() == pytest.approx(LOOKUP_TIMEOUT_SECONDS)
    assert answered(recorder) == [("MX sued.example", ["timeout"])]


async def test_a_changed_record_counts_at_once(recorder: Recorder) -> None:
    """Nothing is kept between two lookups."""
    zones = village()
    resolver = Resolver(asking(zones), Random(1))
    assert await resolver.mail_hosts("sued.example", asking_host=NORD, log=recorder.bind()) == SUED_FIRST
    zones.set("sued.example", "MX", ["20 relay.example"])
    assert await resolver.mail_hosts("sued.example", asking_host=NORD, log=recorder.bind()) == RELAY_ONLY


@pytest.mark.parametrize(
    ("mx", "failing_rcode", "is_null"),
    [("0 .", None, True), ("0 .\nwest.example MX 5 relay.example", None, False), ("0 .", Rcode.SERVFAIL, False)],
)
async def test_a_null_mx_can_be_asked_for_alone(
    mx: str, failing_rcode: Rcode | None, is_null: bool, recorder: Recorder
) -> None:
    """Only an answer that says so for sure counts, and only that is a record: there is no delivery yet."""
    failures = {"MX west.example": failing_rcode} if failing_rcode else {}
    resolver = Resolver(failing(village(f"west.example MX {mx}"), failures), Random(1))
    found = await resolver.null_mx("west.example", log=recorder.bind())
    assert found == (NullMx("west.example takes no mail (null MX)") if is_null else None)
    assert answered(recorder) == ([("MX west.example", ["0 ."])] if is_null else [])
    for domain in ("sued.example", "nowhere.sued.example", "elsewhere.example", "a..example"):
        assert await resolver.null_mx(domain, log=recorder.bind()) is None


async def test_a_lookup_is_a_checkpoint(recorder: Recorder) -> None:
    """A delivery that asks and asks lets the others run."""
    with assert_checkpoints():
        await Resolver(asking(village()), Random(1)).addresses("relay.example", log=recorder.bind())
