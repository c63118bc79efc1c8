"""The API that moves the clock and changes DNS: orders that are none."""

from __future__ import annotations

import httpx
import pytest

from tests.cli.page import asked_lab


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("clock/advance", b"{"),
        ("clock/advance", b"[]"),
        ("clock/advance", b"{}"),
        ("clock/advance", b'{"seconds": "1"}'),
        ("clock/advance", b'{"seconds": true}'),
        ("clock/advance", b'{"seconds": -1}'),
        ("clock/advance", b'{"seconds": 1, "hours": 1}'),
        ("dns", b'{"name": "sued.example"}'),
        ("dns", b'{"name": "sued.example", "type": "MX", "values": "10 relay.example"}'),
        ("dns", b'{"name": "sued.example", "type": "MX", "values": [10]}'),
        ("dns", b'{"name": "sued.example", "type": "MX", "values": ["10 relay.example"], "ttl": "60"}'),
        ("dns", b'{"name": "sued.example", "type": "SRV", "values": []}'),
    ],
)
async def test_an_order_that_is_none_is_told_what_is_one(path: str, body: bytes) -> None:
    """400, with what was found and how to mend it; nothing has changed."""
    async with asked_lab("two-schools") as asked:
        before = asked.lab.zones.records()
        async with httpx.AsyncClient(base_url=asked.url, trust_env=False) as client:
            response = await client.post(f"/api/lab/{path}", content=body)
        assert response.status_code == 400
        assert set(response.json()) == {"error", "mend"}
        assert (asked.lab.clock.ahead_seconds, asked.lab.zones.records()) == (0, before)
