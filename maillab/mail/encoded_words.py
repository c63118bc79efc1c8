"""Encoded words: `=?utf-8?q?Gr=C3=BC=C3=9Fe?=` in a header field, for a word in any script (RFC 2047).

Not here: writing them, because maillab never changes what somebody else has written.
"""

from __future__ import annotations

import binascii
import re
from itertools import groupby
from typing import Final

_WORD: Final = re.compile(r"=\?([^?\s*]+)(?:\*[^?\s]*)?\?([BbQq])\?([^?\s]*)\?=")  # "*": RFC 2231 section 5
_ANY_WORD: Final = r"=\?[^?\s]+\?[BbQq]\?[^?\s]*\?="
_WORDS_IN_A_ROW: Final = re.compile(rf"{_ANY_WORD}(?:[ \t\r\n]+{_ANY_WORD})*")

# Only charsets that mail is written in: Python also has codecs that are slow, or warn, or give no text.
MAIL_CHARSET: Final = re.compile(
    r"us-ascii|utf-?8|latin-?1|iso-8859-(?:[1-9]|1[013-6])|(?:windows-|cp)125[0-8]|koi8-[ru]|iso-2022-(?:jp|kr)"
    r"|euc-(?:jp|kr)|shift[-_]jis|gb2312|gbk|gb18030|big5|ks_c_5601-1987",
    re.IGNORECASE | re.ASCII,
)


def decode_words(text: str) -> str:
    """`text` with its encoded words decoded; those that cannot be decoded stay as they are."""
    return _WORDS_IN_A_ROW.sub(_decoded_row, text)


def _decoded_row(row: re.Match[str]) -> str:
    # White space between two encoded words is not shown (RFC 2047 section 6.2).  Neighbours of one charset
    # are decoded together, because many writers cut in the middle of a character although section 5 forbids it.
    decoded = []
    for charset, words in groupby(_WORD.finditer(row[0]), key=lambda word: word[1].lower()):
        same = list(words)
        try:
            if not MAIL_CHARSET.fullmatch(charset):
                raise LookupError(charset)
            decoded.append(b"".join(map(_octets, same)).decode(charset, "replace"))
        except (LookupError, ValueError):
            decoded.append(" ".join(word[0] for word in same))
    return "".join(decoded)


def _octets(word: re.Match[str]) -> bytes:
    if word[2] in "Bb":
        return binascii.a2b_base64(word[3] + "==")  # the padding is often forgotten; too much of it does no harm
    return binascii.a2b_qp(word[3], header=True)
