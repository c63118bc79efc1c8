"""A lab file becomes a `LabSpec`, or every mistake in it at once."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

import maillab
from maillab.lab.agreement import disagreements
from maillab.lab.mistakes import LabFileError, Mistake, as_toml, nearest
from maillab.lab.moving import moved
from maillab.lab.spec import Addressing, LabSpec
from maillab.lab.structure import read_tables

LAB_FILE_NAME: Final = "lab.toml"
PLACE_IN_TOML: Final = re.compile(r" \(at (?:(line \d+, column \d+)|(end of document))\)$")


def load_lab(lab: str | Path, addressing: Addressing | None = None, net: str | None = None) -> LabSpec:
    """Read the lab that `lab` means: a lab file, the folder it is in, or the name of a lab that ships.

    A file or folder comes before a shipped lab, so that a copy in the working directory can be changed and tried
    under its name.

    Args:
        lab: What the person said.
        addressing: What the command line says; it beats the file.
        net: The two numbers that addresses begin with, in the place of 172.16.

    Raises:
        LabFileError: There is no such lab, or its file has mistakes: all of them.
    """
    path = Path(lab)
    try:
        path = find_lab(lab)
        text = path.read_bytes().decode("utf-8-sig")  # editors of other systems begin a file with a mark
    except UnicodeDecodeError as error:
        raise _no_file(path, f"octet {error.start} is no UTF-8", "save the file as UTF-8") from None
    except OSError as error:
        raise _no_file(path, error.strerror or str(error), "give a file that can be read") from None
    return parse_lab(text, str(path), addressing, net)


def parse_lab(text: str, source: str, addressing: Addressing | None = None, net: str | None = None) -> LabSpec:
    """Read a lab file's text.

    Args:
        text: TOML.
        source: Where it is from, as people know it.
        addressing: What the command line says; it beats the file.
        net: The two numbers that addresses begin with, in the place of 172.16.

    Raises:
        LabFileError: The text has mistakes: all of them, table by table.
    """
    tables = _parse_toml(text, source)
    spec, mistakes = read_tables(tables)
    if addressing is not None:
        spec = attrs.evolve(spec, addressing=addressing)
    if net is not None and not mistakes:
        spec = moved(spec, net)
    mistakes = (*mistakes, *_new(disagreements(spec), mistakes))
    if mistakes:
        raise LabFileError(_in_file_order(mistakes, tables))
    return spec


def find_lab(lab: str | Path) -> Path:
    """The lab file that `lab` means.

    Raises:
        LabFileError: There is none.
    """
    path = Path(lab)
    if (path / LAB_FILE_NAME).is_file():
        return path / LAB_FILE_NAME
    if path.exists() and not path.is_dir():  # a pipe, as bash's <(...) gives, is a file to us
        return path
    shipped = shipped_labs()
    if str(lab) in shipped:
        return shipped[str(lab)]
    if path.is_dir():
        raise _no_file(path, f"no {LAB_FILE_NAME} in this folder", "give a lab file, its folder, or a lab's name")
    if path.name != str(lab) or path.suffix:
        raise _no_file(path, "no such file", "give a lab file, its folder, or a lab's name")
    guess = nearest(str(lab), shipped)
    expected = f'did you mean "{guess}"? ' if guess else ""
    expected += f"Labs that ship: {', '.join(shipped)}"
    raise LabFileError([Mistake("", f"{as_toml(str(lab))} is no lab", expected, "or give a path to a lab file")])


def shipped_labs() -> Mapping[str, Path]:
    """The labs that come with maillab: name to lab file, by name.

    They travel inside the package in a wheel, and stand beside it in a checkout.
    """
    package = Path(maillab.__file__).parent
    inside = package / "labs"
    folder = inside if inside.is_dir() else package.parent / "labs"
    return {path.parent.name: path for path in sorted(folder.glob(f"*/{LAB_FILE_NAME}"))}


def _parse_toml(text: str, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError, and what Python says of a number with too many digits
        words = str(error)
        place = PLACE_IN_TOML.search(words)
        found = f"no TOML: {PLACE_IN_TOML.sub('', words)}"
        where = ", ".join(filter(None, (source, *(place.groups() if place else ()))))
    except RecursionError:
        found, where = "no TOML: nested too deeply", source
    raise LabFileError([Mistake(where, found, "mend this first", "the rest is read then")])


def _new(disagreements: Iterable[Mistake], mistakes: Iterable[Mistake]) -> Iterator[Mistake]:
    """Disagreements that do not follow from `mistakes`: about other values, and no fault whose kind is unknown."""
    known = {mistake.path for mistake in mistakes}
    for each in disagreements:
        table = each.path.rpartition(".")[0]
        if each.path not in known and f"{table}.kind" not in known:
            yield each


def _in_file_order(mistakes: Iterable[Mistake], tables: Mapping[str, Any]) -> list[Mistake]:
    """Table by table, as somebody mends them who goes through the file."""
    sections = list(tables)

    def place(mistake: Mistake) -> tuple[int, int]:
        section, index = re.match(r"([^.\[]*)(?:\[(\d+)\])?", mistake.path).groups()  # type: ignore[union-attr]
        return sections.index(section) if section in sections else -1, int(index or 0)

    return sorted(mistakes, key=place)


def _no_file(path: Path, found: str, expected: str) -> LabFileError:
    return LabFileError([Mistake(str(path), found, expected)])
