"""The lab's own certificate authority: whom it vouches for, and how it is kept."""

from __future__ import annotations

import ssl
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from maillab.lab.authority import CERTIFICATE_NAME, KEY_NAME, Authority
from maillab.lab.listening import LabStartError
from tests.labs import NORD, memory_lab
from tests.mailserver.guests import guest

ANNA: Final = "anna@nord.example"


def test_is_made_once() -> None:
    """All servers of a lab are vouched for by one authority; another lab has another."""
    authority = Authority(None)

    assert authority.certificate == authority.certificate
    assert authority.certificate.startswith(b"-----BEGIN CERTIFICATE-----\n")
    assert authority.server_context("a.example", ()) is authority.server_context("a.example", ())
    assert Authority(None).certificate != authority.certificate


def test_is_the_same_after_a_restart(tmp_path: Path) -> None:
    """With a data folder it is kept, so that who trusts the lab does so tomorrow too."""
    assert Authority(tmp_path).certificate == Authority(tmp_path).certificate
    assert (tmp_path / CERTIFICATE_NAME).read_bytes() == Authority(tmp_path).certificate


@pytest.mark.parametrize("before", [None, 0o644])
def test_nobody_else_reads_the_key(before: int | None, tmp_path: Path) -> None:
    """The key's file is for its owner alone, also where a file of that name was there."""
    key = tmp_path / KEY_NAME
    if before is not None:
        key.touch(before)
    assert Authority(tmp_path).certificate

    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert b"PRIVATE KEY" in key.read_bytes()


def test_nothing_is_written_before_it_is_needed(tmp_path: Path) -> None:
    """A lab in which nobody speaks TLS leaves no key behind."""
    Authority(tmp_path)

    assert [*tmp_path.iterdir()] == []


async def test_a_client_that_trusts_the_lab_does_so_after_a_restart(tmp_path: Path) -> None:
    """A certificate that was fetched once holds for the server of the next run."""
    async with memory_lab(data=tmp_path) as lab:
        context = ssl.create_default_context(cadata=lab.authority.certificate.decode())
    for _ in range(2):
        async with memory_lab(data=tmp_path) as lab, guest(lab) as client:
            await client.say("STARTTLS")
            await client.encrypt(context, NORD)
            assert "STARTTLS" not in await client.hello()


@pytest.mark.parametrize(
    ("certificate", "key"), [(b"nonsense", b"nonsense"), (b"", b""), (None, b"nonsense"), (b"nonsense", None)]
)
async def test_an_authority_that_is_none_is_one_line(
    certificate: bytes | None, key: bytes | None, tmp_path: Path
) -> None:
    """Files that somebody has damaged stop the lab at its start, and the line says what to do."""
    assert Authority(tmp_path).certificate
    for name, octets in ((CERTIFICATE_NAME, certificate), (KEY_NAME, key)):
        if octets is not None:
            (tmp_path / name).write_bytes(octets)
    with pytest.raises(LabStartError) as caught:
        async with memory_lab(data=tmp_path):
            pass

    assert str(caught.value).startswith(f"{CERTIFICATE_NAME} and {KEY_NAME} in {tmp_path} are no certificate authority")
    assert str(caught.value).endswith("; remove both, and new ones are made")
    assert "\n" not in str(caught.value)


def test_servers_connect_unchecked() -> None:
    """Between mail servers any certificate will do (RFC 7435): what counts is that nobody reads along."""
    context = Authority(None).client_context()

    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)


@pytest.mark.parametrize("names", [(), ("nord.example", "172.16.1.1"), ("xn--grn-hoa.example",)])
def test_vouches_for_every_kind_of_name(names: Sequence[str]) -> None:
    """Domains and addresses go into one certificate."""
    assert isinstance(Authority(None).server_context(NORD, names), ssl.SSLContext)
