"""The floors of the house: who may import whom, and what a sans-I/O module never touches.

Imports are read from the source, so that one inside a function or under TYPE_CHECKING counts as well.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

REPOSITORY: Final = Path(__file__).parent.parent
PACKAGE: Final = REPOSITORY / "maillab"

FLOORS: Final = (  # lowest first; the rooms of one floor never import one another
    ("mail", "trace", "network", "storage"),
    ("smtp", "dns", "mailbox"),
    ("mailserver", "pop3", "imap", "faults"),
    ("lab",),
    ("exercises",),
    ("web",),
    ("cli", "pytest_plugin"),
)
FLOOR_OF: Final = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
FRONT_DOOR: Final = ("__init__", "__main__")  # modules beside the rooms, which may import from every floor

INPUT_AND_OUTPUT: Final = frozenset(
    {"trio", "socket", "ssl", "sqlite3", "time", "random", "structlog", "threading", "os"}
)
SANS_IO_NAMES: Final = frozenset(  # in whatever room they are
    {"words", "parsing", "table", "session", "client_session", "reply_reader", "data", "answers", "replies", "sasl"}
    | {"routing", "correlation", "retry", "report", "greylist", "choices"}
)
SANS_IO_MODULES: Final[Mapping[str, frozenset[str]]] = {
    "trace": frozenset(
        {"identity", "path", "book", "story", "steps", "layout", "cells", "ladder", "mermaid", "copies", "conversation"}
        | {"record", "console", "captions", "paper", "svg", "svg_layout", "svg_steps", "wording", "times"}
    ),
    "faults": frozenset({"fault", "plan", "link"}),
    "dns": frozenset({"records", "zone", "response", "rate", "mail_hosts"}),
    "lab": frozenset(
        {"spec", "addressing", "zones", "mistakes", "values", "structure", "agreement", "aliases"} | {"faults"}
    ),
}
SANS_IO_ROOMS: Final = frozenset({"mail"})

LINE_LIMITS_COUNT: Final = {"maillab": 330, "tests": 600}  # a file of tests is a list, and may be longer
TOP_LEVEL: Final = frozenset({"pyproject.toml", "README.md", "maillab", "labs", "tests", "docker"})

Module = tuple[str, ...]
"""("smtp", "session") is maillab/smtp/session.py; ("smtp",) is the room's own __init__.py."""


