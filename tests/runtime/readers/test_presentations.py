"""Presentations: all texts of a slide in every form of PowerPoint and LibreOffice."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import pytest

from nestling import Document
from nestling.document import Skip
from nestling.readers import read_here

pytest.importorskip("olefile")

FILES = Path(__file__).parent / "files"
SHOWN = "Night doses\nAmoxicillin at ten — naïve café\nParacetamol at two\nIn a group"
NOTES, COMMENT = "Notes: Speak slowly", "Comment (Bea): Ask pharmacy first"
TABLE = "Second page\n5 | 5"


def text_of(path: Path) -> str:
    (document,) = read_here(path)
    assert isinstance(document, Document), document
    return document.text


@pytest.mark.parametrize(
    ("name", "slides"),
    [
        ("round.fodp", [f"{COMMENT}\n# {SHOWN}\n{NOTES}".replace("doses\n", "doses\n\n"), f"# {TABLE}"]),
        ("round.odp", [f"{SHOWN}\n{NOTES}\n{COMMENT}", TABLE]),
        ("round.ppsx", [f"{SHOWN}\n{NOTES}\n{COMMENT}", TABLE]),
        ("round.ppt", [f"{SHOWN}\n{COMMENT}", "Second page\n5\n5"]),
    ],
)
def test_a_real_presentation_is_read_in_every_form(tmp_path: Path, name: str, slides: list[str]) -> None:
    path = FILES / name
    if name.endswith(".ppt"):
        path = tmp_path / name
        path.write_bytes(gzip.decompress((FILES / f"{name}.gz").read_bytes()))
    (document,) = read_here(path)
    assert isinstance(document, Document)
    assert document.title == "Ward round"
    found = [slide.strip().replace("page\n\n", "page\n") for slide in document.text.split("\f")]
    assert found == slides


def made(path: Path) -> Path:
    """A presentation by python-pptx, where that is there."""
    pptx = pytest.importorskip("pptx")
    from pptx.chart.data import CategoryChartData
    from pptx.enum.chart import XL_CHART_TYPE
    from pptx.util import Inches

    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[5])
    slide.shapes.title.text = "First\vslide"
    table = slide.shapes.add_table(2, 2, 0, 0, Inches(4), Inches(1)).table
    table.cell(0, 0).text = table.cell(0, 1).text = "same"
    table.cell(1, 0).merge(table.cell(1, 1))
    table.cell(1, 0).text = "wide"
    data = CategoryChartData()
    data.categories = ["North", "South"]
    data.add_series("Cases 2025", (1, 2))
    chart = slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, 0, 0, Inches(4), Inches(3), data).chart
    chart.has_title = True
    chart.chart_title.text_frame.text = "Malaria by region"
    slide.shapes.add_group_shape().shapes.add_textbox(0, 0, 10, 10).text_frame.text = "in a group"
    slide.notes_slide.notes_text_frame.text = "speak slowly"
    deck.slides.add_slide(deck.slide_layouts[1]).placeholders[1].text = "one\ntwo"
    deck.save(path)
    return path


@pytest.mark.parametrize("suffix", [".pptx", ".ppsx", ".pptm", ".potx"])
def test_tables_charts_groups_and_notes_are_read(tmp_path: Path, suffix: str) -> None:
    path = made(tmp_path / "a.pptx").rename(tmp_path / f"a{suffix}")
    assert text_of(path) == (
        "# First slide\n\nsame | same\nwide\nMalaria by region\nCases 2025\nNorth\nSouth\nin a group\n"
        "Notes: speak slowly\fone\ntwo"
    )


def package(path: Path, slide: str, relations: dict[str, tuple[str, str]]) -> Path:
    """A presentation of one slide, which refers to parts by id, each of a kind and with a content."""
    kinds = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"

    def refer(targets: dict[str, tuple[str, str]]) -> str:
        rows = (f'<Relationship Id="{id}" Type="{kinds}/{kind}" Target="{to}"/>' for id, (kind, to) in targets.items())
        return f'<Relationships xmlns="r">{"".join(rows)}</Relationships>'

    names = 'xmlns:p="p" xmlns:a="a" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("_rels/.rels", refer({"r1": ("officeDocument", "ppt/presentation.xml")}))
        archive.writestr(
            "ppt/presentation.xml", f'<p:presentation {names}><p:sldId id="256" r:id="s"/></p:presentation>'
        )
        parts = {id: (kind, f"{id}.xml") for id, (kind, _) in relations.items()}
        main = {id: part for id, part in parts.items() if part[0] in ("commentAuthors", "authors")}
        archive.writestr("ppt/_rels/presentation.xml.rels", refer({"s": ("slide", "slide.xml"), **main}))
        archive.writestr("ppt/slide.xml", f"<p:sld {names}><p:spTree>{slide}</p:spTree></p:sld>")
        archive.writestr("ppt/_rels/slide.xml.rels", refer(parts))
        for id, (_, content) in relations.items():
            archive.writestr(f"ppt/{id}.xml", content.replace(">", f" {names}>", 1))
    return path


def shape(text: str, place: str = "") -> str:
    properties = f"<p:nvSpPr><p:nvPr>{place}</p:nvPr></p:nvSpPr>"
    return f"<p:sp>{properties}<p:txBody><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp>"


def test_diagrams_comments_and_footers_are_read_and_numbers_are_not(tmp_path: Path) -> None:
    slide = (
        shape("body")
        + shape("Confidential", '<p:ph type="ftr"/>')
        + shape("7", '<p:ph type="sldNum"/>')
        + '<p:graphicFrame><relIds r:dm="dm"/></p:graphicFrame>'
    )
    parts = {
        "dm": ("diagramData", "<d><a:p><a:t>Step</a:t><a:t> one</a:t></a:p></d>"),
        "old": ("comments", '<p:cmLst><p:cm authorId="0"><p:text>check this</p:text></p:cm></p:cmLst>'),
        "who": ("commentAuthors", '<p:l><p:cmAuthor id="0" name="Bea"/></p:l>'),
        "new": (
            "comments",
            '<p:cmLst><p:cm authorId="{1}"><p:replyLst><p:reply authorId="{2}"><p:txBody><a:p><a:t>done</a:t></a:p>'
            "</p:txBody></p:reply></p:replyLst><p:txBody><a:p><a:t>and this</a:t></a:p></p:txBody></p:cm></p:cmLst>",
        ),
        "people": ("authors", '<p:l><p:author id="{1}" name="Bo"/></p:l>'),
    }
    assert text_of(package(tmp_path / "a.pptx", slide, parts)).split("\n") == [
        "body",
        "Step one",
        "Comment (Bea): check this",
        "Comment (Bo): and this",
        "Comment: done",
        "",
        "Footer: Confidential",
    ]


def test_a_slide_that_is_damaged_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    path = made(tmp_path / "a.pptx")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "b.pptx", "w") as new:
        for name in old.namelist():
            new.writestr(name, b"<p:sld" if name == "ppt/slides/slide1.xml" else old.read(name))
    document, skip = read_here(tmp_path / "b.pptx")
    assert isinstance(document, Document)
    assert document.text == "\fone\ntwo"
    reason = "its slide1 cannot be read (is damaged (its XML cannot be parsed))"
    assert skip == Skip(str(tmp_path / "b.pptx"), reason, within=True)
