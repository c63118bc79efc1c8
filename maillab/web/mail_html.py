"""HTML from strangers, written anew: what is known to be harmless stays, and nothing else.

What is written is made of known elements and quoted attributes only, so that no browser can read anything else in
it.  Nothing leads outside: links are text with their target beside them, pictures are those that the message
itself brings.  The frame that shows it runs no scripts and may load nothing anyway: this keeps browsers from the
little that no policy forbids (opening connections ahead of time), and tells what the message wanted.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import unquote

import attrs

OUTSIDE_LIMIT_COUNT: Final = 50  # so many addresses are told


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ELEMENTS: Final = _words(
    "a abbr address article aside b bdi bdo big blockquote br caption center cite code col colgroup dd del dfn div dl"
    " dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark ol p pre q rp rt ruby"
    " s samp section small span strike strong sub sup table tbody td tfoot th thead time tr tt u ul var wbr"
)
_ATTRIBUTES: Final = _words(
    "align alt bgcolor border cellpadding cellspacing class color colspan dir face height id lang reversed rowspan size"
    " span start style title valign value width"
)
_ALL_TEXT: Final = _words(  # nothing in them is an element, up to their end tag or that of the document
    "iframe noembed noframes noscript script style textarea title xmp"
)
_SKIPPED: Final = _words("applet audio canvas math object select svg template video")  # with all in them, if they end

_TAG: Final = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)")
_BETWEEN: Final = re.compile(r"[\s/]*+")
_ATTRIBUTE: Final = re.compile(r"""([^\s/>=][^\s/>=]*+)(?:\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s>]*+)))?""")
_ENDS: Final = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in _ALL_TEXT | _SKIPPED}
_OWN_PICTURE: Final = re.compile(r"data:image/(?:png|gif|jpeg|webp);base64,[A-Za-z0-9+/=\s]*", re.IGNORECASE)
_LEADS_OUTSIDE: Final = re.compile(r"\s*(?:https?:|//|ftp:)", re.IGNORECASE)

_CSS_COMMENT: Final = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_CSS_REFERENCE: Final = re.compile(r"@import[^;]*;?|(?:url|src|(?:-webkit-)?image-set)\s*\([^)]*\)?", re.IGNORECASE)
_CSS_ADDRESS: Final = re.compile(r"""(?:https?:)?//[^\s"')]+""", re.IGNORECASE)

_PAGE: Final = (
    '<!doctype html>\n<html><head><meta charset="utf-8"><title>{title}</title>\n<style>\n'
    ":root {{ color-scheme: light; background: #fff; color: #1c2330; font: 16px/1.5 system-ui, sans-serif;"
    " overflow-wrap: anywhere; }}\n"
    "a[title] {{ color: #1259c3; text-decoration: underline; }}\n"
    "img {{ max-width: 100%; height: auto; }}\n"
    "</style></head>\n<body>\n{body}\n</body></html>\n"
)


@attrs.frozen
class CleanHtml:
    """HTML that does nothing.

    Attributes:
        body: what stands between <body> and </body>.
        outside: addresses that would have been loaded, in their order, `OUTSIDE_LIMIT_COUNT` at most.
    """

    body: str
    outside: tuple[str, ...]

    def page(self, title: str) -> str:
        """A whole document."""
        return _PAGE.format(title=html.escape(title), body=self.body)


def clean_html(source: str, pictures: Mapping[str, str]) -> CleanHtml:
    """`source` without anything that acts or leads outside; `pictures` are data URLs by Content-ID (RFC 2392)."""
    outside: dict[str, None] = {}
    body = "".join(_written(source.replace("\0", ""), pictures, outside))
    return CleanHtml(body, tuple(outside)[:OUTSIDE_LIMIT_COUNT])


