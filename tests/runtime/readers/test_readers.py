from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from nestling.document import Document, Skip
from nestling.readers import can_read, jsonl, read_here, text


def write(folder: Path, name: str, data: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def one(path: Path) -> Document:
    (item,) = read_here(path)
    assert isinstance(item, Document), item
    return item


def reasons(path: Path) -> list[tuple[str, str]]:
    """What was skipped: the part of the source behind the path, and the reason."""
    return [(item.source.removeprefix(str(path)), item.reason) for item in read_here(path) if isinstance(item, Skip)]


def test_the_readers_are_chosen_by_suffix() -> None:
    assert all(can_read(Path(name)) for name in ("a.txt", "A.TXT", "b.md", "c.html", "d.htm", "e.jsonl", "f.csv"))
    assert not any(can_read(Path(name)) for name in ("a.exe", "txt", "b.dll", ".txt", "c.json"))


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
        (b"\x7fELF\x01\x01\x01\0\x80\0\xff\0\x90\x05", "is not UTF-8 text (byte 8); save it as UTF-8"),
    ],
)
def test_a_file_that_is_no_text_is_skipped(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    assert reasons(write(tmp_path, name, data)) == [("", reason)]


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html"])
def test_a_file_that_belies_its_mark_is_skipped(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, name, b"\xff\xfea")
    assert reasons(path) == [("", "is not UTF-16 text (byte 2); save it as UTF-8")]
    table = write(tmp_path, "a.csv", b"\xff\xfea")
    assert reasons(table) == [("", "is not UTF-16 text; save it as UTF-8")]


def test_a_file_that_will_not_open_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "folder.txt").mkdir()
    assert reasons(tmp_path / "folder.txt") == [("", "cannot be read (Is a directory)")]
    assert reasons(tmp_path / "gone.jsonl") == [("", "cannot be read (No such file or directory)")]


