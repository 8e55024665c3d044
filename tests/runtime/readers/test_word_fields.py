"""Fields of Word files: their results are read, their instructions are not, and none hides what stands behind it."""

from __future__ import annotations

import time
import zipfile
from pathlib import Path

import pytest

from nestling import Document
from nestling.readers import read_here

pytest.importorskip("lxml")

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
KINDS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
HIDDEN = "<w:rPr><w:vanish/></w:rPr>"


def run(text: str) -> str:
    return f"<w:r><w:t>{text}</w:t></w:r>"


def mark(kind: str, properties: str = "") -> str:
    return f'<w:r>{properties}<w:fldChar w:fldCharType="{kind}"/></w:r>'


BEGIN, SEPARATE, END = map(mark, ("begin", "separate", "end"))


def code(text: str) -> str:
    return f"<w:r><w:instrText>{text}</w:instrText></w:r>"


def paragraph(*parts: str) -> str:
    return f"<w:p>{''.join(parts)}</w:p>"


def deleted(*parts: str) -> str:
    return f"<w:del>{''.join(parts)}</w:del>"


def read(folder: Path, body: str, **parts: str) -> str:
    """The text of a Word file with a body and other parts, each of the kind of its name."""
    relations = "".join(f'<Relationship Id="r{one}" Type="{KINDS}/{one}" Target="{one}.xml"/>' for one in parts)
    with zipfile.ZipFile(folder / "a.docx", "w") as archive:
        archive.writestr("word/_rels/document.xml.rels", f'<Relationships xmlns="r">{relations}</Relationships>')
        archive.writestr("word/document.xml", f'<w:document xmlns:w="{W}"><w:body>{body}</w:body></w:document>')
        for name, part in parts.items():
            archive.writestr(f"word/{name}.xml", f'<w:part xmlns:w="{W}">{part}</w:part>')
    (document,) = read_here(folder / "a.docx")
    assert isinstance(document, Document)
    return document.text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param(
            paragraph(BEGIN, code("REF"), run("asked"), SEPARATE, run("5 mg"), mark("end", HIDDEN))
            + paragraph(run("on")),
            "5 mg\non",
            id="its end is hidden",
        ),
        pytest.param(
            paragraph(BEGIN, code("XE"), mark("end", HIDDEN), run("entry")) + paragraph(run("on")),
            "entry\non",
            id="without a result, its end is hidden",
        ),
        pytest.param(
            paragraph(BEGIN, code("REF"), deleted(SEPARATE), run("5 mg"), deleted(END), run(" daily")),
            "5 mg daily",
            id="its marks were deleted",
        ),
        pytest.param(
            paragraph(deleted(BEGIN, code("REF"), SEPARATE, END), run("left")), "left", id="all of it was deleted"
        ),
        pytest.param(
            paragraph(run("a "), BEGIN, code("REF"), run("b")) + paragraph(run("c")),
            "a b\nc",
            id="it never ends and has no result",
        ),
        pytest.param(
            paragraph(BEGIN, code("REF"), run("b "), SEPARATE, run("c")) + paragraph(run("d")),
            "b c\nd",
            id="it never ends",
        ),
        pytest.param(
            paragraph(BEGIN, code("REF"), run("5 mg"), END, run(" daily")), "5 mg daily", id="its result is not marked"
        ),
        pytest.param(
            paragraph(run("a"), END, SEPARATE, run("b"), BEGIN, run("not"), SEPARATE, run("c"), END),
            "abc",
            id="ends and results of no field",
        ),
        pytest.param(
            paragraph(
                BEGIN, code("IF"), BEGIN, code("REF"), run("not"), SEPARATE, run("asked"), END, run("other"),
                SEPARATE, run("yes, "), BEGIN, run("not"), SEPARATE, run("inner"), END, run(", after"), END,
                run(" end"),
            ),
            "yes, inner, after end",
            id="fields within both parts of one",
        ),
        pytest.param(
            paragraph(BEGIN, code("REF"), BEGIN, code("REF"), run("not"), SEPARATE, run("5 mg"), END)
            + paragraph(run("on")),
            "5 mg\non",
            id="a whole one within one that never ends",
        ),
        pytest.param(
            paragraph(BEGIN, code("TOC"), run("not")) + paragraph(run("not"), SEPARATE, run("one"))
            + paragraph(run("two")) + paragraph(END, run("three")),
            "one\ntwo\nthree",
            id="it spans paragraphs",
        ),
        pytest.param(
            f"<w:tbl><w:tr><w:trPr><w:del/></w:trPr><w:tc>{paragraph(BEGIN, run('not'))}</w:tc></w:tr></w:tbl>"
            + paragraph(run("not"), SEPARATE, run("5 mg"), END, run(" daily")),
            "5 mg daily",
            id="it begins in a row that was deleted",
        ),
        pytest.param(
            paragraph(
                BEGIN, code("REF"), f"<w:r><w:pict><w:txbxContent>{paragraph(run('boxed'), END, BEGIN)}"
                "</w:txbxContent></w:pict></w:r>", run("not"), SEPARATE, run("result"), END,
            ),
            "result\nboxed",
            id="a text box within its instruction",
        ),
        pytest.param(
            paragraph(BEGIN, "<w:r><w:tab/><w:t>not</w:t><w:br/></w:r>", SEPARATE, "<w:r><w:t>a</w:t><w:tab/></w:r>",
                      run("b"), END),
            "a\tb",
            id="tabs and breaks",
        ),
    ],
)  # fmt: skip
def test_a_field_shows_its_result_and_hides_nothing_behind_it(tmp_path: Path, body: str, text: str) -> None:
    assert read(tmp_path, body) == text


def test_a_field_ends_with_the_part_that_it_stands_in(tmp_path: Path) -> None:
    body = paragraph(run("body"), BEGIN, code("REF"), '<w:r><w:footnoteReference w:id="1"/></w:r>')
    note = f'<w:footnote w:id="1">{paragraph(run("noted"), SEPARATE, run(" well"), END, BEGIN)}</w:footnote>'
    header = paragraph(run("ward"), SEPARATE, run(" 7"), END)
    text = read(tmp_path, body, footnotes=note, header=header)
    assert text == "body\nFootnote: noted well\n\nHeader: ward 7"


def test_fields_that_were_made_to_harm_take_no_time(tmp_path: Path) -> None:
    many = 30_000
    body = paragraph(
        (BEGIN + run("not")) * many, SEPARATE, run("not"), (END + SEPARATE) * many, BEGIN * many, run("on")
    )
    began = time.monotonic()
    text = read(tmp_path, body)
    assert time.monotonic() - began < 10
    assert text == "on"
