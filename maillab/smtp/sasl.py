"""Logging in: the mechanisms PLAIN (RFC 4616) and LOGIN, as exchanges of lines (RFC 4954).

Sans-I/O.  What is secret never leaves the `Credentials`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Final

import attrs

RESPONSE_LIMIT_OCTETS: Final = 12288  # RFC 4954 section 4.2, CRLF included


class SaslError(Exception):
    """The client's response is none; `str()` says what it should be."""


@attrs.frozen
class Challenge:
    """The server asks for more; `text` is what it asks, before base64."""

    text: bytes = b""

    @property
    def encoded(self) -> str:
        return base64.b64encode(self.text).decode("ascii")


@attrs.frozen
class Credentials:
    """Who somebody says to be, and the proof of it."""

    user: str
    password: str = attrs.field(repr=False)


Step = Challenge | Credentials


class Plain:
    """PLAIN: everything in one response (RFC 4616 section 2)."""

    def respond(self, response: bytes | None) -> Step:
        if response is None:
            return Challenge()
        try:
            authorization, user, password = response.decode("utf-8").split("\0")
        except ValueError:
            raise SaslError("a PLAIN response is base64 of NUL user NUL password") from None
        if authorization not in ("", user):
            raise SaslError("nobody may act for somebody else here: leave the authorization identity empty")
        return Credentials(user, password)


class Login:
    """LOGIN: user and password one after the other; never a standard, and still what many clients speak."""

    def __init__(self) -> None:
        self._user: str | None = None

    def respond(self, response: bytes | None) -> Step:
        if response is None:
            return Challenge(b"Username:")
        try:
            text = response.decode("utf-8")
        except UnicodeDecodeError:
            raise SaslError("a LOGIN response is base64 of UTF-8 text") from None
        if self._user is None:
            self._user = text
            return Challenge(b"Password:")
        return Credentials(self._user, text)


Exchange = Plain | Login

MECHANISMS: Final[Mapping[str, Callable[[], Exchange]]] = {"PLAIN": Plain, "LOGIN": Login}


def decode_response(text: str) -> bytes:
    """What a client's line says, decoded.

    Raises:
        SaslError: it is no base64.
    """
    try:
        return binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (UnicodeEncodeError, binascii.Error):
        raise SaslError("a response is base64 (RFC 4648 section 4)") from None
