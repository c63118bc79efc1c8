"""`Received:`, the postmark that every server puts on top (RFC 5321 section 4.4)."""

from __future__ import annotations

import re
from typing import Final

import attrs

from maillab.mail.address import Address, AddressError

LINE_LIMIT_OCTETS: Final = 78  # RFC 5322 section 2.1.1, CRLF not counted
PART_LIMIT_OCTETS: Final = 255  # no domain is longer (RFC 5321 section 4.5.3.1.2); what a stranger says is cut there

# The clauses of RFC 5321 section 4.4, and "tls" (RFC 8314 section 4.3).
_KEYWORDS: Final = frozenset({"from", "by", "via", "with", "id", "for", "tls"})

_FIELD_NAME: Final = re.compile(r"received[ \t]*:", re.IGNORECASE)
_SAFE_WORD: Final = re.compile(r"[!#-'*-:=?-\[\]-~]{1,255}")  # ASCII without ( ) < > ; " and \
_SAFE_TEXT: Final = re.compile(r"(?=.{1,255}\Z)[!-~]+(?: [!-~]+)*")
_SPACE: Final = re.compile(r"[ \t\r\n]+")  # str.split() would also split at U+0085 and its like
_TO_ESCAPE: Final = re.compile(r"([()\\])")
_COMMENT_PART: Final = re.compile(r"[^()\\]+|\\.|[()\\]", re.DOTALL)
_QUOTED: Final = r'"(?:[^"\\]|\\.?)*(?:"|\Z)'  # never closed: it goes on to the end, so nothing is read twice
_TOKEN: Final = re.compile(
    rf"""(?P<word> <(?:[^<>"\\]|"(?:[^"\\]|\\.)*")*> | (?:[^\x00-\x20()<>;"\\]+|{_QUOTED})+ )
    | (?P<mark> [(;] )
    | [\x00-\x20]+ | .""",
    re.DOTALL | re.VERBOSE,
)
# What to_octets() writes as long as no line is too long, read in one go.
_W: Final = r'[^\x00-\x20\x7f()<>;"\\]+'
_OWN_FORM: Final = re.compile(
    rf"Received: (?:from ({_W})(?: \(([^\x00-\x20()\\]+(?: [^\x00-\x20()\\]+)*)\))?\r\n\t)?"
    rf"by ({_W}) with ({_W}) id ({_W})(?:\r\n\tfor <({_W})>)?;\r\n\t([^\x00-\x20]+(?: [^\x00-\x20]+)*)\r\n"
)


@attrs.frozen
class Received:
    """One `Received:` field.

    Attributes:
        from_name: the name that the client gave with EHLO, true or not.
        from_comment: what the server knows of the client itself, "carol-pc [127.0.0.1]"; "" if nothing.
        by: the server that wrote the line.
        with_: the protocol, "ESMTP" (RFC 3848); "UTF8SMTP" allows UTF-8 in the line (RFC 6531 section 4.3).
        id: the server's own name for the message.
        for_: the recipient, "" if left out.
        date: RFC 5322 section 3.3.
    """

    from_name: str
    from_comment: str
    by: str
    with_: str
    id: str
    for_: str
    date: str

    def to_octets(self) -> bytes:
        """The field, folded, with its last CRLF.

        No argument can end the line, a comment or its own clause: what may not stand there is written as "?".
        """
        utf8 = self.with_.upper().startswith("UTF8")
        lines: list[list[str]] = []
        name, comment = _word(self.from_name, utf8), _comment(self.from_comment, utf8)
        if name or comment:
            lines.append([f"from {name or 'unknown'}", *([f"({comment})"] if comment else [])])
        lines.append([f"by {_word(self.by, utf8) or 'unknown'}"])
        for keyword, value in ("with", _word(self.with_, utf8)), ("id", _word(self.id, utf8)):
            if value:
                lines[-1].append(f"{keyword} {value}")
        if path := _path(self.for_, utf8):
            lines.append([f"for <{path}>"])
        if date := _plain(self.date, utf8):
            lines[-1][-1] += ";"
            lines.append([date])
        return _fold(lines).encode("utf-8")

    @classmethod
    def parse(cls, octets: bytes) -> Received | None:
        """Read a whole field or its value, whoever wrote it; None if it does not say `by` whom."""
        text = octets.decode("utf-8", "replace")
        if match := _OWN_FORM.fullmatch(text):
            from_name, comment, by, with_, id_, for_, date = match.groups("")
            return cls(from_name, comment, by, with_, id_, for_, date)
        return _read_clauses(text)


