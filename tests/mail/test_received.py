"""`Received:` lines: ours come back as they were, everybody's are read, nobody's can do harm."""

from __future__ import annotations

import re

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from maillab.mail.address import Address
from maillab.mail.received import Received

DATE = "Mon, 23 Nov 2026 13:00:00 +0000"
QUEUE_ID = "1JD2V9XK3M4QZ-1-00"
OURS = Received("carol-pc", "localhost [127.0.0.1]", "mail.nord.example", "ESMTP", QUEUE_ID, "ben@sued.example", DATE)

words = st.text(st.sampled_from("abyfroithd09.-_[]:@=+'"), min_size=1, max_size=40) | st.sampled_from(
    ["by", "from", "for", "id", "with", "tls", "via", "received:"]
)
comments = st.lists(st.text(st.sampled_from('ab()\\<>";,by=[]'), min_size=1, max_size=30), max_size=4).map(" ".join)
names = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
recipients = (
    st.just("") | st.just("Postmaster") | st.builds(Address, names, words.map(lambda _: "sued.example")).map(str)
)
ordinary = st.builds(Received, words, comments, words, words, words, recipients, st.just(DATE))
anything = st.builds(Received, *[st.text(max_size=400)] * 7)


@given(ordinary)
@example(OURS)
@settings(deadline=None)
def test_a_line_comes_back_from_its_octets(received: Received) -> None:
    """What to_octets() writes, parse() reads, as a field, as a value, and folded otherwise."""
    octets = received.to_octets()
    assert Received.parse(octets) == received
    assert Received.parse(octets.removeprefix(b"Received:")) == received
    assert Received.parse(octets.replace(b"\r\n\t", b"\r\n ")) == received
    assert Received.parse(b"RECEIVED :" + octets.removeprefix(b"Received:")) == received


@given(anything | ordinary.flatmap(lambda one: st.text().map(lambda text: attrs.evolve(one, from_name=text))))
@example(attrs.evolve(OURS, from_name="evil\r\nBcc: all@sued.example\r\n\r\nbody"))
@example(attrs.evolve(OURS, from_name="a) by evil.example with ESMTP id X; (", from_comment="a) by evil.example ("))
@example(attrs.evolve(OURS, from_name="<a", from_comment='"', for_='"', with_="(", id='"\\'))
@example(attrs.evolve(OURS, from_name="x" * 9999, from_comment="(" * 9999, id="\u2028", date="x" * 9999))
@example(Received("", "x" * 300, " ", " ", " ", " ", " "))
@settings(deadline=None)
def test_no_argument_can_do_harm(received: Received) -> None:
    """Any arguments give one ASCII field of legal lines that reads as what was written and nothing else."""
    received = attrs.evolve(received, with_="E" + received.with_)
    octets = received.to_octets()
    assert octets.isascii()
    assert octets.endswith(b"\r\n")
    assert re.fullmatch(rb"[ -~]+(\r\n\t[ -~]+)*", octets[:-2])
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    parsed = Received.parse(octets)
    assert parsed is not None
    assert parsed.to_octets() == octets
    assert bool(parsed.from_name) == bool(received.from_name.strip(" \t\r\n") or parsed.from_comment)


@given(
    st.binary()
    | st.lists(
        st.sampled_from(b'()\\<>";, \r\n').map(lambda octet: bytes([octet]))
        | st.sampled_from([b"from", b"by", b"with", b"id", b"for", b"a", b"\xff", b"Received:"])
    ).map(b" ".join)
)
@example(b"Received: " + b"(" * 100_000)
@example(b"by x " + b'<"' + b'\\"' * 100_000)
@example(b"by x " + b'"' + b'\\"' * 100_000 + b"\\")
@example(b"by x " + b"<\\" * 100_000)
@example(b"by x (" + b"\\(" * 100_000)
@settings(deadline=None)
def test_any_octets_are_read(octets: bytes) -> None:
    """No octets do anything but give a line that can be written again, or None."""
    received = Received.parse(octets)
    if received is not None:
        again = Received.parse(received.to_octets())
        assert again is not None
        assert again.to_octets() == received.to_octets()


