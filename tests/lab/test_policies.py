"""The lab file's say about TLS, logins, strictness and limits: read to the letter, and every mistake found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pytest

from maillab.lab.addressing import listener_endpoint
from maillab.lab.authority import Authority
from maillab.lab.load import parse_lab
from maillab.lab.mistakes import LabFileError
from maillab.lab.sites import policy_of
from maillab.lab.spec import Addressing
from maillab.mailserver.choices import BareNewlines, Role, Tls
from maillab.network.endpoint import Endpoint
from maillab.smtp.limits import Limits
from tests.labs import NORD, SUED, memory_lab, records_of

DEFAULT: Final = '[lab]\nname = "x"\n[[domain]]\nname = "nord.example"\nusers = ["anna"]\n'
SUED_TABLE: Final = '[[domain]]\nname = "sued.example"\nusers = ["ben"]\n'
RELAY_TABLE: Final = '[[relay]]\nhost = "relay.example"\n'


def mistakes_of(text: str) -> list[str]:
    with pytest.raises(LabFileError) as caught:
        parse_lab(text, "test")
    return [str(mistake) for mistake in caught.value.mistakes]


async def test_what_holds_where_nothing_is_said() -> None:
    """TLS where it can be had, strict newlines, early talkers served, nobody told who is here, the usual limits."""
    async with memory_lab(DEFAULT + RELAY_TABLE) as lab:
        for host, passwords in ((NORD, {"anna@nord.example": "anna"}), ("relay.example", {})):
            found = lab.servers[host].site.policy
            assert (found.tls, found.bare_newlines) == (Tls.OPPORTUNISTIC, BareNewlines.REJECT)
            assert not any((found.tells_users, found.login_everywhere, found.login_without_tls))
            assert not found.refuses_early_talkers
            assert (found.limits, found.passwords) == (Limits(), passwords)
        assert lab.servers[NORD].site.turnstile is lab.servers["relay.example"].site.turnstile


async def test_everything_said_is_heeded() -> None:
    """Each key of a domain, of a relay and of [limits] reaches the server that it is about."""
    text = (
        DEFAULT
        + 'tls = "required"\nbare_newlines = "lax"\nearly_talkers = "refuse"\nvrfy = true\nauth = "everywhere"\n'
        + "auth_without_tls = true\n"
        + SUED_TABLE
        + RELAY_TABLE
        + 'tls = "off"\nbare_newlines = "normalize"\nearly_talkers = "refuse"\n'
        + "[limits]\nmessage_octets = 1\nrecipients = 100\nerrors = 2\ncommands_without_mail = 3\n"
        + "command_timeout_seconds = 0.5\ndata_timeout_seconds = 6\nconnections = 7\nconnections_per_peer = 8\n"
    )
    async with memory_lab(text) as lab:
        nord, sued, relay = (lab.servers[host].site.policy for host in (NORD, SUED, "relay.example"))
        assert (nord.tls, nord.bare_newlines) == (Tls.REQUIRED, BareNewlines.LAX)
        assert all((nord.tells_users, nord.login_everywhere, nord.login_without_tls, nord.refuses_early_talkers))
        assert (relay.tls, relay.bare_newlines) == (Tls.OFF, BareNewlines.NORMALIZE)
        assert relay.refuses_early_talkers
        assert (sued.tls, sued.refuses_early_talkers) == (Tls.OPPORTUNISTIC, False)
        assert nord.limits == sued.limits == relay.limits == Limits(1, 100, 2, 3, 0.5, 6)
        assert (lab.spec.limits.connections, lab.spec.limits.connections_per_peer) == (7, 8)


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ('tls = "on"', '"on" is no choice; give "off" or "opportunistic" or "required"'),
        (
            'tls = "require"',
            '"require" is no choice; give "off" or "opportunistic" or "required", did you mean "required"?',
        ),
        ("tls = true", 'true is no choice; give "off" or "opportunistic" or "required"'),
        (
            'bare_newlines = "accept"',
            '"accept" is no choice; give "reject" or "normalize" or "lax"',
        ),
        ('early_talkers = "reject"', '"reject" is no choice; give "serve" or "refuse"'),
        ('auth = "always"', '"always" is no choice; give "submission" or "everywhere"'),
        ('auth_without_tls = "true"', '"true" is neither true nor false; write true or false, without quotes'),
        ("vrfy = 1", "1 is neither true nor false; write true or false, without quotes"),
        (
            'submission = "127.0.0.1"',
            '"127.0.0.1" is no address; give HOST:PORT with a port from 0 to 65535, or leave it out',
        ),
        ("submissions = 465", "465 is no address; give it in quotes"),
    ],
)
def test_a_wrong_policy_is_one_line(line: str, mistake: str) -> None:
    """What is no choice is told with the choices."""
    assert mistakes_of(DEFAULT + line) == [f"domain[0].{line.partition(' ')[0]}: {mistake}"]


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("message_octets = 0", "0 is out of range; give a number from 1 to 2147483647"),
        ('message_octets = "25 MiB"', '"25 MiB" is no whole number; give a number from 1, without quotes'),
        ("message_octets = 1e6", "1000000.0 is no whole number; give a number from 1, without quotes"),
        ("recipients = 99", "99 is out of range; give a number from 100 to 2147483647"),
        ("errors = -1", "-1 is out of range; give a number from 1 to 2147483647"),
        ("errors = true", "true is no whole number; give a number from 1, without quotes"),
        ("commands_without_mail = 0", "0 is out of range; give a number from 1 to 2147483647"),
        ("command_timeout_seconds = 0", "0 is no wait; give a number of seconds above 0"),
        ("data_timeout_seconds = nan", "NaN is no span of time; give 0 to 315360000 seconds"),
        ("connections = 0", "0 is out of range; give a number from 1 to 2147483647"),
        ("connections_per_peer = -1", "-1 is out of range; give a number from 0 to 2147483647"),
        ("recipient = 100", 'unknown key; did you mean "recipients"?'),
    ],
)
def test_a_wrong_limit_is_one_line(line: str, mistake: str) -> None:
    """A limit is a number in its range; RFC 5321 section 4.5.3.1.8 wants a hundred recipients at least."""
    assert mistakes_of(f"{DEFAULT}[limits]\n{line}") == [f"limits.{line.partition(' ')[0]}: {mistake}"]


def test_all_mistakes_come_at_once() -> None:
    """Wrong limits, policies and clashes are told in one go."""
    text = DEFAULT + 'tls = "on"\nsubmission = "127.0.0.1:2525"\n[limits]\nerrors = 0\nerors = 1\n'

    assert [line.partition(":")[0] for line in mistakes_of(text)] == [
        "domain[0].tls",
        "domain[0].submission",
        "limits.erors",
        "limits.errors",
    ]


def test_a_relay_has_nobody_to_log_in() -> None:
    """What is about mail programs is no key of a relay."""
    keys = ("submission", "submissions", "auth", "auth_without_tls", "vrfy")
    text = DEFAULT + RELAY_TABLE + "".join(f"{key} = true\n" for key in keys)

    assert sorted(line.partition(";")[0] for line in mistakes_of(text)) == sorted(
        f"relay[0].{key}: unknown key" for key in keys
    )


@pytest.mark.parametrize(
    ("text", "where", "other"),
    [
        pytest.param(
            DEFAULT + 'submission = "127.0.0.1:2525"\n',
            'domain[0].submission: "127.0.0.1:2525"',
            "the SMTP address of domain[0]",
            id="with its own SMTP",
        ),
        pytest.param(
            DEFAULT + 'submission = "127.0.0.1:4000"\nsubmissions = "127.0.0.1:4000"\n',
            'domain[0].submissions: "127.0.0.1:4000"',
            "the submission address of domain[0]",
            id="with one another",
        ),
        pytest.param(
            DEFAULT + SUED_TABLE + 'smtp = "localhost:15870"\n',
            'domain[1].smtp: "localhost:15870"',
            "the submission address of domain[0]",
            id="with what another has by default",
        ),
        pytest.param(
            DEFAULT + SUED_TABLE + 'submissions = "0.0.0.0:17465"\n',
            'domain[1].submissions: "0.0.0.0:17465"',
            "the submissions address of domain[0]",
            id="all interfaces",
        ),
        pytest.param(
            DEFAULT + '[[foreign]]\nhost = "mx.far.example"\nsmtp = "127.0.0.1:17465"\n',
            'foreign[0].smtp: "127.0.0.1:17465"',
            "the submissions address of domain[0]",
            id="a foreign host",
        ),
    ],
)
def test_two_listeners_in_one_place_are_found(text: str, where: str, other: str) -> None:
    """Whatever a listener is for, it has a place of its own, and the one that was given is to blame."""
    assert mistakes_of(text) == [f"{where} is {other} already; give each its own"]


def test_too_many_domains_for_the_ports_are_found() -> None:
    """Where the default ports of one listener would run into those of another, one line says so."""
    text = DEFAULT + "".join(f'[[domain]]\nname = "d{n}.example"\nusers = ["anna"]\n' for n in range(1, 1597))

    assert mistakes_of(text) == [
        'domain[1595].submission: "127.0.0.1:17465" is the submissions address of domain[0] already; give each its own'
    ]
    assert len(parse_lab(text, "test", Addressing.HOSTS).domains) == 1597


@pytest.mark.parametrize(
    ("line", "way_out"),
    [
        ('submission = "127.0.0.1:4000"', "give another tls, or auth_without_tls = true"),
        ('submissions = "127.0.0.1:4000"', "leave it out"),
        ('auth = "everywhere"', "give another tls, or auth_without_tls = true"),
        ('outgoing = "authenticated"', "give another tls, or auth_without_tls = true"),
    ],
)
def test_a_login_that_nobody_can_have_is_found(line: str, way_out: str) -> None:
    """Without TLS no password is taken by default, so what needs a login does not go with it."""
    key = line.partition(" ")[0]
    assert mistakes_of(f'{DEFAULT}tls = "off"\n{line}') == [
        f'domain[0].{key}: nobody can log in there, since tls is "off"; {way_out}'
    ]
    if key != "submissions":
        parse_lab(f'{DEFAULT}tls = "off"\nauth_without_tls = true\n{line}', "test")


@pytest.mark.parametrize(
    ("more", "addressing", "places"),
    [
        ("", Addressing.PORTS, ("127.0.0.1:2526", "127.0.0.1:15871", "127.0.0.1:17466")),
        ("", Addressing.HOSTS, ("172.16.2.1:25", "172.16.2.1:587", "172.16.2.1:465")),
        ('smtp = "127.0.0.1:0"', Addressing.PORTS, ("127.0.0.1:0",) * 3),
        (
            'smtp = "127.0.0.1:0"\nsubmission = "127.0.0.1:4000"',
            Addressing.HOSTS,
            ("127.0.0.1:0", "127.0.0.1:4000", "127.0.0.1:0"),
        ),
        ('submissions = "127.0.0.1:0"', Addressing.PORTS, ("127.0.0.1:2526", "127.0.0.1:15871", "127.0.0.1:0")),
        ('tls = "off"', Addressing.PORTS, ("127.0.0.1:2526", None, None)),
        ('tls = "off"\nauth_without_tls = true', Addressing.PORTS, ("127.0.0.1:2526", "127.0.0.1:15871", None)),
    ],
)
def test_where_a_domain_listens(more: str, addressing: Addressing, places: Sequence[str | None]) -> None:
    """By its number, at its address, or where the file says; any free port for SMTP is any free port for all."""
    spec = parse_lab(DEFAULT + SUED_TABLE + more, "test")

    found = [listener_endpoint(spec, 1, role, addressing) for role in Role]
    assert [endpoint and str(endpoint) for endpoint in found] == [*places]


def test_free_ports_are_free_for_all_listeners() -> None:
    """A lab on free ports keeps none that its file has given."""
    text = DEFAULT + 'smtp = "127.0.0.1:4000"\nsubmission = "127.0.0.1:4001"\nsubmissions = "10.0.0.1:4002"\n'
    spec = parse_lab(text, "test").on_free_ports()

    free = Endpoint("127.0.0.1", 0)
    assert [listener_endpoint(spec, 0, role, spec.addressing) for role in Role] == [free, free, free]


async def test_lab_ready_tells_all_listeners(autojump_clock: object) -> None:
    """Each server's place for each role, and null where it has none."""
    async with memory_lab(DEFAULT + RELAY_TABLE) as lab:
        (ready,) = records_of(lab, "lab.ready")
        assert [(each["smtp"], each["submission"], each["submissions"]) for each in ready["servers"]] == [
            ("172.16.1.1:25", "172.16.1.1:587", "172.16.1.1:465"),
            ("172.16.2.1:25", None, None),
        ]


def test_passwords_are_not_shown() -> None:
    """Neither a spec nor a policy tells a password when it is printed."""
    spec = parse_lab(DEFAULT.replace('"anna"', '{ name = "anna", password = "geheim" }'), "test")
    assert "geheim" not in repr(spec)
    made = policy_of(spec, spec.domains[0], Authority(None))
    assert made.passwords == {"anna@nord.example": "geheim"}
    assert "geheim" not in repr(made)
