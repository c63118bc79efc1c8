"""Where mail goes: who is taken, who is refused and why, and what becomes of those who were taken."""

from __future__ import annotations

from typing import Final

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maillab.mail.address import Address
from maillab.mailserver.routing import Refused, Routes, Taken
from maillab.smtp.answers import Answer

HOSTS: Final = {
    "nord.example": "mail.nord.example",
    "sued.example": "mail.sued.example",
    "west.example": "mail.west.example",
    "far.example": "mail.far.example",  # a foreign one; routing does not tell the difference
}


def addresses(*texts: str) -> tuple[Address, ...]:
    return tuple(map(Address.parse, texts))


DIRECT: Final = Routes(
    host="mail.nord.example",
    domains=frozenset({"nord.example"}),
    mailboxes=frozenset({"anna@nord.example", "nils@nord.example"}),
    aliases={
        "team@nord.example": addresses("Anna@nord.example", "nils@nord.example", "ben@sued.example"),
        "all@nord.example": addresses("team@nord.example", "anna@nord.example", "berta@sued.example"),
        "friends@nord.example": addresses("ben@sued.example", "x@far.example"),
        "ring@nord.example": addresses("ring@nord.example", "nils@nord.example"),
    },
    postmaster=Address.parse("anna@nord.example"),
    hosts=HOSTS,
)
AUTHENTICATED: Final = attrs.evolve(DIRECT, outgoing="authenticated")
ANYONE: Final = attrs.evolve(DIRECT, outgoing="anyone")
BEHIND_SMARTHOST: Final = attrs.evolve(DIRECT, smarthost="relay.example")
RELAY: Final = Routes(
    host="relay.example",
    postmaster=Address.parse("postmaster@nord.example"),
    relays_for=frozenset({"nord.example", "sued.example", "far.example"}),
    hosts=HOSTS,
)

ANNA: Final = "anna@nord.example"
STRANGER: Final = "eve@elsewhere.example"


@pytest.mark.parametrize(
    ("routes", "sender", "recipient", "relay_reason"),
    [
        pytest.param(DIRECT, STRANGER, "anna@nord.example", "", id="own user"),
        pytest.param(DIRECT, STRANGER, "ANNA@Nord.Example", "", id="own user in any case"),
        pytest.param(DIRECT, None, "anna@nord.example", "", id="own user from the null path"),
        pytest.param(DIRECT, STRANGER, "Team@nord.example", "", id="alias"),
        pytest.param(DIRECT, STRANGER, "friends@nord.example", "", id="alias whose members are all elsewhere"),
        pytest.param(DIRECT, STRANGER, "PostMaster@mail.nord.example", "", id="postmaster of the host"),
        pytest.param(RELAY, STRANGER, "postmaster@relay.example", "", id="postmaster of a relay"),
        pytest.param(DIRECT, ANNA, "ben@sued.example", f"own sender {ANNA}", id="own sender"),
        pytest.param(DIRECT, "ANNA@NORD.EXAMPLE", "ben@SUED.example", "own sender ANNA@NORD.EXAMPLE", id="own, case"),
        pytest.param(DIRECT, None, "ben@sued.example", "null reverse-path", id="the null path may send on"),
        pytest.param(DIRECT, ANNA, "x@far.example", f"own sender {ANNA}", id="to a foreign host"),
        pytest.param(ANYONE, STRANGER, "ben@sued.example", "anyone may send", id="anyone"),
        pytest.param(RELAY, STRANGER, "ben@sued.example", "relays for sued.example", id="relay"),
        pytest.param(RELAY, None, "nobody@Sued.example", "relays for sued.example", id="a relay knows no users"),
        pytest.param(BEHIND_SMARTHOST, ANNA, "ben@sued.example", f"own sender {ANNA}", id="smarthost"),
    ],
)
def test_is_taken(routes: Routes, sender: str | None, recipient: str, relay_reason: str) -> None:
    """A recipient is taken who is at home here, or whose mail this sender may send on from here."""
    reverse_path = Address.parse(sender) if sender else None

    assert routes.judge(reverse_path, Address.parse(recipient)) == Taken(relay_reason)


