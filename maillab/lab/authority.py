"""The lab's own certificate authority: every server gets a certificate, and whoever trusts the lab can check it."""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import trustme

from maillab.network.network import LOOPBACK

CERTIFICATE_NAME: Final = "ca.pem"
KEY_NAME: Final = "ca-key.pem"
_KEY_MODE: Final = 0o600  # nobody else may sign for the lab
LOCAL_NAMES: Final = ("localhost", *LOOPBACK.values())
"""How programs on the lab's own machine call every server."""


class Authority:
    """Made when it is first needed; with a data folder it stays the same over restarts."""

    def __init__(self, data: Path | None) -> None:
        """`data` is the data folder, where there is one.

        Raises:
            ValueError: what the folder keeps is no authority.
            OSError: it cannot be read.
        """
        self._data = data
        self._made = self._kept()
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._client_context: ssl.SSLContext | None = None

    @property
    def certificate(self) -> bytes:
        """The authority's certificate, PEM: what a client is to trust."""
        return self._ca.cert_pem.bytes()

    def server_context(self, host: str, names: Sequence[str]) -> ssl.SSLContext:
        """What the server `host` shows: a certificate for its host name and `names`, and for this machine."""
        if host not in self._contexts:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._ca.issue_cert(host, *names, *LOCAL_NAMES, common_name=host).configure_cert(context)
            self._contexts[host] = context
        return self._contexts[host]

    def client_context(self) -> ssl.SSLContext:
        """What our servers connect with: encrypted, and unchecked, as between mail servers (RFC 7435).

        Another process of the same lab has an authority of its own, so there is nothing to check against.
        """
        if self._client_context is None:
            self._client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self._client_context.check_hostname = False
            self._client_context.verify_mode = ssl.CERT_NONE
        return self._client_context

    @property
    def _ca(self) -> trustme.CA:
        if self._made is None:
            self._made = self._keep(trustme.CA(organization_name="maillab"))
        return self._made

    def _kept(self) -> trustme.CA | None:
        if self._data is None:
            return None
        certificate, key = self._data / CERTIFICATE_NAME, self._data / KEY_NAME
        if not (certificate.exists() and key.exists()):
            return None
        return trustme.CA.from_pem(certificate.read_bytes(), key.read_bytes())

    def _keep(self, ca: trustme.CA) -> trustme.CA:
        if self._data is not None:
            key = self._data / KEY_NAME
            key.unlink(missing_ok=True)  # a file that is there would keep its mode
            with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _KEY_MODE), "wb") as file:
                file.write(ca.private_key_pem.bytes())
            (self._data / CERTIFICATE_NAME).write_bytes(ca.cert_pem.bytes())
        return ca
