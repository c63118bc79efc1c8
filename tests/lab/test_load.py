"""Reading lab files: what is right becomes a spec, what is wrong is told all at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maillab.lab.agreement import disagreements
from maillab.lab.load import load_lab, parse_lab, shipped_labs
from maillab.lab.mistakes import LabFileError, Mistake
from maillab.lab.spec import Addressing, DomainSpec, ForeignSpec, Outgoing, RelaySpec, RetrySpec, UserSpec
from maillab.lab.structure import read_tables
from maillab.network.endpoint import Endpoint
from maillab.smtp.replies import ReplyStyle

LAB = '[lab]\nname = "test"\n'
NORD = '[[domain]]\nname = "nord.example"\nusers = ["anna"]\n'
SUED = '[[domain]]\nname = "sued.example"\nusers = ["ben"]\n'
RELAY = '[[relay]]\nhost = "relay.example"\n'
FOREIGN = '[[foreign]]\nhost = "mail.post.example"\ndomains = ["post.example"]\nsmtp = "127.0.0.1:2600"\n'

SHIPPED = "backup-mx, bounce, faults, gartenparty, later, loop, two-schools, with-postfix"


def mistakes_of(*parts: str, addressing: Addressing | None = None) -> list[str]:
    """The lines that a person reads about a file of these parts; none when it is right."""
    try:
        parse_lab("".join(parts), "lab.toml", addressing)
    except LabFileError as error:
        return [str(mistake) for mistake in error.mistakes]
    return []


def test_a_whole_file_becomes_a_spec() -> None:
    """Every key of the file is found in the spec."""
    spec = parse_lab(
        """
        [lab]
        name = "two-schools"
        title = { en = "Two schools", de = "Zwei Schulen" }
        replies = "filius-en"
        addressing = "hosts"

        [[domain]]
        name = "nord.example"
        host = "post.nord.example"
        users = ["anna", { name = "nils", password = "geheim" }]
        aliases = { team = ["anna", "ben@sued.example", "x@post.example"] }
        smarthost = "relay.example"
        smtp = "127.0.0.1:0"
        outgoing = "anyone"
        address = "10.0.0.1"

        [[domain]]
        name = "sued.example"
        users = [{ name = "ben" }]

        [[relay]]
        host = "relay.example"
        relays_for = ["nord.example", "post.example"]
        smarthost = "mail.post.example"
        smtp = "[::1]:2527"
        address = "2001:DB8::1"

        [retry]
        after_seconds = [0.5, 5]
        give_up_after_seconds = 60
        warn_after_seconds = 0

        [[foreign]]
        host = "mail.post.example"
        domains = ["post.example"]
        smtp = "127.0.0.1:2600"
        """,
        "lab.toml",
    )
    assert spec.name == "two-schools"
    assert spec.title == {"en": "Two schools", "de": "Zwei Schulen"}
    assert spec.replies is ReplyStyle.FILIUS_EN
    assert spec.addressing is Addressing.HOSTS
    assert spec.domains == (
        DomainSpec(
            "nord.example",
            host="post.nord.example",
            users=(UserSpec("anna", "anna"), UserSpec("nils", "geheim")),
            aliases={"team": ("anna", "ben@sued.example", "x@post.example")},
            smarthost="relay.example",
            smtp=Endpoint("127.0.0.1", 0),
            outgoing=Outgoing.ANYONE,
            address="10.0.0.1",
        ),
        DomainSpec("sued.example", users=(UserSpec("ben"),), address="172.16.2.1"),
    )
    assert spec.relays == (
        RelaySpec(
            "relay.example",
            relays_for=("nord.example", "post.example"),
            smarthost="mail.post.example",
            smtp=Endpoint("::1", 2527),
            address="2001:db8::1",
        ),
    )
    assert spec.retry == RetrySpec((0.5, 5), give_up_after_seconds=60, warn_after_seconds=0)
    assert spec.foreign == (ForeignSpec("mail.post.example", Endpoint("127.0.0.1", 2600), domains=("post.example",)),)


def test_almost_everything_may_be_left_out() -> None:
    """A name and a domain with a user are a lab."""
    spec = parse_lab(LAB + NORD, "lab.toml")
    assert (spec.replies, spec.addressing, spec.relays, spec.foreign) == (
        ReplyStyle.REALISTIC,
        Addressing.PORTS,
        (),
        (),
    )
    assert spec.domains[0].host == "mail.nord.example"
    assert spec.domains[0].outgoing is Outgoing.OWN_SENDERS
    assert spec.retry == RetrySpec()


def test_a_mistake_says_where_what_and_how_to_mend() -> None:
    """The line has the path, what was found, what was expected, and a way out."""
    with pytest.raises(LabFileError) as caught:
        parse_lab(LAB + NORD + SUED + 'smtp = "127.0.0.1:99999"\n', "lab.toml")
    assert caught.value.mistakes == (
        Mistake(
            path="domain[1].smtp",
            found='"127.0.0.1:99999" is no address',
            expected="give HOST:PORT with a port from 0 to 65535",
            mend="or leave it out",
        ),
    )
    assert str(caught.value) == (
        'domain[1].smtp: "127.0.0.1:99999" is no address; give HOST:PORT with a port from 0 to 65535, or leave it out'
    )


def test_all_mistakes_are_told_at_once_table_by_table() -> None:
    """Wrong values and parts that disagree come in one run, in the order of the file's tables."""
    lines = mistakes_of(
        '[lab]\nname = 5\nadressing = "ports"\n',
        '[[domain]]\nname = "nord.example"\nusers = ["anna", "ANNA", "b b"]\nsmarthost = "relay.exampel"\n',
        '[[domain]]\nname = "nord.example"\nusers = "ben"\naliases = { all = ["nobody", "ben"] }\n',
        '[[relay]]\nhost = "relay.example"\nrelays_for = ["west.example"]\nsmtp = "127.0.0.1:2525"\n',
        '[retry]\nafter_seconds = ["5", true, -1]\n',
        "[pigeons]\n",
    )
    assert [line.partition(": ")[0] for line in lines] == [
        "lab.adressing",
        "lab.name",
        "domain[0].users[2]",
        "domain[0].smarthost",
        "domain[0].users[1]",
        "domain[1].users",
        "domain[1].name",
        "domain[1].aliases.all[0]",
        "relay[0].smtp",
        "relay[0].relays_for[0]",
        "retry.after_seconds[0]",
        "retry.after_seconds[1]",
        "retry.after_seconds[2]",
        "pigeons",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (LAB, "domain: missing; a lab needs one [[domain]] at least"),
        (NORD, "lab: missing; this has to be given"),
        ("[lab]\n" + NORD, "lab.name: missing; this has to be given"),
        ("lab = 4\n" + NORD, "lab: 4 is no table; give KEY = VALUE pairs, in a [section] or between { }"),
        (
            LAB + NORD.replace("[[domain]]", "[domain]"),
            "domain: one table is no list of tables; write its name in two pairs of brackets: [[...]]",
        ),
        (
            LAB + NORD + "[[retry]]\nafter_seconds = [1]\n",
            "retry: a list of tables is no table; write its name in one pair of brackets: [...]",
        ),
        (
            LAB + 'title = "A"\n' + NORD,
            'lab.title: "A" is no table; give KEY = VALUE pairs, in a [section] or between { }',
        ),
        (LAB + 'title = { dee = "A" }\n' + NORD, 'lab.title.dee: unknown language; did you mean "de"?'),
        (
            LAB + 'replies = "filius"\n' + NORD,
            'lab.replies: "filius" is no choice; give "realistic" or "filius-de" or "filius-en", '
            'did you mean "filius-en"?',
        ),
        (LAB + "addressing = true\n" + NORD, 'lab.addressing: true is no choice; give "ports" or "hosts"'),
        (LAB + NORD + 'hots = "a"\n', 'domain[0].hots: unknown key; did you mean "host"?'),
        (
            LAB + NORD + RELAY + "x = 1\n",
            "relay[0].x: unknown key; known here: address, bare_newlines, early_talkers, host, relays_for, "
            "smarthost, smtp, tls",
        ),
        (LAB + '[[domain]]\nnmae = "a.example"\nusers = ["a"]', 'domain[0].nmae: unknown key; did you mean "name"?'),
    ],
)
def test_a_wrong_table_is_one_line(text: str, line: str) -> None:
    """Sections and keys that are missing, unknown or of the wrong shape are told once, with the nearest key."""
    assert mistakes_of(text) == [line]


