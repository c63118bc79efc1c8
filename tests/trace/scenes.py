"""Scenes that the tests gather and draw: each is what the log of a lab would hold."""

from __future__ import annotations

from itertools import pairwise

from tests.trace.scribe import BOUNCE_TRACE, TRACE, Line, Scribe, delivery, forward

ANNA, BEN, BERTA, NILS = "anna@nord.example", "ben@sued.example", "berta@sued.example", "nils@nord.example"
ROSA = "rosa@west.example"


def two_schools() -> Scribe:
    """Anna writes to Ben, Berta and Nils; the relay is away at first."""
    scribe = Scribe()
    scribe.lab(mail_nord_example=["nord.example"], mail_sued_example=["sued.example"], relay_example=[])
    line = Line(scribe, "c1", "mail.nord.example")
    line.greet("anna-pc")
    line.mail(1, ANNA, [BEN, BERTA, NILS], [NILS])
    line.quit()
    delivery(scribe, "started", "mail.nord.example", 1, [BEN, BERTA], "relay.example")
    reply = "connection refused by relay.example (172.16.3.1:25)"
    delivery(
        scribe,
        "deferred",
        "mail.nord.example",
        1,
        [BEN, BERTA],
        "relay.example",
        code=None,
        reply=reply,
        retry_in_seconds=5,
    )
    scribe.pause(5)
    forward(scribe, "c2", ("mail.nord.example", "relay.example"), 2, ANNA, [BEN, BERTA], attempt=2)
    forward(scribe, "c3", ("relay.example", "mail.sued.example"), 3, ANNA, [BEN, BERTA], [BEN, BERTA])
    return scribe


def garden_party() -> Scribe:
    """The lesson's conversation, typed by hand, in the textbook's words."""
    scribe = Scribe()
    scribe.lab(example_com=["example.com"])
    line = Line(scribe, "c1", "example.com")
    line.says("220 Willkommen bei example.com")
    scribe.pause(9.2)
    line.asks("HELO carol", "250 Hello carol")
    scribe.pause(7.5)
    line.asks("MAIL FROM:<carol@example.com>", "250 Sender OK")
    scribe.pause(6.1)
    line.asks("RCPT TO:<bob@example.com>", "250 Recipient OK")
    scribe.pause(3.3)
    line.asks("DATA", "354 End data with <CR><LF>.<CR><LF>")
    scribe.pause(41)
    line.accepted(1, "carol@example.com", ["bob@example.com"])
    line.stored(1, "bob@example.com")
    line.says("250 Mail queued for delivery")
    scribe.pause(4)
    line.transaction = ...
    line.asks("QUIT", "221 Server beendet Verbindung.")
    line.close()
    return scribe


def typed_by_hand() -> Scribe:
    """Carol tries NOOP, misspells a command, begins anew, and is understood in the end."""
    scribe = Scribe()
    line = Line(scribe, "c1", "mail.nord.example")
    line.says("220 mail.nord.example ESMTP maillab")
    line.asks("NOOP", "250 2.0.0 Ok")
    line.asks("HELLO carol", "500-5.5.2 no such command: HELLO", "500 5.5.2 did you mean HELO?")
    line.asks("HELO carol", "250 mail.nord.example")
    line.asks("MAIL FROM:<carl@nord.example>", "250 2.1.0 Ok")
    line.asks("RSET", "250 2.0.0 Ok")
    scribe.pause(2)
    line.asks("MAIL FROM:<carol@nord.example>", "250 2.1.0 Ok")
    line.asks("RCPT TO:<nobody@nord.example>", "550 5.1.1 <nobody@nord.example> has no mailbox here")
    line.asks("RCPT TO:<nils@nord.example>", "250 2.1.5 Ok")
    line.data(1, "carol@nord.example", [NILS], [NILS], subject="Grüße \x1b[31m日本\u0301語")
    line.quit()
    return scribe


def six_servers() -> Scribe:
    """A chain of six, as a class of six groups may build it."""
    scribe = Scribe()
    hosts = [f"mail.{name}.example" for name in ("nord", "ost", "mitte", "west", "sued", "insel")]
    scribe.lab(**{host.replace(".", "_"): [host.removeprefix("mail.")] for host in hosts})
    line = Line(scribe, "c1", hosts[0])
    line.greet("anna-pc")
    line.mail(1, ANNA, ["kai@insel.example"])
    line.quit()
    for number, pair in enumerate(pairwise(hosts), 2):
        stored = ["kai@insel.example"] if pair[1] == hosts[-1] else []
        forward(scribe, f"c{number}", pair, number, ANNA, ["kai@insel.example"], stored)
    return scribe