@pytest.mark.parametrize(
    ("routes", "sender", "recipient", "answer", "reason"),
    [
        pytest.param(
            DIRECT, STRANGER, "x@nord.example", Answer.UNKNOWN_USER, "no such user at nord.example", id="unknown user"
        ),
        pytest.param(
            DIRECT,
            STRANGER,
            "anna@mail.nord.example",
            Answer.UNKNOWN_DOMAIN,
            "no server of this lab takes mail for mail.nord.example",
            id="a user at the host name is not at home",
        ),
        pytest.param(
            DIRECT,
            STRANGER,
            "ben@sued.example",
            Answer.RELAY_DENIED,
            "only senders of nord.example may send to other domains",
            id="relay denied to a stranger",
        ),
        pytest.param(
            DIRECT,
            "anna@sub.nord.example",
            "ben@sued.example",
            Answer.RELAY_DENIED,
            "only senders of nord.example may send to other domains",
            id="a subdomain is another domain",
        ),
        pytest.param(
            AUTHENTICATED,
            ANNA,
            "ben@sued.example",
            Answer.RELAY_DENIED,
            "log in before you send to other domains",
            id="own sender who did not log in",
        ),
        pytest.param(
            AUTHENTICATED,
            None,
            "ben@sued.example",
            Answer.RELAY_DENIED,
            "log in before you send to other domains",
            id="null path without log-in",
        ),
        pytest.param(
            RELAY,
            ANNA,
            "x@west.example",
            Answer.RELAY_DENIED,
            "relay.example relays for far.example, nord.example, sued.example",
            id="relay for some domains only",
        ),
        pytest.param(
            attrs.evolve(RELAY, relays_for=frozenset()),
            ANNA,
            "ben@sued.example",
            Answer.RELAY_DENIED,
            "relay.example relays for nobody",
            id="relay for no domain",
        ),
        pytest.param(
            DIRECT,
            ANNA,
            "x@example.org",
            Answer.UNKNOWN_DOMAIN,
            "no server of this lab takes mail for example.org",
            id="outside the lab",
        ),
        pytest.param(
            BEHIND_SMARTHOST,
            ANNA,
            "x@example.org",
            Answer.UNKNOWN_DOMAIN,
            "no server of this lab takes mail for example.org",
            id="outside the lab, and a smarthost does not help",
        ),
        pytest.param(
            DIRECT,
            STRANGER,
            "x@example.org",
            Answer.UNKNOWN_DOMAIN,
            "no server of this lab takes mail for example.org",
            id="outside the lab for a stranger",
        ),
        pytest.param(
            DIRECT,
            STRANGER,
            "x@[127.0.0.1]",
            Answer.UNKNOWN_DOMAIN,
            "no server of this lab takes mail for [127.0.0.1]",
            id="an address is nobody's domain",
        ),
    ],
)
def test_is_refused(routes: Routes, sender: str | None, recipient: str, answer: Answer, reason: str) -> None:
    """A recipient is refused with the answer that says what is wrong, and why in plain words."""
    reverse_path = Address.parse(sender) if sender else None

    assert routes.judge(reverse_path, Address.parse(recipient)) == Refused(answer, reason)


@pytest.mark.parametrize("local_part", ["Postmaster", "postmaster", "POSTMASTER"])
@pytest.mark.parametrize("routes", [DIRECT, RELAY, AUTHENTICATED])
def test_takes_the_bare_postmaster(routes: Routes, local_part: str) -> None:
    """RCPT TO:<Postmaster> is taken by every server, from everybody and in any case."""
    assert routes.judge(Address.parse(STRANGER), Address(local_part, "")) == Taken()


def test_delivers_to_a_mailbox_by_its_key() -> None:
    """However a user's address is written, the mailbox is the one of its key."""
    split = DIRECT.split(addresses("ANNA@NORD.example"))

    assert (split.mailboxes, split.onward) == (("anna@nord.example",), ())


