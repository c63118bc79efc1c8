"""`maillab labs`."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from maillab.cli.labs import labs


def test_the_table_names_every_lab_that_ships() -> None:
    """People see names, titles, servers and users."""
    result = CliRunner().invoke(labs)
    assert result.exit_code == 0
    for word in ("gartenparty", "two-schools", "Two schools", "relay.example", "anna@nord.example"):
        assert word in result.output


@pytest.mark.parametrize("how", ["option", "environment"])
def test_json_is_a_list_of_objects(how: str) -> None:
    """Programs get the same as JSON, asked for by option or by environment."""
    arguments = ["--format", "json"] if how == "option" else []
    environment = {"MAILLAB_FORMAT": "json"} if how == "environment" else {}
    result = CliRunner().invoke(labs, arguments, env=environment)
    assert result.exit_code == 0
    found = {lab["name"]: lab for lab in json.loads(result.stdout)}
    assert list(found) == [
        "backup-mx",
        "bounce",
        "faults",
        "gartenparty",
        "later",
        "loop",
        "two-schools",
        "with-postfix",
    ]
    assert found["two-schools"] == {
        "name": "two-schools",
        "title": {"en": "Two schools", "de": "Zwei Schulen"},
        "domains": ["nord.example", "sued.example"],
        "servers": ["mail.nord.example", "mail.sued.example", "relay.example"],
        "users": ["anna@nord.example", "nils@nord.example", "ben@sued.example", "berta@sued.example"],
    }


def test_the_command_line_beats_the_environment() -> None:
    """An option that is given wins."""
    result = CliRunner().invoke(labs, ["--format", "table"], env={"MAILLAB_FORMAT": "json"})
    assert not result.output.startswith("[")
