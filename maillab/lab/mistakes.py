"""Mistakes in a lab file: where, what was found, what was expected, how to mend; one line each."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from typing import Final

import attrs

SHOWN_LIMIT_CHARACTERS: Final = 60  # a value in a message is a reminder, not a copy
BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")  # TOML 1.0, section Keys
NAMED_LIMIT: Final = 12  # names offered to choose from; a lab may have a thousand
NOBODYS_DOMAIN: Final = ".invalid"  # RFC 6761 section 6.4: what stands in for a wrong name, and is no proposal

Where = tuple[str | int, ...]


@attrs.frozen
class Mistake:
    """One mistake; `str` gives the line that people read.

    Attributes:
        path: Where it stands, like `domain[1].smtp`; "" is the file as a whole.
        found: What stands there and what is wrong with it.
        expected: What may stand there.
        mend: A way out besides giving what was expected; "" where there is none.
    """

    path: str
    found: str
    expected: str
    mend: str = ""

    def __str__(self) -> str:
        text = f"{self.found}; {self.expected}"
        if self.mend:
            text = f"{text}, {self.mend}"
        return printable(f"{self.path}: {text}" if self.path else text)


class LabFileError(Exception):
    """A lab file that cannot be used, with every mistake that was found in it."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes: Final = tuple(mistakes)
        super().__init__("\n".join(map(str, self.mistakes)))


def path_text(where: Where) -> str:
    """Write a place in the file as people and TOML do: `domain[1].aliases."all.pupils"[0]`."""
    text = ""
    for step in where:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            key = step if BARE_KEY.fullmatch(step) else json.dumps(step, ensure_ascii=False)
            text += f".{key}" if text else key
    return text


def printable(text: str) -> str:
    """One line without control characters: what a file holds is shown, but never obeyed by a terminal."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def as_toml(value: object) -> str:
    """Show a value on one line much as the file has it: "25" is told from 25, and true from 1."""
    try:
        # TOML's dates and times are all that json cannot write; their str is their TOML form.
        text = json.dumps(value, ensure_ascii=False, default=str)
    except ValueError:  # a hexadecimal number may be of any length, but Python writes 4300 digits at most
        return "a number of too many digits"
    return text if len(text) <= SHOWN_LIMIT_CHARACTERS else f"{text[: SHOWN_LIMIT_CHARACTERS - 3]}..."


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, if one is near enough."""
    matches = difflib.get_close_matches(word, list(known), n=1)
    return matches[0] if matches else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Ask for the nearest known word; name the known ones when none is near."""
    words = sorted(word for word in known if NOBODYS_DOMAIN not in word)
    guess = nearest(word, words)
    if guess is not None:
        return f'did you mean "{guess}"?'
    more = f" and {len(words) - NAMED_LIMIT} more" if len(words) > NAMED_LIMIT else ""
    return f"known here: {', '.join(words[:NAMED_LIMIT]) or 'none'}{more}"