def test_markdown_takes_its_title_from_the_first_heading(tmp_path: Path) -> None:
    source = "---\ntags: [a]\n---\n```\n# not this\n```\nHello\n\n## The title ##\n\nText."
    document = one(write(tmp_path, "a.md", source))
    assert document.title == "The title"
    assert document.text.startswith("tags: a\n\n```\n# not this")
    assert document.metadata == {"tags": ["a"]}


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
    assert document.text == "# Recipe\nFry the fish.\nSalt it.\none\ntwo\n5 < 6"


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
    assert list(read_here(path)) == [
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
    assert [item.id for item in read_here(path) if isinstance(item, Document)] == ["1", "2"]


def test_a_csv_row_is_a_document_and_its_other_columns_metadata(tmp_path: Path) -> None:
    table = 'id,title,text,year,code,note\nr1,T,"two\nlines",2024,007,\nr2,,more,1.5,1_000,"a, b"\n'
    path = write(tmp_path, "a.csv", table)
    assert list(read_here(path)) == [
        Document("r1", "two\nlines", "T", {"year": 2024, "code": "007"}, str(path)),
        Document("r2", "more", "", {"year": 1.5, "code": "1_000", "note": "a, b"}, str(path)),
    ]


def test_a_csv_without_a_text_column_is_read_as_lines(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "name;dose\nparacetamol;500 mg\n;\nibuprofen;\n")
    assert [item.text for item in documents(path)] == ["name: paracetamol\ndose: 500 mg", "name: ibuprofen"]


@pytest.mark.parametrize(
    ("table", "where", "reason"),
    [
        ("id,text,b\n1,,z\n", ":2", "its text is empty"),
    ],
)
def test_a_row_that_does_not_fit_is_skipped(tmp_path: Path, table: str, where: str, reason: str) -> None:
    assert reasons(write(tmp_path, "a.csv", table)) == [(where, reason)]


def documents(path: Path) -> list[Document]:
    return [item for item in read_here(path) if isinstance(item, Document)]


def test_a_file_of_just_the_limit_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", "0123456789")
    assert text.read_bytes(path, most=10) == b"0123456789"
    with pytest.raises(text.Unreadable, match=r"^has 10 bytes, the limit is 9; split it$"):
        text.read_bytes(path, most=9)


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html"])
def test_the_limit_holds_for_every_format_that_is_read_whole(tmp_path: Path, name: str) -> None:
    limit = text.MAX_FILE_BYTES
    path = write(tmp_path, name, "id,text")
    os.truncate(path, limit + 1)  # a sparse file
    assert reasons(path) == [("", f"has {limit + 1} bytes, the limit is {limit}; split it")]


def test_a_jsonl_file_may_be_over_the_limit_of_a_file(tmp_path: Path) -> None:
    blank = " " * (1 << 20) + "\n"
    path = write(tmp_path, "a.jsonl", blank * (1 + text.MAX_FILE_BYTES // len(blank)) + '{"id": "a", "text": "late"}')
    assert path.stat().st_size > text.MAX_FILE_BYTES
    assert one(path).id == "a"


@pytest.mark.parametrize(
    "name", [f"a.{suffix}" for suffix in "txt md csv tsv jsonl html eml mbox ics vcf".split()] + ["b.pdf", "b.docx"]
)
@pytest.mark.parametrize("data", [b"", b" \n\t ", b"\r\n"])
def test_a_file_that_was_emptied_gives_nothing(tmp_path: Path, name: str, data: bytes) -> None:
    if data and name.startswith("b."):
        pytest.skip("blanks are no such file")
    assert list(read_here(write(tmp_path, name, data))) == []


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.csv"])
@pytest.mark.parametrize("data", [b"\xef\xbb\xbf", b"\xef\xbb\xbf \n", "\n ".encode("utf-16")])
def test_a_byte_order_mark_alone_is_an_empty_file(tmp_path: Path, name: str, data: bytes) -> None:
    assert list(read_here(write(tmp_path, name, data))) == []


@pytest.mark.skipif(os.name != "posix", reason="file names are bytes on POSIX only")
def test_a_file_whose_name_is_no_text_is_skipped_not_raised(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9.txt"
    try:
        with open(name, "wb") as file:  # noqa: PTH123 - Path takes no bytes
            file.write(b"text")
    except OSError:
        pytest.skip("this file system takes no such name")
    (item,) = read_here(Path(os.fsdecode(name)))
    assert isinstance(item, Skip)


def test_front_matter_may_end_with_dots_and_must_be_closed(tmp_path: Path) -> None:
    assert one(write(tmp_path, "a.md", "---\ntags: x\n...\n# A\n\nb")).text == "tags: x\n\n# A\n\nb"
    assert one(write(tmp_path, "b.md", "---\n\nno front matter")).text == "---\n\nno front matter"


def test_a_hash_in_a_tilde_fence_is_no_title(tmp_path: Path) -> None:
    assert one(write(tmp_path, "a.md", "~~~sh\n# a comment\n~~~\n### Real")).title == "Real"


def test_html_entities_become_characters(tmp_path: Path) -> None:
    page = "<title>a</title><body>caf&eacute; &#8364;5 &#x1F600; &lt;b&gt; fish&nbsp;bone &unknown;"
    assert one(write(tmp_path, "a.html", page)).text == "café €5 😀 <b> fish bone &unknown;"


def test_html_comments_and_doctypes_are_not_text(tmp_path: Path) -> None:
    assert one(write(tmp_path, "a.html", "<!doctype html><!-- <p>no --><p>yes<![if IE]><p>too")).text == "yes\ntoo"


def test_html_hides_everything_inside_hidden_elements(tmp_path: Path) -> None:
    page = "<nav><ul><li><a>Home</a></ul></nav><svg><text>drawn</text></svg><template><p>later</template><p>Seen"
    assert one(write(tmp_path, "a.html", page)).text == "Seen"


def test_the_title_of_a_drawing_is_not_the_title_of_the_page(tmp_path: Path) -> None:
    page = "<title>Page</title><body><svg><title>Icon</title></svg><p>Text"
    assert (one(write(tmp_path, "a.html", page)).title, one(tmp_path / "a.html").text) == ("Page", "Text")


def test_html_may_leave_out_the_end_of_its_head_and_the_begin_of_its_body(tmp_path: Path) -> None:
    # Valid HTML: </head> and <body> may both be omitted.
    page = "<!doctype html><html><head><title>T</title><p>Hello there"
    assert one(write(tmp_path, "a.html", page)).text == "Hello there"


@pytest.mark.parametrize("charset", ["undefined", "punycode", "utf-16"])
def test_html_with_a_charset_that_cannot_be_is_read_as_utf8(tmp_path: Path, charset: str) -> None:
    # A declaration that was found as ASCII cannot be in UTF-16; the HTML standard reads it as UTF-8.
    assert one(write(tmp_path, "a.html", f'<meta charset="{charset}"><p>naïve text')).text == "naïve text"


@pytest.mark.parametrize("mark", ["<![foo[bar]]>", "<![ x>"])
def test_html_with_a_broken_declaration_is_read_around_it(tmp_path: Path, mark: str) -> None:
    assert one(write(tmp_path, "a.html", f"<p>before</p>{mark}<p>after</p>")).text.split("\n")[0] == "before"


def test_jsonl_may_begin_with_a_byte_order_mark_and_end_lines_with_crlf(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", b'\xef\xbb\xbf{"id": "a", "text": "x"}\r\n{"id": "b", "text": "y"}\r\n')
    assert [(item.id, item.text) for item in documents(path)] == [("a", "x"), ("b", "y")]


def test_a_nul_escape_in_jsonl_becomes_a_replacement_character(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", r'{"id": "a\u0000", "text": "x\u0000y", "title": "\ud83d\ude00\u0000"}')
    assert one(path) == Document("a\ufffd", "x\ufffdy", "😀\ufffd", {}, str(path))


def test_an_id_comes_before_an_underscore_id(tmp_path: Path) -> None:
    assert one(write(tmp_path, "a.jsonl", '{"_id": "old", "id": "new", "text": "x"}')).id == "new"


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        (
            '{"x": {}}',
            "document 'a': metadata 'x' is dict, expected str, int, float, bool, None, a date, or a list of them",
        ),
        ('{"x": NaN}', "document 'a': metadata 'x' is nan, expected a finite number"),
        (
            '{"x": 9223372036854775808}',
            "document 'a': metadata 'x' is over 64 bits, expected a smaller number or a str",
        ),
        (r'{"x": "\ud800"}', "document 'a': metadata 'x' holds a lone surrogate at 0; remove it"),
        ('"words"', "document 'a': metadata is str, expected a dict"),
    ],
)
def test_a_line_with_metadata_that_cannot_be_kept_is_skipped(tmp_path: Path, metadata: str, reason: str) -> None:
    assert reasons(write(tmp_path, "a.jsonl", f'{{"id": "a", "text": "x", "metadata": {metadata}}}')) == [
        (":1", reason)
    ]


def test_a_line_over_the_limit_ends_the_file(tmp_path: Path) -> None:
    path = write(
        tmp_path, "a.jsonl", '{"id": "a", "text": "x"}\n{"id": "b", "text": "' + "y" * 40 + '"}\n{"id": "c"}\n'
    )
    document, skip = jsonl.read_jsonl(path, max_line_bytes=40)
    assert isinstance(document, Document)
    assert document.id == "a"
    assert skip == Skip(f"{path}:2", "line is over 40 bytes; the rest of the file was not read")


def test_a_jsonl_of_blank_lines_is_empty(tmp_path: Path) -> None:
    assert list(read_here(write(tmp_path, "a.jsonl", "\n  \n"))) == []


def test_a_csv_may_be_separated_by_tabs(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "id\ttext\nr1\towls, at night; always\nr2\tmice\n")
    assert [(item.id, item.text) for item in documents(path)] == [("r1", "owls, at night; always"), ("r2", "mice")]


def test_a_row_with_fewer_cells_has_no_metadata_for_the_rest(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "id,text,year\nr1,owls\nr2,mice,1999\n")
    assert [(item.id, item.metadata) for item in documents(path)] == [("r1", {}), ("r2", {"year": 1999})]


def test_a_csv_with_a_first_row_alone_holds_no_documents(tmp_path: Path) -> None:
    assert documents(write(tmp_path, "a.csv", "id,text\n")) == []


def test_a_csv_cell_may_be_as_long_as_a_text(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", f"id,text\nr1,{'word ' * 40_000}\nr2,mice\n")
    assert [(item.id, len(item.text)) for item in documents(path)] == [("r1", 200_000), ("r2", 4)]


def test_a_number_over_64_bits_in_a_csv_stays_text(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "id,text,parcel\nr1,owls,12345678901234567890123\n")
    assert one(path).metadata == {"parcel": "12345678901234567890123"}


def test_doubled_quotes_far_down_a_csv_are_read(tmp_path: Path) -> None:
    rows = [f'{number},"row {number}, with a comma"' for number in range(300)]
    path = write(
        tmp_path, "a.csv", "\n".join(["id,text", *rows, '300,"he said ""yes"", then left"', '301,"the end"', ""])
    )
    assert reasons(path) == []
    assert [item.text for item in documents(path)][-2:] == ['he said "yes", then left', "the end"]


def test_single_quotes_in_the_prose_of_a_csv_are_only_characters(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "id,text\n1,\"He said 'yes', 'no', and left\"\n2,\"It's 'x', 'y', z\"\n")
    assert reasons(path) == []
    assert [item.text for item in documents(path)] == ["He said 'yes', 'no', and left", "It's 'x', 'y', z"]


def test_numbers_of_a_csv_are_those_that_a_person_reads(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "id,text,a,b,c,d,e,f\nr1,owls,1.50,2.00,007,true,1e5,-0.5\n")
    assert one(path).metadata == {"a": 1.5, "b": 2.0, "c": "007", "d": True, "e": "1e5", "f": -0.5}


def test_a_row_without_its_text_is_skipped_and_named_by_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", '\n\nid,lang,text\n1,en,"two\nlines"\n2,en\n')
    assert [(item.id, item.text) for item in documents(path)] == [("1", "two\nlines")]
    assert reasons(path) == [(":6", "its text is empty")]


def test_a_number_of_no_character_is_the_sign_for_a_lost_one(tmp_path: Path) -> None:
    assert one(write(tmp_path, "a.html", f"<p>before &#{'9' * 5000}; after")).text == "before \ufffd after"
