"""The API that does something: send a mail by real SMTP, see what waits, and let it be tried at once."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson
import trio

from maillab.lab.lab import Lab
from maillab.lab.post import MailRefusedError
from maillab.lab.spec import SMTP_PORT
from maillab.mail.address import Address, AddressError
from maillab.network.endpoint import Endpoint
from maillab.smtp.outcome import Delivered, Outcome
from maillab.web.desk import Desk
from maillab.web.messages import Refusal, Request, Response, json_list, json_response, refused, rfc3339

SEND_LIMIT_OCTETS: Final = 32 << 20
SEND_SECONDS: Final = 120.0  # a server that does not answer so long will not do so while somebody waits

_EXAMPLE: Final = '{"from": "anna@nord.example", "to": ["ben@sued.example"], "subject": "Hello", "body": "Hello Ben!"}'
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_TEXTS: Final = ("from", "subject", "body", "message", "message_base64", "server", "in_reply_to")
_LISTS: Final = ("to", "references")


async def send(desk: Desk, request: Request) -> Response:
    """Hand one mail to a server of the lab, as a mail program does, and tell its answers."""
    order = _read_order(request.body)
    octets = _octets(order)
    server = _server(desk.lab, order["server"]) if order.get("server") else None
    try:
        with trio.fail_after(SEND_SECONDS):
            sent = await desk.lab.send(
                order["from"],
                order["to"],
                subject=order.get("subject", ""),
                body=order.get("body", ""),
                octets=octets,
                server=server,
                in_reply_to=order.get("in_reply_to", ""),
                references=order.get("references", ()),
            )
    except AddressError as error:
        raise refused(400, str(error), "give addresses like carol@example.com") from None
    except ValueError as error:  # a header that cannot be written
        mend = "give a subject of one line, and message ids like <1@example.com>"
        raise refused(400, f"no mail can be written: {error}", mend) from None
    except MailRefusedError as error:
        mend = "4 as the first digit: try again later; 5: change the mail, its sender or its recipients"
        raise Refusal(
            json_response({"error": str(error), "mend": mend, "recipients": _answers(error.outcomes)}, 422)
        ) from None
    except trio.TooSlowError:
        raise refused(504, f"no answer in {SEND_SECONDS:.0f} seconds", "look at the trace, then try again") from None
    return json_response({"trace": sent.trace, "recipients": _answers(sent.outcomes)})


async def queue(desk: Desk, _request: Request) -> Response:
    """What waits for delivery, at all servers of this process."""
    return json_list(_waiting(desk.lab))


async def retry(desk: Desk, request: Request) -> Response:
    """Let one message that waits be tried at once."""
    queue_id = request.variables["queue_id"]
    try:
        servers = await desk.lab.retry_now(queue_id)
    except LookupError as error:
        raise refused(404, str(error), "GET /api/lab/queue lists what waits") from None
    return json_response({"queue_id": queue_id, "servers": servers})


def _read_order(body: bytes) -> dict[str, Any]:
    """What is to be sent, checked so far that only its addresses can be wrong.

    Raises:
        Refusal: 400.
    """
    try:
        order = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise refused(400, f"no JSON: {error}", f"send {_EXAMPLE}") from None
    mistakes = []
    if not isinstance(order, dict):
        mistakes = ["an object is expected"]
    else:
        if isinstance(order.get("to"), str):
            order["to"] = [order["to"]]
        to = order.get("to")
        if not _is_texts(to) or not to:
            mistakes.append('"to" is a list of addresses')
        if not _is_texts(order.get("references", [])):
            mistakes.append('"references" is a list of message ids')
        mistakes += [f'"{name}" is text' for name in _TEXTS if not isinstance(order.get(name, ""), str)]
        if "from" not in order:
            mistakes.append('"from" is missing')
        mistakes += [f'nothing is called "{name}"' for name in order if name not in (*_TEXTS, *_LISTS)]
        contents = [name for name in ("body", "message", "message_base64") if name in order]
        if len(contents) > 1:
            mistakes.append(f"only one of {', '.join(contents)} is possible")
    if mistakes:
        raise refused(400, "; ".join(mistakes), f"send {_EXAMPLE}")
    return dict(order)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _octets(order: Mapping[str, Any]) -> bytes | None:
    """A whole message that was given; text gets the line ends of mail, octets are left as they are."""
    if "message" in order:
        return _LINE_END.sub("\r\n", order["message"]).encode()
    if "message_base64" in order:
        try:
            return base64.b64decode(order["message_base64"], validate=True)
        except (binascii.Error, ValueError) as error:
            raise refused(400, f'"message_base64" is no base64: {error}', "encode the whole message") from None
    return None


def _server(lab: Lab, named: str) -> str:
    """The host that is meant by a host name, a domain, an address, or where any of these listens.

    Raises:
        Refusal: 404, it is not in the lab.
    """
    hosts = [server.host for server in (*lab.spec.servers, *lab.spec.foreign)]
    if lab.book.find(named, SMTP_PORT):
        return named
    host, _, port = named.rpartition(":")
    if port == str(SMTP_PORT) and lab.book.find(host, SMTP_PORT):
        return host
    try:
        endpoint = Endpoint.parse(named)
    except ValueError:
        endpoint = None
    for each in hosts:
        if endpoint is not None and lab.book.find(each, SMTP_PORT) == endpoint:
            return each
    raise refused(404, f"{named} is no server of this lab", f"give one of {', '.join(hosts)}, or leave it out")


def _answers(outcomes: Mapping[Address, Outcome]) -> dict[str, dict[str, Any]]:
    """What the server said for each recipient."""
    return {
        str(recipient): {
            "accepted": isinstance(outcome, Delivered),
            "reply": outcome.reply.text if isinstance(outcome, Delivered) else outcome.reason,
        }
        for recipient, outcome in outcomes.items()
    }


def _waiting(lab: Lab) -> Iterator[dict[str, Any]]:
    for server, work in lab.queue():
        entry = work.entry
        trace = lab.trace_book.get(entry.trace)
        yield {
            "queue_id": entry.queue_id,
            "server": server,
            "trace": entry.trace,
            "sender": entry.sender,
            "subject": trace and trace.subject,
            "size_octets": entry.size_octets,
            "accepted_at": rfc3339(entry.accepted_at),
            "gives_up_at": rfc3339(entry.accepted_at + lab.spec.retry.give_up_after_seconds),
            "recipients": [
                {
                    "address": recipient.address,
                    "next_hop": recipient.next_hop,
                    "attempts": recipient.attempts,
                    "due_at": rfc3339(recipient.due_at),
                    "last_reply": recipient.last_reply,
                }
                for recipient in work.recipients
            ],
        }
