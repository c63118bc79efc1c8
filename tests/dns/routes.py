"""Where mail goes, as plain data: each rule of RFC 5321 section 5.1 and RFC 7505 with the records that show it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs
from dns.rcode import Rcode

from maillab.dns.mail_hosts import (
    Hosts,
    LoopsBack,
    MailHost,
    MailHosts,
    NoSuchDomain,
    NoUsableHost,
    NullMx,
    TemporaryFailure,
)

NORD: Final = "mail.nord.example"

SUED_FIRST = Hosts(
    (
        MailHost(10, "mail.sued.example", ("172.16.2.1", "fd00::2")),
        MailHost(20, "relay.example", ("172.16.3.1",)),
    )
)
RELAY_ONLY = Hosts((MailHost(20, "relay.example", ("172.16.3.1",)),))


@attrs.frozen
class Case:
    """Records beside the village's, and where mail for `domain` goes then."""

    domain: str
    outcome: MailHosts
    more: str = ""
    asking_host: str = NORD
    asking_addresses: tuple[str, ...] = ()
    failing: Mapping[str, Rcode] = attrs.field(factory=dict)


CASES = {
    "by preference": Case("sued.example", SUED_FIRST),
    "in any letters": Case("SUED.Example.", SUED_FIRST),
    "the best one is added last": Case(
        "sued.example",
        Hosts((MailHost(5, "relay.example", ("172.16.3.1",)), *SUED_FIRST.hosts)),
        "sued.example MX 5 relay.example",
    ),
    "implicit MX": Case(
        "west.example", Hosts((MailHost(0, "west.example", ("172.16.4.1",)),)), "west.example A 172.16.4.1"
    ),
    "implicit MX, IPv6 only": Case(
        "west.example", Hosts((MailHost(0, "west.example", ("fd00::4",)),)), "west.example AAAA fd00::4"
    ),
    "no implicit MX beside an MX that does not work": Case(
        "west.example",
        NoUsableHost("no MX host of west.example has an address: mx.west.example"),
        "west.example A 172.16.4.1\nwest.example MX 10 mx.west.example",
    ),
    "implicit MX is the asking host": Case(
        "relay.example",
        LoopsBack("mail for relay.example comes back to relay.example, which does not take it"),
        asking_host="relay.example",
    ),
    "implicit MX is the asking host by its address": Case(
        "west.example",
        LoopsBack("mail for west.example comes back to relay.example, which does not take it"),
        "west.example A 172.16.3.1",
        asking_host="relay.example",
        asking_addresses=("172.16.3.1",),
    ),
    "null MX": Case(
        "west.example",
        NullMx("west.example takes no mail (null MX)"),
        "west.example MX 0 .\nwest.example A 172.16.4.1",
    ),
    "null MX beside others counts for nothing": Case(
        "west.example", RELAY_ONLY, "west.example MX 0 .\nwest.example MX 20 relay.example"
    ),
    "no such domain": Case("nowhere.sued.example", NoSuchDomain("nowhere.sued.example: there is no such name")),
    "outside the lab": Case("elsewhere.example", NoSuchDomain("elsewhere.example: no zone of this lab has it")),
    "neither MX nor address": Case("west.example", NoSuchDomain("west.example has neither MX nor address records")),
    "no name at all": Case(
        "a..example",
        NoSuchDomain(
            '"a..example" is no domain name; give labels of 1 to 63 characters with dots between them,'
            " at most 253 in all"
        ),
    ),
    "the domain is an alias": Case("post.west.example", SUED_FIRST, "post.west.example CNAME sued.example"),
    "the domain is an alias of a host": Case(
        "post.west.example",
        Hosts((MailHost(0, "relay.example", ("172.16.3.1",)),)),
        "post.west.example CNAME relay.example",
    ),
    "the domain is an alias of nothing": Case(
        "post.west.example",
        NoSuchDomain("post.west.example -> gone.west.example: there is no such name"),
        "post.west.example CNAME gone.west.example",
    ),
    "the domain is an alias of something outside": Case(
        "post.west.example",
        NoSuchDomain("post.west.example -> elsewhere.example: no zone of this lab has it"),
        "post.west.example CNAME elsewhere.example",
    ),
    "aliases in a circle": Case(
        "a.west.example",
        TemporaryFailure(
            "MX a.west.example: an alias that comes back to itself, a.west.example -> b.west.example -> A.west.example"
        ),
        "a.west.example CNAME b.west.example\nb.west.example CNAME A.west.example",
    ),
    "aliases without an end": Case(
        "a0.west.example",
        TemporaryFailure("MX a0.west.example: more than 16 aliases in a row"),
        "\n".join(f"a{n}.west.example CNAME a{n + 1}.west.example" for n in range(30)),
    ),
    "an MX host that is an alias": Case(
        "west.example",
        Hosts((MailHost(10, "mx.west.example", ("172.16.3.1",)),)),
        "west.example MX 10 mx.west.example\nmx.west.example CNAME relay.example",
    ),
    "an MX host without an address is passed over": Case(
        "west.example",
        RELAY_ONLY,
        "west.example MX 10 gone.west.example\nwest.example MX 15 sued.example\nwest.example MX 20 relay.example",
    ),
    "an MX host outside the lab is passed over": Case(
        "west.example", RELAY_ONLY, "west.example MX 10 mx.elsewhere.example\nwest.example MX 20 relay.example"
    ),
    "an MX host that is an address is no host": Case(
        "west.example",
        NoUsableHost("no MX host of west.example has an address: 172.16.4.1"),
        "west.example MX 10 172.16.4.1",
    ),
    "the backup MX sends to better ones only": Case(
        "sued.example", Hosts(SUED_FIRST.hosts[:1]), asking_host="RELAY.example"
    ),
    "equal and worse ones would send it back": Case(
        "sued.example",
        Hosts(SUED_FIRST.hosts[:1]),
        "sued.example MX 20 mail.nord.example\nsued.example MX 30 ns.nord.example\nns.nord.example A 172.16.1.2",
        asking_host="relay.example",
    ),
    "the best MX is the asking host": Case(
        "sued.example",
        LoopsBack("mail for sued.example comes back to mail.sued.example, its best MX host"),
        asking_host="mail.sued.example",
    ),
    "the better ones have no address": Case(
        "west.example",
        LoopsBack("mail for west.example comes back to relay.example, its best MX host"),
        "west.example MX 10 gone.west.example\nwest.example MX 20 relay.example",
        asking_host="relay.example",
    ),
    "the asking host under an alias": Case(
        "west.example",
        LoopsBack("mail for west.example comes back to relay.example, its best MX host"),
        "west.example MX 10 mx.west.example\nmx.west.example CNAME relay.example",
        asking_host="relay.example",
    ),
    "the asking host by its address": Case(
        "west.example",
        LoopsBack("mail for west.example comes back to relay.example, its best MX host"),
        "west.example MX 10 mx.west.example\nwest.example MX 10 mail.sued.example\nmx.west.example A 172.16.3.1",
        asking_host="relay.example",
        asking_addresses=("172.16.3.1",),
    ),
    "a delegation to nobody (lame)": Case(
        "branch.west.example",
        TemporaryFailure(
            "MX branch.west.example: handed on to ns.elsewhere.example, and no server of this lab has it (lame)"
        ),
        "branch.west.example NS ns.elsewhere.example",
    ),
    "SERVFAIL for the domain": Case(
        "sued.example",
        TemporaryFailure("MX sued.example: SERVFAIL"),
        failing={"MX sued.example": Rcode.SERVFAIL},
    ),
    "SERVFAIL for the address of an implicit MX": Case(
        "relay.example",
        TemporaryFailure("A relay.example: SERVFAIL"),
        failing={"A relay.example": Rcode.SERVFAIL},
    ),
    "SERVFAIL for one MX host of two": Case(
        "sued.example",
        RELAY_ONLY,
        failing={"A mail.sued.example": Rcode.SERVFAIL, "AAAA mail.sued.example": Rcode.SERVFAIL},
    ),
    "SERVFAIL for half of the addresses": Case(
        "sued.example",
        Hosts((MailHost(10, "mail.sued.example", ("fd00::2",)), *RELAY_ONLY.hosts)),
        failing={"A mail.sued.example": Rcode.SERVFAIL},
    ),
    "SERVFAIL for the only MX host": Case(
        "nord.example",
        TemporaryFailure("A mail.nord.example: SERVFAIL"),
        asking_host="relay.example",
        failing={"A mail.nord.example": Rcode.SERVFAIL},
    ),
    "SERVFAIL for the one before ourselves": Case(
        "sued.example",
        TemporaryFailure("A mail.sued.example: SERVFAIL"),
        asking_host="relay.example",
        failing={"A mail.sued.example": Rcode.SERVFAIL, "AAAA mail.sued.example": Rcode.SERVFAIL},
    ),
}
