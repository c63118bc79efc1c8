"""What a set of seeds has really exercised: a set that exercises nothing proves nothing."""

from __future__ import annotations

from collections import Counter
from typing import Final

from tests.simulation.client import Verdict
from tests.simulation.plan import Death, Loss
from tests.simulation.world import Run

EVENTS: Final = {
    "message.accepted": "messages accepted by servers",
    "message.stored": "copies stored",
    "delivery.relayed": "handed on",
    "delivery.deferred": "deferred",
    "delivery.failed": "given up or refused",
    "delivery.duplicate": "second comings dropped",
    "bounce.created": "reports made",
    "fault.injected": "faults fired",
}


def coverage(run: Run) -> Counter[str]:
    """What happened in one run, counted."""
    plan = run.plan
    counts = Counter(
        {
            "letters": len(plan.letters),
            "letters from the null path": sum(not letter.sender for letter in plan.letters),
            "recipients with NOTIFY": sum(bool(rcpt.notify) for letter in plan.letters for rcpt in letter.recipients),
            "processes": len(plan.processes),
            "clock jumps": len(run.jumps),
            "attempts of clients": len(run.attempts),
            "attempts that ended in doubt": sum(attempt.verdict is Verdict.DOUBT for attempt in run.attempts),
            "replies lost on purpose": sum(loss is Loss.BEFORE_REPLY for each in plan.letters for loss in each.losses),
            "connections reset by the network": run.reset_count,
            "runs with latency": plan.weather.latency_seconds > 0,
            "runs in fragments": plan.weather.fragments,
            "runs with greylisting": any(domain.greylist_seconds for domain in plan.spec.domains),
        }
    )
    for ended in run.ended:
        what = "stops" if ended.crash.death is Death.STOP else "crashes"
        counts[f"{what} at {ended.crash.trigger.value}"] += 1
        counts["crashes"] += what == "crashes"
        counts["crashes with a COMMIT untold"] += ended.commit_untold
    reports = {told.record["trace"] for told in run.told if told.record["event"] == "bounce.created"}
    for told in run.told:
        record = told.record
        if name := EVENTS.get(record["event"]):
            counts[name] += 1
        if record["event"] == "fault.injected":
            counts[f"faults fired: {record['kind']}"] += 1
        elif record["event"] == "delivery.failed":
            counts["reports undeliverable"] += record["trace"] in reports
            counts["given up at the end of all retries"] += record["reply"].startswith("given up")
        elif record["event"] == "policy.checked":
            counts["greylisted"] += record["policy"] == "greylist"
            counts["loops stopped"] += record["policy"] == "hops"
        elif record["event"] == "message.accepted":
            counts["hops beyond the first"] += record["hop"] > 1
    return counts


def table(counts: Counter[str]) -> str:
    """Counts in columns."""
    names = sorted(name for name in counts if counts[name])
    width = max(map(len, names), default=0)
    return "\n".join(f"  {name:<{width}}{counts[name]:>10}" for name in names)
