"""Where mail goes: taken here or refused, into a mailbox or on to a next hop.  Values in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from maillab.mail.address import Address
from maillab.smtp.answers import Answer

POSTMASTER: Final = "postmaster"  # RFC 5321 section 4.5.1


@attrs.frozen
class Taken:
    """The recipient is taken; `relay_reason` says why mail for another domain is, "" for mail that is at home."""

    relay_reason: str = ""


@attrs.frozen
class Refused:
    """The recipient is refused with `answer`; `reason` is in plain words, for records and replies."""

    answer: Answer
    reason: str


Verdict = Taken | Refused


@attrs.frozen
class Split:
    """What becomes of a message at this server.

    Attributes:
        mailboxes: each once, in the order of the recipients.
        onward: address as sent on, and its next hop: the smarthost, or a domain whose mail hosts are to be looked up.
        sources: address as sent on to the recipient that stands for it, an alias or itself.
    """

    mailboxes: tuple[str, ...]
    onward: tuple[tuple[Address, str], ...]
    sources: Mapping[Address, Address] = attrs.field(factory=dict)

    @property
    def next_hops(self) -> frozenset[str]:
        return frozenset(next_hop for _, next_hop in self.onward)


@attrs.frozen(kw_only=True)
class Routes:
    """All that one server knows of where mail goes; names of hosts and domains are in lower case.

    Attributes:
        host: the server's own name.
        domains: whose mail is at home here.
        mailboxes: the keys of those who have one here: "anna@nord.example".
        aliases: key to targets; they expand once, here.
        postmaster: who reads mail for postmaster, here or elsewhere.
        relays_for: domains whose mail is passed on for anybody.
        outgoing: who else may send to other domains: "own-senders", "authenticated" or "anyone".
        smarthost: where all mail for elsewhere goes; None: straight to the host of its domain.
        hosts: every domain of the lab, and the host that takes its mail.
    """

    host: str
    domains: frozenset[str] = frozenset()
    mailboxes: frozenset[str] = frozenset()
    aliases: Mapping[str, tuple[Address, ...]] = attrs.field(factory=dict)
    postmaster: Address
    relays_for: frozenset[str] = frozenset()
    outgoing: str = "own-senders"
    smarthost: str | None = None
    hosts: Mapping[str, str] = attrs.field(factory=dict)

    def judge(self, reverse_path: Address | None, recipient: Address, *, logged_in: bool = False) -> Verdict:
        """Is this recipient taken from this sender?  The sender alone is never refused."""
        domain = recipient.domain_key
        if self._is_postmaster(recipient):
            return Taken()
        if domain in self.domains:
            if recipient.key in self.mailboxes or recipient.key in self.aliases:
                return Taken()
            return Refused(Answer.UNKNOWN_USER, f"no such user at {domain}")
        if domain not in self.hosts:
            return Refused(Answer.UNKNOWN_DOMAIN, f"no server of this lab takes mail for {domain}")
        relay_reason = self._relay_reason(reverse_path, domain, logged_in)
        if relay_reason is None:
            return Refused(Answer.RELAY_DENIED, self._denial())
        return Taken(relay_reason)

    def reaches(self, recipient: Address) -> bool:
        """True if mail that this server makes itself has somewhere to go for `recipient`."""
        return isinstance(self.judge(None, recipient), Taken) or (
            recipient.domain_key not in self.domains and recipient.domain_key in self.hosts
        )

    def split(self, recipients: Iterable[Address]) -> Split:
        """Mailboxes and next hops of recipients that were taken; nobody gets two copies of one message."""
        mailboxes: dict[str, None] = {}
        onward: dict[str, tuple[Address, str]] = {}
        expanded: set[str] = set()
        sources: dict[Address, Address] = {}
        waiting = [(recipient, recipient) for recipient in recipients][::-1]
        while waiting:
            recipient, source = waiting.pop()
            if self._is_postmaster(recipient):
                recipient = self.postmaster
            key = recipient.key
            if key in self.mailboxes:
                mailboxes[key] = None
            elif key in self.aliases:
                if key not in expanded:  # a group in a group in itself ends here
                    expanded.add(key)
                    waiting += ((target, source) for target in reversed(self.aliases[key]))
            elif recipient.domain_key not in self.domains and key not in onward:
                onward[key] = recipient, self.smarthost or recipient.domain_key
                sources[recipient] = source
        return Split(tuple(mailboxes), tuple(onward.values()), sources)

    def _is_postmaster(self, recipient: Address) -> bool:
        """RFC 5321 section 4.5.1: without a domain, or at the server itself, and always taken."""
        return recipient.domain_key in ("", self.host) and recipient.local_part.lower() == POSTMASTER

    def _relay_reason(self, reverse_path: Address | None, domain: str, logged_in: bool) -> str | None:
        """Why mail for `domain`, which is not at home here, is passed on; None if it is not."""
        if domain in self.relays_for:
            return f"relays for {domain}"
        if not self.domains:  # a relay passes on for nothing but its domains
            return None
        if logged_in:
            return "logged in"
        if self.outgoing == "anyone":
            return "anyone may send"
        if self.outgoing == "own-senders":
            if reverse_path is None:
                return "null reverse-path"
            if reverse_path.domain_key in self.domains:
                return f"own sender {reverse_path}"
        return None

    def _denial(self) -> str:
        if not self.domains:
            return f"{self.host} relays for {', '.join(sorted(self.relays_for)) or 'nobody'}"
        if self.outgoing == "authenticated":
            return "log in before you send to other domains"
        return f"only senders of {', '.join(sorted(self.domains))} may send to other domains"
