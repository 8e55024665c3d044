"""Everything that Word and LibreOffice show of a text is read, and nothing that was deleted."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from nestling import Document
from nestling.document import Skip
from nestling.readers import read_here

FILES = Path(__file__).parent / "files"
W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
STRICT = "http://purl.oclc.org/ooxml/wordprocessingml/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
WARD = """# Doses

Give freshly mixed saline twice a  day.
Footnote: Nine grams a litre.
Endnote: At eight and at eight.
Comment (Bea): Check with pharmacy.
Box:
Inside the box

On the shape
5 | 5 | 7
merged | nested
Read 漢字. (かんじ)
first item
second item

Header: Northern clinic

Footer: Printed copies expire"""


def run(text: str, properties: str = "") -> str:
    return f"<w:r>{properties}<w:t>{text}</w:t></w:r>"


def paragraph(*parts: str) -> str:
    return f"<w:p>{''.join(parts)}</w:p>"


def written(path: Path, body: str, namespace: str = W, **parts: str) -> Path:
    """A Word file of some parts, which the document refers to, each of the kind that its name says."""
    document = (
        f'<w:document xmlns:w="{namespace}" xmlns:r="{RELATIONS}" xmlns:wps="wps" xmlns:mc="mc" xmlns:c="chart">'
        f"<w:body>{body}</w:body></w:document>"
    )
    relations = "".join(
        f'<Relationship Id="r{name}" Type="{RELATIONS}/{name.rstrip("0123456789")}" Target="{name}.xml"/>'
        for name in parts
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", document)
        archive.writestr("word/_rels/document.xml.rels", f'<Relationships xmlns="r">{relations}</Relationships>')
        for name, part in parts.items():
            archive.writestr(f"word/{name}.xml", part)
    return path


def text_of(path: Path) -> str:
    (document,) = read_here(path)
    assert isinstance(document, Document)
    return document.text


@pytest.mark.parametrize("name", ["ward.fodt", "ward.odt", "ward.docx"])
def test_a_real_file_is_read_as_it_is_shown(name: str) -> None:
    (document,) = read_here(FILES / name)
    assert isinstance(document, Document)
    assert (document.title, document.text) == ("Ward rules", WARD)


@pytest.mark.parametrize(
    ("xml", "text"),
    [
        (paragraph(run("kept "), f"<w:ins>{run('added')}</w:ins>", f"<w:del>{run('gone')}</w:del>"), "kept added"),
        (paragraph(f"<w:moveTo>{run('here')}</w:moveTo>", f"<w:moveFrom>{run('there')}</w:moveFrom>"), "here"),
        (f"<w:sdt><w:sdtContent>{paragraph(run('block'))}</w:sdtContent></w:sdt>", "block"),
        (paragraph(run("a "), f"<w:sdt><w:sdtContent>{run('b')}</w:sdtContent></w:sdt>"), "a b"),
        (paragraph(f'<w:fldSimple w:instr="DATE">{run("May")}</w:fldSimple>'), "May"),
        (paragraph(f"<w:smartTag>{run('a')}</w:smartTag>", f"<w:hyperlink>{run(' link')}</w:hyperlink>"), "a link"),
        (paragraph(run("shown"), run("hidden", "<w:rPr><w:vanish/></w:rPr>")), "shown"),
        (paragraph(run("on"), run("e", '<w:rPr><w:vanish w:val="0"/></w:rPr>')), "one"),
        (paragraph("<w:r><w:t>re</w:t><w:softHyphen/><w:t>act</w:t><w:noBreakHyphen/><w:t>2</w:t></w:r>"), "react-2"),
        (paragraph("<w:pPr><w:tabs><w:tab/></w:tabs></w:pPr>", "<w:r><w:t>a</w:t><w:tab/><w:t>b</w:t></w:r>"), "a\tb"),
        (paragraph(run("5 "), '<w:r><w:sym w:font="Symbol" w:char="F06D"/></w:r>', run("g")), "5 μg"),
        (paragraph(run("x"), '<w:r><w:sym w:font="Wingdings" w:char="F0FC"/></w:r>'), "x"),
        (
            paragraph(
                '<w:r><w:fldChar w:fldCharType="begin"/></w:r>', "<w:r><w:instrText>IF</w:instrText></w:r>",
                run("asked"),
                '<w:r><w:fldChar w:fldCharType="separate"/></w:r>', run("answer"),
                '<w:r><w:fldChar w:fldCharType="end"/></w:r>', run(" after"),
            ),
            "answer after",
        ),
        (
            paragraph(
                '<w:r><w:fldChar w:fldCharType="begin"><w:ffData><w:ddList><w:result w:val="1"/>'
                '<w:listEntry w:val="oral"/><w:listEntry w:val="rectal"/></w:ddList></w:ffData></w:fldChar></w:r>',
                '<w:r><w:fldChar w:fldCharType="end"/></w:r>',
            ),
            "rectal",
        ),
        (
            paragraph(
                "<w:r><mc:AlternateContent><mc:Choice><wps:txbx><w:txbxContent>"
                f"{paragraph(run('boxed'))}</w:txbxContent></wps:txbx></mc:Choice><mc:Fallback><w:pict><w:txbxContent>"
                f"{paragraph(run('boxed'))}</w:txbxContent></w:pict></mc:Fallback></mc:AlternateContent></w:r>"
            ),
            "boxed",
        ),
        (
            f"<w:tbl><w:tr><w:tc>{paragraph(run('3'))}</w:tc><w:tc>{paragraph(run('3'))}</w:tc></w:tr></w:tbl>",
            "3 | 3",
        ),
        (
            f"<w:tbl><w:tr><w:tc><w:tcPr><w:vMerge w:val='restart'/></w:tcPr>{paragraph(run('tall'))}</w:tc>"
            f"<w:tc>{paragraph(run('a'))}</w:tc></w:tr><w:tr><w:tc><w:tcPr><w:vMerge/></w:tcPr>"
            f"{paragraph(run('tall'))}</w:tc><w:tc>{paragraph(run('b'))}</w:tc></w:tr></w:tbl>",
            "tall | a\nb",
        ),
        (
            f"<w:tbl><w:tr><w:trPr><w:del/></w:trPr><w:tc>{paragraph(run('gone'))}</w:tc></w:tr>"
            f"<w:sdt><w:sdtContent><w:tr><w:tc>{paragraph(run('left'))}</w:tc></w:tr></w:sdtContent></w:sdt></w:tbl>",
            "left",
        ),
        (paragraph('<w:pPr><w:outlineLvl w:val="1"/></w:pPr>', run("Part")), "## Part"),
        (paragraph("<m:oMath xmlns:m='m'><m:r><m:t>E=mc</m:t></m:r></m:oMath>"), "E=mc"),
        ("<m:oMathPara xmlns:m='m'><m:oMath><m:r><m:t>E=mc</m:t></m:r></m:oMath></m:oMathPara>", "E=mc"),
        (
            paragraph(
                "<m:oMath xmlns:m='m'><m:f><m:num><m:r><m:t>dose</m:t></m:r></m:num>"
                "<m:den><m:r><m:t>2</m:t></m:r></m:den></m:f></m:oMath>"
            ),
            "dose/2",
        ),
        (
            paragraph(
                "<m:oMath xmlns:m='m'><m:r><m:t>f</m:t></m:r><m:d><m:e><m:r><m:t>x</m:t></m:r><m:d><m:dPr>"
                "<m:begChr m:val='['/><m:endChr m:val=']'/></m:dPr><m:e><m:r><m:t>y</m:t></m:r></m:e></m:d></m:e>"
                "<m:e><m:r><m:t>z</m:t></m:r></m:e></m:d></m:oMath>"
            ),
            "f(x[y]|z)",
        ),
        (paragraph("<w:r><w:t>a</w:t><w:ptab/><w:t>b</w:t><w:cr/><w:t>c</w:t></w:r>"), "a\tb\nc"),
        (
            paragraph(
                "<w:r><mc:AlternateContent><mc:Choice><x/></mc:Choice><mc:Fallback><w:t>shown</w:t></mc:Fallback>"
                "</mc:AlternateContent></w:r>"
            ),
            "shown",
        ),
        (
            f"<w:tbl><w:tr><w:sdt><w:sdtContent><w:tc>{paragraph(run('cell'))}</w:tc></w:sdtContent></w:sdt>"
            f"<w:tc><w:sdt><w:sdtContent>{paragraph(run('inner'))}</w:sdtContent></w:sdt></w:tc></w:tr></w:tbl>",
            "cell | inner",
        ),
        (
            paragraph(
                f"<w:r><w:ruby><w:rt>{run('kana')}</w:rt><w:rubyBase>{run('kanji')}</w:rubyBase></w:ruby></w:r>",
                f'<w:fldSimple w:instr="IF"><w:fldSimple w:instr="REF">{run(" inner")}</w:fldSimple></w:fldSimple>',
            ),
            "kanji inner (kana)",
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("namespace", [W, STRICT])
def test_all_that_word_shows_is_text(tmp_path: Path, xml: str, text: str, namespace: str) -> None:
    assert text_of(written(tmp_path / "a.docx", xml, namespace)) == text


def test_headings_have_the_level_of_their_style_in_any_language(tmp_path: Path) -> None:
    styles = (
        f'<w:styles xmlns:w="{W}"><w:style w:styleId="berschrift2"><w:name w:val="heading 2"/></w:style>'
        '<w:style w:styleId="Own"><w:name w:val="Own"/><w:basedOn w:val="berschrift2"/></w:style>'
        '<w:style w:styleId="Loop"><w:name w:val="Loop"/><w:basedOn w:val="Loop"/></w:style></w:styles>'
    )
    body = "".join(
        paragraph(f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>', run(style)) for style in ("berschrift2", "Own", "Loop")
    )
    text = text_of(written(tmp_path / "a.docx", body, styles=styles))
    assert text == "## berschrift2\n\n\n## Own\n\nLoop"


def test_a_chart_and_a_diagram_have_their_words_behind_the_paragraph(tmp_path: Path) -> None:
    chart = (
        '<c:chart xmlns:c="c" xmlns:a="a"><a:p><a:t>Ca</a:t><a:t>ses</a:t></a:p>'
        "<c:cat><c:strRef><c:strCache><c:pt><c:v>North</c:v></c:pt>"
        "</c:strCache></c:strRef></c:cat><c:val><c:numRef><c:numCache><c:pt><c:v>7</c:v></c:pt></c:numCache></c:numRef>"
        "</c:val></c:chart>"
    )
    body = paragraph(run("see"), '<w:r><w:drawing><c:chart r:id="rchart1"/></w:drawing></w:r>') + paragraph(run("end"))
    assert text_of(written(tmp_path / "a.docx", body, chart1=chart)) == "see\nCases\nNorth\nend"


def test_drawings_of_a_header_or_a_note_are_those_that_it_refers_to_itself(tmp_path: Path) -> None:
    drawing = '<w:p><w:r><w:drawing><c:chart r:id="rchart1"/></w:drawing></w:r></w:p>'
    part = f'<w:part xmlns:w="{W}" xmlns:r="{RELATIONS}" xmlns:c="c">'
    path = written(
        tmp_path / "a.docx",
        paragraph(run("body"), '<w:r><w:footnoteReference w:id="1"/></w:r>') + drawing,
        header=f"{part}{drawing}</w:part>",
        footnotes=f'{part}<w:footnote w:id="1">{drawing}</w:footnote></w:part>',
        chart1='<c xmlns:a="a"><a:p><a:t>in the body</a:t></a:p></c>',
        chart2='<c xmlns:a="a"><a:p><a:t>in the header</a:t></a:p></c>',
        chart3='<c xmlns:a="a"><a:p><a:t>in the note</a:t></a:p></c>',
    )
    with zipfile.ZipFile(path, "a") as archive:
        for name, target in (("header", "chart2"), ("footnotes", "chart3")):
            relation = f'<Relationship Id="rchart1" Type="{RELATIONS}/chart" Target="{target}.xml"/>'
            archive.writestr(f"word/_rels/{name}.xml.rels", f'<Relationships xmlns="r">{relation}</Relationships>')
    assert text_of(path) == "body\nFootnote: in the note\n\nin the body\n\nHeader: in the header"


def test_a_document_that_is_put_together_of_others_names_them(tmp_path: Path) -> None:
    path = written(tmp_path / "a.docx", paragraph(run("body")) + '<w:subDoc r:id="x"/>')
    _, skip = read_here(path)
    assert skip == Skip(str(path), "a document that it is put together of is not read; add its file", within=True)


def test_what_cannot_be_read_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a.docx",
        paragraph(run("body"), '<w:r><w:drawing><c:chart r:id="rchart1"/></w:drawing></w:r>')
        + '<w:altChunk r:id="x"/>',
        footnotes="<w:footnotes",
        chart1="<c",
    )
    document, *skips = read_here(path)
    assert isinstance(document, Document)
    assert document.text == "body"
    assert skips == [
        Skip(str(path), "its footnotes cannot be read (is damaged (its XML cannot be parsed))", within=True),
        Skip(str(path), "a drawing in it cannot be read (is damaged (its XML cannot be parsed))", within=True),
        Skip(str(path), "a document that is embedded in it is not read", within=True),
    ]


def test_repeated_cells_of_a_sheet_stay_and_are_bounded(tmp_path: Path) -> None:
    def sheet(repeated: str) -> Path:
        path = tmp_path / f"{repeated}.fods"
        kinds = {"o": "office", "t": "table", "x": "text"}
        names = " ".join(
            f'xmlns:{one}="urn:oasis:names:tc:opendocument:xmlns:{kind}:1.0"' for one, kind in kinds.items()
        )
        path.write_text(
            f'<o:document {names}><o:body><o:spreadsheet><t:table t:name="S"><t:table-row>'
            f'<t:table-cell t:number-columns-repeated="{repeated}"><x:p>3</x:p></t:table-cell>'
            "</t:table-row></t:table></o:spreadsheet></o:body></o:document>"
        )
        return path

    assert text_of(sheet("2")) == "# S\n\n3 | 3"
    assert text_of(sheet("16384")).count("3") == 100


def test_a_file_of_another_program_is_read_with_its_margins_and_tables(tmp_path: Path) -> None:
    docx = pytest.importorskip("docx")
    word = docx.Document()
    word.core_properties.title = "Cold chain"
    word.add_heading("Fridges", level=2)
    word.add_paragraph("Keep between 2 and 8 °C.", style="List Bullet")
    table = word.add_table(2, 2)
    table.cell(0, 0).merge(table.cell(0, 1)).text = "both"
    table.cell(1, 0).text = table.cell(1, 1).text = "same"
    word.sections[0].header.paragraphs[0].text = "Vaccines"
    word.save(tmp_path / "a.docx")
    (document,) = read_here(tmp_path / "a.docx")
    assert isinstance(document, Document)
    assert document.title == "Cold chain"
    assert document.text == "## Fridges\n\nKeep between 2 and 8 °C.\nboth\nsame | same\n\nHeader: Vaccines"
