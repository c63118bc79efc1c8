"""Paper: rows that fit, colours that can be read."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from maillab.trace.cells import visible
from maillab.trace.paper import STYLE, measure, wrap

HOSTILE = st.one_of(
    st.text(st.characters(exclude_categories=()), max_size=700),
    st.sampled_from(
        [
            "</text><script>alert(1)</script>",
            "\" onload='alert(1)' x=\"",
            "]]><!--&lol;<![CDATA[",
            "\x00\x1b[2J\u202eevil\u2066\ufffe\ud800",
            "</style><style>*{display:none}",
            "W" * 3000,
            "a " * 1500,
        ]
    ),
)


@given(text=HOSTILE, width=st.integers(60, 800), limit=st.sampled_from([0, 2, 12]))
def test_rows_fit_and_lose_nothing(text: str, width: int, limit: int) -> None:
    """Rows are as wide as allowed; without a limit they hold every character but the spaces at which they break."""
    rows = wrap(text, width, 13, True, limit)
    assert all(measure(row, 13, True) <= width + 1 for row in rows)
    if limit:
        assert len(rows) <= limit
    else:
        assert "".join(rows).replace(" ", "") == visible(text).replace(" ", "")


def test_colours_are_readable_in_light_and_dark() -> None:
    """Every text stands out from every surface by 4.5 to 1 (WCAG 2.2, 1.4.3), and paper in a printer is white."""
    light, dark = STYLE.split("@media screen and (prefers-color-scheme:dark)")
    for half in (light, dark):
        fills = dict(re.findall(r"\.maillab-ladder ([^{}]*)\{fill:(#\w{6})", half))
        surfaces = [fills[".paper"], fills[".box,.maillab-ladder .tear"], fills[".message .block"]]
        for ink in (fills["text"], fills[".muted"], fills[".bad text:not(.time)"]):
            assert all(_contrast(ink, surface) >= 4.5 for surface in surfaces)
    assert ".paper{fill:#ffffff}" in light


def _contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        parts = (int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5))
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
