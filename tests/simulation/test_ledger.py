"""The ledger sees what is wrong: a run in which all went well, tampered with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs
import pytest

from maillab.lab.spec import Addressing, DomainSpec, LabSpec, RelaySpec, UserSpec
from maillab.mailserver.choices import Tls
from tests.simulation.client import Verdict
from tests.simulation.ledger import audit
from tests.simulation.plan import Letter, Loss, Plan, Rcpt, Way, Weather
from tests.simulation.story import story
from tests.simulation.world import Run, happen

ANNA: Final = "anna@nord.example"
BEN: Final = "ben@sued.example"
GHOST: Final = "ghost@sued.example"
RELAY: Final = "relay.example"

CALM: Final = Plan(
    seed=1,
    spec=LabSpec(
        name="calm",
        addressing=Addressing.HOSTS,
        domains=(
            DomainSpec(name="nord.example", users=(UserSpec("anna"), UserSpec("nils")), smarthost=RELAY, tls=Tls.OFF),
            DomainSpec(name="sued.example", users=(UserSpec("ben"),), tls=Tls.OFF),
        ),
        relays=(RelaySpec(host=RELAY, tls=Tls.OFF),),
    ),
    processes=(("mail.nord.example", "mail.sued.example", RELAY),),
    letters=(
        Letter(
            number=0,
            at=0.0,
            server="mail.nord.example",
            sender=ANNA,
            recipients=(Rcpt(BEN), Rcpt(GHOST)),
            octets=b"Subject: letter 0\r\n\r\n.\r\n..\r\n",
            kind="dots",
            way=Way.PIPELINED,
            losses=(Loss.NOWHERE,),
            wait_seconds=1.0,
        ),
    ),
    crashes=(),
    shocks=(),
    jumps=(),
    weather=Weather(),
    heal_at=10.0,
)


@pytest.fixture
def run() -> Run:
    """A letter to Ben and to nobody, by way of a relay: one copy, and one report."""
    return happen(CALM)


def test_a_run_that_went_well_is_well(run: Run) -> None:
    """One copy with Ben, a report with Anna, and the ledger holds."""
    assert audit(run) == []
    assert [stored.mailbox for stored in run.stored] == [ANNA, BEN]


def lose_the_copy(run: Run) -> None:
    del run.stored[1]


def double_the_copy(run: Run) -> None:
    run.stored.append(attrs.evolve(run.stored[1], uid=2, queue_id=run.stored[1].queue_id[:-1] + "1"))


def change_an_octet(run: Run) -> None:
    run.stored[1] = attrs.evolve(run.stored[1], octets=run.stored[1].octets.replace(b"..", b"."))


def lose_the_report(run: Run) -> None:
    del run.stored[0]


def send_the_report_elsewhere(run: Run) -> None:
    run.stored[0] = attrs.evolve(run.stored[0], mailbox="nils@nord.example")


def forget_a_hop(run: Run) -> None:
    run.told[:] = [
        told for told in run.told if (told.record["event"], told.record.get("server")) != ("message.accepted", RELAY)
    ]


def try_again_after_the_end(run: Run) -> None:
    started = [told for told in run.told if told.record["event"] == "delivery.started"]
    run.told.append(started[0])


def refuse_what_was_kept(run: Run) -> None:
    run.attempts[0].verdict = Verdict.REFUSED


def leave_a_row(run: Run) -> None:
    run.rows["queue rows"] = 1


def leave_a_connection(run: Run) -> None:
    run.open_count = 1


def swap_replies(run: Run) -> None:
    run.attempts[0].replies[BEN] = 550


def bounce_to_the_null_path(run: Run) -> None:
    change_the_letter(run, sender="")


def bounce_against_the_wish(run: Run) -> None:
    change_the_letter(run, recipients=(Rcpt(BEN), Rcpt(GHOST, "NEVER")))


def change_the_letter(run: Run, **changes: Any) -> None:
    (letter,) = run.plan.letters
    letter = attrs.evolve(letter, **changes)
    run.plan = attrs.evolve(run.plan, letters=(letter,))
    run.attempts[0].letter = letter


TAMPERED: Final[Mapping[Callable[[Run], None], str]] = {
    lose_the_copy: "nothing is ever lost",
    double_the_copy: "no message in two places",
    change_an_octet: "bodies are equal octet for octet",
    lose_the_report: "every failure is reported",
    send_the_report_elsewhere: "reports go to the sender",
    forget_a_hop: "Received count = hops = trace",
    try_again_after_the_end: "each recipient for itself",
    refuse_what_was_kept: "what was not accepted is not kept",
    leave_a_row: "nothing is left over",
    leave_a_connection: "nothing is left over",
    swap_replies: "one reply per command, in order",
    bounce_to_the_null_path: "no report to the null path",
    bounce_against_the_wish: "NOTIFY is honoured",
}


@pytest.mark.parametrize("tamper", TAMPERED, ids=lambda tamper: tamper.__name__)
def test_what_is_wrong_is_seen(tamper: Callable[[Run], None], run: Run) -> None:
    """Each rule can be broken, and is then named."""
    tamper(run)
    assert TAMPERED[tamper] in {violation.rule for violation in audit(run)}


def test_the_story_of_a_run_is_told(run: Run) -> None:
    """Topology, letters, what clients were told, the ladder of what is wrong, and what rule that breaks."""
    lose_the_copy(run)
    told = story(run, audit(run))

    assert "seed 1: 3 servers in 1 processes, 1 letters" in told
    assert "letter 0 (dots, 28 octets, pipelined)" in told
    assert "client-0-1.example: accepted" in told
    assert "Stored: ben@sued.example, uid 1" in told
    assert f"VIOLATED nothing is ever lost: client-0-1.example for {BEN}: 0 times stored, 0 times failed" in told
