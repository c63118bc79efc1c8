"""The API about mailboxes: who has one, what is in it, and one message in full."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from maillab.lab.mailbox import MailboxMessage, MailboxView
from maillab.mail.message import Message
from maillab.mailbox import store
from maillab.web.desk import Desk
from maillab.web.http import CONTENT_POLICY
from maillab.web.mail_text import text_of
from maillab.web.messages import Request, Response, json_list, json_response, refused, rfc3339

RFC822: Final = "message/rfc822"
_UID: Final = re.compile(r"[0-9]{1,18}", re.ASCII)


async def mailboxes(desk: Desk, _request: Request) -> Response:
    """Every mailbox of this process, with how much is in it."""
    here = desk.lab.mailboxes()
    found = [
        {
            "mailbox": each.mailbox,
            "server": server,
            "messages": each.message_count,
            "unseen": each.unseen_count,
        }
        for server in desk.lab.servers
        for each in desk.lab.database.read(partial(store.mailboxes, server=server))
        if each.mailbox in here
    ]
    return json_response(found)


async def messages(desk: Desk, request: Request) -> Response:
    """What is in one mailbox, oldest first."""
    return json_list(_summaries(_mailbox(desk, request)))


async def message(desk: Desk, request: Request) -> Response:
    """One message: what the list shows, all its header and its text."""
    found = _message(desk, request)
    octets = found.octets
    said = Message(octets)
    headers = [[field.name, field.text] for field in said.fields]
    return json_response(_summary(found, said) | {"headers": headers, "text": text_of(octets)})


async def raw(desk: Desk, request: Request) -> Response:
    """One message, octet by octet; a browser puts it into a file, and runs nothing that is in it."""
    found = _message(desk, request)
    disposition = ("Content-Disposition", f'attachment; filename="{found.uid}.eml"')
    policy = (CONTENT_POLICY, "default-src 'none'; sandbox")
    return Response(200, found.octets, RFC822, (disposition, policy))


def _mailbox(desk: Desk, request: Request) -> MailboxView:
    address = request.variables["address"]
    try:
        return desk.lab.mailbox(address)
    except LookupError:
        raise refused(404, f"no mailbox {address}", "GET /api/lab/mailboxes lists them") from None


def _message(desk: Desk, request: Request) -> MailboxMessage:
    mailbox, uid = _mailbox(desk, request), request.variables["uid"]
    found = [each for each in mailbox.messages() if _UID.fullmatch(uid) and each.uid == int(uid)]
    if not found:
        where = f"/api/lab/mailboxes/{mailbox.address}/messages"
        raise refused(404, f"no message {uid} in {mailbox.address}", f"GET {where} lists them")
    return found[0]


def _summaries(mailbox: MailboxView) -> Iterator[dict[str, Any]]:
    for each in mailbox.messages():
        try:
            octets = each.octets
        except LookupError:
            continue  # expunged since the list was begun
        yield _summary(each, Message(octets))


def _summary(found: MailboxMessage, message: Message) -> dict[str, Any]:
    entry = found.entry
    fields = {name: message.first(name) for name in ("From", "To", "Date")}
    return {
        "uid": entry.uid,
        "subject": message.subject,
        **{name.lower(): field and field.text for name, field in fields.items()},
        "trace": entry.trace,
        "queue_id": entry.queue_id,
        "return_path": entry.return_path,
        "stored_at": rfc3339(entry.stored_at),
        "size_octets": entry.size_octets,
        "seen": entry.seen,
    }
