"""The grammar of a mailbox (RFC 5321 section 4.1.2, RFC 6531 section 3.3), and an explanation of every mistake.

Not here: whether a UTF-8 label is allowed by IDNA (RFC 5892), because that takes tables of its own; letters,
marks and digits of any script pass.  Address literals are IPv4 and IPv6, because no other tag is registered.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from typing import Final

from maillab.mail.status import EnhancedStatus

LOCAL_PART_LIMIT_OCTETS: Final = 64  # RFC 5321 section 4.5.3.1.1
DOMAIN_LIMIT_OCTETS: Final = 255  # RFC 5321 section 4.5.3.1.2
PATH_LIMIT_OCTETS: Final = 256  # RFC 5321 section 4.5.3.1.3, "<" and ">" included
LABEL_LIMIT_OCTETS: Final = 63  # RFC 1035 section 2.3.4

BAD_ADDRESS_SYNTAX: Final = EnhancedStatus(5, 1, 3)
BAD_SENDER_SYNTAX: Final = EnhancedStatus(5, 1, 7)

SHOWN_LIMIT: Final = 40
"""How much of what was found an error repeats; a reply line has 512 octets (RFC 5321 section 4.5.3.1.5)."""

ATEXT: Final = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-"  # RFC 5322 section 3.2.3
# UTF8-non-ascii of RFC 6531 section 3.3, without C1 controls, line and paragraph separator (somebody would take
# them for line ends) and without surrogates (they stand for octets that are no UTF-8).
_BEYOND_ASCII: Final = "\xa0-\u2027\u202a-\ud7ff\ue000-\U0010ffff"
LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"

DOT_STRING: Final = re.compile(rf"[{ATEXT}{_BEYOND_ASCII}]+(?:\.[{ATEXT}{_BEYOND_ASCII}]+)*")
_NOT_IN_DOT_STRING: Final = re.compile(rf"[^{ATEXT}{_BEYOND_ASCII}.]")
_QUOTED_STRING: Final = re.compile(rf'"(?:[ !#-\[\]-~{_BEYOND_ASCII}]|\\[ -~])*"')
_QUOTES_IN_PAIRS: Final = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_QUOTED_PAIR: Final = re.compile(r"\\(.)")
_ORDINARY_DOMAIN: Final = re.compile(rf"{LABEL}(?:\.{LABEL})*")
_JOINERS: Final = "\u200c\u200d"  # some scripts need them inside words (RFC 5892 appendix A)


class AddressError(ValueError):
    """An address or path is wrong.

    `str(error)` is one line of ASCII that says what was found and what would be right; a reply may carry it.

    Attributes:
        status: 5.1.7 where the reverse path was read, else 5.1.3.
    """

    def __init__(self, message: str, status: EnhancedStatus = BAD_ADDRESS_SYNTAX) -> None:
        super().__init__(message)
        self.status = status


def shown(text: str) -> str:
    """`text` as an error repeats it: ASCII, without control characters, not too long."""
    escaped = "".join(c if " " <= c <= "~" else c.encode("unicode_escape").decode() for c in text[:SHOWN_LIMIT])
    if len(text) > SHOWN_LIMIT or len(escaped) > SHOWN_LIMIT:
        escaped = escaped[:SHOWN_LIMIT] + "..."
    return f'"{escaped}"'


def size_octets(text: str) -> int:
    """How many octets `text` has on the wire."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def read_mailbox(text: str) -> tuple[str, str]:
    """Read `Local-part "@" ( Domain / address-literal )`.

    Returns:
        The local part without quotes and backslashes, and the domain as written.

    Raises:
        AddressError: what is wrong first, from left to right, then what is too long.
    """
    local_part, domain = _split_at_sign(text)
    if local_part.startswith('"'):
        name = _QUOTED_PAIR.sub(r"\1", local_part[1:-1])
    else:
        check_dot_string(local_part)
        name = local_part
    _check_size("the part before the @", local_part, LOCAL_PART_LIMIT_OCTETS)
    check_domain(domain)
    _check_size("the whole address", text, PATH_LIMIT_OCTETS - len("<>"))
    return name, domain


