"""Addresses and paths: what is legal comes back as it was, what is wrong is explained."""

from __future__ import annotations

import string

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from maillab.mail.address import Address, AddressError, read_forward_path, read_reverse_path, show_path

ATEXT = string.ascii_letters + string.digits + "!#$%&'*+-/=?^_`{|}~"
LET_DIG = string.ascii_letters + string.digits
LONGEST_ERROR = 200  # a reply line has 512 octets, and the reply says more than this

beyond_ascii = st.characters(min_codepoint=0xA0, exclude_categories=["Cs", "Cc", "Zl", "Zp"])
letters_beyond_ascii = st.characters(min_codepoint=0xA0, categories=["Ll", "Lo", "Mn"])
atoms = st.text(st.sampled_from(ATEXT) | beyond_ascii, min_size=1, max_size=8)
dot_strings = st.lists(atoms, min_size=1, max_size=3).map(".".join)
quoted_characters = st.characters(min_codepoint=32, max_codepoint=126) | beyond_ascii
local_parts = (dot_strings | st.text(quoted_characters, max_size=14)).filter(lambda name: len(name.encode()) <= 30)
labels = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", fullmatch=True) | st.text(
    letters_beyond_ascii, min_size=1, max_size=10
)
domains = st.lists(labels, min_size=1, max_size=4).map(".".join).filter(lambda name: len(name.encode()) <= 180)
literals = st.ip_addresses(v=4).map(lambda ip: f"[{ip}]") | st.ip_addresses(v=6).map(lambda ip: f"[IPv6:{ip}]")
addresses = st.builds(Address, local_parts, domains | literals)
any_text = st.text(st.sampled_from('<>@@"\\.,:;[]() \t\r\nab1-%!é\x00\x85\u2028\ud800') | st.characters(), max_size=60)