@pytest.mark.parametrize(
    ("users", "line"),
    [
        ('"anna"', 'users: "anna" is no list; write ["anna"]'),
        ("7", "users: 7 is no list; write [...]"),
        ('["a b"]', 'users[0]: "a b" is no user name; give letters, digits, hyphens and single dots'),
        ('["a..b"]', 'users[0]: "a..b" is no user name; give letters, digits, hyphens and single dots'),
        ('["a@nord.example"]', 'users[0]: "a@nord.example" is no user name; give only the part before the @'),
        (
            '["a", 5]',
            'users[1]: 5 is no user; give a name in quotes, or { name = "anna", password = "secret" }',
        ),
        ('["a", "b", "A"]', 'users[2]: "A" is domain[0].users[0] already; give each its own name, case does not count'),
        ('[{ name = "a", pasword = "b" }]', 'users[0].pasword: unknown key; did you mean "password"?'),
        ('[{ name = "a", password = 1 }]', "users[0].password: 1 is no password; give it in quotes"),
        (
            '[{ name = "a", password = "" }]',
            "users[0].password: no usable password; give at least one printable character, or leave it out",
        ),
        ("[]", "users: nobody here can be postmaster; give a user, or an alias postmaster"),
    ],
)
def test_a_wrong_user_is_one_line(users: str, line: str) -> None:
    """Users are local parts, each of them once, and the domain has a postmaster."""
    assert mistakes_of(LAB, f'[[domain]]\nname = "nord.example"\nusers = {users}\n') == [f"domain[0].{line}"]


