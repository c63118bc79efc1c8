"""Name servers that fail, or say nothing."""

from __future__ import annotations

import trio
from dns.rcode import Rcode

from maillab.dns.lookup import Ask, Question
from maillab.dns.zone import Answer
from maillab.faults.fault import DNS_KINDS, Kind
from maillab.faults.injection import record
from maillab.faults.plan import FaultPlan
from maillab.trace.recorder import RecordLog


def faulty(ask: Ask, plan: FaultPlan) -> Ask:
    """Ask as `ask` does, unless the plan has something against the name."""

    async def faulty_ask(question: Question, log: RecordLog) -> Answer:
        if not plan.has(DNS_KINDS):
            return await ask(question, log)
        planned = plan.strikes(DNS_KINDS, lambda planned: planned.fault.about(question.name))
        if planned is None:
            return await ask(question, log)
        if planned.fault.kind is Kind.DNS_TIMEOUT:
            record(log, planned, f"nobody answers the question for {question}")
            await trio.sleep_forever()
        record(log, planned, f"the question for {question} is answered with SERVFAIL")
        await trio.lowlevel.checkpoint()
        return Answer(Rcode.SERVFAIL, authoritative=False)

    return faulty_ask
