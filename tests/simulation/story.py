"""A run told to people: its topology, its letters, what befell it, and the traces that are wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from maillab.trace.book import TraceBook
from tests.simulation.client import Attempt
from tests.simulation.plan import Death, Plan
from tests.simulation.violation import Violation
from tests.simulation.world import Run

LADDER_WIDTH = 110


def story(run: Run, violations: Sequence[Violation]) -> str:
    """The whole story of a run."""
    return "\n".join([*_setting(run.plan), "", *_events(run), "", *_ladders(run, violations), *_verdict(violations)])


def _setting(plan: Plan) -> Iterator[str]:
    spec = plan.spec
    counts = f"{len(spec.servers)} servers in {len(plan.processes)} processes, {len(plan.letters)} letters"
    yield f"seed {plan.seed}: {counts}"
    for number, hosts in enumerate(plan.processes):
        yield f"  process {number}: {', '.join(hosts)}"
    for domain in spec.domains:
        names = ", ".join(user.name for user in domain.users)
        lists = "".join(f"; {name} = {', '.join(members)}" for name, members in domain.aliases.items())
        more = f"; smarthost {domain.smarthost}" if domain.smarthost else ""
        more += f"; greylisting {domain.greylist_seconds:g} s" if domain.greylist_seconds else ""
        yield f"  {domain.name}: {names}{lists}{more}; outgoing {domain.outgoing.value}"
    for relay in spec.relays:
        served = "every domain" if relay.relays_for is None else ", ".join(relay.relays_for) or "nobody"
        yield f"  {relay.host} relays for {served}" + (f"; smarthost {relay.smarthost}" if relay.smarthost else "")
    for record in spec.dns.records:
        yield f"  {record.name} {record.type} {record.value}"
    retry = spec.retry
    waits = ", ".join(f"{seconds:g}" for seconds in retry.after_seconds)
    yield f"  tries again after {waits} s, warns after {retry.warn_after_seconds:g} s, gives up after " + (
        f"{retry.give_up_after_seconds:g} s"
    )
    weather = plan.weather
    fragments = ", in fragments" if weather.fragments else ""
    yield f"  latency up to {weather.latency_seconds:g} s{fragments}, reset with chance {weather.reset_chance:g}"
    for letter in plan.letters:
        to = ", ".join(f"{rcpt.address}{f' NOTIFY={rcpt.notify}' if rcpt.notify else ''}" for rcpt in letter.recipients)
        yield (
            f"  letter {letter.number} ({letter.kind}, {len(letter.octets)} octets, {letter.way.value}) at"
            f" {letter.at:.1f} s: <{letter.sender}> to {to} by {letter.server}"
        )
    for shock in plan.shocks:
        keys = ", ".join(f"{key} = {value!r}" for key, value in shock.fault.to_table().items())
        yield f"  from {shock.at:.1f} s for {shock.seconds:.1f} s: {keys}"
    for crash in plan.crashes:
        yield (
            f"  process {crash.process} is to be {crash.death.value} at {crash.trigger.value} {crash.count:g}"
            f" and to be down for {crash.down_seconds:.1f} s"
        )


def _events(run: Run) -> Iterator[str]:
    """What clients, crashes and jumps did, in order."""
    events: list[tuple[float, str]] = [(run.plan.heal_at, "all is healed")]
    events += [(attempt.at, _told(attempt)) for attempt in run.attempts]
    events += [(jump.at, f"the lab's clock is moved on by {jump.seconds:.0f} s") for jump in run.jumps]
    for ended in run.ended:
        how = "" if ended.crash.death is Death.STOP else ", with a COMMIT that may be untold" * ended.commit_untold
        what = (
            f"process {ended.process} is {ended.crash.death.value} at {ended.crash.trigger.value} {ended.crash.count:g}"
        )
        events.append((ended.at, f"{what} of life {ended.life}{how}"))
    for at, what in sorted(events, key=lambda event: event[0]):
        yield f"{at:10.3f} s  {what}"


def _told(attempt: Attempt) -> str:
    replies = ", ".join(f"{address} {code}" for address, code in attempt.replies.items())
    return (
        f"{attempt.name}: {attempt.verdict.value} ({replies or 'nothing heard'}); last: {(attempt.said or ['-'])[-1]}"
    )


def _ladders(run: Run, violations: Sequence[Violation]) -> Iterator[str]:
    book = TraceBook()
    for told in run.told:
        # Each life is a run of its own: connections are counted anew.
        book.add(told.record)
    for trace_id in dict.fromkeys(violation.trace for violation in violations if violation.trace):
        trace = book.get(trace_id)
        if trace is not None:
            yield from (trace.ladder(LADDER_WIDTH), "")


def _verdict(violations: Sequence[Violation]) -> Iterator[str]:
    yield from (f"VIOLATED {violation}" for violation in violations)
    if not violations:
        yield "the ledger holds"
