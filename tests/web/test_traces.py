"""Traces by the API: filters, ladders told in part, and the message in its three zones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import trio
from trio.testing import MockClock as Clock

from maillab.web.anatomy import FIELD_LIMIT, FIELDS_LIMIT_COUNT, TEXT_LIMIT
from maillab.web.traces import NAMED_LIMIT_COUNT
from tests.labs import visit

from .visit import Answer, House, open_house

ANNA, NILS, BEN, BERTA = "anna@nord.example", "nils@nord.example", "ben@sued.example", "berta@sued.example"
NORD, SUED, RELAY = "mail.nord.example", "mail.sued.example", "relay.example"


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with open_house() as running:
        yield running


async def send(house: House, sender: str, *to: str, subject: str = "", octets: bytes | None = None) -> str:
    sent = await house.lab.send(sender, to, subject=subject, body="Hallo\n", octets=octets)
    await trio.sleep(1)
    assert sent.trace is not None
    return sent.trace


async def listed(house: House, **query: object) -> list[str]:
    answer = await house.ask(f"/api/lab/traces?{urlencode(query)}")
    assert answer.status == 200, answer.body
    return [trace["trace"] for trace in answer.json]


async def zones(house: House, trace: str, copy: str = "") -> Any:
    answer = await house.ask(f"/api/lab/traces/{trace}/message" + (f"?copy={quote(copy, safe='')}" if copy else ""))
    assert answer.status == 200, answer.body
    return answer.json


async def test_traces_are_asked_for_by_state_person_server_and_words(autojump_clock: Clock, house: House) -> None:
    """Each filter leaves what fits it, several what fits all, and upper case is as good as lower case."""
    inside = await send(house, ANNA, NILS, subject="Gartenparty")
    across = await send(house, ANNA, BEN, subject="Grüße an Ben")
    back = await send(house, BEN, NILS, subject="Antwort")
    await trio.sleep(600)  # until no connection to the relay is kept
    house.lab.book.moved(RELAY, 25, house.page._replace(port=1))
    stuck = await send(house, NILS, BERTA, subject="Gartenparty heute")
    assert await listed(house) == [stuck, back, across, inside]
    assert await listed(house, state="deferred") == [stuck]
    assert await listed(house, state="delivered") == [back, across, inside]
    assert await listed(house, person=NILS.upper()) == [stuck, back, inside]
    assert await listed(house, server=SUED) == [back, across]
    assert await listed(house, server=RELAY, person=NILS) == [stuck, back]
    assert await listed(house, search="GARTENPARTY") == [stuck, inside]
    assert await listed(house, search="party heute") == [stuck]
    assert await listed(house, search=across[-6:].lower()) == [across]
    assert await listed(house, search="grüße") == [across]
    assert await listed(house, search="nobody") == []


async def test_the_list_goes_on_behind_a_trace(autojump_clock: Clock, house: House) -> None:
    """`after` names the last one seen; a trace that is not there any more begins at the newest."""
    sent = [await send(house, ANNA, NILS, subject=f"letter {number}!") for number in "abcde"][::-1]
    assert await listed(house, limit=2) == sent[:2]
    assert await listed(house, limit=2, after=sent[1].lower()) == sent[2:4]
    assert await listed(house, limit=2, after=sent[4]) == []
    assert await listed(house, after="0" * 13) == sent
    assert await listed(house, after=sent[0], search="c! anna") == [sent[2]]


async def test_some_traces_are_asked_for_by_their_ids(autojump_clock: Clock, house: House) -> None:
    """Those that are there, newest first, and the filters hold for them too; how many is bounded."""
    one, two, three = [await send(house, ANNA, NILS, subject=name) for name in ("one", "two", "three")]
    assert await listed(house, trace=f"{one},{three.lower()},{'0' * 13},x") == [three, one]
    assert await listed(house, trace=f"{one},{two}", search="two") == [two]
    assert await listed(house, trace="") == []
    many = ",".join(f"{number:013}" for number in range(NAMED_LIMIT_COUNT + 1))
    assert (await house.ask(f"/api/lab/traces?trace={many}")).status == 400


@pytest.mark.parametrize("query", ["state=lost", "limit=x", "limit=-1"])
async def test_what_cannot_be_asked_is_said(autojump_clock: Clock, house: House, query: str) -> None:
    """A filter that is none is refused, with those that there are."""
    answer = await house.ask(f"/api/lab/traces?{query}")
    assert answer.status == 400
    assert answer.json["mend"].startswith("give ")


async def test_a_summary_says_who_has_each_copy(autojump_clock: Clock, house: House) -> None:
    """The copies stand in the list: their state, and the server that has them now."""
    await send(house, ANNA, NILS, BEN)
    (trace,) = (await house.ask("/api/lab/traces")).json
    assert {copy["recipient"]: (copy["state"], copy["server"], copy["uid"]) for copy in trace["copies"]} == {
        NILS: ("delivered", NORD, 1),
        BEN: ("delivered", SUED, 1),
    }


async def test_a_ladder_unfolds_one_hop_and_speaks_german(autojump_clock: Clock, house: House) -> None:
    """The conversations named are told line by line; the language is one of two."""
    trace = await send(house, ANNA, BEN)
    where = f"/api/lab/traces/{trace}/ladder"

    async def ladder(form: str, **query: object) -> Answer:
        return await house.ask(f"{where}.{form}?{urlencode(query)}")

    run = house.lab.recorder.run
    picture = (await ladder("svg", brief=1, unfolded=f"{run}.c2.1", language="de")).body.decode()
    assert f'data-talk="{run}.c1.1" data-fold="folded"' in picture
    assert f'data-talk="{run}.c2.1" data-fold="unfolded"' in picture
    assert "Zugestellt" in picture or "zugestellt" in picture
    text = (await ladder("txt", brief=1, unfolded=f"{run}.c2.1", language="de", width=120)).body.decode()
    assert text.count("MAIL FROM") == 1
    assert "Postfächer" in text
    assert (await ladder("mmd", brief=1, unfolded=f"{run}.c2.1")).body.decode().count("MAIL FROM") == 1
    assert (await ladder("svg", language="fr")).json["mend"] == "give one of en, de"


async def test_the_header_names_who_added_each_field(autojump_clock: Clock, house: House) -> None:
    """Each Received has its server and hop, Return-Path the last server, and the rest came with the mail."""
    trace = await send(house, ANNA, BEN, subject="Hallo")
    found = await zones(house, trace)
    assert [(field["name"], field["server"], field.get("hop")) for field in found["fields"][:5]] == [
        ("Return-Path", SUED, 3),
        ("Received", SUED, 3),
        ("Received", RELAY, 2),
        ("Received", NORD, 1),
        ("From", None, None),
    ]
    assert {field["server"] for field in found["fields"][4:]} == {None}
    assert found["text"] == "Hallo\n"
    assert found["copies"] == [
        {"copy": f"{BEN}/1", "place": "mailbox", "server": SUED, "mailbox": BEN, "uid": 1},
    ]
    assert found["envelope"] == {
        "sender": ANNA,
        "recipients": [BEN],
        "recipient_count": 1,
        "server": NORD,
        "written_here": False,
    }
    assert found["differences"] == []
    assert found["addresses"] == [ANNA, BEN]
    assert not found["is_cut"]


async def test_the_copy_that_came_furthest_is_shown(autojump_clock: Clock, house: House) -> None:
    """Of several copies the one with most postmarks, until another is asked for."""
    trace = await send(house, ANNA, NILS, BEN)
    assert (await zones(house, trace))["copy"] == f"{BEN}/1"
    assert (await zones(house, trace, f"{NILS}/1"))["copy"] == f"{NILS}/1"


async def test_what_waits_is_read_from_the_queue(autojump_clock: Clock, house: House) -> None:
    """While it waits, the message has the lines of the servers that it has passed, and no Return-Path."""
    house.lab.book.moved(RELAY, 25, house.page._replace(port=1))
    trace = await send(house, ANNA, BEN, NILS, subject="wartet")
    found = await zones(house, trace)
    assert [(copy["copy"], copy["place"]) for copy in found["copies"]] == [
        (f"{NILS}/1", "mailbox"),
        (f"{trace}-1-00", "queue"),
    ]
    waiting = await zones(house, trace, f"{trace}-1-00")
    assert [field["name"] for field in waiting["fields"]][:2] == ["Received", "From"]
    assert (await house.ask(f"/api/lab/traces/{trace}/message?copy=x/9")).status == 404


async def test_a_hand_typed_mail_differs_from_its_envelope(autojump_clock: Clock, house: House) -> None:
    """Without a header nothing is invented: the envelope alone says who writes to whom."""
    async with visit(house.lab, NORD) as visitor:
        for line in (f"MAIL FROM:<{ANNA}>", f"RCPT TO:<{NILS}>", "DATA"):
            await visitor.say(line)
        await visitor.give(b"Hallo Nils,\r\n\r\nbis morgen!\r\n.\r\n")
    found = await zones(house, "latest")
    assert [field["name"] for field in found["fields"]] == ["Return-Path", "Received"]
    assert found["text"] == "Hallo Nils,\n\nbis morgen!\n"
    assert found["differences"] == [{"kind": "no-sender"}, {"kind": "no-recipient"}]
    assert found["addresses"] == [ANNA, NILS]


async def test_hidden_and_forged_addresses_are_differences(autojump_clock: Clock, house: House) -> None:
    """A recipient of the envelope alone, one of the header alone, and a From of somebody else."""
    mail = f"From: The Boss <boss@sued.example>\r\nTo: Nils <{NILS.upper()}>, x@far.example\r\n\r\nHi\r\n".encode()
    found = await zones(house, await send(house, ANNA, NILS, BEN, octets=mail))
    assert found["differences"] == [
        {"kind": "other-sender", "address": "boss@sued.example"},
        {"kind": "hidden-recipient", "address": BEN},
        {"kind": "not-a-recipient", "address": "x@far.example"},
    ]


async def test_lines_that_a_sender_made_up_are_content(autojump_clock: Clock, house: House) -> None:
    """A forged Received or Return-Path below those of the lab is told as what the mail came with."""
    forged = f"by {NORD} with ESMTP id 1JD2V9XK3M4QZ-1-00; Mon, 23 Nov 2026 13:00:00 +0000"
    mail = f"Received: {forged}\r\nReturn-Path: <x@y.example>\r\nReceived: from a by b; x\r\n\r\nHi\r\n".encode()
    found = await zones(house, await send(house, ANNA, BEN, octets=mail))
    assert [(field["name"], field["server"]) for field in found["fields"]] == [
        ("Return-Path", SUED),
        ("Received", SUED),
        ("Received", RELAY),
        ("Received", NORD),
        ("Received", None),
        ("Received", None),
    ]


async def test_a_notice_is_written_by_its_server(autojump_clock: Clock, house: House) -> None:
    """A report has no client: its server is the writer, and its envelope has no sender."""
    await send(house, ANNA, "nobody@sued.example")
    (bounce,) = (trace for trace in house.lab.traces if trace.parent)
    found = await zones(house, bounce.id)
    assert found["envelope"]["written_here"]
    assert found["envelope"]["sender"] == ""
    assert found["envelope"]["recipients"] == [ANNA]


async def test_a_message_that_is_gone_leaves_its_envelope(autojump_clock: Clock, house: House) -> None:
    """What came back is in no mailbox and in no queue any more: only the envelope is known."""
    trace = await send(house, ANNA, "nobody@sued.example")
    found = await zones(house, trace)
    assert found["copies"] == []
    assert found["copy"] is None
    assert found["envelope"]["recipients"] == ["nobody@sued.example"]
    assert "fields" not in found


async def test_the_answer_is_bounded(autojump_clock: Clock, house: House) -> None:
    """Many fields, long ones and a long text are cut, and that is said."""
    fields = "".join(f"X-{number}: {'x' * 3000}\r\n" for number in range(FIELDS_LIMIT_COUNT + 5))
    mail = f"{fields}\r\n".encode() + b"y" * 900 + b"\r\n" + b"zzzzzzzz\r\n" * 20_000
    found = await zones(house, await send(house, ANNA, NILS, octets=mail))
    assert len(found["fields"]) == FIELDS_LIMIT_COUNT
    assert max(len(field["text"]) for field in found["fields"]) == FIELD_LIMIT
    assert len(found["text"]) == TEXT_LIMIT
    assert found["is_cut"]


HOSTILE = (
    b'From: =?utf-8?q?=3Cscript=3E?= <a@b>, <<>>, "unclosed <x@y\r\nTo: (((((((((\r\n\r\n\x00\xff\r\n',
    b"Received: \xff\xfe\r\n\r\n",
    b"\r\n\r\n",
    b": \r\n",
    b"Received:\r\nReceived: by ; \r\n\r\n",
    b"From: " + b"(" * 5000 + b"\r\nTo: " + b"<" * 5000 + b"\r\nCc: " + b"a@b," * 5000 + b"\r\n\r\nx\r\n",
    b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain; charset=rot13\r\n\r\nhi\r\n",
)


@pytest.mark.parametrize("octets", HOSTILE, ids=range(len(HOSTILE)))
async def test_no_message_breaks_it(autojump_clock: Clock, house: House, octets: bytes) -> None:
    """Whatever a message is made of, it is shown."""
    found = await zones(house, await send(house, ANNA, NILS, octets=octets))
    assert found["fields"][0]["name"] == "Return-Path"
    assert isinstance(found["text"], str)