def in_quotes(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def check_is_fit_for_a_reply(error: AddressError, status: str = "5.1.3") -> None:
    assert str(error.status) == status
    text = str(error)
    assert text.isascii()
    assert text.isprintable()
    assert 0 < len(text) <= LONGEST_ERROR


@given(addresses)
@settings(deadline=None)
def test_a_legal_mailbox_comes_back_from_its_text(address: Address) -> None:
    """What str() writes, parse() reads, and the path around it too."""
    assert Address.parse(str(address)) == address
    assert read_reverse_path(show_path(address)) == (address, "")
    assert read_forward_path(f" {show_path(address)} SIZE=1 BODY=7BIT ") == (address, "SIZE=1 BODY=7BIT")


@given(dot_strings.filter(lambda name: len(name.encode()) <= 60), domains)
@settings(deadline=None)
def test_quotation_marks_that_are_not_needed_make_no_difference(name: str, domain: str) -> None:
    """A name in quotes is the same name (RFC 5321 section 4.1.2)."""
    assert Address.parse(f"{in_quotes(name)}@{domain}") == Address.parse(f"{name}@{domain}")


@given(any_text)
@example("")
@example('"')
@example('"\\')
@example("@[")
@example("a@[IPv6:" + "1" * 100_000 + "]")
@example("a@" + "b." * 100_000)
@example('"' + '\\"' * 100_000)
@settings(deadline=None)
def test_any_text_is_an_address_or_is_explained(text: str) -> None:
    """No text does anything but give an address that comes back, or an AddressError fit for a reply."""
    try:
        address = Address.parse(text)
    except AddressError as error:
        check_is_fit_for_a_reply(error)
    else:
        assert Address.parse(str(address)) == address


@given(any_text | any_text.map(lambda text: f"<{text}>"))
@example("<" * 100_000)
@example('<"' + '\\"' * 100_000)
@example("<" + "@a," * 100_000 + ":b@c>")
@example("<" + "\ud800" * 1000)
@settings(deadline=None)
def test_any_path_is_read_or_is_explained(text: str) -> None:
    """No text does anything but give a path that comes back, or an AddressError with the status of its side."""
    try:
        reverse_path, _ = read_reverse_path(text)
    except AddressError as error:
        check_is_fit_for_a_reply(error, "5.1.7")
    else:
        assert read_reverse_path(show_path(reverse_path)) == (reverse_path, "")
    try:
        forward_path, _ = read_forward_path(text)
    except AddressError as error:
        check_is_fit_for_a_reply(error)
    else:
        assert read_forward_path(show_path(forward_path)) == (forward_path, "")


@pytest.mark.parametrize(
    ("text", "local_part", "domain"),
    [
        ("carol@example.com", "carol", "example.com"),
        ("Carol.Smith+lab@Example.COM", "Carol.Smith+lab", "Example.COM"),
        ("ben%sued.example@nord.example", "ben%sued.example", "nord.example"),
        ('"ben@sued.example"@nord.example', "ben@sued.example", "nord.example"),
        ("sued.example!ben@nord.example", "sued.example!ben", "nord.example"),
        ('"a b"@nord.example', "a b", "nord.example"),
        (r'"a\"\\\b"@nord.example', r'a"\b', "nord.example"),
        ('""@nord.example', "", "nord.example"),
        ("x@[127.0.0.1]", "x", "[127.0.0.1]"),
        ("x@[IPv6:::1]", "x", "[IPv6:::1]"),
        ("x@[ipv6:2001:DB8::1]", "x", "[ipv6:2001:DB8::1]"),
        ("grün@bücher.example", "grün", "bücher.example"),
        ("कान@उदाहरण.example", "कान", "उदाहरण.example"),
        ("a@" + "b" * 63, "a", "b" * 63),
        ("a" * 64 + "@example.com", "a" * 64, "example.com"),
        ("a@localhost", "a", "localhost"),
    ],
)
def test_mailboxes_are_read(text: str, local_part: str, domain: str) -> None:
    """The percent hack, bang paths and an @ in quotes are local parts like any other."""
    assert Address.parse(text) == Address(local_part, domain)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the address is empty; an address is name@domain, as in carol@example.com"),
        ("carol", 'no @ in "carol"; an address is name@domain, as in carol@example.com'),
        ("@nord.example", "nothing stands before the @"),
        ("carol@", "nothing stands after the @"),
        ("ben@sued.example@nord.example", "more than one @"),
        ("a..b@nord.example", 'a dot too many in "a..b" before the @'),
        (".a@nord.example", 'a dot too many in ".a" before the @'),
        ("a.@nord.example", 'a dot too many in "a." before the @'),
        ("a b@nord.example", 'a space in "a b" before the @; it may stand there only in quotation marks'),
        ("a(b)@nord.example", '"(" in "a(b)" before the @'),
        ("a\r\nb@nord.example", r'the character U+000D in "a\r\nb" before the @; no address may hold it'),
        ("a\x85@nord.example", "the character U+0085"),
        ("a\udcff@nord.example", "the character U+DCFF"),
        ('"a"b@nord.example', "no @ behind the quotation marks"),
        ('"a@nord.example', "is never closed"),
        ('"a\\"@nord.example', "is never closed"),
        ('"a\tb"@nord.example', "a control character or a wrong \\"),
        ('"a\\ü"@nord.example', "a control character or a wrong \\"),
        ("a@nord..example", 'a dot too many in the domain "nord..example"'),
        ("a@nord.example.", "a dot too many in the domain"),
        ("a@.example", "a dot too many in the domain"),
        ("a@-nord.example", '- at an end of "-nord"'),
        ("a@nord-.example", '- at an end of "nord-"'),
        ("a@no_rd.example", '"_" in the domain'),
        ("a@nord,example", '"," in the domain "nord,example"; only letters, digits, - and dots are right'),
        ("a@nord example", "a space in the domain"),
        ("a@nord。example", "the character U+3002 in the domain"),
        ("a@[127.0.0.256]", '"[127.0.0.256]" is no address literal; write [172.16.1.1] or [IPv6:2001:db8::1]'),
        ("a@[127.0.0.1", "is no address literal"),
        ("a@[::1]", "is no address literal"),
        ("a@[IPv6:::1%eth0]", "is no address literal"),
        ("a@[IPv6:127.0.0.1]", "is no address literal"),
        ("a@[127.0.0.\u0661]", "is no address literal"),
        ("a@[]", "is no address literal"),
        ("a" * 65 + "@nord.example", "the part before the @ has 65 octets; up to 64 are allowed"),
        ("ü" * 33 + "@nord.example", "the part before the @ has 66 octets; up to 64 are allowed"),
        ("a@" + "b" * 64, "has 64 octets; up to 63 are allowed"),
        ("a@" + "ü" * 63, "in the domain has"),
        ("a@" + "b." * 127 + "bb", "the domain has 256 octets; up to 255 are allowed"),
        ("a@" + "b." * 126 + "b", "the whole address has 255 octets; up to 254 are allowed"),
    ],
)
def test_mistakes_are_explained(text: str, says: str) -> None:
    """An error says what was found and what would be right."""
    with pytest.raises(AddressError) as caught:
        Address.parse(text)
    assert says in str(caught.value)
    check_is_fit_for_a_reply(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no address; write it in < >: <carol@example.com>"),
        ("   ", "no address; write it in < >"),
        ("carol@example.com", 'no < > around "carol@example.com"; put the address in < >: <carol@example.com>'),
        ("anna@nord.example SIZE=9", "put the address in < >: <anna@nord.example>"),
        ("anna", "put the address in < >: <carol@example.com>"),
        ("Carol <carol@example.com>", '"Carol " stands before the <; write the address alone'),
        ("<carol@example.com", 'no > at the end of "<carol@example.com"'),
        ("<a@b.example>x", '"x" stands right behind the >'),
        ("<a@b.example>SIZE=1", '"SIZE=1" stands right behind the >'),
        ("<a@b.example><c@d.example>", "one command takes one address"),
        ("<a@b.example> <c@d.example>", "one command takes one address"),
        ("<<a@b.example>>", "< or > at a wrong place"),
        ('<"a@b.example>', "is never closed"),
        ("< a@b.example>", "a space in"),
        ("< >", 'no @ in " "'),
        ("<@a.example>", "nothing stands before the @"),
        ("<@a.example:>", "the address is empty"),
        ("<@a..example:b@c.example>", "a dot too many in the domain"),
        (
            "<@" + "a" * 60 + ".example," + "@" + "b" * 60 + ".example:" + "c" * 60 + "@" + "d" * 60 + ">",
            "the path has",
        ),
    ],
)
def test_wrong_paths_are_explained(text: str, says: str) -> None:
    """Both sides refuse a path that is not written in one pair of brackets."""
    with pytest.raises(AddressError) as of_sender:
        read_reverse_path(text)
    with pytest.raises(AddressError) as of_recipient:
        read_forward_path(text)
    assert says in str(of_sender.value)
    assert str(of_recipient.value) == str(of_sender.value)
    assert (str(of_sender.value.status), str(of_recipient.value.status)) == ("5.1.7", "5.1.3")


