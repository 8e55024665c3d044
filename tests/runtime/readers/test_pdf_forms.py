"""PDF: words that were broken at a line's end, what people wrote on pages, and what cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from nestling import Document
from nestling.document import Skip
from nestling.readers import read_here

pytest.importorskip("pypdfium2")

FILES = Path(__file__).parent / "files"
FONT = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>"


def written(path: Path, *pages: str, objects: tuple[str, ...] = (), page: str = "", catalog: str = "") -> Path:
    """A PDF of pages with these contents, to each of which goes `page`; the font is 3, further objects start at 10."""
    count = len(pages)
    numbered = {
        1: f"<</Type/Catalog/Pages 2 0 R{catalog}>>",
        2: f"<</Type/Pages/Kids[{' '.join(f'{100 + 2 * n} 0 R' for n in range(count))}]/Count {count}>>",
        3: FONT,
        **dict(enumerate(objects, start=10)),
    }
    for number, content in enumerate(pages):
        resources = "/Resources<</Font<</F 3 0 R>>/XObject<</I 10 0 R>>>>"
        place = 100 + 2 * number
        numbered[place] = f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 800]/Contents {place + 1} 0 R{resources}{page}>>"
        numbered[place + 1] = f"<</Length {len(content)}>>stream\n{content}\nendstream"
    body = "%PDF-1.7\n"
    places = {}
    for number, text in numbered.items():
        places[number] = len(body)
        body += f"{number} 0 obj{text}endobj\n"
    start, table = len(body), "xref\n0 1\n0000000000 65535 f \n"
    table += "".join(f"{number} 1\n{at:010} 00000 n \n" for number, at in places.items())
    path.write_bytes(f"{body}{table}trailer<</Size 999/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n".encode("latin-1"))
    return path


def shown(*lines: str) -> str:
    return f"BT /F 12 Tf 50 700 Td 14 TL {' '.join(f'({line}) Tj T*' for line in lines)} ET"


def text_of(path: Path) -> str:
    (document,) = read_here(path)
    assert isinstance(document, Document), document
    return document.text


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (("the inter-", "national treaty"), "the international treaty"),
        (("soft\xad", "hyphen"), "softhyphen"),
        (("INTER-", "NATIONAL"), "INTERNATIONAL"),
        (("after COVID-", "19 came"), "after COVID-19 came"),
        (("model X-", "200 came"), "model X-200 came"),
        (("a 5-", "year plan"), "a 5-year plan"),
        (("pages 10-", "12 of it"), "pages 10-12 of it"),
        (("the Smith-", "Jones scale"), "the Smith-Jones scale"),
        (("an e-", "mail came"), "an e-mail came"),
        (("two:", "- one", "- two"), "two:\n- one\n- two"),
        (("dash -", "behind"), "dash -\nbehind"),
        (("it ends in a hy-",), "it ends in a hy-"),
    ],
)
def test_a_word_that_a_line_breaks_is_whole(tmp_path: Path, lines: tuple[str, ...], text: str) -> None:
    assert text_of(written(tmp_path / "a.pdf", shown(*lines))) == text


def test_a_word_that_a_page_breaks_is_whole_on_the_first(tmp_path: Path) -> None:
    path = written(tmp_path / "a.pdf", shown("under inter-"), shown("national law."), shown("Item 5-"), shown("Next."))
    assert text_of(path) == "under international\flaw.\fItem 5-\fNext."


def test_a_real_form_is_read_with_what_was_typed_and_noted(tmp_path: Path) -> None:
    text = text_of(FILES / "consent.pdf")
    words = " ".join(text.split())
    assert "Ask about any international travel telecommunication and about COVID-19 vaccines" in words
    assert "an e-mail address, the Smith-Jones scale or a model X-200 pump" in words
    lines = text.split("\n")
    assert lines[-3:-1] == ["Field (ward): Nephrology west", "Field (fasting): checked"]
    assert lines[-1].startswith("Comment (Bea") and lines[-1].endswith("): Was she abroad?")


def test_every_kind_of_field_and_note_is_labelled(tmp_path: Path) -> None:
    annotations = (
        "<</Subtype/Widget/FT/Tx/T(name)/TU(Your name)/V(Ana)/Rect[0 0 9 9]/F 4>>",
        "<</Subtype/Widget/FT/Tx/Ff 8192/T(secret)/V(hunter2)/Rect[0 0 9 9]/F 4>>",
        "<</Subtype/Widget/FT/Ch/Ff 131072/T(ward)/V(n)/Opt[[(n)(North)][(s)(South)]]/Rect[0 0 9 9]/F 4>>",
        "<</Subtype/Widget/FT/Btn/T(fasting)/V/Yes/AS/Yes/AP<</N<</Yes 10 0 R/Off 10 0 R>>>>/Rect[0 0 9 9]/F 4>>",
        "<</Subtype/Widget/FT/Btn/T(pregnant)/V/Off/AS/Off/AP<</N<</Yes 10 0 R/Off 10 0 R>>>>/Rect[0 0 9 9]/F 4>>",
        "<</Subtype/FreeText/Contents(on the page)/DA(/F 12 Tf)/Rect[0 0 9 9]/F 4>>",
        "<</Subtype/Text/T(Bea)/Contents(ask\\rfirst)/Rect[0 0 9 9]>>",
        "<</Subtype/Highlight/T(Bo)/Contents(\\376\\377\\004\\034)/QuadPoints[0 0 9 0 0 9 9 9]/Rect[0 0 9 9]>>",
        "<</Subtype/Text/F 2/Contents(hidden)/Rect[0 0 9 9]>>",
        "<</Subtype/Text/T(Bea)/StateModel(Review)/State(Accepted)/Contents(Accepted set)/Rect[0 0 9 9]>>",
        "<</Subtype/Popup/Contents(again)/Rect[0 0 9 9]>>",
    )
    form = "<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Length 0>>stream\n\nendstream"
    fields = " ".join(f"{number} 0 R" for number in range(11, 16))
    path = written(
        tmp_path / "a.pdf",
        shown("Form"),
        objects=(form, *annotations),
        page=f"/Annots[{' '.join(f'{number} 0 R' for number in range(11, 11 + len(annotations)))}]",
        catalog=f"/AcroForm<</Fields[{fields}]/DR<</Font<</F 3 0 R>>>>/DA(/F 12 Tf)>>",
    )
    assert text_of(path).split("\n") == [
        "Form",
        "Field (Your name): Ana",
        "Field (ward): North",
        "Field (fasting): checked",
        "Text box: on the page",
        "Comment (Bea): ask first",
        "Comment (Bo): М",
    ]


def test_the_values_of_an_xfa_form_are_read(tmp_path: Path) -> None:
    data = "<xfa:datasets xmlns:xfa='x'><xfa:data><f><surname>Okafor</surname><empty/></f></xfa:data></xfa:datasets>"
    stream = f"<</Length {len(data)}>>stream\n{data}\nendstream"
    path = written(
        tmp_path / "a.pdf",
        shown("Please wait..."),
        objects=("<<>>", stream),
        catalog="/AcroForm<</Fields[]/XFA[(datasets) 11 0 R]>>",
    )
    assert text_of(path) == "Please wait...\fField (surname): Okafor"


def test_pages_of_pictures_and_attached_files_are_named(tmp_path: Path) -> None:
    image = (
        "<</Type/XObject/Subtype/Image/Width 1/Height 1/ColorSpace/DeviceGray/BitsPerComponent 8/Length 1>>"
        "stream\n0\nendstream"
    )
    attached = "<</Type/Filespec/F(bill.xml)/UF(bill.xml)/EF<</F 12 0 R>>>>"
    path = written(
        tmp_path / "a.pdf",
        shown("words"),
        "q 400 0 0 800 0 0 cm /I Do Q",
        "",
        objects=(image, attached, "<</Type/EmbeddedFile/Length 1>>stream\nx\nendstream"),
        catalog="/Names<</EmbeddedFiles<</Names[(bill.xml) 11 0 R]>>>>",
    )
    document, *skips = read_here(path)
    assert isinstance(document, Document)
    assert document.text == "words\f\f"
    assert skips == [
        Skip(str(path), "page 2 is a picture without text; run it through text recognition", within=True),
        Skip(str(path), "'bill.xml', which is attached to it, is not read", within=True),
    ]


def test_no_control_character_is_left(tmp_path: Path) -> None:
    for name, data in {"a.txt": b"one\x02two\x1b[0mthree\x7f", "a.html": b"<p>in\xc2\xadter\x01x</p>"}.items():
        path = tmp_path / name
        path.write_bytes(data)
        text = text_of(path)
        assert all(char.isprintable() or char in "\n\t\f" for char in text), text
    assert text_of(tmp_path / "a.html") == "inter x"