@pytest.mark.parametrize("name", ["anna", "a.b", "o'neil", "anna+lists", "jörg", "x" * 64])
def test_a_user_name_is_any_local_part_without_quotes(name: str) -> None:
    """What RFC 5321 calls a Dot-string is a user name, and RFC 6531 adds the rest of Unicode."""
    assert mistakes_of(LAB, f'[[domain]]\nname = "nord.example"\nusers = ["{name}"]\n') == []


@pytest.mark.parametrize(
    ("aliases", "line"),
    [
        ('{ team = "anna" }', 'team: "anna" is no list; write ["anna"]'),
        ("{ team = [] }", "team: [] is nobody; name one member at least"),
        ('{ team = ["bne"] }', 'team[0]: "bne" is nobody in nord.example; known here: anna, postmaster, team, '
         "or give USER@DOMAIN"),
        ('{ team = ["ana"] }', 'team[0]: "ana" is nobody in nord.example; did you mean "anna"?'),
        ('{ team = ["bne@sued.example"] }', 'team[0]: "bne@sued.example" is nobody in this lab; did you mean '
         '"ben@sued.example"?'),
        ('{ team = ["a@@b"] }', 'team[0]: "a@@b" is no user and no mail address; give a name of this domain, '
         "or USER@DOMAIN"),
        ('{ Anna = ["ben@sued.example"] }', 'Anna: "Anna" is domain[0].users[0] already; give each its own name, '
         "case does not count"),
        ('{ all = ["anna"], ALL = ["anna"] }', 'ALL: "ALL" is domain[0].aliases.all already; give each its own '
         "name, case does not count"),
        ('{ "a b" = ["anna"] }', '"a b": "a b" is no user name; give letters, digits, hyphens and single dots'),
        ('{ team = ["team"] }', "team: a group that contains itself (team@nord.example -> team@nord.example); "
         "take one of them out"),
    ],
)  # fmt: skip
def test_a_wrong_alias_is_one_line(aliases: str, line: str) -> None:
    """An alias leads to somebody, is nobody else, and does not lead to itself."""
    assert mistakes_of(LAB, NORD, f"aliases = {aliases}\n", SUED) == [f"domain[0].aliases.{line}"]