@pytest.mark.parametrize("spaces", ["", " ", "   "])
def test_the_null_path_is_a_sender_only(spaces: str) -> None:
    """`<>` is None as a reverse path, and no recipient."""
    assert read_reverse_path(f"{spaces}<> SIZE=1") == (None, "SIZE=1")
    assert show_path(None) == "<>"
    with pytest.raises(AddressError, match="names nobody"):
        read_forward_path(f"{spaces}<>")


@pytest.mark.parametrize("written", ["Postmaster", "postmaster", "POSTMASTER"])
def test_the_bare_postmaster_is_a_recipient_only(written: str) -> None:
    """`<Postmaster>` needs no domain, in any case of letters, and is written as it came."""
    path, rest = read_forward_path(f"<{written}>")
    assert (path, rest) == (Address(written, ""), "")
    assert show_path(path) == f"<{written}>"
    assert path.key == "postmaster"
    with pytest.raises(AddressError, match="no @"):
        read_reverse_path(f"<{written}>")


@pytest.mark.parametrize("route", ["@a.example", "@a.example,@b.example", "@[127.0.0.1],@[IPv6:::1]"])
def test_a_source_route_is_ignored(route: str) -> None:
    """Of `<@a,@b:user@domain>` only `user@domain` is left (RFC 5321 appendix C)."""
    assert read_forward_path(f"<{route}:ben@sued.example>") == (Address("ben", "sued.example"), "")


def test_a_bracket_in_quotes_does_not_end_the_path() -> None:
    """What stands in quotation marks belongs to the name."""
    assert read_reverse_path('<"a> <b"@nord.example> SIZE=1') == (Address("a> <b", "nord.example"), "SIZE=1")


@given(addresses)
@settings(deadline=None)
def test_addresses_compare_without_case(address: Address) -> None:
    """The key is a mailbox name: it does not change any more, and the domain is its end."""
    upper = Address(address.local_part.swapcase(), address.domain.swapcase())
    assert Address(*address.key.rsplit("@", 1)).key == address.key
    assert address.key.endswith(f"@{address.domain_key}")
    if address.is_ascii:
        assert upper.key == address.key


def test_a_key_does_not_tell_how_an_accent_was_typed() -> None:
    """A letter and its accent in one or in two characters are the same mailbox."""
    assert Address.parse("gru\u0308n@nord.example").key == Address.parse("GRÜN@nord.example").key


@pytest.mark.parametrize(
    ("text", "is_ascii"), [("a@b.example", True), ("ä@b.example", False), ("a@bücher.example", False)]
)
def test_utf8_addresses_are_known(text: str, is_ascii: bool) -> None:
    """An address with anything beyond ASCII needs SMTPUTF8."""
    assert Address.parse(text).is_ascii is is_ascii