def modules_of(package: Path) -> dict[Module, Path]:
    """Every module of the package, by its name below it."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        module = path.relative_to(package).with_suffix("").parts
        found[module[:-1] if module[-1] == "__init__" and len(module) > 1 else module] = path
    return found


def imported(path: Path, package: Path) -> Iterator[str]:
    """The full name of everything that the module at `path` imports."""
    inside = (package.name, *path.relative_to(package).with_suffix("").parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = inside[: -node.level] if node.level else ()
            stem = ".".join((*base, *([node.module] if node.module else [])))
            yield from (f"{stem}.{alias.name}" for alias in node.names)


def imported_modules(path: Path, package: Path, modules: Mapping[Module, Path]) -> Iterator[Module]:
    """The modules of the package itself that the module at `path` imports, as far as they exist."""
    for name in imported(path, package):
        first, *rest = name.split(".")
        while first == package.name and rest:
            if tuple(rest) in modules:
                yield tuple(rest)
                break
            rest.pop()  # the last name may be a class or function


def stair_climbers(package: Path) -> Iterator[str]:
    """Imports that go up or sideways."""
    for module, path in modules_of(package).items():
        if module[0] in FRONT_DOOR:
            continue
        here = module[0]
        where = path.relative_to(package)
        if here not in FLOOR_OF:
            yield f"{where}: the room {here} is on no floor"
            continue
        for name in imported(path, package):
            first, *rest = name.split(".")
            if first != package.name or not rest or rest[0] == here:
                continue
            there = rest[0]
            if there not in FLOOR_OF:
                yield f"{where} imports {name}, and {there} is no room"
            elif FLOOR_OF[there] == FLOOR_OF[here]:
                yield f"{where} imports {name}: sideways, both are on floor {FLOOR_OF[here]}"
            elif FLOOR_OF[there] > FLOOR_OF[here]:
                yield f"{where} imports {name}: up, from floor {FLOOR_OF[here]} to floor {FLOOR_OF[there]}"


def is_sans_io(module: Module) -> bool:
    room, name = module[0], module[-1]
    return room in SANS_IO_ROOMS or name in SANS_IO_NAMES or name in SANS_IO_MODULES.get(room, ())


def leaks(package: Path) -> Iterator[str]:
    """Sans-I/O modules that touch the world: by themselves, or by a module that they import."""
    modules = modules_of(package)
    for module, path in modules.items():
        if not is_sans_io(module):
            continue
        ways = {module: str(path.relative_to(package))}
        waiting = [module]
        while waiting:
            here = waiting.pop()
            for touched in sorted({name.split(".")[0] for name in imported(modules[here], package)} & INPUT_AND_OUTPUT):
                yield f"{ways[here]} imports {touched}, and {path.relative_to(package)} is sans-I/O"
            for there in imported_modules(modules[here], package, modules):
                if there not in ways:
                    ways[there] = f"{ways[here]} imports {modules[there].relative_to(package)}, which"
                    waiting.append(there)


def missing_sans_io_modules(package: Path) -> Iterator[str]:
    """Names in the list above that lead nowhere: a module that was renamed would be watched no more."""
    modules = modules_of(package)
    for room, names in SANS_IO_MODULES.items():
        yield from (f"{room}/{name}.py is said to be sans-I/O and is not there" for name in names - _in(room, modules))
    everywhere = {module[-1] for module in modules}
    yield from (f"{name}.py is said to be sans-I/O and is in no room" for name in SANS_IO_NAMES - everywhere)


def _in(room: str, modules: Mapping[Module, Path]) -> set[str]:
    return {module[-1] for module in modules if module[0] == room}


def long_files(folder: Path, limit_count: int) -> Iterator[str]:
    for path in sorted(folder.rglob("*.py")):
        count = len(path.read_text(encoding="utf-8").splitlines())
        if count > limit_count:
            yield f"{path.relative_to(folder.parent)} has {count} lines; {limit_count} is the limit"


def test_every_module_imports_from_lower_floors_only() -> None:
    """Nobody imports upwards or sideways, and every room is on a floor."""
    assert list(stair_climbers(PACKAGE)) == []


def test_sans_io_modules_touch_nothing_of_the_world() -> None:
    """No clock, port, file, thread or chance, not by way of another module of ours either."""
    assert list(leaks(PACKAGE)) == []


def test_the_list_of_sans_io_modules_is_of_modules_that_exist() -> None:
    """A renamed module does not slip out of the list."""
    assert list(missing_sans_io_modules(PACKAGE)) == []


@pytest.mark.parametrize(("folder", "limit_count"), LINE_LIMITS_COUNT.items())
def test_no_file_is_too_long_to_read(folder: str, limit_count: int) -> None:
    """A file that grows beyond the limit is two things."""
    assert list(long_files(REPOSITORY / folder, limit_count)) == []


def test_the_top_level_holds_nothing_else() -> None:
    """What is new finds its place in a room."""
    names = {path.name for path in REPOSITORY.iterdir() if not path.name.startswith(".")}
    assert names <= TOP_LEVEL


PLANTED: Final = {
    "smtp/server.py": ("import maillab.lab.start", "smtp/server.py imports maillab.lab.start: up, from floor 1 to"),
    "smtp/client.py": ("def f():\n    from ..dns import zone", "smtp/client.py imports maillab.dns.zone: sideways"),
    "mail/address.py": ("from maillab.trace.record import Record", "mail/address.py imports maillab.trace.record"),
    "cellar/wine.py": ("", "cellar/wine.py: the room cellar is on no floor"),
    "lab/lab.py": ("from maillab import open_lab", "lab/lab.py imports maillab.open_lab, and open_lab is no room"),
    "smtp/words.py": ("import os.path", "smtp/words.py imports os, and smtp/words.py is sans-I/O"),
    "mail/date.py": ("from time import time", "mail/date.py imports time, and mail/date.py is sans-I/O"),
    "smtp/session.py": (
        "from maillab.smtp.shell import run",
        "smtp/session.py imports smtp/shell.py, which imports trio, and smtp/session.py is sans-I/O",
    ),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_violation_is_found(planted: str, tmp_path: Path) -> None:
    """The checks above can fail, and then they name the culprit."""
    source, complaint = PLANTED[planted]
    for name, text in {"smtp/shell.py": "import trio\n", planted: source}.items():
        path = tmp_path / "maillab" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found = [*stair_climbers(tmp_path / "maillab"), *leaks(tmp_path / "maillab")]
    assert len(found) == 1
    assert found[0].startswith(complaint)


def test_a_module_that_is_too_long_is_found(tmp_path: Path) -> None:
    """The limit itself is allowed; one line more is not."""
    (tmp_path / "right.py").write_text("\n" * 10)
    (tmp_path / "wrong.py").write_text("\n" * 11)
    assert [line.split()[0] for line in long_files(tmp_path, 10)] == [f"{tmp_path.name}/wrong.py"]