def fan_out() -> Scribe:
    """One mail for two schools; the last server of one refuses a recipient, and the sender is told."""
    scribe = Scribe()
    scribe.lab(
        mail_nord_example=["nord.example"],
        relay_example=[],
        mail_sued_example=["sued.example"],
        mail_west_example=["west.example"],
    )
    line = Line(scribe, "c1", "mail.nord.example")
    line.greet("anna-pc")
    line.mail(1, ANNA, [BEN, ROSA, "nemo@west.example"])
    line.quit()
    forward(scribe, "c2", ("mail.nord.example", "relay.example"), 2, ANNA, [BEN, ROSA, "nemo@west.example"])
    forward(scribe, "c3", ("relay.example", "mail.sued.example"), 3, ANNA, [BEN], [BEN])
    both = [ROSA, "nemo@west.example"]
    delivery(scribe, "started", "relay.example", 2, both, "mail.west.example")
    west = Line(scribe, "c4", "mail.west.example", "relay.example", opened=("client", "server"))
    west.greet("relay.example")
    west.asks(f"MAIL FROM:<{ANNA}>", "250 2.1.0 Ok")
    west.asks(f"RCPT TO:<{ROSA}>", "250 2.1.5 Ok")
    refusal = "550 5.1.1 <nemo@west.example> has no mailbox here"
    west.asks("RCPT TO:<nemo@west.example>", refusal)
    west.data(3, ANNA, [ROSA], [ROSA], queue_id=f"{TRACE}-3-01")
    place = {"connection": "c4", "transaction": 1}
    delivery(
        scribe,
        "relayed",
        "relay.example",
        2,
        [ROSA],
        "mail.west.example",
        **place,
        code=250,
        reply="250 2.0.0 Ok",
        next_queue_id=f"{TRACE}-3-01",
    )
    delivery(
        scribe,
        "failed",
        "relay.example",
        2,
        ["nemo@west.example"],
        "mail.west.example",
        **place,
        code=550,
        reply=refusal,
    )
    made = {"server": "relay.example", "trace": BOUNCE_TRACE, "queue_id": f"{BOUNCE_TRACE}-1-00", "hop": 1}
    scribe.write(
        "message.accepted",
        **made,
        sender="",
        recipients=[ANNA],
        size_octets=911,
        sha256="00",
        subject="Undelivered: Einladung zur Gartenparty",
        received_from_queue_id=None,
        for_trace=TRACE,
    )
    scribe.write(
        "bounce.created",
        **made,
        for_queue_id=f"{TRACE}-2-00",
        for_trace=TRACE,
        recipients=["nemo@west.example"],
    )
    forward_bounce = {"trace": BOUNCE_TRACE, "queue_id": f"{BOUNCE_TRACE}-1-00"}
    delivery(scribe, "started", "relay.example", 1, [ANNA], "mail.nord.example", **forward_bounce)
    back = Line(scribe, "c5", "mail.nord.example", "relay.example", opened=("client", "server"))
    back.greet("relay.example")
    back.mail(
        2,
        "",
        [ANNA],
        [ANNA],
        trace=BOUNCE_TRACE,
        queue_id=f"{BOUNCE_TRACE}-2-00",
        received_from_queue_id=f"{BOUNCE_TRACE}-1-00",
        subject="Undelivered: Einladung zur Gartenparty",
    )
    delivery(
        scribe,
        "relayed",
        "relay.example",
        1,
        [ANNA],
        "mail.nord.example",
        **forward_bounce,
        connection="c5",
        transaction=1,
        code=250,
        reply="250 2.0.0 Ok",
        next_queue_id=f"{BOUNCE_TRACE}-2-00",
    )
    return scribe