def test_a_circle_of_groups_is_found_through_domains() -> None:
    """A group that reaches itself over another domain is told once, with the whole way."""
    lines = mistakes_of(
        LAB,
        NORD,
        'aliases = { all = ["anna", "Every@sued.example"] }\n',
        SUED,
        'aliases = { every = ["ben", "more"], more = ["ALL@Nord.example"] }\n',
    )
    assert lines == [
        "domain[0].aliases.all: a group that contains itself (all@nord.example -> every@sued.example -> "
        "more@sued.example -> all@nord.example); take one of them out"
    ]


def test_groups_may_share_members() -> None:
    """Two ways to one group are no circle."""
    aliases = 'aliases = { all = ["a", "b"], a = ["c"], b = ["c"], c = ["anna"] }\n'
    assert mistakes_of(LAB, NORD, aliases) == []


def test_a_very_long_chain_of_groups_is_followed() -> None:
    """No chain is too long to be followed, and its line stays short."""
    chain = "".join(f'g{i} = ["g{i + 1}"]\n' for i in range(3000))
    assert mistakes_of(LAB, NORD, "[domain.aliases]\n", chain, 'g3000 = ["anna"]\n') == []
    (line,) = mistakes_of(LAB, NORD, "[domain.aliases]\n", chain, 'g3000 = ["g0"]\n')
    assert len(line) < 300


def test_an_alias_may_lead_to_anybody_behind_a_foreign_host() -> None:
    """Who lives in a foreign domain is not known here; postmaster lives in every domain."""
    aliases = 'aliases = { out = ["who@post.example"], help = ["postmaster", "Postmaster@sued.example"] }\n'
    assert mistakes_of(LAB, NORD, aliases, SUED, FOREIGN) == []


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("mail_nord.example", "give letters, digits and hyphens"),
        ("nord.example.", "give letters, digits and hyphens"),
        ("-nord.example", "give letters, digits and hyphens"),
        ("nord..example", "give letters, digits and hyphens"),
        ("", "give letters, digits and hyphens"),
        ("n" * 64 + ".example", "give letters, digits and hyphens"),
        (".".join(["n" * 63] * 4), "give letters, digits and hyphens"),
        ("172.16.1.1", "give a name whose last part is no number"),
        ("bücher.example", 'give its ASCII form "xn--bcher-kva.example"'),
    ],
)
def test_a_host_name_follows_rfc_1123(name: str, advice: str) -> None:
    """Names that no host can have are told with advice that fits."""
    (line,) = mistakes_of(LAB, NORD, f'[[relay]]\nhost = "{name}"\n')
    assert line.startswith("relay[0].host: ")
    assert f"is no host name; {advice}" in line


@pytest.mark.parametrize(
    "address",
    ["172.16.1", "172.16.1.256", "0.0.0.0", "224.0.0.1", "mail.nord.example", "172.16.1.1:25", "fe80::1%eth0", ""],
)
def test_a_server_s_address_is_an_ip_address(address: str) -> None:
    """Only the literal of an address that one server can have is taken."""
    (line,) = mistakes_of(LAB, NORD, f'address = "{address}"\n')
    assert line == (
        f'domain[0].address: "{address}" is no server\'s IP address; '
        "give one like 172.16.1.1, without a port, or leave it out"
    )


