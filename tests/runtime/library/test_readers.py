from __future__ import annotations

import json
from pathlib import Path

import pytest

from nestling.library.document import Document, Skip
from nestling.library.readers import can_read, read_file, text


def write(folder: Path, name: str, data: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def one(path: Path) -> Document:
    (item,) = read_file(path)
    assert isinstance(item, Document), item
    return item


def reasons(path: Path) -> list[tuple[str, str]]:
    """What was skipped: the part of the source behind the path, and the reason."""
    return [(item.source.removeprefix(str(path)), item.reason) for item in read_file(path) if isinstance(item, Skip)]


def test_the_readers_are_chosen_by_suffix() -> None:
    assert all(can_read(Path(name)) for name in ("a.txt", "A.TXT", "b.md", "c.html", "d.htm", "e.jsonl", "f.csv"))
    assert not any(can_read(Path(name)) for name in ("a.pdf", "txt", "b.docx", ".txt", "c.json"))


def test_a_text_file_is_one_document_named_by_its_path(tmp_path: Path) -> None:
    path = write(tmp_path, "shopping list.txt", "  Milk\r\nBread\rEggs\n")
    assert one(path) == Document(str(path), "Milk\nBread\nEggs", "shopping list", {}, str(path))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_a_byte_order_mark_tells_the_encoding(tmp_path: Path, encoding: str) -> None:
    assert one(write(tmp_path, "a.txt", "Grüße 日本".encode(encoding))).text == "Grüße 日本"


def test_a_nul_in_a_file_becomes_a_replacement_character(tmp_path: Path) -> None:
    assert one(write(tmp_path, "a.txt", b"a\0b")).text == "a\ufffdb"


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html", "a.csv"])
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b" \n\t ", "is empty"),
        (b"caf\xe9 au lait", "is not UTF-8 text (byte 3); save it as UTF-8"),
        (b"\xff\xfea", "is not UTF-16 text (byte 0); save it as UTF-8"),
    ],
)
def test_a_file_that_is_no_text_is_skipped(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    (found,) = reasons(write(tmp_path, name, data))
    assert found[0] == ""
    assert found[1].split("(")[0] == reason.split("(")[0]


def test_a_file_over_the_limit_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "MAX_FILE_BYTES", 9)
    assert reasons(write(tmp_path, "a.txt", "0123456789")) == [("", "has 10 bytes, the limit is 9; split it")]


def test_a_file_that_will_not_open_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "folder.txt").mkdir()
    assert reasons(tmp_path / "folder.txt") == [("", "cannot be read (Is a directory)")]
    assert reasons(tmp_path / "gone.jsonl") == [("", "cannot be read (No such file or directory)")]


def test_markdown_takes_its_title_from_the_first_heading(tmp_path: Path) -> None:
    source = "---\ntags: [a]\n---\n```\n# not this\n```\nHello\n\n## The title ##\n\nText."
    document = one(write(tmp_path, "a.md", source))
    assert document.title == "The title"
    assert document.text.startswith("```\n# not this")
    assert "tags" not in document.text


def test_markdown_without_a_heading_is_named_by_its_file(tmp_path: Path) -> None:
    assert one(write(tmp_path, "notes.md", "#hashtag only")).title == "notes"


def test_html_gives_what_a_person_sees(tmp_path: Path) -> None:
    page = (
        "<!doctype html><html><head><title> Fish &amp;\n chips </title><style>p {color: red}</style>"
        "<script>alert('x < y')</script></head><body><nav>Home</nav><h1>Recipe</h1>"
        "<p>Fry the <b>fish</b>.<br>Salt it.</p><ul><li>one<li>two</ul><noscript>no</noscript><p>5 &lt; 6</body>"
    )
    document = one(write(tmp_path, "a.html", page))
    assert document.title == "Fish & chips"
    assert document.text == "Recipe\nFry the fish.\nSalt it.\none\ntwo\n5 < 6"


def test_html_without_body_or_title_is_read(tmp_path: Path) -> None:
    document = one(write(tmp_path, "a.htm", "Hello <i>there"))
    assert (document.title, document.text) == ("a", "Hello there")


def test_html_with_an_open_head_still_shows_its_body(tmp_path: Path) -> None:
    assert one(write(tmp_path, "a.html", "<head><title>T</title><body><p>Seen")).text == "Seen"


def test_html_is_read_in_the_encoding_that_it_declares(tmp_path: Path) -> None:
    page = '<meta http-equiv="Content-Type" content="text/html; charset=ISO-8859-1"><p>café'.encode("latin-1")
    assert one(write(tmp_path, "a.html", page)).text == "café"
    unknown = b'<meta charset="klingon"><p>plain'
    assert one(write(tmp_path, "b.html", unknown)).text == "plain"
    not_text = b'<meta charset="base64"><p>plain'
    assert one(write(tmp_path, "c.html", not_text)).text == "plain"