def _written(source: str, pictures: Mapping[str, str], outside: dict[str, None]) -> Iterator[str]:
    position = 0
    endless: set[str] = set()  # whose end tag is nowhere behind here
    while (opening := source.find("<", position)) >= 0:
        yield _text(source[position:opening])
        tag = _TAG.match(source, opening)
        if tag is None:
            position = opening + 1
            if source[position : position + 1] in ("!", "?", "/"):
                mark = "-->" if source.startswith("!--", position) else ">"
                end = source.find(mark, position)
                position = end + len(mark) if end >= 0 else len(source)
            else:
                yield "&lt;"
            continue
        name = tag[2].lower()
        attributes, position = _attributes(source, tag.end())
        if tag[1]:
            yield f"</{name}>" if name in _ELEMENTS else ""
        elif name in _ENDS and name not in endless:
            _note(attributes, outside)
            inner, ended = _through(source, position, name)
            yield f"<style>{_css(inner, outside)}</style>" if name == "style" else ""
            if ended is not None:
                position = ended
            else:
                endless.add(name)
                position = len(source) if name in _ALL_TEXT else position
        elif name in _ELEMENTS:
            yield _element(name, attributes, pictures, outside)
        else:
            _note(attributes, outside)
    yield _text(source[position:])


def _attributes(source: str, position: int) -> tuple[dict[str, str], int]:
    """The attributes of a tag, the first of each name, and where the tag ends."""
    found: dict[str, str] = {}
    while position < len(source):
        between = _BETWEEN.match(source, position)
        position = between.end() if between else position
        if source.startswith(">", position):
            return found, position + 1
        if attribute := _ATTRIBUTE.match(source, position):
            value = next((value for value in attribute.groups()[1:] if value is not None), "")
            found.setdefault(attribute[1].lower(), html.unescape(value))
            position = attribute.end()
        else:
            position += 1  # a character that cannot stand there
    return found, len(source)


def _through(source: str, position: int, name: str) -> tuple[str, int | None]:
    """What is in an element, whatever it holds, up to its end tag; and where that ends, or None if there is none."""
    end = _ENDS[name].search(source, position)
    if end is None:
        return source[position:], None
    closing = source.find(">", end.end())
    return source[position : end.start()], closing + 1 if closing >= 0 else len(source)


def _element(name: str, attributes: Mapping[str, str], pictures: Mapping[str, str], outside: dict[str, None]) -> str:
    kept = {key: value for key, value in attributes.items() if key in _ATTRIBUTES}
    if "style" in kept:
        kept["style"] = _css(kept["style"], outside)
    if name == "a" and (target := attributes.get("href", "")):
        kept["title"] = target.strip()
    elif name == "img":
        source = attributes.get("src", "").strip()
        scheme, _, rest = source.partition(":")
        if scheme.lower() == "cid" and (picture := pictures.get(unquote(rest))):
            kept["src"] = picture
        elif _OWN_PICTURE.fullmatch(source):
            kept["src"] = source
        kept.setdefault("alt", "")
    _note({key: value for key, value in attributes.items() if not (name == "a" and key == "href")}, outside)
    written = (f' {key}="{html.escape(value)}"' for key, value in kept.items())
    return f"<{name}{''.join(written)}>"


def _note(attributes: Mapping[str, str], outside: dict[str, None]) -> None:
    """Remember what a browser would have loaded."""
    for name in ("src", "background", "href", "data", "poster", "srcset", "content"):
        value = attributes.get(name, "")
        if _LEADS_OUTSIDE.match(value) or (name == "content" and (_CSS_ADDRESS.search(value))):
            outside[value.strip()] = None


def _css(text: str, outside: dict[str, None]) -> str:
    """Styles that refer to nothing.

    Without backslashes, so that no word is written in a way that is not looked for; without "<", so that no end
    tag is in them.
    """
    plain = _CSS_COMMENT.sub(" ", text.replace("\\", "")).replace("<", "")
    for reference in _CSS_REFERENCE.finditer(plain):
        outside.update(dict.fromkeys(_CSS_ADDRESS.findall(reference[0])))
    return _CSS_REFERENCE.sub("none", plain)


def _text(text: str) -> str:
    return text.replace("<", "&lt;").replace(">", "&gt;")
