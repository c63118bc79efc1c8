"""`maillab ca`: the certificate of a running lab's authority, for mail programs to trust."""

from __future__ import annotations

import click
import httpx

from maillab.cli.ask import ask
from maillab.cli.options import url_option

CERTIFICATE_PATH = "/api/lab/ca.pem"
PEM_KIND = "application/pem-certificate-chain"  # RFC 8555 section 9.1


@click.command
@url_option
def ca(url: httpx.URL) -> None:
    """Write the lab authority's certificate, in PEM: maillab ca > lab-ca.pem.

    A program that trusts it can check the lab's servers, as swaks does with --tls-verify --tls-ca-path lab-ca.pem.
    Without --data, each start of a lab has an authority of its own.
    """
    click.echo(ask(url, lambda lab: lab.octets_at(CERTIFICATE_PATH, PEM_KIND)).decode("ascii"), nl=False)
