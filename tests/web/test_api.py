"""The API, asked by httpx over real TCP; the lab behind it is in memory."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

import httpx
import pytest

from maillab.mail.message import Message

from .visit import House, open_house

ANNA, NILS, BEN = "anna@nord.example", "nils@nord.example", "ben@sued.example"


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with open_house(tcp=True) as running:
        yield running


@pytest.fixture
async def client(house: House) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=house.url, trust_env=False) as made:
        yield made


async def send(client: httpx.AsyncClient, **order: Any) -> httpx.Response:
    return await client.post("/api/lab/send", json={"from": ANNA, "to": [BEN], **order})


async def test_the_lab_is_described(house: House, client: httpx.AsyncClient) -> None:
    """Everything of lab.ready, the title in its languages, its links, its time, and where the records stand."""
    house.lab.advance_clock(60)
    lab = (await client.get("/api/lab/lab")).json()
    (ready,) = (record for record in house.lab.recorder.records if record["event"] == "lab.ready")
    assert lab == {
        "lab": "two-schools",
        "title": {"en": "Two schools", "de": "Zwei Schulen"},
        "run": house.lab.recorder.run,
        "seq": house.lab.recorder.seq,
        "at": lab["at"],
        "ahead_seconds": 60,
        "replies": "realistic",
        "servers": ready["servers"],
        "web": ready["web"],
        "dns": ready["dns"],
        "mailboxes": [ANNA, NILS, BEN, "berta@sued.example"],
        "foreign": [],
        "links": [
            {"from": "mail.nord.example", "to": "relay.example", "is_backup": False},
            {"from": "mail.sued.example", "to": "relay.example", "is_backup": False},
            {"from": "relay.example", "to": "mail.nord.example", "is_backup": False},
            {"from": "relay.example", "to": "mail.sued.example", "is_backup": False},
        ],
    }
    assert lab["at"] >= ready["at"]
    assert lab["web"] == house.url.removeprefix("http://")
    assert [server["host"] for server in lab["servers"]] == ["mail.nord.example", "mail.sued.example", "relay.example"]


async def test_mail_is_sent_and_traced(house: House, client: httpx.AsyncClient) -> None:
    """A mail that is sent through the API is a trace with its records, and is drawn in every form."""
    answer = (await send(client, subject="Grüße", body="Hallo")).json()
    assert answer["recipients"][BEN] == {
        "accepted": True,
        "reply": f"250 2.0.0 Ok: queued as {answer['trace']}-1-00",
    }
    await house.lab.mailbox(BEN).wait_for_message(subject="Grüße")
    await house.quiet()
    (summary,) = (await client.get("/api/lab/traces")).json()
    assert (summary["trace"], summary["state"], summary["subject"]) == (answer["trace"], "delivered", "Grüße")
    for name in (answer["trace"], answer["trace"].lower(), "latest"):
        trace = (await client.get(f"/api/lab/traces/{name}")).json()
        records, (talk, *_) = trace.pop("records"), trace.pop("conversations")
        assert trace == summary
        assert (talk["client"], talk["server"]) == ("maillab-send", "mail.nord.example")
        said = [record["line"] for record in records if record["seq"] in talk["seqs"] and "line" in record]
        assert [said[0][:3], said[-1][:3]] == ["220", "221"]
        assert {"smtp.command", "message.accepted", "message.stored"} <= {record["event"] for record in records}
    where = f"/api/lab/traces/{answer['trace']}"
    text = await client.get(f"{where}/ladder.txt")
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    assert "MAIL FROM:<anna@nord.example>" in text.text
    brief = (await client.get(f"{where}/ladder.txt", params={"brief": "1", "width": "60"})).text
    assert "MAIL FROM" not in brief
    assert max(map(len, brief.splitlines())) <= 60
    assert (await client.get(f"{where}/ladder.mmd")).text.startswith("sequenceDiagram\n")
    picture = await client.get(f"{where}/ladder.svg")
    assert picture.headers["content-type"] == "image/svg+xml"
    assert picture.headers["content-security-policy"] == "default-src 'none'; style-src 'unsafe-inline'"
    assert picture.text.startswith("<svg ")


async def test_lists_are_complete_unless_limited(client: httpx.AsyncClient) -> None:
    """Newest traces come first, and a limit takes the newest."""
    sent = [(await send(client, subject=str(number))).json()["trace"] for number in range(4)]
    assert [trace["trace"] for trace in (await client.get("/api/lab/traces")).json()] == sent[::-1]
    assert [trace["subject"] for trace in (await client.get("/api/lab/traces?limit=2")).json()] == ["3", "2"]
    assert (await client.get("/api/lab/traces?limit=0")).json() == []


async def test_records_follow_a_place(house: House, client: httpx.AsyncClient) -> None:
    """Records of this run come oldest first, behind a number; of another run one has seen nothing of this."""
    await send(client)
    await house.quiet()
    known = [*house.lab.recorder.records]
    run = known[0]["run"]
    assert (await client.get("/api/lab/records")).json() == known
    assert (await client.get(f"/api/lab/records?after=5&run={run}&limit=3")).json() == known[5:8]
    assert (await client.get("/api/lab/records?after=5&run=other&limit=1")).json() == known[:1]
    assert (await client.get("/api/lab/records?after=999999")).json() == []


async def test_mailboxes_are_read(house: House, client: httpx.AsyncClient) -> None:
    """Who has how much, what is in one, one message in words, and the same octet by octet."""
    await send(client, to=[NILS], subject="Grüße", body="Zeile\n.\nEnde €")
    assert (await client.get("/api/lab/mailboxes")).json()[:2] == [
        {"mailbox": ANNA, "server": "mail.nord.example", "messages": 0, "unseen": 0},
        {"mailbox": NILS, "server": "mail.nord.example", "messages": 1, "unseen": 1},
    ]
    where = f"/api/lab/mailboxes/{NILS}/messages"
    (entry,) = (await client.get(where)).json()
    (stored,) = house.lab.mailbox(NILS).messages()
    assert (entry["uid"], entry["subject"], entry["from"], entry["to"]) == (1, "Grüße", ANNA, NILS)
    assert (entry["return_path"], entry["trace"], entry["seen"]) == (ANNA, stored.trace, False)
    assert entry["stored_at"].endswith("Z")
    assert entry["size_octets"] == len(stored.octets)
    message = (await client.get(f"{where}/1")).json()
    contents = {key: message.pop(key) for key in message.keys() - entry.keys()}
    assert message == entry
    (hop,) = contents.pop("path")
    assert (hop["host"], hop["certain"], hop["queue_id"]) == ("mail.nord.example", True, stored.entry.queue_id)
    assert hop["at"].endswith("Z")
    assert contents == {
        "text": "Zeile\n.\nEnde €\n",
        "headers": [[field.name, field.text] for field in Message(stored.octets).fields],
        "has_html": False,
        "is_cut": False,
        "outside": [],
        "attachments": [],
        "all_attachments": True,
    }
    source = await client.get(f"{where}/1/source")
    assert (source.text, source.headers["content-type"]) == (stored.octets.decode(), "text/plain; charset=utf-8")
    assert source.headers["content-security-policy"] == "default-src 'none'; sandbox"
    raw = await client.get(f"{where}/1/raw")
    assert raw.content == stored.octets
    assert raw.headers["content-type"] == "message/rfc822"
    assert raw.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert raw.headers["content-disposition"].startswith("attachment")
    assert (await client.get(where, params={"after": 1})).json() == []
    assert (await client.get("/api/lab/mailboxes/NILS%40Nord.Example/messages/1")).json()["uid"] == 1


async def test_what_is_read_is_no_longer_new(client: httpx.AsyncClient) -> None:
    """A message is marked as seen, and as new again; what is neither is explained."""
    await send(client, to=[NILS])
    where = f"/api/lab/mailboxes/{NILS}/messages"
    for order, is_seen in ((b"", True), (b"", True), (b'{"seen": false}', False), (b'{"seen": true}', True)):
        answer = await client.post(f"{where}/1/seen", content=order)
        assert answer.json() == {"uid": 1, "seen": is_seen}
        assert [entry["seen"] for entry in (await client.get(where)).json()] == [is_seen]
        unseen = {each["mailbox"]: each["unseen"] for each in (await client.get("/api/lab/mailboxes")).json()}
        assert unseen[NILS] == (not is_seen)
    for order in (b"{}", b"[]", b'{"seen": 1}', b'{"seen": true, "flagged": true}'):
        answer = await client.post(f"{where}/1/seen", content=order)
        assert (answer.status_code, answer.json()["mend"]) == (400, 'send {"seen": true}')
    assert (await client.post(f"{where}/2/seen")).status_code == 404


async def test_a_copy_tells_its_way(house: House, client: httpx.AsyncClient) -> None:
    """Every server that it passed, with its queue id and its time; what its writer invented is not certain."""
    invented = b"Received: from x by mail.sued.example with ESMTP id INVENTED-1-00; Thu, 01 Jan 1970 00:00:00 +0000\r\n"
    message = base64.b64encode(invented + b"Subject: x\r\n\r\n").decode()
    trace = (await send(client, message_base64=message)).json()["trace"]
    await house.lab.mailbox(BEN).wait_for_message()
    path = (await client.get(f"/api/lab/mailboxes/{BEN}/messages/1")).json()["path"]
    assert [(hop["host"], hop["queue_id"], hop["certain"]) for hop in path] == [
        ("mail.sued.example", "INVENTED-1-00", False),
        ("mail.nord.example", f"{trace}-1-00", True),
        ("relay.example", f"{trace}-2-00", True),
        ("mail.sued.example", f"{trace}-3-00", True),
    ]
    assert (path[0]["at"], path[2]["from"]) == (None, "mail.nord.example")


async def test_html_and_files_are_handed_out_with_care(client: httpx.AsyncClient, house: House) -> None:
    """HTML may be shown in a frame of this page, which lets it do nothing; files are only ever saved."""
    mail = EmailMessage(SMTP)
    mail["Subject"] = "</title><script>alert(1)</script>"
    mail.set_content("text")
    mail.add_alternative("<p onclick='x'>html<script>alert(1)</script><img src=//evil.example/x>", subtype="html")
    mail.add_attachment(b"<script>alert(1)</script>", "text", "html", filename="../ü.html")
    await send(client, to=[NILS], message_base64=base64.b64encode(bytes(mail)).decode())
    where = f"/api/lab/mailboxes/{NILS}/messages/1"
    message = (await client.get(where)).json()
    assert (message["text"], message["has_html"], message["outside"]) == ("text\n", True, ["//evil.example/x"])
    (attached,) = message["attachments"]
    assert attached == {"part": "2", "name": "ü.html", "type": "text/html", "size_octets": 25}

    html = await client.get(f"{where}/html")
    assert html.headers["content-type"] == "text/html; charset=utf-8"
    policy = html.headers["content-security-policy"].split("; ")
    assert {"sandbox", "default-src 'none'", "img-src data:", "frame-ancestors 'self'"} <= set(policy)
    assert not any("script" in rule or "allow" in rule for rule in policy)
    assert "script>" not in html.text.replace("&lt;script&gt;", "").replace("&lt;/script&gt;", "")
    assert "<p>html" in html.text

    part = await client.get(f"{where}/parts/2")
    assert part.content == b"<script>alert(1)</script>"
    assert part.headers["content-type"] == "application/octet-stream"
    assert part.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert part.headers["content-disposition"] == "attachment; filename=\"_.html\"; filename*=UTF-8''%C3%BC.html"
    for missing in ("parts/3", "parts/", "parts/2.1", "../2/html"):
        assert (await client.get(f"{where}/{missing}")).status_code == 404
    await send(client, to=[NILS])
    plain = await client.get(f"/api/lab/mailboxes/{NILS}/messages/2/html")
    assert (plain.status_code, plain.json()["error"]) == (404, "this message has no HTML")


async def test_what_waits_is_listed_and_tried_again(client: httpx.AsyncClient, house: House) -> None:
    """A deferred mail is in the queue with its reason, and a retry on demand is one more attempt."""
    house.lab.book.moved("relay.example", 25, house.page._replace(port=1))
    sent = (await send(client, subject="waits")).json()
    queue: list[Any] = []
    while not (queue and queue[0]["recipients"][0]["last_reply"]):
        await house.quiet()
        queue = (await client.get("/api/lab/queue")).json()
    (waiting,) = queue
    assert waiting["queue_id"] == f"{sent['trace']}-1-00"
    assert (waiting["server"], waiting["sender"], waiting["trace"]) == ("mail.nord.example", ANNA, sent["trace"])
    (recipient,) = waiting["recipients"]
    assert (recipient["address"], recipient["next_hop"], recipient["attempts"]) == (BEN, "relay.example", 1)
    assert recipient["due_at"] > waiting["accepted_at"]
    assert waiting["subject"] == "waits"
    spans = [datetime.fromisoformat(waiting[key]) for key in ("accepted_at", "gives_up_at")]
    assert (spans[1] - spans[0]).total_seconds() == house.lab.spec.retry.give_up_after_seconds
    retried = await client.post(f"/api/lab/queue/{waiting['queue_id']}/retry")
    assert retried.json() == {"queue_id": waiting["queue_id"], "servers": ["mail.nord.example"]}
    while recipient["attempts"] < 2:
        await house.quiet()
        (recipient,) = (await client.get("/api/lab/queue")).json()[0]["recipients"]
    unknown = await client.post("/api/lab/queue/nothing-1-00/retry")
    assert (unknown.status_code, unknown.json()["mend"]) == (404, "GET /api/lab/queue lists what waits")


async def test_a_whole_message_is_sent_as_it_is(house: House, client: httpx.AsyncClient) -> None:
    """As text it gets the line ends of mail; in base64 not an octet is changed."""
    await send(client, to=NILS, message="Subject: text\n\n..\nÄ\r\n.\n")
    octets = b"subject:octets\r\n\r\n\xff\x00\r\n..\r\n.\r\n"
    await send(client, to=[NILS], message_base64=base64.b64encode(octets).decode())
    text, exact = (message.octets for message in house.lab.mailbox(NILS).messages())
    assert text.endswith("\r\nSubject: text\r\n\r\n..\r\nÄ\r\n.\r\n".encode())
    assert exact.endswith(b"\r\n" + octets)


@pytest.mark.parametrize(
    "server", ["relay.example", "sued.example", "172.16.2.1", "mail.sued.example:25", "172.16.2.1:25"]
)
async def test_the_server_may_be_chosen(server: str, house: House, client: httpx.AsyncClient) -> None:
    """A server goes by its host name, domain, address, or where it listens."""
    answer = await send(client, server=server)
    assert answer.status_code == 200
    await house.quiet()
    trace = house.lab.trace_book.get(answer.json()["trace"])
    assert trace is not None
    assert trace.path()[0] == ("relay.example" if server == "relay.example" else "mail.sued.example")


async def test_a_refused_mail_tells_the_servers_words(client: httpx.AsyncClient) -> None:
    """422 when nobody was taken; otherwise each recipient has its own answer."""
    refused = await send(client, to=["nobody@nord.example"])
    assert refused.status_code == 422
    assert refused.json()["error"].startswith("550 5.1.1 <nobody@nord.example>")
    assert refused.json()["recipients"] == {
        "nobody@nord.example": {"accepted": False, "reply": refused.json()["error"]}
    }
    partly = (await send(client, to=["nobody@nord.example", NILS])).json()["recipients"]
    assert [partly[to]["accepted"] for to in ("nobody@nord.example", NILS)] == [False, True]
    assert partly["nobody@nord.example"]["reply"].startswith("550 5.1.1")


async def test_an_answer_names_what_it_answers(house: House, client: httpx.AsyncClient) -> None:
    """In-Reply-To and References stand in its header as they were given, however long the ids are."""
    ids = [f"<{'x' * 80}{number}@nord.example>" for number in range(3)]
    await send(client, to=[NILS], subject="Re: Grüße", body="Ä", in_reply_to=ids[2], references=ids)
    (stored,) = house.lab.mailbox(NILS).messages()
    fields = [(field.name, field.text) for field in stored.message.fields]
    assert ("In-Reply-To", ids[2]) in fields
    assert ("References", " ".join(ids)) in fields
    assert (stored.subject, stored.message.body) == ("Re: Grüße", "Ä\r\n".encode())


@pytest.mark.parametrize(
    ("order", "status", "says"),
    [
        (b"", 400, "no JSON"),
        (b"{", 400, "no JSON"),
        (b'"\\ud800"', 400, "no JSON"),
        (b"[" * 100_000, 400, "no JSON"),
        (b"[]", 400, "an object is expected"),
        (b"{}", 400, '"to" is a list of addresses; "from" is missing'),
        (b'{"from": 1, "to": []}', 400, '"to" is a list of addresses; "from" is text'),
        (b'{"from": "", "to": ["a@b.example"], "Subject": "x"}', 400, 'nothing is called "Subject"'),
        (b'{"from": "", "to": ["a"]}', 400, "a"),
        (b'{"from": "a", "to": ["a@nord.example"]}', 400, "a"),
        (b'{"from": "", "to": ["a@nord.example\\r\\nDATA"]}', 400, ""),
        (b'{"from": "", "to": ["anna@nord.example"], "subject": "a\\nb"}', 400, "no mail can be written"),
        (
            b'{"from": "", "to": ["anna@nord.example"], "in_reply_to": "<a\\r\\nBcc: b@c.example>"}',
            400,
            "In-Reply-To: '<a\\r\\nBcc: b@c.example>' is no message id",
        ),
        (b'{"from": "", "to": ["anna@nord.example"], "references": ["x"]}', 400, "References: 'x' is no message id"),
        (b'{"from": "", "to": ["anna@nord.example"], "references": "x"}', 400, '"references" is a list of message ids'),
        (b'{"from": "", "to": ["anna@nord.example"], "body": "", "message": ""}', 400, "only one of body, message"),
        (b'{"from": "", "to": ["anna@nord.example"], "message_base64": "?"}', 400, "no base64"),
        (
            b'{"from": "", "to": ["anna@nord.example"], "server": "mail.elsewhere.example"}',
            404,
            "no server of this lab",
        ),
        (b'{"from": "", "to": ["anna@nord.example"], "server": "127.0.0.1:22"}', 404, "no server of this lab"),
        (b'{"from": "", "to": ["anna@nord.example"], "server": "../.."}', 404, "no server of this lab"),
    ],
)
async def test_an_order_that_makes_no_sense_is_explained(
    order: bytes, status: int, says: str, client: httpx.AsyncClient
) -> None:
    """What is wrong is said, all of it at once, and what would be right."""
    answer = await client.post("/api/lab/send", content=order)
    assert answer.status_code == status
    assert says in answer.json()["error"]
    assert answer.json()["mend"]


@pytest.mark.parametrize(
    "query",
    [
        *("traces?limit=x", "traces?limit=-1", "records?after=", "records?after=1e3", "records?limit=%D9%A3"),
        *("traces/latest/ladder.txt?width=39", "traces/latest/ladder.txt?width=100000"),
        f"records?after={'9' * 5000}",
    ],
)
async def test_numbers_are_numbers(query: str, client: httpx.AsyncClient) -> None:
    """A number that is none, or out of bounds, is 400 and named."""
    await send(client)
    answer = await client.get(f"/api/lab/{query}")
    assert answer.status_code == 400
    assert "give a whole number" in answer.json()["mend"]
