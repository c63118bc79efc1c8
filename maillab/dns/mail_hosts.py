"""What a resolver may find out about where a domain's mail goes: values, each with its reason in plain words."""

from __future__ import annotations

import attrs


@attrs.frozen
class MailHost:
    """A host that takes mail, by the name that stands in the MX record, and its addresses, of which it has some."""

    preference: int
    host: str
    addresses: tuple[str, ...]


@attrs.frozen
class Hosts:
    """The hosts in the order to try."""

    hosts: tuple[MailHost, ...]


@attrs.frozen
class NullMx:
    """The domain says that it takes no mail: fail at once, with 556 5.1.10 (RFC 7505 section 4)."""

    reason: str


@attrs.frozen
class NoSuchDomain:
    """There is no such name, or it has neither MX nor address records: fail at once, with 5.1.2."""

    reason: str


@attrs.frozen
class NoUsableHost:
    """There are MX records, and none of their hosts has an address: fail at once, with 5.4.4."""

    reason: str


@attrs.frozen
class LoopsBack:
    """The best host is the one that asks: fail at once, with 5.4.6."""

    reason: str


@attrs.frozen
class TemporaryFailure:
    """Nobody knows at the moment: try again later, with 4.4.3."""

    reason: str


MailHosts = Hosts | NullMx | NoSuchDomain | NoUsableHost | LoopsBack | TemporaryFailure
