"""What a message is made of: MIME as it is written by programs, by hand, and by those who mean it badly."""

from __future__ import annotations

from email.message import EmailMessage
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maillab.mail.parts import DEPTH_LIMIT, PART_LIMIT_COUNT, TEXT_LIMIT_OCTETS, Part, Parts


def text_of(octets: bytes) -> str:
    parts = Parts.of(octets)
    part = parts.text or parts.html
    return "" if part is None else part.text


def mixed(body: bytes, boundary: bytes = b"b") -> bytes:
    return b'Content-Type: multipart/mixed; boundary="' + boundary + b'"\r\n\r\n' + body


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"", ""),
        (b"Subject: x\r\n\r\nHallo\r\nBob\r\n", "Hallo\nBob\n"),
        (b"\r\nno header\r\n", "no header\n"),
        ("Subject: x\r\n\r\nGrüße\r\n".encode(), "Grüße\n"),
        ("Subject: x\r\n\r\nGrüße\r\n".encode("latin-1"), "Grüße\n"),
        (b"Content-Type: text/plain; charset=koi8-r\r\n\r\n\xf0\xd2\xc9", "При"),
        (b"Content-Type: text/plain; charset=nonsense\r\n\r\n\xc3\xa4", "ä"),
        (b"Content-Type: text/plain; charset=idna\r\n\r\n\xc3\xa4", "ä"),
        (b"Content-Type: text/plain; charset*=\0''x; name*=\0''%FF\r\n\r\n\xc3\xa4", "ä"),
        (b"Content-Type: text/plain; charset=us-ascii\r\n\r\n\xe4", "ä"),
        (b"Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=\r\n=DFe", "GrÃ¼ße"),
        (b"Content-Type: text/plain\r\nContent-Transfer-Encoding: BASE64\r\n\r\nSGFs\r\nbG8=\r\n", "Hallo"),
        (b"Content-Transfer-Encoding: base64\r\n\r\nSGFs!!bG8=\r\nSGFsbG8=\r\n", "Hallo"),
        (b"Content-Transfer-Encoding: base64\r\n\r\nSGFsbG8", "Hallo"),
        (b"Content-Transfer-Encoding: base64\r\n\r\nSGFsb", "Hal"),
        (b"Content-Transfer-Encoding: base64\r\n\r\nS", ""),
        (b"Content-Type: text/html\r\n\r\n<p>Hallo</p>", "<p>Hallo</p>"),
        (b"Content-Type: image/png\r\n\r\nxxx", ""),
        (b"Content-Type: multipart/mixed\r\n\r\n--b\r\n\r\nno boundary", "--b\n\nno boundary"),
        (mixed(b"no delimiter"), "no delimiter"),
        (mixed(b"--b\r\n\r\nnever closed"), "never closed"),
        (mixed(b"before\r\n--b \t\r\n\r\nwithin\r\n--b--\r\nafter"), "within"),
        (mixed(b"--b\n\nbare\nlines\n--b--\n"), "bare\nlines"),
        (mixed(b"--b\r\n\r\n--bc\r\n-b\r\n--b--x\r\n--b--"), "--bc\n-b\n--b--x"),
        (mixed(b"--b"), "--b"),
        (mixed(b"--\r\n\r\nx", b""), "--\n\nx"),
    ],
)
def test_the_text_is_decoded(octets: bytes, text: str) -> None:
    """By its charset and its encoding; without a good one as UTF-8, else as Latin-1; broken ones as far as they go."""
    assert text_of(octets) == text


def test_plain_text_goes_before_html() -> None:
    """Of alternatives the plain one is read, wherever it stands, and never an attachment."""
    message = EmailMessage()
    message.set_content("plain ä")
    message.add_alternative("<p>html</p>", subtype="html")
    message.add_attachment("attached", filename="a.txt")
    parts = Parts.of(bytes(message))
    assert [(part.number, part.type) for part in parts.parts] == [
        ("1.1", "text/plain"),
        ("1.2", "text/html"),
        ("2", "text/plain"),
    ]
    assert (text_of(bytes(message)), parts.html) == ("plain ä\n", parts.parts[1])
    assert parts.attachments == parts.parts[2:]
    only_attached = EmailMessage()
    only_attached.set_content("<p>html</p>", subtype="html")
    only_attached.add_attachment("attached", filename="a.txt")
    assert text_of(bytes(only_attached)) == "<p>html</p>\n"