def foreign_host(*, comes_back: bool = False) -> Scribe:
    """A Postfix that the lab did not start takes the message, and may pass it on to the lab."""
    scribe = Scribe()
    scribe.lab(mail_nord_example=["nord.example"], mail_sued_example=["sued.example"])
    line = Line(scribe, "c1", "mail.nord.example")
    line.greet("anna-pc")
    line.mail(1, ANNA, [BEN])
    line.quit()
    postfix = "mail.postfix.example"
    delivery(scribe, "started", "mail.nord.example", 1, [BEN], postfix)
    out = Line(scribe, "c2", postfix, "mail.nord.example", writer="mail.nord.example", opened=("client",))
    out.says(f"220 {postfix} ESMTP Postfix (Debian)")
    out.asks("EHLO mail.nord.example", f"250-{postfix}", "250-PIPELINING", "250 SMTPUTF8")
    out.asks(f"MAIL FROM:<{ANNA}>", "250 2.1.0 Ok")
    out.asks(f"RCPT TO:<{BEN}>", "250 2.1.5 Ok")
    out.asks("DATA", "354 End data with <CR><LF>.<CR><LF>", "250 2.0.0 Ok: queued as 4XyZ1Q0abc")
    delivery(
        scribe,
        "relayed",
        "mail.nord.example",
        1,
        [BEN],
        postfix,
        connection="c2",
        transaction=1,
        code=250,
        reply="250 2.0.0 Ok: queued as 4XyZ1Q0abc",
        next_queue_id=None,
    )
    if comes_back:
        back = Line(scribe, "c3", "mail.sued.example")
        back.greet(postfix)
        back.mail(3, ANNA, [BEN], [BEN], received_from_queue_id=f"{TRACE}-1-00")
        back.quit()
    return scribe


def still_waiting() -> Scribe:
    """A next hop says 451 in the middle of the dialogue; the next attempt has not come yet."""
    scribe = Scribe()
    scribe.lab(mail_nord_example=["nord.example"], mail_sued_example=["sued.example"])
    line = Line(scribe, "c1", "mail.nord.example")
    line.greet("anna-pc")
    line.mail(1, ANNA, [BEN])
    line.quit()
    delivery(scribe, "started", "mail.nord.example", 1, [BEN], "mail.sued.example")
    sued = Line(scribe, "c2", "mail.sued.example", "mail.nord.example", opened=("client", "server"))
    sued.greet("mail.nord.example")
    sued.asks(f"MAIL FROM:<{ANNA}>", "250 2.1.0 Ok")
    sued.asks(f"RCPT TO:<{BEN}>", "451 4.7.1 greylisted, come again in 5 s")
    sued.close()
    delivery(
        scribe,
        "deferred",
        "mail.nord.example",
        1,
        [BEN],
        "mail.sued.example",
        connection="c2",
        transaction=1,
        code=451,
        reply="451 4.7.1 greylisted, come again in 5 s",
        retry_in_seconds=5,
    )
    return scribe


def split_in_two() -> tuple[Scribe, Scribe]:
    """One process per server: both ends of the connection write the dialogue down."""
    nord, sued = Scribe("a-nord"), Scribe("b-sued")
    line = Line(nord, "c1", "mail.nord.example")
    line.greet("anna-pc")
    line.mail(1, ANNA, [BEN])
    line.quit()
    delivery(nord, "started", "mail.nord.example", 1, [BEN], "mail.sued.example")
    told = Line(nord, "c2", "mail.sued.example", "mail.nord.example", writer="mail.nord.example", opened=("client",))
    sued.now = nord.now
    heard = Line(sued, "c1", "mail.sued.example", "mail.nord.example")
    told.greet("mail.nord.example")
    heard.greet("mail.nord.example")
    told.asks(f"MAIL FROM:<{ANNA}>", "250 2.1.0 Ok")
    told.asks(f"RCPT TO:<{BEN}>", "250 2.1.5 Ok")
    told.asks("DATA", "354 End data with <CR><LF>.<CR><LF>")
    heard.mail(2, ANNA, [BEN], [BEN])
    told.says(f"250 2.0.0 Ok: queued as {TRACE}-2-00")
    delivery(
        nord,
        "relayed",
        "mail.nord.example",
        1,
        [BEN],
        "mail.sued.example",
        connection="c2",
        transaction=1,
        code=250,
        reply=f"250 2.0.0 Ok: queued as {TRACE}-2-00",
        next_queue_id=f"{TRACE}-2-00",
    )
    return nord, sued


LONG_HOST = "mail.donaudampfschifffahrtsgesellschaft.example"
LONG_USER = "kapitaen.hinnerk.hinrichsen@donaudampfschifffahrtsgesellschaft.example"


def long_names() -> Scribe:
    """Names that no lane is wide enough for."""
    scribe = Scribe()
    line = Line(scribe, "c1", "mail.nord.example")
    line.greet("anna-pc")
    line.mail(1, ANNA, [LONG_USER])
    forward(scribe, "c2", ("mail.nord.example", "relay.example"), 2, ANNA, [LONG_USER])
    forward(scribe, "c3", ("relay.example", LONG_HOST), 3, ANNA, [LONG_USER], [LONG_USER])
    return scribe