@pytest.mark.parametrize(
    ("parts", "line"),
    [
        ((NORD, NORD), 'domain[1].name: "nord.example" is a domain of domain[0] already; give each its own'),
        (
            (NORD, SUED, 'host = "MAIL.nord.example"\n'),
            'domain[1].host: "mail.nord.example" is the host name of domain[0] already; give each its own',
        ),
        (
            (NORD, FOREIGN.replace('["post.example"]', '["nord.example"]')),
            'foreign[0].domains[0]: "nord.example" is a domain of domain[0] already; give each its own',
        ),
        (
            (NORD, RELAY.replace("relay.example", "nord.example")),
            'domain[0].name: "nord.example" is the host name of relay[0] already; give each its own',
        ),
        (
            (NORD, 'address = "172.16.2.1"\n', SUED),
            'domain[0].address: "172.16.2.1" is the address of domain[1] already; give each its own',
        ),
        (
            (NORD, 'smtp = "localhost:2526"\n', SUED),
            'domain[0].smtp: "localhost:2526" is the SMTP address of domain[1] already; give each its own',
        ),
        (
            (NORD, 'smtp = "0.0.0.0:2600"\n', FOREIGN),
            'foreign[0].smtp: "127.0.0.1:2600" is the SMTP address of domain[0] already; give each its own',
        ),
    ],
)
def test_two_cannot_have_one_place(parts: tuple[str, ...], line: str) -> None:
    """A domain, host name, address or endpoint that two have is told at the one that wrote it, once."""
    assert mistakes_of(LAB, *parts) == [line]


def test_port_0_may_stand_many_times() -> None:
    """Any free port is never the same port."""
    assert mistakes_of(LAB, NORD, 'smtp = "127.0.0.1:0"\n', SUED, 'smtp = "127.0.0.1:0"\n') == []


def test_endpoints_are_compared_by_the_addressing_that_is_used() -> None:
    """The command line's addressing decides which default endpoints a given one can meet."""
    parts = (LAB, NORD, 'smtp = "172.16.2.1:25"\n', SUED)
    assert mistakes_of(*parts) == []
    assert mistakes_of(*parts, addressing=Addressing.HOSTS) == [
        'domain[0].smtp: "172.16.2.1:25" is the SMTP address of domain[1] already; give each its own'
    ]


@pytest.mark.parametrize(
    ("smarthost", "line"),
    [
        ("relay.exampel", '"relay.exampel" is a server that nobody runs; did you mean "relay.example"?'),
        ("mail.nord.example", '"mail.nord.example" is this server itself; name another, or leave it out'),
        ("sued.example", '"sued.example" is a domain and no server; its server is "mail.sued.example"'),
    ],
)
def test_a_smarthost_is_another_server(smarthost: str, line: str) -> None:
    """A smarthost that nobody runs, that is a domain, or that is the server itself is told."""
    lines = mistakes_of(LAB, NORD, f'smarthost = "{smarthost}"\n', SUED, RELAY)
    assert lines == [f"domain[0].smarthost: {line}"]


@pytest.mark.parametrize("smarthost", ["relay.example", "RELAY.example", "mail.sued.example", "mail.post.example"])
def test_a_smarthost_may_be_any_other_server(smarthost: str) -> None:
    """Relays, other domains' servers and foreign hosts serve as smarthosts."""
    assert mistakes_of(LAB, NORD, f'smarthost = "{smarthost}"\n', SUED, RELAY, FOREIGN) == []


def test_a_relay_relays_for_domains_of_the_lab() -> None:
    """A domain that nobody has is told; foreign ones and none at all are fine."""
    assert mistakes_of(LAB, NORD, FOREIGN, RELAY, 'relays_for = ["nord.exmple", "post.example"]\n') == [
        'relay[0].relays_for[0]: "nord.exmple" is no domain of the lab; did you mean "nord.example"?'
    ]
    assert mistakes_of(LAB, NORD, RELAY, "relays_for = []\n") == []