def test_the_line_is_folded() -> None:
    """Each kind of statement has a line of its own."""
    assert OURS.to_octets() == (
        b"Received: from carol-pc (localhost [127.0.0.1])\r\n"
        b"\tby mail.nord.example with ESMTP id 1JD2V9XK3M4QZ-1-00\r\n"
        b"\tfor <ben@sued.example>;\r\n"
        b"\tMon, 23 Nov 2026 13:00:00 +0000\r\n"
    )


def test_a_line_of_our_own_mail_has_no_from() -> None:
    """A bounce comes from nobody; a recipient among several is not told."""
    octets = Received("", "", "relay.example", "local", QUEUE_ID, "", DATE).to_octets()
    assert octets == (
        b"Received: by relay.example with local id 1JD2V9XK3M4QZ-1-00;\r\n\tMon, 23 Nov 2026 13:00:00 +0000\r\n"
    )
    assert Received.parse(octets) == Received("", "", "relay.example", "local", QUEUE_ID, "", DATE)


def test_long_names_go_into_lines_of_their_own() -> None:
    """No line has more than 78 octets as long as there is a place to fold it."""
    long = attrs.evolve(OURS, from_name="a" * 50, from_comment="b" * 40, by="c" * 60, id="d" * 60)
    assert all(len(line) <= 78 for line in long.to_octets().split(b"\r\n"))
    assert Received.parse(long.to_octets()) == long


