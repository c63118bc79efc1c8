from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maillab.network.endpoint import Endpoint


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("127.0.0.1:25", Endpoint("127.0.0.1", 25)),
        ("0.0.0.0:0", Endpoint("0.0.0.0", 0)),
        ("[::1]:65535", Endpoint("::1", 65535)),
        ("[2001:DB8:0::1]:25", Endpoint("2001:db8::1", 25)),
        ("localhost:2525", Endpoint("localhost", 2525)),
        ("mail.nord-1.example:25", Endpoint("mail.nord-1.example", 25)),
        ("my_container:25", Endpoint("my_container", 25)),
    ],
)
def test_an_address_or_a_host_name_with_a_port_is_an_endpoint(text: str, endpoint: Endpoint) -> None:
    """HOST:PORT is read for IPv4, IPv6 in brackets and host names."""
    assert Endpoint.parse(text) == endpoint


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:99999", "with a port from 0 to 65535"),
        ("127.0.0.1:65536", "with a port from 0 to 65535"),
        ("127.0.0.1:", "with a port from 0 to 65535"),
        ("127.0.0.1", "with a port from 0 to 65535"),
        ("25", "with a port from 0 to 65535"),
        ("", "with a port from 0 to 65535"),
        ("127.0.0.1:+25", "with a port from 0 to 65535"),
        ("127.0.0.1: 25", "with a port from 0 to 65535"),
        ("127.0.0.1:025", "with a port from 0 to 65535"),
        ("127.0.0.1:2_5", "with a port from 0 to 65535"),
        ("127.0.0.1:\u0662\u0665", "with a port from 0 to 65535"),  # Arabic-Indic digits
        ("127.0.0.1:25\n", "with a port from 0 to 65535"),
        ("::1:25", "in brackets: [::1]:25"),
        ("[::g]:25", "an IPv6 address between [ and ]"),
        ("[127.0.0.1]:25", "an IPv6 address between [ and ]"),
        ("127.1:25", "four numbers from 0 to 255"),
        ("127.0.0.256:25", "four numbers from 0 to 255"),
        ("010.0.0.1:25", "four numbers from 0 to 255"),
        (":25", "with a port from 0 to 65535"),
        ("-nord:25", "letters, digits, dots and hyphens"),
        ("nord example:25", "letters, digits, dots and hyphens"),
        ("anna@nord.example:25", "letters, digits, dots and hyphens"),
    ],
)
def test_anything_else_is_refused_with_what_was_found_and_expected(text: str, expected: str) -> None:
    """The error quotes the text and says how to write it."""
    with pytest.raises(ValueError, match="is no address; ") as caught:
        Endpoint.parse(text)
    assert str(caught.value).startswith(f'"{text}" is no address; ')
    assert expected in str(caught.value)


@given(st.ip_addresses(), st.integers(0, 65535))
def test_what_an_endpoint_shows_it_reads(address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> None:
    """`str` and `parse` are each other's inverse."""
    endpoint = Endpoint(str(address), port)
    assert Endpoint.parse(str(endpoint)) == endpoint


@given(st.text())
def test_no_text_breaks_the_reader(text: str) -> None:
    """Whatever is read either shows itself as an endpoint again, or is a ValueError."""
    try:
        endpoint = Endpoint.parse(text)
    except ValueError:
        return
    assert Endpoint.parse(str(endpoint)) == endpoint
