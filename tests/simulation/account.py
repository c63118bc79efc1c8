"""One accepted letter, recipient by recipient: stored, bounced or visibly undeliverable; and its sender is told so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from maillab.trace.record import Record
from tests.simulation.books import Books
from tests.simulation.client import Attempt
from tests.simulation.evidence import Copy, Notice
from tests.simulation.oracle import Expected, Fate, Kind, Oracle
from tests.simulation.violation import Violation
from tests.simulation.world import Run

WISHES: Final[Mapping[str, str]] = {
    "failed": "FAILURE",
    "delayed": "DELAY",
    "delivered": "SUCCESS",
    "relayed": "SUCCESS",
}
BY_DEFAULT: Final = frozenset({"FAILURE", "DELAY"})  # RFC 3461 section 4.1


class Account:
    """What became of one attempt that was accepted."""

    def __init__(
        self,
        attempt: Attempt,
        trace: str,
        copies: Sequence[Copy],
        notices: Sequence[Notice],
        oracle: Oracle,
        books: Books,
        run: Run,
    ) -> None:
        self._attempt = attempt
        self._letter = attempt.letter
        self._sender = attempt.letter.sender.lower()
        self._trace = trace
        self._copies = copies
        self._notices = notices
        self._oracle = oracle
        self._books = books
        self._run = run

    def failed_count(self, address: str) -> int:
        """How often a server failed to reach `address`, by records or by reports: one of them may be missing."""
        reports = {notice.trace for notice in self._about(address, "failed")}
        return max(len(self._books.failures(self._trace, address)), len(reports))

    def doubt_count(self, address: str) -> int:
        """How many of these failures may have been none: the next hop had accepted it, and its reply was lost."""
        failures = self._books.failures(self._trace, address)
        count = sum(self._books.was_in_doubt(failure, address) for failure in failures)
        if self._books.something_is_untold:
            count += self.failed_count(address) - len(failures)  # who died before the record was in doubt, perhaps
        return count

    def loop(self, sure: Mapping[str, bool]) -> Iterator[Violation]:
        """Lists that lead back to themselves make any number of copies; but the loop is noticed, and somebody told."""
        looping = [each for each in self._oracle.reached(sure) if self._oracle.kind(each) is Kind.LIST]
        has_ended = any(self.failed_count(address) for address in looping)
        if any(sure.values()) and not has_ended and not self._books.something_is_untold:
            yield Violation("loops stop at the limit", f"{self._attempt.name}: none was noticed", self._trace)

    def violations(self, address: str, due: Expected) -> Iterator[Violation]:
        """What is wrong about one recipient, or one member of a list."""
        who, kind = f"{self._attempt.name} for {address}", self._oracle.kind(address)
        stored_count = sum(copy.stored.mailbox == address for copy in self._copies)
        failed_count = self.failed_count(address)
        outcome_count = stored_count + failed_count
        counts = f"{stored_count} times stored, {failed_count} times failed"
        if stored_count > due.most:
            yield Violation("no message in two places", f"{who}: {counts}, {due.most:g} at most", self._trace)
        elif outcome_count - self.doubt_count(address) > due.most:
            yield Violation("each recipient has one outcome", f"{who}: {counts}, {due.most:g} at most", self._trace)
        if kind is not Kind.LIST and outcome_count < due.least and not self._is_excused(address):
            yield Violation("nothing is ever lost", f"{who}: {counts}", self._trace)
        if stored_count and kind is not Kind.MAILBOX:
            yield Violation("nothing comes from nowhere", f"{who}: {counts}", self._trace)
        for failure in self._books.failures(self._trace, address):
            yield from self._failure(failure, address, who)
        yield from self._reports(address, due, who)

    def _failure(self, failure: Record, address: str, who: str) -> Iterator[Violation]:
        """Who can be reached is given up only when the time is over."""
        can_fail = self._oracle.fates(failure["server"], address) != {Fate.ARRIVES}
        exists = self._oracle.kind(address) in (Kind.MAILBOX, Kind.LIST)
        is_wanted = failure["code"] in self._run.plan.refusals
        if exists and not can_fail and not is_wanted and not failure["reply"].startswith("given up"):
            yield Violation("who can be reached is reached", f"{who}: {failure['reply']}", self._trace)

    def _reports(self, address: str, due: Expected, who: str) -> Iterator[Violation]:
        """A report for each failure, and none that nobody asked for."""
        about = [notice for notice in self._notices if address in notice.actions]
        if not self._sender:
            if about:
                yield Violation("no report to the null path", who, self._trace)
            return
        wishes = self._wishes(address)
        for notice in about:
            action = notice.actions[address]
            if not any(WISHES[action] in wish for wish in wishes):
                yield Violation("NOTIFY is honoured", f"{who}: a report that it {action}", self._trace)
            if not self._may_lie_in(notice):
                where = notice.stored.mailbox
                yield Violation("reports go to the sender", f"{who}: a report lies in {where}", notice.trace)
            if action == "delayed" and not self._run.plan.spec.retry.warn_after_seconds:
                yield Violation("NOTIFY is honoured", f"{who}: a warning that is switched off", self._trace)
        for notice_trace in {notice.trace: None for notice in about}:
            places = [
                f"{each.stored.queue_id} in {each.stored.mailbox}" for each in about if each.trace == notice_trace
            ]
            # A report, too, may be accepted in doubt, given up in the end, and then lie with the postmaster as well.
            most = 2 if self._books.is_undeliverable(notice_trace) else 1
            if len(places) > most or len(set(places)) < len(places):
                yield Violation("no message in two places", f"{who}: one report {', '.join(places)}", notice_trace)
        for action in ("delayed", "delivered"):
            reports = {notice.trace: notice for notice in self._about(address, action)}
            hosts = [notice.postmarks[-1].by for notice in reports.values()]
            if any(hosts.count(host) > due.most for host in hosts):
                yield Violation(
                    "one report each", f"{who}: reports that it {action} from {', '.join(hosts)}", self._trace
                )
        if all("FAILURE" in wish for wish in wishes):
            yield from self._failure_reports(address, who)

    def _failure_reports(self, address: str, who: str) -> Iterator[Violation]:
        """Each failure has its one report, in a mailbox or visibly undeliverable."""
        failures = self._books.failures(self._trace, address)
        in_mailboxes = {notice.trace for notice in self._about(address, "failed")}
        made = self._books.reports(self._trace, address)
        lost = [trace for trace in made if trace not in in_mailboxes and self._books.is_undeliverable(trace)]
        if len(in_mailboxes) + len(lost) < len(failures) and not self._books.something_is_untold:
            counts = f"{len(failures)} failures, {len(in_mailboxes)} reports stored, {len(lost)} undeliverable"
            yield Violation("every failure is reported", f"{who}: {counts}", self._trace)
        if failures and len(in_mailboxes) > len(failures) and not self._books.something_is_untold:
            counts = f"{len(failures)} failures, {len(in_mailboxes)} reports"
            yield Violation("one report each", f"{who}: {counts}", self._trace)

    def _about(self, address: str, action: str) -> list[Notice]:
        return [notice for notice in self._notices if notice.actions.get(address) == action]

    def _may_lie_in(self, notice: Notice) -> bool:
        """With the sender; with a postmaster only where the sender cannot be reached."""
        mailbox = notice.stored.mailbox
        if mailbox == self._sender:
            return True
        unreachable = self._oracle.kind(self._sender) is not Kind.MAILBOX or self._books.is_undeliverable(notice.trace)
        domains = self._run.plan.spec.domains
        postmasters = [self._oracle.members(f"postmaster@{domain.name}")[0] for domain in domains]
        return mailbox in postmasters and (unreachable or self._books.something_is_untold)

    def _wishes(self, address: str) -> list[frozenset[str]]:
        """What was said of those who stand for `address`."""
        return [
            frozenset(rcpt.notify.split(",")) if rcpt.notify else BY_DEFAULT
            for rcpt in self._letter.recipients
            if self._oracle.leads_to(rcpt.address.lower(), address)
        ]

    def _is_excused(self, address: str) -> bool:
        """Could only a record have told what became of it, and may that have died with its process?"""
        if not self._books.something_is_untold:
            return False
        nobody_is_told = not self._sender or not all("FAILURE" in wish for wish in self._wishes(address))
        return nobody_is_told or self._books.undeliverable_of_unknown_birth(self._sender)
