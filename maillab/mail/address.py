"""Addresses and paths: `carol@example.com`, `<carol@example.com>`, `<>` (RFC 5321 section 4.1.2)."""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import Final, NoReturn

import attrs

from maillab.mail.syntax import (
    ATEXT,
    BAD_SENDER_SYNTAX,
    DOT_STRING,
    LABEL,
    LOCAL_PART_LIMIT_OCTETS,
    PATH_LIMIT_OCTETS,
    AddressError,
    check_domain,
    read_mailbox,
    shown,
    size_octets,
)

__all__ = ["Address", "AddressError", "NullPath", "read_forward_path", "read_reverse_path", "show_path"]

NullPath: Final = None
"""The reverse path `<>`: nobody is to be told when this mail cannot be delivered (RFC 5321 section 4.5.5)."""

# Nearly every address is one of these; the grammar in full takes ten times as long.
_ORDINARY: Final = re.compile(rf"([{ATEXT}]+(?:\.[{ATEXT}]+)*)@({LABEL}(?:\.{LABEL})*)")

_PATH: Final = re.compile(r' *<([^<>"]*(?:"(?:[^"\\]|\\.)*"[^<>"]*)*)>', re.DOTALL)
_AT_DOMAIN: Final = r'@(?:\[[^\[\]]*\]|[^@,:\[\]"]+)'
_SOURCE_ROUTE: Final = re.compile(rf"{_AT_DOMAIN}(?:,{_AT_DOMAIN})*:")
_TO_ESCAPE: Final = re.compile(r'(["\\])')


@attrs.frozen
class Address:
    """A mailbox, or the bare Postmaster of whatever server is asked.

    Make one with `parse` or by reading a path; the constructor itself checks nothing.

    Attributes:
        local_part: without quotes and backslashes, otherwise as written.
        domain: as written; "[127.0.0.1]" or "[IPv6:::1]" for literals; "" only for the bare Postmaster.
    """

    local_part: str
    domain: str

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read a mailbox (RFC 5321 section 4.1.2), also in UTF-8 (RFC 6531 section 3.3).

        The percent hack, bang paths and an @ in quotes are nothing special here: local parts with odd characters.

        Raises:
            AddressError: `text` is no mailbox, or one that is too long.
        """
        return _parsed(text)

    def __str__(self) -> str:
        return self._written

    @functools.cached_property
    def _written(self) -> str:
        local_part = self.local_part
        if not DOT_STRING.fullmatch(local_part):
            local_part = '"' + _TO_ESCAPE.sub(r"\\\1", local_part) + '"'
        return f"{local_part}@{self.domain}" if self.domain else local_part

    @functools.cached_property
    def key(self) -> str:
        """What compares: local parts without case here, domains everywhere (RFC 5321 section 2.4)."""
        text = f"{self.local_part}@{self.domain}" if self.domain else self.local_part
        return _folded(text)

    @functools.cached_property
    def domain_key(self) -> str:
        """What compares of the domain."""
        return _folded(self.domain)

    @property
    def is_ascii(self) -> bool:
        """False if every server on the way needs SMTPUTF8 (RFC 6531)."""
        return self.local_part.isascii() and self.domain.isascii()


@functools.lru_cache(maxsize=4096)  # the same few again and again: each server on the way reads them several times
def _parsed(text: str) -> Address:
    if len(text) <= PATH_LIMIT_OCTETS - len("<>"):
        match = _ORDINARY.fullmatch(text)
        if match and match.end(1) <= LOCAL_PART_LIMIT_OCTETS:
            return Address(match[1], match[2])
    return Address(*read_mailbox(text))


def read_reverse_path(text: str) -> tuple[Address | None, str]:
    """Read what follows `MAIL FROM:`, with or without spaces first.

    Returns:
        The path, None for `<>`, and the text of the parameters behind it, "" if there are none.

    Raises:
        AddressError: with status 5.1.7.
    """
    try:
        inner, rest = _split_path(text)
        return (_read_inner(inner) if inner else NullPath), rest
    except AddressError as error:
        raise AddressError(str(error), BAD_SENDER_SYNTAX) from None


def read_forward_path(text: str) -> tuple[Address, str]:
    """Read what follows `RCPT TO:`, with or without spaces first.

    Returns:
        The path and the text of the parameters behind it.  `<Postmaster>`, in any case, needs no domain (RFC 5321
        section 4.5.1).

    Raises:
        AddressError: with status 5.1.3.
    """
    inner, rest = _split_path(text)
    if not inner:
        raise AddressError("<> names nobody; a recipient is written like <carol@example.com>")
    if inner.lower() == "postmaster":
        return Address(inner, ""), rest
    return _read_inner(inner), rest


def show_path(path: Address | None) -> str:
    """The path as it goes over the wire."""
    return "<>" if path is None else f"<{path}>"


def _folded(text: str) -> str:
    """`text` without case; a letter with its accent behind it is the same as both in one (RFC 6530 section 10.1)."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text.lower())


def _split_path(text: str) -> tuple[str, str]:
    """Part `<...> PARAMETERS` into what the brackets hold and the parameters."""
    match = _PATH.match(text)
    if not match:
        _refuse_path(text.strip(" "))
    rest = text[match.end() :]
    parameters = rest.strip(" ")
    if parameters.startswith("<"):
        raise AddressError(f"a second address {shown(parameters)}; one command takes one address")
    if rest and not rest.startswith(" "):
        raise AddressError(f"{shown(rest)} stands right behind the >; end there, or go on with a space and parameters")
    return match[1], parameters


def _refuse_path(text: str) -> NoReturn:
    """Say why `text` does not begin with a path in brackets."""
    before, bracket, _ = text.partition("<")
    if not text:
        raise AddressError("no address; write it in < >: <carol@example.com>")
    if not bracket:
        raise AddressError(f"no < > around {shown(text)}; put the address in < >: {_suggested_path(text)}")
    if before:
        raise AddressError(f"{shown(before)} stands before the <; write the address alone: <carol@example.com>")
    if text.count('"') % 2:
        raise AddressError(f"a quotation mark in {shown(text)} is never closed; quotation marks come in pairs")
    if ">" not in text:
        raise AddressError(f"no > at the end of {shown(text)}; put the address in < >: <carol@example.com>")
    raise AddressError(f"< or > at a wrong place in {shown(text)}; write one pair of them: <carol@example.com>")


def _suggested_path(text: str) -> str:
    """The path that was perhaps meant, if it is fit for a reply, else an example."""
    word = text.partition(" ")[0].rstrip(">")
    match = _ORDINARY.fullmatch(word) if len(word) < PATH_LIMIT_OCTETS // 2 else None
    return f"<{match[0]}>" if match else "<carol@example.com>"


def _read_inner(inner: str) -> Address:
    """Read what the brackets hold; a source route is read and then ignored (RFC 5321 appendix C)."""
    if not (route := _SOURCE_ROUTE.match(inner)):
        return Address.parse(inner)
    for domain in route[0][1:-1].split(",@"):
        check_domain(domain)
    address = Address.parse(inner[route.end() :])
    if (found := size_octets(inner) + len("<>")) > PATH_LIMIT_OCTETS:
        raise AddressError(f"the path has {found} octets with its source route; up to {PATH_LIMIT_OCTETS} are allowed")
    return address
