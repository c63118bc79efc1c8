"""The README says what is so: its files, commands, options, samples, map and tables are held against the code."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, get_type_hints

import attrs
import click
import httpx
import pytest
from trio.testing import wait_all_tasks_blocked

from maillab.cli.main import cli
from maillab.cli.options import DEFAULT_URL
from maillab.faults.fault import key_of
from maillab.lab.addressing import DNS_PORT, FIRST_PORTS, PORTS_DNS_PORT
from maillab.lab.load import find_lab, parse_lab, shipped_labs
from maillab.lab.mistakes import LabFileError, as_toml
from maillab.lab.spec import DnsRecordSpec, UserSpec
from maillab.lab.structure import LabFile
from maillab.trace.record import CONTEXT_KEYS, EVENTS
from maillab.web.routes import ROUTES
from tests.benchmarks.scenarios import SCENARIOS
from tests.cli.page import Asked, asked_lab
from tests.interop.test_lesson import CONVERSATION, GREETING
from tests.test_floors import FLOOR_OF, FRONT_DOOR, PACKAGE, REPOSITORY, modules_of

README: Final = (REPOSITORY / "README.md").read_text(encoding="utf-8")
PROSE: Final = re.sub(r"(?ms)^```.*?^```$", "", README)
PROGRAMS_OF_OTHERS: Final = {"python3", "pip", "python", "nc", "swaks", "curl", "dig", "docker"}
LADDER_COLUMNS: Final = 80
CONVERSATIONS: Final = {"watch", "console"}  # they go on until somebody ends them


@attrs.frozen
class Block:
    """A fenced block."""

    language: str  # "" for what was printed or typed
    section: str
    text: str


def blocks() -> Iterator[Block]:
    start, *sections = re.split(r"(?m)^##+ (.*)$", README)
    for section, body in [("", start), *zip(sections[::2], sections[1::2], strict=True)]:
        for language, text in re.findall(r"(?ms)^```(\w*)\n(.*?)^```$", body):
            yield Block(language, section, text)


def blocks_in(language: str) -> list[str]:
    return [block.text for block in blocks() if block.language == language]


def commands_of(shell: str) -> Iterator[list[str]]:
    """Every command of a shell block, without what the shell does around it."""
    for line in shell.replace("\\\n", " ").splitlines():
        words = shlex.shlex(line, punctuation_chars="&|;>", posix=True)
        words.whitespace_split = True
        command: list[str] = []
        is_redirected = False
        for word in [*words, ";"]:
            if set(word) <= {"&", "|", ";"}:
                yield command
                command, is_redirected = [], False
            elif word == ">":
                is_redirected = True
            elif not is_redirected and (command or not re.match(r"[A-Z_]+=", word)):
                command.append(word)


def commands_shown() -> Iterator[list[str]]:
    """Those of the shell blocks, and every `maillab ...` in the text."""
    for text in blocks_in("sh"):
        yield from commands_of(text)
    for code in re.findall(r"`(maillab [^`\n]+)`", PROSE):
        yield from commands_of(code)


def table(heading: str) -> list[list[str]]:
    """The rows of the one table whose heading line is `heading`, cell by cell."""
    (text,) = re.findall(rf"(?m)^{re.escape(heading)}\n\|[-| ]+\|\n((?:\|.*\n)+)", README)
    return rows_of(text)


def rows_of(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in text.splitlines()]


def leaves(group: click.Group, name: str = "") -> Iterator[tuple[str, click.Command]]:
    for word, command in group.commands.items():
        yield f"{name}{word}", command
        if isinstance(command, click.Group):
            yield from leaves(command, f"{name}{word} ")


def command_of(words: list[str]) -> click.Command:
    """The command that `maillab WORDS` calls."""
    command: click.Command = cli
    for word in words:
        if not isinstance(command, click.Group):
            break
        command = command.commands[word]
    return command


def options_of(commands: Collection[click.Command]) -> set[str]:
    return {"--help", *(option for command in commands for each in command.params for option in each.opts)}


def test_every_link_leads_somewhere() -> None:
    """To a file of this repository, to a heading of this page, or out into the world."""
    links = set(re.findall(r"\]\(([^)]+)\)", README))
    headings = re.findall(r"(?m)^#+ (.*)$", PROSE)
    anchors = {f"#{re.sub('[^a-z0-9 -]', '', heading.lower()).replace(' ', '-')}" for heading in headings}
    ours = {link for link in links if not link.startswith("https://")}
    assert ours
    assert {link for link in ours - anchors if not (REPOSITORY / link).exists()} == set()


def test_every_command_and_option_shown_exists() -> None:
    """What a reader types is understood, and programs of others are few."""
    shown = list(commands_shown())
    assert shown
    for words in shown:
        program = Path(words[0]).name
        if program != "maillab":
            assert program in PROGRAMS_OF_OTHERS
            continue
        typed = {word.partition("=")[0] for word in words[2:] if word.startswith("--")}
        assert typed <= options_of([command_of(words[1:])]), words


def test_every_option_in_the_text_exists() -> None:
    """`--option` in a sentence is an option of some command of ours."""
    named = set(re.findall(r"`(--[a-z-]+)", PROSE))
    assert named
    assert named <= options_of([command for _, command in leaves(cli)])


def test_every_option_of_up_is_told_of() -> None:
    """What can be decided at the start is to be found here."""
    assert options_of([cli.commands["up"]]) - {"lab"} <= set(re.findall(r"--[a-z-]+", README))


def test_every_lab_shown_is_one_that_ships() -> None:
    """`maillab up NAME` starts something."""
    labs = [words[2] for words in commands_shown() if words[:2] == ["maillab", "up"] and len(words) > 2]
    assert labs
    assert {find_lab(lab).parent.parent for lab in labs} == {REPOSITORY / "labs"}


def test_every_benchmark_shown_exists() -> None:
    """What is measured goes by its name."""
    (names,) = re.findall(r"-m tests\.benchmarks --quick (.*)", README)
    assert set(names.split()) <= SCENARIOS.keys()


@pytest.mark.parametrize("section", ["Run it", "Test it"])
def test_the_two_commands_are_one_line_each(section: str) -> None:
    """`.ci/run` takes them from here: the only shell block of their section, and it does its own set-up."""
    (text,) = [block.text for block in blocks() if block.section == section and block.language == "sh"]
    (line,) = text.splitlines()
    assert line.startswith("python3 -m venv .venv && .venv/bin/pip install ")


STORIES: Final = [
    block for block in blocks() if block.language == "sh" and re.match("maillab up .*\n(maillab|curl) ", block.text)
]


@pytest.mark.parametrize("story", [pytest.param(block, id=block.section) for block in STORIES])
async def test_what_is_typed_to_a_running_lab_works(story: Block) -> None:
    """Each command of a recipe is done with exit code 0, in its order, and each request is answered with 200."""
    (_, _, lab, *_), *commands = commands_of(story.text)
    asking = [words for words in commands if words[0] == "curl" or asks_a_lab(words)]
    async with asked_lab(lab) as asked:
        for words in asking:
            await (request(asked, words) if words[0] == "curl" else command(asked, words))
            await wait_all_tasks_blocked()


def asks_a_lab(words: list[str]) -> bool:
    is_ours = words[0] == "maillab" and words[1] not in CONVERSATIONS and "--from-log" not in words
    return is_ours and "--url" in options_of([command_of(words[1:])])


async def command(asked: Asked, words: list[str]) -> None:
    result = await asked.maillab(*words[1:])
    assert result.exit_code == 0, (words, result.output)


async def request(asked: Asked, words: list[str]) -> None:
    (url,) = [word for word in words if word.startswith(DEFAULT_URL)]
    data = words[words.index("-d") + 1] if "-d" in words else None
    async with httpx.AsyncClient(base_url=asked.url) as client:
        answer = await client.request("POST" if data else "GET", url.removeprefix(DEFAULT_URL), content=data)
    assert answer.status_code == 200, (words, answer.text)


def test_the_recipes_with_a_lab_are_found() -> None:
    """The test above has something to do."""
    assert len(STORIES) >= 4


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
    (program,) = [text for text in blocks_in("python") if "trio.run(main)" in text]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout in blocks_in("")


def test_the_tests_shown_pass(tmp_path: Path) -> None:
    """In a project of their own, which says nothing about maillab."""
    suites = [text for text in blocks_in("python") if "def test_" in text]
    for number, text in enumerate(suites):
        (tmp_path / f"test_{number}.py").write_text(text, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert f"{len(suites)} passed" in done.stdout, done.stdout


def test_the_conversation_shown_is_the_lesson() -> None:
    """It is the one that is typed, and answered octet for octet, in the tests with nc."""
    replies = (typed.encode() + reply.replace(b"\r\n", b"\n") for typed, reply in CONVERSATION)
    assert (GREETING.replace(b"\r\n", b"\n") + b"".join(replies)).decode() in blocks_in("")


def test_ladders_fit_a_terminal() -> None:
    """They are drawn for 80 columns."""
    ladders = [text for text in blocks_in("") if "►" in text]
    assert len(ladders) >= 3
    assert max(len(line) for text in ladders for line in text.splitlines()) <= LADDER_COLUMNS


def test_the_table_of_commands_is_the_command_line() -> None:
    """Every command, and no other."""
    shown = [name.strip("`") for name, _ in table("| command | does |")]
    assert shown == [f"maillab {name}" for name in shown_first(cli.commands, shown)]


def shown_first(commands: Mapping[str, click.Command], shown: Collection[str]) -> list[str]:
    """The commands, those that are shown in the order in which they are."""
    order = [*shown]
    return sorted(commands, key=lambda name: order.index(f"maillab {name}") if f"maillab {name}" in order else -1)


def test_the_table_of_labs_is_what_ships() -> None:
    """Every lab, each with its file."""
    shown = {tuple(re.findall(r"\[(.+)\]\((.+)\)", lab)[0]) for lab, _ in table("| lab | shows |")}
    assert shown == {(name, str(path.relative_to(REPOSITORY))) for name, path in shipped_labs().items()}


def test_the_table_of_variables_is_what_a_session_reads() -> None:
    """Every variable of the compose file, each with its default; its own first lines name them too."""
    text = (REPOSITORY / "docker/compose.yaml").read_text(encoding="utf-8")
    head, services = text.split("\nname: ", 1)
    read = set(re.findall(r"\$\{(MAILLAB_\w+)", services))
    rows = {variable.strip("`"): default for variable, default, _ in table("| variable | default | says |")}
    assert rows.keys() == read == set(re.findall(r"(MAILLAB_\w+)=\S", head)) | {"MAILLAB_PASSWORD"}
    for variable, default in rows.items():
        if default.startswith("`"):
            assert set(re.findall(rf"\$\{{{variable}:-([^}}]*)\}}", services)) == {default.strip("`")}


def test_the_table_of_paths_is_the_table_of_routes() -> None:
    """Every way to do something, in the same order, and no other."""
    shown = [(method, path.strip("`")) for method, path, _ in table("| method | path | answers |")]
    assert shown == [(route.method, route.pattern) for route in ROUTES]


SECTIONS: Final[Mapping[str, type]] = {
    field: next(filter(attrs.has, (*getattr(kind, "__args__", ()), kind)))
    for field, kind in get_type_hints(LabFile).items()
}
"""Every section of a lab file, by its name, and what holds its keys."""
SECTION_TABLES: Final = {
    name: (opening, rows_of(text))
    for opening, name, text in re.findall(
        r"(?m)^\*\*`(\[+)(\w+)\]+`\*\*.*\n(?:.+\n)*\n\| key \| default \| meaning \|\n.*\n((?:\|.*\n)+)", README
    )
}


def test_every_section_of_a_lab_file_has_its_table() -> None:
    """[[...]] where there may be several, and no section that nobody reads."""
    kinds = get_type_hints(LabFile)
    shown = {name: opening for name, (opening, _) in SECTION_TABLES.items()}
    assert shown == {name: "[" if kinds[name] is kind else "[[" for name, kind in SECTIONS.items()}


@pytest.mark.parametrize("section", SECTIONS)
def test_the_keys_of_a_section_are_what_is_read(section: str) -> None:
    """Every key with its default, and every choice that it has."""
    hints = get_type_hints(SECTIONS[section])
    fields = {key_of(field.name): field for field in attrs.fields(SECTIONS[section])}
    _, rows = SECTION_TABLES[section]
    assert {key.strip("`") for key, _, _ in rows} == fields.keys()
    for key, default, meaning in rows:
        field = fields[key.strip("`")]
        assert default == (default_shown(field.default) or default), key
        assert default_shown(field.default) or "`" not in default or "follows" in default or "and the" in default, key
        if hasattr(hints[field.name], "__members__"):
            choices = {f'`"{each.value}"`' for each in hints[field.name]}
            assert choices == set(re.findall(r'`"[^`]*"`', meaning)), key


def default_shown(default: Any) -> str | None:
    """A default as the table has it; None where it is told in words, since it follows from something else."""
    if default is attrs.NOTHING:
        return "required"
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]  # to type checkers it is a function
        return None if default.takes_self else f"`{as_toml(default.factory())}`"
    if default is None or default == "":
        return None
    return f"`{as_toml(getattr(default, 'value', default))}`"


@pytest.mark.parametrize(("key", "kind"), [("users", UserSpec), ("records", DnsRecordSpec)])
def test_the_keys_of_inner_tables_are_shown(key: str, kind: type) -> None:
    """A user, and a DNS record, with everything that may be said of it."""
    (row,) = re.findall(rf"(?m)^\| `{key}` \|.*$", README)
    (example,) = re.findall(r"`(\{ .+? \})`", row)
    assert [*tomllib.loads(f"example = {example}")["example"]] == [field.name for field in attrs.fields(kind)]


def test_the_table_of_ports_is_where_servers_listen() -> None:
    """By addressing, each kind of listener."""
    rows = {name.strip("`"): (ports, hosts) for name, ports, hosts in table('| listener | `"ports"` | `"hosts"` |')}
    assert rows.pop("DNS") == (f"127.0.0.1:{PORTS_DNS_PORT}", f"every address, port {DNS_PORT}")
    assert rows == {
        role.name.lower(): (f"127.0.0.1:{port} + k", f"its address, port {role.value}")
        for role, port in FIRST_PORTS.items()
    }


def test_the_map_of_the_house_shows_every_room_on_its_floor() -> None:
    """Rooms that are there, and no others."""
    (plan,) = [text for text in blocks_in("") if text.startswith("floor ")]
    lines = re.findall(r"(?m)^floor (\d) +\w+ +(.+?) {4,}", plan)
    shown = {room: int(floor) for floor, rooms in lines for room in rooms.split()}
    rooms = {module[0] for module in modules_of(PACKAGE)} - {*FRONT_DOOR}
    assert shown == {room: FLOOR_OF[room] for room in rooms}


def test_the_table_of_records_is_the_closed_list() -> None:
    """Every event with its words and keys, in the same order, and no other."""
    rows = table("| event | says | further keys |")
    shown = [(name.strip("`"), says, tuple(re.findall(r"`(\w+)`", keys))) for name, says, keys in rows]
    assert shown == [(name, event.says, event.keys) for name, event in EVENTS.items()]


def test_the_keys_of_every_record_are_named() -> None:
    """The keys that a reader of a log meets everywhere are above the table."""
    (section,) = re.findall(r"(?ms)^## Records$(.*?)^\| event", README)
    assert {"run", "seq", "at", "event", "lab", *CONTEXT_KEYS} <= set(re.findall(r"`(\w+)`", section))


def test_the_answers_of_the_api_that_are_shown_are_json() -> None:
    """They were printed, and not typed."""
    answers = [text for text in blocks_in("") if text.startswith(("{", "["))]
    assert answers
    assert all(json.loads(text) for text in answers)