def test_html_that_shows_nothing_is_skipped(tmp_path: Path) -> None:
    assert reasons(write(tmp_path, "a.html", "<script>x</script>")) == [("", "holds no text")]


def test_jsonl_lines_are_documents(tmp_path: Path) -> None:
    lines = [
        {"id": "a", "text": "one", "title": "T", "metadata": {"year": 2024, "ok": True}},
        {"_id": 7, "text": "two"},
        {"id": "c", "text": "", "title": "only a title"},
        {"id": "d", "text": "half \ud800 pair"},
    ]
    path = write(tmp_path, "a.jsonl", "\n\n".join(json.dumps(line) for line in lines) + "\n")
    assert list(read_file(path)) == [
        Document("a", "one", "T", {"year": 2024, "ok": True}, str(path)),
        Document("7", "two", "", {}, str(path)),
        Document("c", "", "only a title", {}, str(path)),
        Document("d", "half \ufffd pair", "", {}, str(path)),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"not JSON", "is not JSON"),
        (b"[1, 2]", "is a JSON list, expected an object"),
        (b"[" * 200_000, "is not JSON"),
        (b'{"text": "x"}', "has no id"),
        (b'{"id": true, "text": "x"}', "has no id"),
        (b'{"id": "a"}', "has no text"),
        (b'{"id": "a", "text": 3}', "has no text"),
        (b'{"id": "a", "text": " "}', "its text is empty"),
        (b'{"id": "", "text": "x"}', "a document's id is empty, expected a name that is unique in the library"),
        (b'{"id": "a", "text": "x", "title": 3}', "its title is int, expected a string"),
        (b'{"id": "a", "text": "x", "metadata": [1]}', "document 'a': metadata is list, expected a dict"),
        (b'{"id": "a", "text": "caf\xe9"}', "is not UTF-8 text (byte 24); save it as UTF-8"),
    ],
)
def test_a_line_that_is_no_document_is_skipped_by_its_number(tmp_path: Path, line: bytes, reason: str) -> None:
    path = write(tmp_path, "a.jsonl", b'{"id": "1", "text": "x"}\n\n' + line + b'\n{"id": "2", "text": "y"}')
    assert reasons(path) == [(":3", reason)]
    assert [item.id for item in read_file(path) if isinstance(item, Document)] == ["1", "2"]


def test_an_empty_jsonl_is_skipped(tmp_path: Path) -> None:
    assert reasons(write(tmp_path, "a.jsonl", "")) == [("", "is empty")]


def test_a_csv_row_is_a_document_and_its_other_columns_metadata(tmp_path: Path) -> None:
    table = 'id,title,text,year,code,note\nr1,T,"two\nlines",2024,007,\nr2,,more,1.5,1_000,"a, b"\n'
    path = write(tmp_path, "a.csv", table)
    assert list(read_file(path)) == [
        Document("r1", "two\nlines", "T", {"year": 2024, "code": "007"}, str(path)),
        Document("r2", "more", "", {"year": 1.5, "code": "1_000", "note": "a, b"}, str(path)),
    ]


def test_a_csv_without_a_text_column_is_read_as_lines(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "name;dose\nparacetamol;500 mg\n;\nibuprofen;\n")
    assert [(item.id, item.text) for item in read_file(path) if isinstance(item, Document)] == [
        (f"{path}:2", "name: paracetamol\ndose: 500 mg"),
        (f"{path}:4", "name: ibuprofen"),
    ]


@pytest.mark.parametrize(
    ("table", "where", "reason"),
    [
        ("a,a\n1,2\n", "", "its first row is no list of different column names"),
        ("a,\n1,2\n", "", "its first row is no list of different column names"),
        ("text,b\nx,y,z\n", ":2", "has 1 cells more than the first row"),
        ("id,text,b\n1,,z\n", ":2", "its text is empty"),
    ],
)
def test_a_table_or_row_that_does_not_fit_is_skipped(tmp_path: Path, table: str, where: str, reason: str) -> None:
    assert reasons(write(tmp_path, "a.csv", table)) == [(where, reason)]


def test_a_broken_csv_keeps_the_rows_before(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", 'id,text\n1,good\n2,"never closed\n')
    assert [item.id for item in read_file(path) if isinstance(item, Document)] == ["1"]
    ((where, reason),) = reasons(path)
    assert where == ":3"
    assert reason.startswith("is not CSV (")
