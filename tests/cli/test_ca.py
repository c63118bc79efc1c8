"""`maillab ca`: what is to be trusted, and by whom it is told."""

from __future__ import annotations

import ssl

import httpx
import pytest

from maillab.network.tls import TlsError
from tests.cli.page import asked_lab, maillab
from tests.labs import NORD
from tests.mailserver.guests import guest


async def test_writes_the_certificate() -> None:
    """Octet for octet what the lab has, and nothing else: it can go straight into a file."""
    async with asked_lab() as asked:
        result = await asked.maillab("ca")

        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout_bytes == asked.lab.authority.certificate


async def test_who_trusts_it_trusts_the_lab() -> None:
    """A client with that file alone checks the server's certificate, and one with another lab's refuses it."""
    async with asked_lab() as asked, asked_lab() as other:
        ours, others = [(await each.maillab("ca")).stdout for each in (asked, other)]
        async with guest(asked.lab) as client:
            await client.say("STARTTLS")
            await client.encrypt(ssl.create_default_context(cadata=ours), NORD)
            assert "STARTTLS" not in await client.hello()
        async with guest(asked.lab) as client:
            await client.say("STARTTLS")
            with pytest.raises(TlsError, match="CERTIFICATE_VERIFY_FAILED"):
                await client.encrypt(ssl.create_default_context(cadata=others), NORD)


async def test_the_api_says_what_it_is() -> None:
    """The API gives it with the media type of RFC 8555, and to nobody without the password."""
    async with asked_lab(password="geheim") as asked, httpx.AsyncClient(base_url=asked.url, trust_env=False) as client:
        assert (await client.get("/api/lab/ca.pem")).status_code == 401
        response = await client.get("/api/lab/ca.pem", auth=("maillab", "geheim"))

        assert response.headers["content-type"] == "application/pem-certificate-chain"
        assert response.content == asked.lab.authority.certificate
        assert (await asked.maillab("ca")).stdout_bytes == response.content


async def test_no_lab_is_one_line() -> None:
    """Where nobody answers, nothing is written, and the line says what to do."""
    result = await maillab("ca", "--url", "http://127.0.0.1:1")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "no lab answers at http://127.0.0.1:1 (connection refused); start one with maillab up" in result.stderr
