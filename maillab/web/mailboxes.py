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
from maillab.web.letter import Letter, disposition, file_name
from maillab.web.messages import (
    TEXT,
    Refusal,
    Request,
    Response,
    json_list,
    json_response,
    read_object,
    refused,
    rfc3339,
)

RFC822: Final = "message/rfc822"
HTML: Final = "text/html; charset=utf-8"
OCTETS: Final = "application/octet-stream"
HARMLESS: Final = (CONTENT_POLICY, "default-src 'none'; sandbox")
# The one answer that another page may show in a frame: our own. Styles may stand in it, and pictures that it brings.
HTML_POLICY: Final = (
    CONTENT_POLICY,
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'self'",
)
_UID: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_SEEN_EXAMPLE: Final = '{"seen": true}'


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
    """What is in one mailbox behind a UID, oldest first."""
    return json_list(_summaries(_mailbox(desk, request), request.number("after", 0)))


async def message(desk: Desk, request: Request) -> Response:
    """One message: what the list shows, all its header, its text, its files, and the way it came."""
    found = _message(desk, request)
    letter = Letter(found.octets)
    path = letter.path(desk.lab.trace_book.get(found.trace))
    return json_response(_summary(found, letter.message) | letter.contents() | {"path": [*path]})


async def html(desk: Desk, request: Request) -> Response:
    """The HTML of one message, made harmless, for a frame that lets it do nothing."""
    letter = Letter(_message(desk, request).octets)
    if letter.html is None:
        raise refused(404, "this message has no HTML", "its text is in the message itself")
    return Response(200, letter.html.page(letter.message.subject or "").encode(), HTML, (HTML_POLICY,))


async def source(desk: Desk, request: Request) -> Response:
    """One message as it was received, for people to read: the beginning of a long one."""
    return Response(200, Letter(_message(desk, request).octets).source.encode(), TEXT, (HARMLESS,))


async def part(desk: Desk, request: Request) -> Response:
    """One part of a message, decoded, as a file to be saved: no browser shows it, whatever it is."""
    number = request.variables["part"]
    found = Letter(_message(desk, request).octets).part(number)
    if found is None:
        raise refused(404, f"no part {number} in this message", "its attachments are listed in the message itself")
    return Response(200, found.octets, OCTETS, (disposition(file_name(found)), HARMLESS))


async def raw(desk: Desk, request: Request) -> Response:
    """One message, octet by octet; a browser puts it into a file, and runs nothing that is in it."""
    found = _message(desk, request)
    return Response(200, found.octets, RFC822, (disposition(f"{found.uid}.eml"), HARMLESS))


async def seen(desk: Desk, request: Request) -> Response:
    """Somebody has read one message, or wants it to be new again."""
    found = _message(desk, request)
    order = read_object(request.body, _SEEN_EXAMPLE) if request.body else {"seen": True}
    if order.keys() != {"seen"} or not isinstance(order["seen"], bool):
        raise refused(400, '"seen" is true or false, and the only key', f"send {_SEEN_EXAMPLE}")
    server, mailbox = desk.lab.mailboxes()[found.entry.mailbox], found.entry.mailbox
    add, remove = (("seen",), ()) if order["seen"] else ((), ("seen",))
    try:
        await desk.lab.database.write(lambda db: store.flag(db, server, mailbox, found.uid, add=add, remove=remove))
    except LookupError:
        raise _no_message(mailbox, str(found.uid)) from None  # expunged meanwhile
    return json_response({"uid": found.uid, "seen": order["seen"]})


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
        raise _no_message(mailbox.address, uid)
    return found[0]


def _no_message(mailbox: str, uid: str) -> Refusal:
    return refused(404, f"no message {uid} in {mailbox}", f"GET /api/lab/mailboxes/{mailbox}/messages lists them")


def _summaries(mailbox: MailboxView, after: int) -> Iterator[dict[str, Any]]:
    for each in mailbox.messages():
        if each.uid <= after:
            continue
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
