"""The records of a run, by what they are about; and what no record may say, whoever the recipient is."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from maillab.faults.fault import Kind
from maillab.trace.record import Record
from tests.simulation.violation import Violation
from tests.simulation.world import Run

JITTER: Final = 1.05  # of a wait, at most; and a second for what the records round
CLOSING: Final = 421  # RFC 5321 section 3.8
TERMINAL: Final = frozenset({"delivery.relayed", "delivery.failed"})


def lab_second(record: Record) -> float:
    """When it was written, in lab time."""
    return datetime.fromisoformat(record.get("lab_at") or record["at"]).timestamp()


class Books:
    """All records, read once."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._accepted: dict[tuple[str, str], list[Record]] = defaultdict(list)
        self._failures: dict[tuple[str, str], list[Record]] = defaultdict(list)
        self._bounces: dict[tuple[str, str], list[Record]] = defaultdict(list)
        self._traces_of: dict[str, list[str]] = defaultdict(list)
        self._born: set[str] = set()
        self._undeliverable: dict[str, list[str]] = defaultdict(list)
        self._attempts: dict[tuple[str, str, str], list[Record]] = defaultdict(list)
        self._ended_hosts = {host for ended in run.ended for host in run.plan.processes[ended.process]}
        self._untold_hosts = {
            host for ended in run.ended if ended.commit_untold for host in run.plan.processes[ended.process]
        }
        names: dict[tuple[int, int, str], str] = {}
        for told in run.told:
            record = told.record
            match record["event"]:
                case "smtp.command" if record["verb"] == "EHLO" and record["line"].startswith("EHLO client-"):
                    names[told.process, told.life, record["connection"]] = record["line"][5:]
                case "message.accepted":
                    self._accepted[record["server"], record["queue_id"]].append(record)
                    if record["hop"] == 1:
                        self._born.add(record["trace"])
                        name = names.get((told.process, told.life, record.get("connection", "")))
                        if name:
                            self._traces_of[name].append(record["trace"])
                case "delivery.failed":
                    for address in record["recipients"]:
                        self._failures[record["trace"], address.lower()].append(record)
                        self._undeliverable[record["trace"]].append(address.lower())
                        self._attempts[record["server"], record["queue_id"], address.lower()].append(record)
                case "delivery.deferred":
                    for address in record["recipients"]:
                        self._attempts[record["server"], record["queue_id"], address.lower()].append(record)
                case "bounce.created":
                    for address in record["recipients"]:
                        self._bounces[record["for_trace"], address.lower()].append(record)

    def accepted_count(self, host: str, queue_id: str) -> int:
        """How often `host` told that it had accepted something under that id."""
        return len(self._accepted[host, queue_id])

    def may_be_untold(self, host: str) -> bool:
        """Did the process of `host` once die right after a COMMIT?"""
        return host in self._untold_hosts

    @property
    def something_is_untold(self) -> bool:
        return bool(self._untold_hosts)

    def trace_of(self, client: str) -> str:
        """The trace that began when `client` handed its letter over; "" where no record tells of it."""
        return next(iter(self._traces_of[client]), "")

    def failures(self, trace: str, address: str) -> Sequence[Record]:
        """Each time that a server gave up on `address`."""
        return self._failures[trace, address]

    def was_in_doubt(self, failure: Record, address: str) -> bool:
        """May the next hop have accepted what was given up in the end, and its reply been lost?

        RFC 1047: then nobody can do better than to bounce what was delivered.
        """
        if failure["server"] in self._ended_hosts:
            return True  # in the middle of a transaction, for all that we know
        attempts = self._attempts[failure["server"], failure["queue_id"], address]
        return any("transaction" in attempt and attempt["code"] in (None, CLOSING) for attempt in attempts)

    def reports(self, trace: str, address: str) -> list[str]:
        """The traces of reports on failures of `address`; a report on a delay of it may be among them."""
        failed_ids = {record["queue_id"] for record in self._failures[trace, address]}
        return [record["trace"] for record in self._bounces[trace, address] if record["for_queue_id"] in failed_ids]

    def is_undeliverable(self, trace: str) -> bool:
        """Did a server give up on a mail, for whomever?"""
        return bool(self._undeliverable[trace])

    def undeliverable_of_unknown_birth(self, address: str) -> bool:
        """Did something fail for `address`, and no record tells where it came from?"""
        return any(address in addresses and trace not in self._born for trace, addresses in self._undeliverable.items())

    def violations(self) -> Iterator[Violation]:
        """What is wrong whatever the letters were."""
        for (host, queue_id), records in self._accepted.items():
            if len(records) > 1:
                yield Violation(
                    "a queue id is given once", f"{host} gave {queue_id} {len(records)} times", queue_id[:13]
                )
        for client, traces in self._traces_of.items():
            if len(traces) > 1:
                yield Violation("one reply per command, in order", f"{client} was accepted {len(traces)} times")
        yield from self._deliveries()

    def _deliveries(self) -> Iterator[Violation]:
        """Per-recipient independence: who is done with is never tried again; and waits are those of the plan."""
        ended: Counter[tuple[str, str, str]] = Counter()
        longest_seconds = max(self._run.plan.spec.retry.after_seconds) * JITTER + 1
        for told in self._run.told:
            record = told.record
            event = record["event"]
            if event == "connection.crashed":
                yield Violation("our own code never fails", record["error"])
            if not event.startswith("delivery.") or event == "delivery.duplicate":
                continue
            about = f"{record['queue_id']} at {record['server']}"
            for address in record["recipients"]:
                key = (record["server"], record["queue_id"], address.lower())
                if ended[key]:
                    yield Violation("each recipient for itself", f"{about}: {event} after its end", record["trace"])
                ended[key] += event in TERMINAL
            if event == "delivery.deferred" and not 0 <= record["retry_in_seconds"] <= longest_seconds:
                wait = f"a wait of {record['retry_in_seconds']} s"
                yield Violation("waits are those of the plan", f"{about}: {wait}", record["trace"])
            if event == "delivery.failed" and record["reply"].startswith("given up"):
                yield from self._given_up(record, about)

    def _given_up(self, record: Record, about: str) -> Iterator[Violation]:
        accepted = self._accepted.get((record["server"], record["queue_id"]))
        has_slow_disk = any(shock.fault.kind is Kind.DISK_SLOW for shock in self._run.plan.shocks)
        if accepted and not has_slow_disk:  # on which the clock may jump between the last octet and the COMMIT
            took_seconds = lab_second(record) - lab_second(accepted[0])
            if took_seconds < self._run.plan.spec.retry.give_up_after_seconds - 1:
                what = f"{about}: given up after {took_seconds:.0f} s"
                yield Violation("waits are those of the plan", what, record["trace"])