@pytest.mark.parametrize(("with_", "name"), [("UTF8SMTP", "grün@sued.example"), ("ESMTP", "gr?n@sued.example")])
def test_utf8_stands_only_where_smtputf8_was_said(with_: str, name: str) -> None:
    """UTF8SMTP allows UTF-8 in the line (RFC 6531 section 4.3), other protocols do not."""
    octets = attrs.evolve(OURS, with_=with_, for_="grün@sued.example").to_octets()
    assert f"for <{name}>;".encode() in octets


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        pytest.param(
            b"Received: from mail-sor-f41.google.com (mail-sor-f41.google.com [209.85.220.41])\r\n"
            b"\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\r\n"
            b"\t key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256)\r\n"
            b"\t(No client certificate requested)\r\n"
            b"\tby mx.sued.example (Postfix) with ESMTPS id 4Fq2Xk1L2Mz9sTn\r\n"
            b"\tfor <ben@sued.example>; Mon, 23 Nov 2026 14:00:00 +0100 (CET)\r\n",
            Received(
                "mail-sor-f41.google.com",
                "mail-sor-f41.google.com [209.85.220.41]",
                "mx.sued.example",
                "ESMTPS",
                "4Fq2Xk1L2Mz9sTn",
                "ben@sued.example",
                "Mon, 23 Nov 2026 14:00:00 +0100 (CET)",
            ),
            id="postfix",
        ),
        pytest.param(
            b"Received: by mail.nord.example (Postfix, from userid 1000)\r\n"
            b"\tid 2E1B93F; Mon, 23 Nov 2026 13:00:00 +0000 (UTC)\r\n",
            Received("", "", "mail.nord.example", "", "2E1B93F", "", "Mon, 23 Nov 2026 13:00:00 +0000 (UTC)"),
            id="postfix-sendmail-command",
        ),
        pytest.param(
            b"Received: from [192.0.2.7] (port=41234 helo=anna-pc)\r\n"
            b"\tby mail.nord.example with esmtpsa  (TLS1.3) tls TLS_AES_256_GCM_SHA384\r\n"
            b"\t(Exim 4.96)\r\n\t(envelope-from <anna@nord.example>)\r\n"
            b"\tid 1rQ2aB-0003kF-2d\r\n\tfor ben@sued.example;\r\n\tMon, 23 Nov 2026 13:00:00 +0000\r\n",
            Received(
                "[192.0.2.7]",
                "port=41234 helo=anna-pc",
                "mail.nord.example",
                "esmtpsa",
                "1rQ2aB-0003kF-2d",
                "ben@sued.example",
                DATE,
            ),
            id="exim",
        ),
        pytest.param(
            b"Received: from anna-pc (anna-pc.nord.example [192.0.2.7] (may be forged))\r\n"
            b"\t(authenticated bits=0)\r\n"
            b"\tby mail.nord.example (8.17.1/8.17.1/Debian-2) with ESMTPSA id 3ANCx0aB012345\r\n"
            b"\t(version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 bits=256 verify=NO)\r\n"
            b"\tfor <ben@sued.example>; Mon, 23 Nov 2026 13:00:00 GMT\r\n",
            Received(
                "anna-pc",
                "anna-pc.nord.example [192.0.2.7] (may be forged)",
                "mail.nord.example",
                "ESMTPSA",
                "3ANCx0aB012345",
                "ben@sued.example",
                "Mon, 23 Nov 2026 13:00:00 GMT",
            ),
            id="sendmail",
        ),
        pytest.param(
            b"Received: from DB9PR01MB1234.eurprd01.prod.exchangelabs.com\r\n"
            b" (2603:10a6:10:2f5::12) by AM0PR01MB5678.eurprd01.prod.exchangelabs.com\r\n"
            b" (2603:10a6:208:1a1::20) with Microsoft SMTP Server (version=TLS1_2,\r\n"
            b" cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.20.8158.17 via Frontend\r\n"
            b" Transport; Mon, 23 Nov 2026 13:00:00 +0000\r\n",
            Received(
                "DB9PR01MB1234.eurprd01.prod.exchangelabs.com",
                "2603:10a6:10:2f5::12",
                "AM0PR01MB5678.eurprd01.prod.exchangelabs.com",
                "Microsoft SMTP Server",
                "15.20.8158.17",
                "",
                DATE,
            ),
            id="exchange",
        ),
        pytest.param(
            b"Received: by 2002:a05:6a10:1234:b0:4c0:1a2b:3c4d with SMTP id ab12csp3456789pxb;\r\n"
            b"        Mon, 23 Nov 2026 05:00:00 -0800 (PST)\r\n",
            Received(
                "",
                "",
                "2002:a05:6a10:1234:b0:4c0:1a2b:3c4d",
                "SMTP",
                "ab12csp3456789pxb",
                "",
                "Mon, 23 Nov 2026 05:00:00 -0800 (PST)",
            ),
            id="gmail-inside",
        ),
        pytest.param(
            b"Received: from mail.nord.example (mail.nord.example. [192.0.2.25])\r\n"
            b"        by mx.google.com with ESMTPS id x1-2002si123456wmk.1.2026.11.23.05.00.00\r\n"
            b"        for <ben@gmail.com>\r\n        (version=TLS1_3 cipher=X bits=256/256);\r\n"
            b"        Mon, 23 Nov 2026 05:00:00 -0800 (PST)\r\n",
            Received(
                "mail.nord.example",
                "mail.nord.example. [192.0.2.25]",
                "mx.google.com",
                "ESMTPS",
                "x1-2002si123456wmk.1.2026.11.23.05.00.00",
                "ben@gmail.com",
                "Mon, 23 Nov 2026 05:00:00 -0800 (PST)",
            ),
            id="gmail-mx",
        ),
        pytest.param(
            b"Received: from unknown (HELO anna-pc) (192.0.2.7)\r\n"
            b"  by mail.nord.example with SMTP; 23 Nov 2026 13:00:00 -0000\r\n",
            Received("unknown", "HELO anna-pc", "mail.nord.example", "SMTP", "", "", "23 Nov 2026 13:00:00 -0000"),
            id="qmail-smtpd",
        ),
        pytest.param(
            b"Received: (from root@localhost)\n\tby mail.nord.example (8.17.1/Submit) id 3ANCx0;\n"
            b"\tMon, 23 Nov 2026 13:00:00 +0000\n",
            Received("", "", "mail.nord.example", "", "3ANCx0", "", DATE),
            id="sendmail-submit-lf",
        ),
        pytest.param(
            b'Received: id X for <"a;b (c>"@sued.example> with LMTP by mail.sued.example from (a \\) b) ;'
            + DATE.encode(),
            Received("", "a ) b", "mail.sued.example", "LMTP", "X", '"a;b (c>"@sued.example', DATE),
            id="any-order",
        ),
    ],
)
def test_lines_of_other_servers_are_read(octets: bytes, expected: Received) -> None:
    """Comments, folding and clauses of the servers that a mail meets in the wild."""
    assert Received.parse(octets) == expected


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"Received:",
        b"Received: (qmail 1234 invoked by uid 89); 23 Nov 2026 13:00:00 -0000\r\n",
        b"from a; by b",
        b"by",
    ],
)
def test_a_line_of_nobody_is_none(octets: bytes) -> None:
    """Without a `by` outside comments and date nobody has signed."""
    assert Received.parse(octets) is None
