"""The API about the people of the lab: what each has to tell a mail program."""

from __future__ import annotations

from maillab.mailserver.choices import Role
from maillab.web.desk import Desk
from maillab.web.messages import Request, Response, json_response, refused


async def person(desk: Desk, request: Request) -> Response:
    """One person's mail settings, with the password, as they stand in the lab file for all to read."""
    named, lab = request.variables["address"], desk.lab
    try:
        address = lab.mailbox(named).address
    except LookupError:
        raise refused(404, f"nobody has the address {named}", "GET /api/lab/mailboxes lists who has one") from None
    domain, user = next(
        (domain, user) for domain in lab.spec.domains for user in domain.users if f"{user.key}@{domain.name}" == address
    )
    listening = lab.book.ports(domain.host)
    return json_response(
        {
            "address": address,
            "user": user.name,
            "password": user.password,
            "domain": domain.name,
            "host": domain.host,
            "server_address": domain.address,
            "ports": {role.name.lower(): role.value for role in Role if role.value in listening},
        }
    )