@pytest.mark.parametrize(
    ("retry", "line"),
    [
        ('after_seconds = "5"', 'after_seconds: "5" is no list; write ["5"]'),
        ("after_seconds = []", "after_seconds: [] has no wait; give one at least, or leave it out"),
        ("after_seconds = [0]", "after_seconds[0]: 0 is no wait; give a number of seconds above 0"),
        ("after_seconds = [5, -5]", "after_seconds[1]: -5 is no span of time; give 0 to 315360000 seconds"),
        ('give_up_after_seconds = "5"', 'give_up_after_seconds: "5" is no number; give a number of seconds, '
         "without quotes"),
        ("warn_after_seconds = true", "warn_after_seconds: true is no number; give a number of seconds, "
         "without quotes"),
        ("warn_after_seconds = 2026-01-01", 'warn_after_seconds: "2026-01-01" is no number; give a number of '
         "seconds, without quotes"),
        ("warn_after_seconds = nan", "warn_after_seconds: NaN is no span of time; give 0 to 315360000 seconds"),
        ("warn_after_seconds = inf", "warn_after_seconds: Infinity is no span of time; give 0 to 315360000 "
         "seconds"),
        (f"warn_after_seconds = 0x{'f' * 9000}", "warn_after_seconds: a number of too many digits is no span of "
         "time; give 0 to 315360000 seconds"),
    ],
)  # fmt: skip
def test_waits_are_numbers(retry: str, line: str) -> None:
    """Strings, booleans, dates and numbers nobody can wait for are no seconds."""
    assert mistakes_of(LAB, NORD, f"[retry]\n{retry}\n") == [f"retry.{line}"]


@pytest.mark.parametrize("key", ["smtp", "host"])
def test_a_foreign_host_says_who_and_where_it_is(key: str) -> None:
    """A foreign host without a name or an address cannot be reached."""
    without = "".join(line for line in FOREIGN.splitlines(keepends=True) if not line.startswith(key))
    assert mistakes_of(LAB, NORD, without) == [f"foreign[0].{key}: missing; this has to be given"]


def test_a_foreign_host_has_a_real_port() -> None:
    """Port 0 is a port to listen at, and none to connect to."""
    assert mistakes_of(LAB, NORD, FOREIGN.replace("2600", "0")) == [
        'foreign[0].smtp: "127.0.0.1:0" cannot be connected to; give HOST:PORT with a port from 1 to 65535'
    ]


def test_a_slip_is_not_told_twice() -> None:
    """A mistyped key is read as it was meant, so that what rests on it is not called wrong too."""
    relay = '[[relay]]\nhots = "relay.example"\n'
    assert mistakes_of(LAB, NORD, 'smarthost = "relay.example"\n', relay) == [
        'relay[0].hots: unknown key; did you mean "host"?'
    ]


def test_more_servers_than_addresses_are_too_many() -> None:
    """The numbered addresses end with the private range, and so does the lab."""
    assert mistakes_of(LAB, NORD, *(f'[[relay]]\nhost = "r{i}"\n' for i in range(4095))) == [
        "domain: 4096 servers are too many; 4095 are numbered"
    ]


def test_what_is_no_toml_is_one_line_with_its_place() -> None:
    """A slip in the syntax names file, line and column."""
    assert mistakes_of("[lab]\nname = = 3\n") == [
        "lab.toml, line 2, column 8: no TOML: Invalid value; mend this first, the rest is read then"
    ]
    (line,) = mistakes_of('[lab]\nname = "')
    assert line.startswith("lab.toml, ")
    (line,) = mistakes_of(f"a = {'[' * 100_000}")
    assert line.startswith("lab.toml")


def test_a_mistake_is_one_line_without_control_characters() -> None:
    """What stands in a file cannot steer the terminal that shows its mistakes."""
    (line,) = mistakes_of(LAB, NORD, r'smarthost = "a\nb\u001b[2Jc\u009b"', "\n")
    assert line.isprintable()


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none().map(lambda _: 1.5)
    | st.booleans()
    | st.integers(-1, 70_000)
    | st.sampled_from(["", "anna", "nord.example", "relay.example", "127.0.0.1:2525", "a@nord.example", "x y"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "host", "hots", "users", "aliases", "smtp", "domains", "smarthost", "address"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(["lab", "domain", "relay", "retry", "foreign", "dns"]), VALUES))
def test_no_tables_are_too_odd_to_be_judged(tables: dict[str, Any]) -> None:
    """Whatever TOML can hold is read, and every mistake in it is one line."""
    spec, mistakes = read_tables(tables)
    for mistake in (*mistakes, *disagreements(spec)):
        assert str(mistake).isprintable()


