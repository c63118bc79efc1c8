"""Who is there?  VRFY and EXPN, answered or evaded as the server's owner wants it (RFC 5321 section 3.5)."""

from __future__ import annotations

import attrs

from maillab.mail.address import Address, AddressError
from maillab.mailserver.routing import Taken
from maillab.mailserver.site import Site
from maillab.smtp.answers import Answer
from maillab.smtp.replies import Reply, quoted


def verified(site: Site, who: str) -> Reply:
    """The reply to VRFY."""
    if not site.policy.tells_users:
        return site.style.reply(Answer.CANNOT_VERIFY, address=who)
    found = _somebody(site, who)
    if found is None:
        return site.style.reply(Answer.VERIFY_UNKNOWN, address=who)
    return site.style.reply(Answer.VERIFIED, address=f"<{found}>")


def expanded(site: Site, list_name: str) -> Reply:
    """The reply to EXPN: a line for each member."""
    if not site.policy.tells_users:
        return site.style.reply(Answer.NOT_IMPLEMENTED, verb="EXPN")
    found = _somebody(site, list_name)
    if found is None:
        return site.style.reply(Answer.VERIFY_UNKNOWN, address=list_name)
    members = site.routes.aliases.get(found.key, (found,))
    return attrs.evolve(
        site.style.reply(Answer.VERIFIED, address=""), lines=tuple(quoted(f"<{member}>") for member in members)
    )


def _somebody(site: Site, name: str) -> Address | None:
    """The user or alias of this server that a learner's VRFY means: an address, in brackets or not, or a name."""
    text = name.strip(" <>")
    try:
        address = Address.parse(text if "@" in text else f"{text}@{site.domain}")
    except AddressError:
        return None
    return address if site.routes.judge(None, address) == Taken() else None