def check_dot_string(text: str) -> None:
    """Check a local part that is not in quotes.

    Raises:
        AddressError: it is no Dot-string.
    """
    if not text:
        raise AddressError("nothing stands before the @; a name belongs there, as in carol@example.com")
    if wrong := _NOT_IN_DOT_STRING.search(text):
        quotable = " " <= wrong[0] <= "~"
        advice = "it may stand there only in quotation marks" if quotable else "no address may hold it"
        raise AddressError(f"{_named(wrong[0])} in {shown(text)} before the @; {advice}")
    if not DOT_STRING.fullmatch(text):
        raise AddressError(f"a dot too many in {shown(text)} before the @; write single dots, and only between letters")


def check_domain(text: str) -> None:
    """Check a domain or an address literal.

    Raises:
        AddressError: it is neither.
    """
    if not text:
        raise AddressError("nothing stands after the @; a domain belongs there, as in carol@example.com")
    _check_size("the domain", text, DOMAIN_LIMIT_OCTETS)
    if text.startswith("["):
        _check_literal(text)
    elif not _ORDINARY_DOMAIN.fullmatch(text):
        for label in text.split("."):
            _check_label(label, text)


def _split_at_sign(text: str) -> tuple[str, str]:
    """Part a mailbox at its @, the local part as written."""
    if text.startswith('"'):
        if not (pair := _QUOTES_IN_PAIRS.match(text)):
            raise AddressError(f"a quotation mark in {shown(text)} is never closed; quotation marks come in pairs")
        if not _QUOTED_STRING.fullmatch(pair[0]):
            raise AddressError(
                f"a control character or a wrong \\ in {shown(pair[0])}; quote printable characters only"
            )
        if not text.startswith("@", pair.end()):
            raise AddressError(f'no @ behind the quotation marks of {shown(text)}; write "a name"@example.com')
        return pair[0], text[pair.end() + 1 :]
    local_part, at_sign, domain = text.partition("@")
    if not at_sign:
        found = f"no @ in {shown(text)}" if text else "the address is empty"
        raise AddressError(f"{found}; an address is name@domain, as in carol@example.com")
    if "@" in domain:
        raise AddressError(f'more than one @ in {shown(text)}; one belongs between name and domain, others in "..."')
    return local_part, domain


def _check_label(label: str, domain: str) -> None:
    if not label:
        raise AddressError(f"a dot too many in the domain {shown(domain)}; write single dots, and only between names")
    for character in label:
        letter_like = unicodedata.category(character)[0] in "LM" or unicodedata.category(character) == "Nd"
        if not (letter_like or character == "-" or character in _JOINERS):
            raise AddressError(
                f"{_named(character)} in the domain {shown(domain)}; only letters, digits, - and dots are right"
            )
    if label.startswith("-") or label.endswith("-"):
        raise AddressError(f"- at an end of {shown(label)} in the domain; a letter or digit belongs there")
    # A label in UTF-8 is as long as its form in the DNS (RFC 5890 section 2.3.2.1).
    octets = len(label) if label.isascii() else len(b"xn--" + label.encode("punycode"))
    if octets > LABEL_LIMIT_OCTETS:
        raise AddressError(f"{shown(label)} in the domain has {octets} octets; up to {LABEL_LIMIT_OCTETS} are allowed")


def _check_literal(text: str) -> None:
    tag, _, number = text[1:-1].partition(":")
    try:
        if not text.endswith("]") or "%" in number:
            raise ValueError(text)  # a zone (%eth0) has no meaning on another machine
        if tag.lower() == "ipv6":
            ipaddress.IPv6Address(number)
        else:
            ipaddress.IPv4Address(text[1:-1])
    except ValueError:
        raise AddressError(f"{shown(text)} is no address literal; write [172.16.1.1] or [IPv6:2001:db8::1]") from None


def _check_size(what: str, text: str, limit_octets: int) -> None:
    if (found := size_octets(text)) > limit_octets:
        raise AddressError(f"{what} has {found} octets; up to {limit_octets} are allowed")


def _named(character: str) -> str:
    """One character as an error names it."""
    if character == " ":
        return "a space"
    return f'"{character}"' if "!" <= character <= "~" else f"the character U+{ord(character):04X}"
