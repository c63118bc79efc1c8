"""`maillab validate LAB`."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from maillab.cli.validate import validate


@pytest.mark.parametrize(
    ("lab", "line"),
    [
        ("two-schools", "two-schools: ok, 3 servers, 4 users\n"),
        ("gartenparty", "gartenparty: ok, 1 server, 3 users\n"),
    ],
)
def test_a_right_lab_is_one_line_on_stdout(lab: str, line: str) -> None:
    """What is right is said with its size, and the exit code is 0."""
    result = CliRunner().invoke(validate, [lab])
    assert (result.exit_code, result.stdout, result.stderr) == (0, line, "")


def test_every_mistake_is_a_line_on_stderr(tmp_path: Path) -> None:
    """What is wrong is said line by line, with exit code 2 and nothing on stdout."""
    (tmp_path / "lab.toml").write_text(
        '[lab]\nname = "test"\n[[domain]]\nname = "nord.example"\nusers = ["anna", "Anna"]\nhots = "x"\n'
    )
    result = CliRunner().invoke(validate, [str(tmp_path)])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        'domain[0].hots: unknown key; did you mean "host"?',
        'domain[0].users[1]: "Anna" is domain[0].users[0] already; give each its own name, case does not count',
    ]


def test_an_unknown_lab_is_one_line_on_stderr() -> None:
    """A lab that nobody knows is wrong use: exit code 2, and the nearest lab is named."""
    result = CliRunner().invoke(validate, ["two-school"])
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert 'did you mean "two-schools"?' in result.stderr


def test_a_lab_has_to_be_named() -> None:
    """Without a LAB there is nothing to check: exit code 2."""
    assert CliRunner().invoke(validate).exit_code == 2