def test_a_lab_is_a_file_a_folder_or_a_name(tmp_path: Path) -> None:
    """A lab file, the folder it is in, and the name of a lab that ships all lead to a lab."""
    (tmp_path / "lab.toml").write_text(LAB + NORD)
    (tmp_path / "other.toml").write_text(LAB.replace("test", "other") + NORD)
    assert load_lab(tmp_path).name == "test"
    assert load_lab(str(tmp_path / "lab.toml")).name == "test"
    assert load_lab(tmp_path / "other.toml").name == "other"
    assert load_lab("two-schools").name == "two-schools"


def test_a_copy_at_hand_comes_before_the_lab_that_ships(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of a shipped lab's name is read when it holds a lab file, and not in the way when it holds none."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "gartenparty"
    folder.mkdir()
    assert load_lab("gartenparty").domains[0].name == "example.com"
    (folder / "lab.toml").write_text(LAB + NORD)
    assert load_lab("gartenparty").domains[0].name == "nord.example"


def test_the_command_line_s_addressing_beats_the_file(tmp_path: Path) -> None:
    """An addressing that is given is the spec's addressing."""
    (tmp_path / "lab.toml").write_text(LAB + 'addressing = "ports"\n' + NORD)
    assert load_lab(tmp_path, Addressing.HOSTS).addressing is Addressing.HOSTS


def test_a_byte_order_mark_and_crlf_are_read(tmp_path: Path) -> None:
    """A file saved by an editor of another system is a lab file."""
    (tmp_path / "lab.toml").write_bytes(b"\xef\xbb\xbf" + (LAB + NORD).replace("\n", "\r\n").encode())
    assert load_lab(tmp_path).name == "test"


@pytest.mark.parametrize(
    ("lab", "line"),
    [
        ("gartenprty", f'"gartenprty" is no lab; did you mean "gartenparty"? Labs that ship: {SHIPPED}'),
        ("qqq", f'"qqq" is no lab; Labs that ship: {SHIPPED}'),
        ("no/lab.toml", "no/lab.toml: no such file; give a lab file, its folder, or a lab's name"),
        ("empty", "empty: no lab.toml in this folder; give a lab file, its folder, or a lab's name"),
        ("latin-1.toml", "latin-1.toml: octet 1 is no UTF-8; save the file as UTF-8"),
        ("n" * 300, f"{'n' * 300}: File name too long; give a file that can be read"),
    ],
)
def test_a_lab_that_is_not_there_is_one_line(
    lab: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be found or read is told with what could be meant."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "latin-1.toml").write_bytes(b"#\xfc\n")
    with pytest.raises(LabFileError) as caught:
        load_lab(lab)
    (mistake,) = caught.value.mistakes
    assert str(mistake).startswith(line)


@pytest.mark.parametrize("name", ["gartenparty", "two-schools"])
def test_a_lab_that_ships_has_its_folder_s_name(name: str) -> None:
    """The labs that ship are right, called as their folders are, and titled in both languages."""
    spec = load_lab(shipped_labs()[name])
    assert spec.name == name
    assert set(spec.title) == {"en", "de"}


def test_two_schools_is_two_schools_and_a_relay() -> None:
    """Two schools with four people and a group across, over a relay."""
    spec = load_lab("two-schools")
    assert [server.host for server in spec.servers] == ["mail.nord.example", "mail.sued.example", "relay.example"]
    assert [[user.name for user in domain.users] for domain in spec.domains] == [["anna", "nils"], ["ben", "berta"]]
    assert spec.domains[0].aliases == {"team": ("anna", "nils", "ben@sued.example")}
    assert {domain.smarthost for domain in spec.domains} == {"relay.example"}
    assert spec.relays[0].relays_for == ("nord.example", "sued.example")


def test_gartenparty_is_the_first_lesson_s_network() -> None:
    """One server, example.com at 172.16.1.1, with the textbook's people and replies."""
    spec = load_lab("gartenparty")
    (domain,) = spec.domains
    assert (domain.name, domain.address) == ("example.com", "172.16.1.1")
    assert [user.name for user in domain.users] == ["alice", "bob", "carol"]
    assert spec.replies is ReplyStyle.FILIUS_DE