def _read_clauses(text: str) -> Received | None:
    """Read clauses in any order, with comments anywhere."""
    name = _FIELD_NAME.match(text)
    position = name.end() if name else 0
    clauses: dict[str, list[str]] = {}
    keyword, comment, date = "", "", ""
    value_next = False  # right behind a keyword any word is its value, even one that looks like a keyword
    while token := _TOKEN.match(text, position):
        position = token.end()
        if token["mark"] == ";":
            date = _one_spaced(text[position:])
            break
        if token["mark"] == "(":
            found, position = _read_comment(text, position)
            comment = comment or (found if keyword == "from" else "")
            value_next = False
        elif word := token["word"]:
            if not value_next and word.lower() in _KEYWORDS - clauses.keys():
                keyword = word.lower()
                clauses[keyword] = []
                value_next = True
            else:
                clauses.setdefault(keyword, []).append(word)
                value_next = False
    if not clauses.get("by"):
        return None
    first = {keyword: words[0].removeprefix("<").removesuffix(">") for keyword, words in clauses.items() if words}
    with_ = " ".join(clauses.get("with", ()))  # "with Microsoft SMTP Server id ..."
    return Received(first.get("from", ""), comment, first["by"], with_, first.get("id", ""), first.get("for", ""), date)


def _read_comment(text: str, position: int) -> tuple[str, int]:
    """Read a comment from behind its "(": what it says, and where it ends."""
    parts: list[str] = []
    depth = 1
    while depth and (match := _COMMENT_PART.match(text, position)):
        position = match.end()
        part = match[0]
        depth += (part == "(") - (part == ")")
        parts.append(part.removeprefix("\\"))
    if not depth:
        parts.pop()  # the closing ")"
    return _one_spaced("".join(parts)), position


def _one_spaced(text: str) -> str:
    """`text` in one line, with single spaces."""
    return _SPACE.sub(" ", text).strip(" ")


def _plain(text: str, utf8: bool) -> str:
    """`text` in one line of printable characters, cut where it is too long."""
    if _SAFE_TEXT.fullmatch(text):
        return text
    allowed = "".join(c if c.isprintable() and (utf8 or c.isascii()) else "?" for c in _one_spaced(text))
    return allowed.encode("utf-8")[:PART_LIMIT_OCTETS].decode("utf-8", "ignore").strip(" ")


def _word(text: str, utf8: bool) -> str:
    """`text` as one word that is neither comment nor path."""
    if _SAFE_WORD.fullmatch(text):
        return text
    return "".join("?" if c in ' ()<>;"\\' else c for c in _plain(text, utf8))


def _comment(text: str, utf8: bool) -> str:
    """`text` as it stands inside ( )."""
    return _TO_ESCAPE.sub(r"\\\1", _plain(text, utf8))


def _path(text: str, utf8: bool) -> str:
    """`text` as it stands inside < >; a valid address keeps its quotation marks."""
    if _SAFE_WORD.fullmatch(text):
        return text
    try:
        address = Address.parse(text)
    except AddressError:
        return _word(text, utf8)
    return str(address) if utf8 or address.is_ascii else _word(text, utf8)


def _fold(lines: list[list[str]]) -> str:
    """Write each list of clauses as a line, and go on in a further line where it would get too long."""
    text = "Received:"
    length = len(text)
    for number, clauses in enumerate(lines):
        for place, clause in enumerate(clauses):
            size = 1 + len(clause.encode("utf-8"))
            new_line = place == 0 and number > 0
            if new_line or (length + size > LINE_LIMIT_OCTETS and length > len("Received:")):
                text += "\r\n\t" + clause
                length = size
            else:
                text += " " + clause
                length += size
    return text + "\r\n"
