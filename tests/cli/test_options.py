"""How a lab is named."""

from __future__ import annotations

import pytest

from tests.cli.page import maillab


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://127.0.0.1:8025", "is no address of a lab; give one like http://127.0.0.1:8025"),
        ("http://", "is no address of a lab"),
        ("127.0.0.1:80250", "is no address of a lab"),
        ("http://[::1", "is no address of a lab"),
        ("http://x/?a=b", "is no address of a lab"),
        ("http://anna:geheim@127.0.0.1:8025", "give it as MAILLAB_PASSWORD"),
    ],
)
async def test_what_is_no_url_is_wrong_use(url: str, said: str) -> None:
    """Nobody is asked, and the exit code is 2."""
    result = await maillab("traces", "--url", url)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "geheim" not in result.stderr