@pytest.mark.parametrize(
    ("field", "name"),
    [
        (b'Content-Disposition: attachment; filename="a b.pdf"', "a b.pdf"),
        (b"Content-Disposition: attachment;\r\n\tfilename*=UTF-8''Gr%C3%BC%C3%9Fe.pdf", "Grüße.pdf"),
        (b"Content-Disposition: attachment; filename*0*=latin-1''%FC; filename*1=x.pdf", "üx.pdf"),
        (b"Content-Disposition: attachment; filename*=nonsense''%C3%BC", "ü"),
        (b'Content-Disposition: attachment; filename="=?utf-8?B?w7xiZXIucGRm?="', "über.pdf"),
        ('Content-Disposition: attachment; filename="ü.pdf"'.encode(), "ü.pdf"),
        (b'Content-Type: application/pdf; name="x.pdf"', "x.pdf"),
        (b"Content-Disposition: attachment; filename*" + b"9" * 1000 + b"=x", "x"),
        (b"Content-Disposition: attachment; filename*0*=\0''x", "x"),
        (b"Content-Disposition: attachment", ""),
        (b"Content-Disposition: ;;;=;filename", ""),
    ],
)
def test_files_have_the_names_that_they_were_given(field: bytes, name: str) -> None:
    """In any of the ways that programs write them."""
    (part,) = Parts.of(field + b"\r\n\r\nx").parts
    assert part.file_name == name


def test_a_message_in_a_message_is_one_part() -> None:
    """It is not opened; in a digest every part is one that does not say otherwise."""
    report = b'Content-Type: multipart/report; boundary="b"\r\n\r\n--b\r\n\r\nfailed\r\n--b\r\nContent-Type: message/'
    parts = Parts.of(report + b"rfc822\r\n\r\nSubject: inner\r\n\r\ntext\r\n--b--").parts
    assert [(part.type, part.octets) for part in parts][1] == ("message/rfc822", b"Subject: inner\r\n\r\ntext")
    digest = Parts.of(mixed(b"--b\r\n\r\nSubject: x\r\n--b--").replace(b"mixed", b"digest")).parts
    assert [part.type for part in digest] == ["message/rfc822"]


def test_parts_in_parts_in_parts_do_no_harm() -> None:
    """However deep a message is nested, something is shown, and soon."""
    head = "".join(f'Content-Type: multipart/mixed; boundary="{n}"\r\n\r\n--{n}\r\n' for n in range(3000))
    (part,) = Parts.of(f"{head}\r\ntext".encode()).parts
    assert part.number == ".".join("1" * DEPTH_LIMIT)
    assert part.text.endswith("text")


def test_a_thousand_parts_are_too_many() -> None:
    """So many are looked at, and it is told that there are more."""
    parts = Parts.of(mixed(b"--b\r\n\r\nx\r\n" * 1000))
    assert (len(parts.parts), parts.is_complete) == (PART_LIMIT_COUNT, False)
    assert Parts.of(mixed(b"--b\r\n\r\nx\r\n" * PART_LIMIT_COUNT)).is_complete


def test_a_long_text_is_cut() -> None:
    """What nobody would read is not looked at; no character is cut in two."""
    (part,) = Parts.of(b"\r\n" + "€".encode() * TEXT_LIMIT_OCTETS).parts
    assert part.text_is_cut
    assert part.text == "€" * (TEXT_LIMIT_OCTETS // 3)


LINES = st.sampled_from(
    [
        *(b"--b", b"--b--", b"--c", b"", b" ", b"text", b"\xff\x00", b"=", b"=?", b"Content-Transfer-Encoding: base64"),
        *(b"Content-Type: multipart/mixed; boundary=b", b"Content-Type: multipart/x; boundary*0*=c''b", b"=C3=BC"),
        *(
            b"Content-Type: text/html",
            b"Content-Disposition: attachment; filename*=b'",
            b"Content-Type: message/rfc822",
        ),
        *(b"Content-Type: text/plain; charset=utf-7", b"Content-Transfer-Encoding: quoted-printable", b"!!!"),
    ]
)


@given(st.lists(LINES, max_size=40).map(b"\r\n".join) | st.binary(max_size=400))
def test_any_octets_have_parts(octets: bytes) -> None:
    """Nothing that a message holds is an error, and every part can be asked for by its own number."""
    parts = Parts.of(octets).parts
    assert parts
    assert len({part.number for part in parts}) == len(parts)
    for part in parts:
        part.text.encode()
        assert len(part.octets) <= len(octets)


@given(st.recursive(st.binary(max_size=30), lambda inner: st.lists(inner, min_size=1, max_size=3), max_leaves=8))
def test_what_is_put_together_comes_apart(tree: object) -> None:
    """Parts come out as they went in, in their order."""
    counted = count()
    leaves: list[bytes] = []

    def written(node: object) -> bytes:
        if isinstance(node, bytes):
            leaves.append(node.replace(b"--b", b""))
            return b"Content-Type: image/x\r\n\r\n" + leaves[-1]
        assert isinstance(node, list)
        boundary = f"b{next(counted)}b".encode()
        parts = b"".join(b"--" + boundary + b"\r\n" + written(each) + b"\r\n" for each in node)
        return mixed(parts + b"--" + boundary + b"--\r\n", boundary)

    parts: tuple[Part, ...] = Parts.of(written([tree])).parts
    assert [part.octets for part in parts] == leaves
