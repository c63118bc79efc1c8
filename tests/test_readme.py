"""The README says what is so: its files, commands, options, samples, map and table are held against the code."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs
import pytest

from maillab.cli.main import cli
from maillab.lab.load import parse_lab
from maillab.lab.mistakes import LabFileError
from maillab.trace.record import CONTEXT_KEYS, EVENTS
from tests.interop.test_lesson import CONVERSATION, GREETING
from tests.test_floors import FLOOR_OF, FRONT_DOOR, PACKAGE, REPOSITORY, modules_of

README: Final = (REPOSITORY / "README.md").read_text(encoding="utf-8")
PROGRAMS_OF_OTHERS: Final = {"python3", "pip", "python", "nc", "swaks"}
LADDER_COLUMNS: Final = 80


@attrs.frozen
class Block:
    """A fenced block."""

    language: str  # "" for what was printed or typed
    section: str
    text: str


def blocks() -> Iterator[Block]:
    start, *sections = re.split(r"(?m)^## (.*)$", README)
    for section, body in [("", start), *zip(sections[::2], sections[1::2], strict=True)]:
        for language, text in re.findall(r"(?ms)^```(\w*)\n(.*?)^```$", body):
            yield Block(language, section, text)


def blocks_in(language: str) -> list[str]:
    return [block.text for block in blocks() if block.language == language]


def simple_commands() -> Iterator[list[str]]:
    """Every command of the shell blocks, without what the shell does around it, and every `maillab ...` in the text."""
    prose = re.sub(r"(?ms)^```.*?^```$", "", README)
    lines = [line for text in blocks_in("sh") for line in text.splitlines()]
    lines += [code for code in re.findall(r"`([^`\n]+)`", prose) if code.startswith("maillab ")]
    for line in lines:
        for part in re.split(r"&&|\||;", line):
            yield shlex.split(part.partition(">")[0])


def test_every_linked_file_exists() -> None:
    """A link leads somewhere in this repository."""
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", README)
    assert links
    assert [link for link in links if not (REPOSITORY / link).exists()] == []


def test_every_command_and_option_shown_exists() -> None:
    """What a reader types is understood, and programs of others are few."""
    shown = list(simple_commands())
    assert shown
    for words in shown:
        program = Path(words[0]).name
        if program != "maillab":
            assert program in PROGRAMS_OF_OTHERS
            continue
        command = cli.commands[words[1]]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words[2:] if word.startswith("-") and word != "-"} <= options


def test_every_option_in_the_text_exists() -> None:
    """`--option` in a sentence is an option of some command of ours."""
    options = {option for command in cli.commands.values() for each in command.params for option in each.opts}
    prose = re.sub(r"(?ms)^```.*?^```$", "", README)
    named = set(re.findall(r"`(--[a-z-]+)", prose))
    assert named
    assert named <= options


@pytest.mark.parametrize("section", ["Run it", "Test it"])
def test_the_two_commands_are_one_line_each(section: str) -> None:
    """`.ci/run` takes them from here: the only shell block of their section, and it does its own set-up."""
    (text,) = [block.text for block in blocks() if block.section == section and block.language == "sh"]
    (line,) = text.splitlines()
    assert line.startswith("python3 -m venv .venv && .venv/bin/pip install ")


def test_the_sample_of_a_lab_file_is_right() -> None:
    """It can be copied and started."""
    right, _ = blocks_in("toml")
    assert [server.host for server in parse_lab(right, "README.md").servers] == [
        "mail.office.example",
        "mail.branch.example",
        "gateway.example",
    ]


def test_the_mistakes_shown_are_what_validate_says() -> None:
    """The wrong sample is wrong in just these words."""
    _, wrong = blocks_in("toml")
    with pytest.raises(LabFileError) as error:
        parse_lab(wrong, "README.md")
    said = "".join(f"{mistake}\n" for mistake in error.value.mistakes)
    assert said in blocks_in("")


def test_the_program_shown_prints_what_is_shown(tmp_path: Path) -> None:
    """It runs as it stands."""
    (program,) = blocks_in("python")
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout in blocks_in("")


def test_the_conversation_shown_is_the_lesson() -> None:
    """It is the one that is typed, and answered octet for octet, in the tests with nc."""
    replies = (typed.encode() + reply.replace(b"\r\n", b"\n") for typed, reply in CONVERSATION)
    assert (GREETING.replace(b"\r\n", b"\n") + b"".join(replies)).decode() in blocks_in("")


def test_what_is_shown_fits_a_terminal() -> None:
    """Ladders are drawn for 80 columns."""
    ladders = [text for text in blocks_in("") if "►" in text]
    assert len(ladders) == 2
    assert max(len(line) for text in ladders for line in text.splitlines()) <= LADDER_COLUMNS


def test_the_map_of_the_house_shows_every_room_on_its_floor() -> None:
    """Rooms that are there, and no others."""
    (plan,) = [text for text in blocks_in("") if text.startswith("floor ")]
    lines = re.findall(r"(?m)^floor (\d) +\w+ +(.+?) {4,}", plan)
    shown = {room: int(floor) for floor, rooms in lines for room in rooms.split()}
    rooms = {module[0] for module in modules_of(PACKAGE)} - {*FRONT_DOOR}
    assert shown == {room: FLOOR_OF[room] for room in rooms}


def test_the_table_of_records_is_the_closed_list() -> None:
    """Every event with its words and keys, in the same order, and no other."""
    rows = re.findall(r"(?m)^\| `([a-z.]+)` \| (.+?) \|(.*)\|$", README)
    shown = [(name, says, tuple(re.findall(r"`(\w+)`", keys))) for name, says, keys in rows]
    assert shown == [(name, event.says, event.keys) for name, event in EVENTS.items()]


def test_the_keys_of_every_record_are_named() -> None:
    """The keys that a reader of a log meets everywhere are above the table."""
    (section,) = re.findall(r"(?ms)^## Records$(.*?)^\| event", README)
    assert {"run", "seq", "at", "event", "lab", *CONTEXT_KEYS} <= set(re.findall(r"`(\w+)`", section))