def test_expands_a_group_with_members_elsewhere() -> None:
    """A group's members at home get it here, those elsewhere at their own domain."""
    split = DIRECT.split(addresses("team@nord.example"))

    assert split.mailboxes == ("anna@nord.example", "nils@nord.example")
    assert split.onward == ((Address.parse("ben@sued.example"), "sued.example"),)
    assert split.next_hops == {"sued.example"}


def test_expands_a_group_in_a_group() -> None:
    """Groups expand through and through, and nobody who is reached twice gets two copies."""
    split = DIRECT.split(addresses("all@nord.example", "anna@nord.example", "BEN@sued.example"))

    assert split.mailboxes == ("anna@nord.example", "nils@nord.example")
    assert [str(address) for address, _ in split.onward] == ["ben@sued.example", "berta@sued.example"]


def test_ends_in_a_group_that_contains_itself() -> None:
    """A group that contains itself, which `load` refuses, expands once all the same."""
    assert DIRECT.split(addresses("ring@nord.example")).mailboxes == ("nils@nord.example",)


def test_sends_straight_to_each_domain() -> None:
    """Without a smarthost, mail goes to the mail hosts of each recipient's domain."""
    split = DIRECT.split(addresses("ben@sued.example", "x@far.example", "berta@sued.example"))

    assert [next_hop for _, next_hop in split.onward] == ["sued.example", "far.example", "sued.example"]
    assert split.next_hops == {"sued.example", "far.example"}


def test_sends_all_through_the_smarthost() -> None:
    """With a smarthost, all mail for elsewhere goes there, members of groups included, and mail for home stays."""
    split = BEHIND_SMARTHOST.split(addresses("team@nord.example", "x@far.example"))

    assert split.mailboxes == ("anna@nord.example", "nils@nord.example")
    assert split.next_hops == {"relay.example"}


@pytest.mark.parametrize("recipient", [Address("Postmaster", ""), Address.parse("postmaster@mail.nord.example")])
def test_gives_the_postmasters_mail_to_the_postmaster(recipient: Address) -> None:
    """Mail for the postmaster of a server is for the person who does that work."""
    assert DIRECT.split([recipient]).mailboxes == ("anna@nord.example",)


def test_sends_a_relays_postmaster_mail_on() -> None:
    """A relay has no mailboxes: its postmaster is a person of a domain that it serves."""
    split = RELAY.split([Address("postmaster", "")])

    assert split.mailboxes == ()
    assert split.onward == ((Address.parse("postmaster@nord.example"), "nord.example"),)


@pytest.mark.parametrize(
    ("routes", "recipient", "somewhere"),
    [
        (DIRECT, "anna@nord.example", True),
        (DIRECT, "team@nord.example", True),
        (DIRECT, "ghost@nord.example", False),
        (DIRECT, "ben@sued.example", True),
        (DIRECT, "x@example.org", False),
        (AUTHENTICATED, "ben@sued.example", True),
        (RELAY, "x@west.example", True),  # who was let in may be told of a failure
        (RELAY, "x@example.org", False),
    ],
)
def test_reaches(routes: Routes, recipient: str, somewhere: bool) -> None:
    """A server's own mail reaches everybody at home and every domain of the lab, and nobody else."""
    assert routes.reaches(Address.parse(recipient)) is somewhere


@given(
    st.lists(
        st.sampled_from(
            [
                *("anna@nord.example", "Anna@Nord.example", "nils@nord.example", "team@nord.example"),
                *("all@nord.example", "friends@nord.example", "ben@sued.example", "BEN@SUED.EXAMPLE", "x@far.example"),
            ]
        ),
        min_size=1,
    )
)
def test_nobody_gets_two_copies_and_everybody_gets_one(texts: list[str]) -> None:
    """Whoever is named, and however often: each mailbox and each address elsewhere is there exactly once."""
    recipients = addresses(*texts)
    split = DIRECT.split(recipients)
    onward = [address.key for address, _ in split.onward]

    assert len(set(split.mailboxes)) == len(split.mailboxes)
    assert len(set(onward)) == len(onward)
    for recipient in recipients:
        alone = DIRECT.split([recipient])
        assert set(alone.mailboxes) <= set(split.mailboxes)
        assert {address.key for address, _ in alone.onward} <= set(onward)
