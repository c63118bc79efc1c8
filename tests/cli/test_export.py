"""`maillab export compose`."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from maillab.cli.main import cli

LAB = '[lab]\nname = "mine"\n[[domain]]\nname = "nord.example"\nusers = ["anna"]\naddress = "{address}"\n'


def test_a_lab_that_ships_goes_by_its_name() -> None:
    """It is in the image."""
    result = CliRunner().invoke(cli, ["export", "compose", "gartenparty"])
    assert result.exit_code == 0
    assert 'command: ["up", "gartenparty", "--only", "mail.example.com", ' in result.output
    assert "type: bind" not in result.output


def test_a_file_goes_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is seen from where the command runs, which is where the output is written to."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/lab.toml").write_text(LAB.format(address="10.0.0.1"))
    monkeypatch.chdir(tmp_path)
    for lab in ("mine", "mine/lab.toml", str(tmp_path / "mine")):
        result = CliRunner().invoke(cli, ["export", "compose", lab])
        assert result.exit_code == 0
        assert 'source: "./mine/lab.toml"' in result.output


def test_what_no_network_holds_is_told_in_one_line(tmp_path: Path) -> None:
    """And nothing is written."""
    path = tmp_path / "lab.toml"
    path.write_text(LAB.format(address="203.0.114.9"))
    result = CliRunner().invoke(cli, ["export", "compose", str(path)])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "are in no one private network" in result.stderr
