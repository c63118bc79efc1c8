"""A running lab, and what a program can do with it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial
from random import Random
from typing import Final

import trio

from maillab.faults.plan import FaultPlan
from maillab.lab.address_book import AddressBook
from maillab.lab.authority import Authority
from maillab.lab.clock import LabClock
from maillab.lab.mailbox import MailboxMessage, MailboxView
from maillab.lab.post import Sent, submit, written
from maillab.lab.sites import domain_hosts, mailboxes_of
from maillab.lab.spec import SMTP_PORT, LabSpec
from maillab.lab.waiting import WAIT_SECONDS, wait_until
from maillab.lab.zones import zones_of
from maillab.mail.address import Address, AddressError
from maillab.mailserver import queue
from maillab.mailserver.choices import Tls
from maillab.mailserver.mailserver import MailServer
from maillab.mailserver.queue import Work
from maillab.network.network import Network
from maillab.storage.database import Database
from maillab.trace.book import TraceBook
from maillab.trace.path import Trace
from maillab.trace.record import Record
from maillab.trace.recorder import Recorder

GATHERED_TOGETHER_COUNT: Final = 256  # in a few milliseconds
_MESSAGE_ID_BITS = 64


class Lab:
    """A running lab; made by `open_lab`."""

    def __init__(
        self,
        spec: LabSpec,
        recorder: Recorder,
        database: Database,
        network: Network,
        clock: LabClock,
        book: AddressBook,
        chance: Random,
        authority: Authority,
        faults: FaultPlan,
    ) -> None:
        self.spec = spec
        self.recorder = recorder
        self.database = database
        self.network = network
        self.clock = clock
        self.book = book
        self.authority = authority
        self.faults = faults
        """What goes wrong on purpose; what is added or cleared here holds at once, on open connections too."""
        self.zones = zones_of(spec)
        """The lab's DNS; what is changed here is true at once."""
        self._trace_book = TraceBook()
        self._gathered_count = 0  # of the recorder's records
        self._gathered_run = ""  # the one that the last of them is of
        self._gathers_at_once = False
        self.servers: dict[str, MailServer] = {}
        """The servers of this process, by host name."""
        self.chance = chance

    @property
    def trace_book(self) -> TraceBook:
        """All that is known, by trace."""
        if not self._gathers_at_once:
            self._gather(self.recorder.records.ever_count)
        return self._trace_book

    async def gather_traces(self) -> None:
        """Gather the records of earlier runs, which may be many, while the servers run already."""
        while not self._gathers_at_once:
            self._gather(GATHERED_TOGETHER_COUNT)
            await trio.lowlevel.checkpoint()

    def _gather(self, limit: int) -> None:
        """Take `limit` records more; who has taken all hears of each new one at once."""
        records = self.recorder.records
        first = max(self._gathered_count, records.ever_count - len(records))
        for place in itertools.islice(records.places_after(first), limit):
            block, index = place
            record = block.read()[index]
            if record["run"] != self._gathered_run:  # of one data folder, one process at a time
                self._trace_book.end_run(self._gathered_run)
                self._gathered_run = record["run"]
            self._trace_book.add(record, place)
        self._gathered_count = min(first + limit, records.ever_count)
        if self._gathered_count == records.ever_count:
            self._gathers_at_once = True
            self.recorder.add_listener(self._add_newest)

    def _add_newest(self, record: Record) -> None:
        self._trace_book.add(record, self.recorder.records.newest_place)

    @property
    def traces(self) -> list[Trace]:
        """All traces, newest first."""
        return self.trace_book.traces()

    def mailboxes(self) -> dict[str, str]:
        """Every mailbox of this process, and the host that has it."""
        return {
            mailbox: domain.host
            for domain in self.spec.domains
            if domain.host in self.servers
            for mailbox in mailboxes_of(domain)
        }

    def mailbox(self, address: str) -> MailboxView:
        """The mailbox of `address`.

        Raises:
            LookupError: nobody of that name has a mailbox in this process.
        """
        mailboxes = self.mailboxes()
        try:
            key = Address.parse(address).key
            return MailboxView(self.database, self.recorder, mailboxes[key], key)
        except (AddressError, KeyError):
            raise LookupError(f"no mailbox {address} here; there are {', '.join(mailboxes)}") from None

    async def wait_for_message(
        self, *, to: str, subject: str | None = None, timeout_seconds: float = WAIT_SECONDS
    ) -> MailboxMessage:
        """The first message in the mailbox of `to` with that subject (or any), waiting for it if need be.

        Raises:
            trio.TooSlowError: none came within `timeout_seconds`.
            LookupError: nobody of that name has a mailbox in this process.
        """
        return await self.mailbox(to).wait_for_message(subject=subject, timeout_seconds=timeout_seconds)

    async def wait_for_bounce(self, recipient: str, *, timeout_seconds: float = WAIT_SECONDS) -> Trace:
        """The trace of the newest notice that `recipient` was not reached, waiting for it if need be.

        Raises:
            trio.TooSlowError: none came within `timeout_seconds`.
        """
        key = Address.parse(recipient).key

        def names(record: Record) -> bool:
            return key in (Address.parse(each).key for each in record["recipients"])

        def found() -> Trace | None:
            records = self.recorder.records
            # A report may also tell of a delay, or of success: a bounce is one about a message that failed.
            failed = {each["queue_id"] for each in records if each["event"] == "delivery.failed" and names(each)}
            for record in reversed(records):
                if record["event"] == "bounce.created" and record["for_queue_id"] in failed and names(record):
                    return self.trace_book.get(record["trace"])
            return None

        return await wait_until(found, self.recorder, "bounce.created", timeout_seconds=timeout_seconds)

    def queue(self) -> list[tuple[str, Work]]:
        """What waits for delivery: the host that has it, and the message with its recipients."""
        return [
            (host, work) for host in self.servers for work in self.database.read(partial(queue.waiting, server=host))
        ]

    async def retry_now(self, queue_id: str) -> list[str]:
        """Let a message that waits be tried at once; gives the hosts that have it.

        Raises:
            LookupError: nothing of that id waits here.
        """
        waiting = {host: work for host, work in self.queue() if work.entry.queue_id == queue_id}
        if not waiting:
            raise LookupError(f"nothing with queue id {queue_id} waits here")
        now = self.clock.lab_time()
        for host, work in waiting.items():
            await self.database.write(partial(queue.make_due, server=host, queue_id=queue_id, now=now))
            self.servers[host].delivery.retry({recipient.next_hop for recipient in work.recipients})
        return [*waiting]

    def advance_clock(self, seconds: float) -> float:
        """Let the lab's time jump on, and try what is due then; gives the lab's time, in seconds since 1970.

        Raises:
            ValueError: `seconds` is no time to move on by.
        """
        self.clock.advance(seconds)
        self.recorder.ahead_seconds = self.clock.ahead_seconds
        for server in self.servers.values():
            server.delivery.wake_all()
        return self.clock.lab_time()

    async def send(
        self,
        sender: str,
        recipients: str | Sequence[str],
        *,
        subject: str = "",
        body: str = "",
        octets: bytes | None = None,
        server: str | None = None,
        in_reply_to: str = "",
        references: Sequence[str] = (),
    ) -> Sent:
        """Send one mail by real SMTP, as a mail program does.

        Args:
            sender: the reverse-path; "" is the null path.
            recipients: one address or several.
            subject: of the message that is written here.
            body: of the message that is written here.
            octets: a whole message to be sent as it is, instead of one that is written here.
            server: the host or domain to hand it to; left out: the sender's own, else the lab's first server.
            in_reply_to: the Message-ID that the message written here answers.
            references: those of the conversation that it goes on with, oldest first.

        Raises:
            MailRefusedError: the server took it for nobody.
            AddressError: an address that is none.
            LookupError: `server` is not in the lab.
            ValueError: the message cannot be written: a subject of two lines, a message id that is none.
        """
        to = [recipients] if isinstance(recipients, str) else [*recipients]
        if octets is None:
            message_id = f"{self.chance.getrandbits(_MESSAGE_ID_BITS):x}"
            octets = written(
                sender,
                to,
                subject,
                body,
                at=self.clock.time(),
                message_id=message_id,
                in_reply_to=in_reply_to,
                references=references,
            )
        name = server or self._server_for(sender)
        target = self.book.find(name, SMTP_PORT)
        if target is None:
            raise LookupError(f"{server} is no server of this lab")
        wants_tls = any(each.host == self.book.host_of(name) and each.tls is Tls.REQUIRED for each in self.spec.servers)
        tls = self.authority.client_context() if wants_tls else None
        return await submit(self.network, target, self.recorder, sender, to, octets, tls)

    def _server_for(self, sender: str) -> str:
        domain = Address.parse(sender).domain_key if sender else ""
        return domain_hosts(self.spec).get(domain) or self.spec.servers[0].host
