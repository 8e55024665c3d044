"""Presentations: charts, diagrams, notes and comments belong to their slide; a part that cannot be read is named."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from nestling import Document, Skip
from nestling.readers import read_here

pytest.importorskip("lxml")

FILES = Path(__file__).parent / "files"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
MODERN = "http://schemas.microsoft.com/office/2018/10/relationships"
NAMES = 'xmlns:p="p" xmlns:a="a" xmlns:c="c" xmlns:dgm="d" xmlns:mc="m" xmlns:r="r"'


def relations(*targets: tuple[str, str]) -> str:
    """A part's relations, of (type, name); ids are r1, r2 and so on."""
    kinds = [kind if "/" in kind else f"{RELATIONS}/{kind}" for kind, _ in targets]
    lines = (
        f'<Relationship Id="r{at}" Type="{kind}" Target="/{name}"/>'
        for at, (kind, (_, name)) in enumerate(zip(kinds, targets, strict=True), 1)
    )
    return f'<Relationships xmlns="r">{"".join(lines)}</Relationships>'


def written(path: Path, slide: str, *parts: tuple[str, str], **more: str) -> Path:
    """A presentation of one slide with the shapes given, which refers to the parts in (type, name)."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("_rels/.rels", relations(("officeDocument", "ppt/p.xml")))
        archive.writestr("ppt/p.xml", f'<p:p {NAMES}><p:sldId id="256" r:id="r1"/></p:p>')
        authors = (("commentAuthors", "old.xml"), (f"{MODERN}/authors", "new.xml"))
        archive.writestr("ppt/_rels/p.xml.rels", relations(("slide", "ppt/s.xml"), *authors))
        archive.writestr("old.xml", f'<p:l {NAMES}><p:cmAuthor id="0" name="Ann"/></p:l>')
        archive.writestr("new.xml", f'<p:l {NAMES}><p:author id="n" name="Bo"/></p:l>')
        archive.writestr("ppt/s.xml", f"<p:sld {NAMES}><p:spTree>{slide}</p:spTree></p:sld>")
        archive.writestr("ppt/_rels/s.xml.rels", relations(*parts))
        for name, content in more.items():
            archive.writestr(f"{name}.xml", content)
    return path


def paragraph(text: str) -> str:
    return f"<a:p><a:r><a:t>{text}</a:t></a:r></a:p>"


def shape(text: str) -> str:
    return f"<p:sp><p:nvSpPr><p:nvPr/></p:nvSpPr><p:txBody>{paragraph(text)}</p:txBody></p:sp>"


def text_of(path: Path) -> str:
    (document,) = read_here(path)
    assert isinstance(document, Document), document
    return document.text


def test_a_chart_is_read_with_all_levels_of_its_categories_and_a_note_behind_it() -> None:
    lines = [line for line in text_of(FILES / "charted.pptx").splitlines() if line]
    assert lines[0] == "# Admissions" and lines[-1] == "Notes: Mention the new triage desk"
    assert sorted(lines[1:-1]) == sorted(
        ["Injuries by month", "Patients", "Burns", "Fractures", "Year one", "Year two", "January", "June", "August"]
    )


@pytest.mark.parametrize(
    ("inside", "texts"),
    [
        ("<c:cat><c:strLit><c:pt><c:v>literal</c:v></c:pt></c:strLit></c:cat>", ["literal"]),
        ("<c:tx><c:v>series</c:v></c:tx>", ["series"]),
        ("<c:ext><c:dlblRangeCache><c:pt><c:v>label</c:v></c:pt></c:dlblRangeCache></c:ext>", ["label"]),
        ("<a:p><a:r><a:t>two</a:t></a:r><a:br/><a:r><a:t>lines</a:t></a:r></a:p>", ["two lines"]),
        ("<c:val><c:numCache><c:pt><c:v>5</c:v></c:pt></c:numCache></c:val>", []),
    ],
)
def test_words_of_a_chart_are_read_and_its_numbers_are_not(tmp_path: Path, inside: str, texts: list[str]) -> None:
    frame = '<p:graphicFrame><c:chart r:id="r1"/></p:graphicFrame>'
    path = tmp_path / "a.pptx"
    written(path, shape("body") + frame, ("chart", "c.xml"), c=f"<c:chart {NAMES}>{inside}</c:chart>")
    assert text_of(path).splitlines() == ["body", *texts]


@pytest.mark.parametrize("suffix", [".pptx", ".ppsx", ".pptm", ".potx"])
def test_diagrams_groups_and_both_kinds_of_comments(tmp_path: Path, suffix: str) -> None:
    slide = (
        f"<p:grpSp><p:grpSp>{shape('grouped')}</p:grpSp></p:grpSp>"
        f"<mc:AlternateContent><mc:Choice>{shape('once')}</mc:Choice><mc:Fallback>{shape('once')}</mc:Fallback>"
        '</mc:AlternateContent><p:graphicFrame><dgm:relIds r:dm="r1"/></p:graphicFrame>'
    )
    path = written(
        tmp_path / f"a{suffix}",
        slide,
        ("diagramData", "d.xml"),
        ("comments", "o.xml"),
        (f"{MODERN}/comments", "n.xml"),
        d=f"<dgm:m {NAMES}><dgm:pt><dgm:t>{paragraph('arrow')}</dgm:t></dgm:pt></dgm:m>",
        o=f'<p:l {NAMES}><p:cm authorId="0"><p:text>check</p:text></p:cm></p:l>',
        n=f'<p:l {NAMES}><p:cm authorId="n"><p:txBody>{paragraph("again")}</p:txBody></p:cm></p:l>',
    )
    lines = ["grouped", "once", "arrow", "Comment (Ann): check", "Comment (Bo): again"]
    assert text_of(path).splitlines() == lines


def test_a_chart_that_is_not_there_is_named_and_the_slide_is_read(tmp_path: Path) -> None:
    frame = '<p:graphicFrame><c:chart r:id="r1"/></p:graphicFrame>'
    path = written(tmp_path / "a.pptx", shape("body") + frame, ("chart", "c.xml"))
    document, skip = read_here(path)
    assert isinstance(document, Document) and document.text == "body"
    assert skip == Skip(str(path), "a drawing in it cannot be read (is damaged (c.xml))", within=True)
