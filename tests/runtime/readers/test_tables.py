"""Tables as Excel, LibreOffice and others write them: every row is a document, and keeps its id where rows move."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from nestling import Library
from nestling.document import Document, Skip
from nestling.encoding.encoder import Encoder
from nestling.readers import read_here
from nestling.readers.tables import MAX_RECORD
from nestling.readers.text import MAX_FILE_BYTES


def rows(folder: Path, data: bytes | str, name: str = "a.csv") -> list[Document]:
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    found = list(read_here(path))
    assert not [item for item in found if isinstance(item, Skip)], found
    return [item for item in found if isinstance(item, Document)]


@pytest.mark.parametrize(
    ("data", "texts"),
    [
        (b"sep=;\r\nname;price\r\nwanted;1,50\r\n", ["name: wanted\nprice: 1,50"]),
        (b'"sep=|"\nname|price\nwanted|1\n', ["name: wanted\nprice: 1"]),
        (b"name,city,\nwanted,b,\n", ["name: wanted\ncity: b"]),
        (b"name,,\nwanted,,x\n", ["name: wanted\nx"]),
        (b"name,note,note\na,b,c\n", ["name: a\nnote: b\nnote: c"]),
        ("name;city\nwanted;Köln\n".encode("cp1252"), ["name: wanted\ncity: Köln"]),
        ("Name\tStadt\r\nMüller\tKöln\r\n".encode("utf-16"), ["Name: Müller\nStadt: Köln"]),
        (b"name,city\na,b,c\n", ["name: a\ncity: b\nc"]),
        (b"Name, full|City\nA, b|X\nC, d|Y\n", ["Name, full: A, b\nCity: X", "Name, full: C, d\nCity: Y"]),
        (b"a;b\r1;2\r", ["a: 1\nb: 2"]),
        (b"1,owls hunt\n2,mice\n", ["1\nowls hunt", "2\nmice"]),  # no names at all
        (b"name,2023,2024\nx,5,7\n", ["name: x\n2023: 5\n2024: 7"]),
        (b"\n\nname\nx\n", ["name: x"]),
    ],
)
def test_tables_of_programs_are_read(tmp_path: Path, data: bytes, texts: list[str]) -> None:
    assert [row.text for row in rows(tmp_path, data)] == texts


def test_names_may_be_in_capitals(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, "ID,Title,TEXT,Year\nx1,T,wanted,2020\n")
    assert (row.id, row.title, row.text, row.metadata) == ("x1", "T", "wanted", {"Year": 2020})


@pytest.mark.parametrize(
    ("table", "metadata"),
    [
        ("id,text,note,note,note 2\n1,x,a,b,c\n", {"note": "a", "note 3": "b", "note 2": "c"}),
        ("id,text,\n1,x,y\n", {"column 3": "y"}),
        ('id,text,zip\n1,x,"=""00712"""\n', {"zip": "00712"}),
    ],
)
def test_every_column_has_a_key_of_its_own(tmp_path: Path, table: str, metadata: Mapping[str, str]) -> None:
    (row,) = rows(tmp_path, table)
    assert row.metadata == metadata


def test_cells_beyond_the_names_stay_in_the_text(tmp_path: Path) -> None:
    assert [row.text for row in rows(tmp_path, "id,text\n1,Hello, world\n2,b\n")] == ["Hello\nworld", "b"]


def test_of_several_columns_of_text_all_are_the_text(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, "id,text,lang,Text\n1,owls,en,mice\n")
    assert (row.text, row.metadata) == ("owls\nmice", {"lang": "en"})


def test_a_quote_that_is_none_costs_no_row(tmp_path: Path) -> None:
    table = 'id,text\n1,"5" pipe\n2,6" board\n3,"never closed\n4,next\n5,"two\nlines"\n6,last\n'
    assert [(row.id, row.text.strip()) for row in rows(tmp_path, table)] == [
        ("1", "5 pipe"),
        ("2", '6" board'),
        ("3", "never closed"),
        ("4", "next"),
        ("5", "two\nlines"),
        ("6", "last"),
    ]


def test_a_file_of_tabs_has_no_other_separator(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, 'a, b\tc\nsay "hi"; or\t"q"\n', "a.tsv")
    assert row.text == 'a, b: say "hi"; or\nc: q'


def test_a_row_without_an_id_keeps_it_where_rows_are_put_before_it(tmp_path: Path) -> None:
    before = rows(tmp_path, "name,x\nowl,1\nmouse,2\nowl,1\n")
    after = rows(tmp_path, "name,x,\nnew,0\nmouse,2\nowl,1\nowl,1\n")
    assert len({row.id for row in before}) == 3
    assert {row.id for row in before} < {row.id for row in after}
    assert all(row.id.startswith(str(tmp_path / "a.csv") + ":") for row in after)


def test_rows_that_move_are_not_taken_in_again(tmp_path: Path, encoder: Encoder) -> None:
    table = tmp_path / "a.csv"
    table.write_text("name\nowl\nmouse\n")
    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        assert library.sync(table).added == 2
        table.write_text("name\nfirst\nmouse\nowl\n")
        report = library.sync(table)
        assert (report.added, report.changed, report.unchanged, report.removed) == (1, 0, 2, 0)
        table.write_text("name\nmouse\n")
        report = library.sync(table)
        assert (report.added, report.unchanged, report.removed) == (0, 1, 2)


def test_a_table_may_be_over_the_limit_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with path.open("wb") as stream:
        stream.write(b"id,text\n")
        for number in range(40):
            stream.write(b"%d," % number + b"words " * 170_000 + b"\n")
        stream.write("last;Köln".replace(";", ",").encode("cp1252"))
    assert path.stat().st_size > MAX_FILE_BYTES
    found = list(read_here(path))
    assert len(found) == 41
    assert isinstance(found[-1], Document)
    assert (found[-1].text, found[-1].metadata) == ("Köln", {"encoding": "windows-1252"})


@pytest.mark.parametrize("line", [b'x,"\n', b'x,""""\n', b'a,"b\n', b'x,"a\ny,""\n'])
def test_the_time_for_a_table_grows_with_its_length(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(line * 50_000)
    begin = time.monotonic()
    assert sum(1 for _ in read_here(path))
    assert time.monotonic() - begin < 10  # of what takes half a second


@pytest.mark.parametrize("line", ['Pipe 7 5","copper, bent\n', 'a,"b\n', 'a,"b\n\n,"c" d\n', 'a,"b ""c""\n'])
def test_quotes_that_are_none_cost_no_time_that_grows_with_the_square(tmp_path: Path, line: str) -> None:
    def seconds(count: int) -> float:
        (tmp_path / "a.csv").write_text(line * count)
        begin = time.monotonic()
        assert len(rows(tmp_path, line * count)) >= count / 2
        return time.monotonic() - begin

    few = seconds(6_000)
    assert seconds(24_000) < 8 * few + 1


def test_a_cell_of_many_lines_is_whole_behind_many_quotes_that_are_none(tmp_path: Path) -> None:
    long = "\n".join(f"line {number}" for number in range(500))
    pipes = "".join(f'Pipe {number} 5","copper, bent\n' for number in range(300))
    found = rows(tmp_path, f'id,text\n{pipes}7,"{long}"\n8,last\n')
    assert [row.text for row in found[-2:]] == [long, "last"]
    assert len(found) == 302


def test_blanks_in_a_cell_cost_no_time_that_grows_with_the_square(tmp_path: Path) -> None:
    begin = time.monotonic()
    assert [row.text[-3:] for row in rows(tmp_path, f"1{' ' * 60_000}x,2\n3,4\n")] == ["x\n2", "3\n4"]
    assert time.monotonic() - begin < 10  # of what takes no time


def test_what_is_left_of_a_line_that_is_too_long_is_no_row(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id,text\n1,"open\n2,' + "x" * (MAX_RECORD + 10) + "\n3,after\n")
    document, skip = read_here(path)
    assert isinstance(document, Document) and document.text.strip() == "open"
    assert isinstance(skip, Skip) and skip.reason.endswith("the rest of the file was not read")


def test_a_line_that_no_memory_holds_ends_the_table(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with path.open("wb") as stream:
        stream.write(b"id,text\n1,kept\n2,")
        stream.truncate(1 << 30)
    document, skip = read_here(path)
    assert isinstance(document, Document)
    assert isinstance(skip, Skip)
    assert skip.source == f"{path}:3"
    assert skip.reason == "is not CSV (a line is over 16777216 characters); the rest of the file was not read"


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ("Anna,Meier,12 Hill Road\n", "Anna\nMeier\n12 Hill Road"),
        ("\n4711;valve;3,50\n\n", "4711\nvalve\n3,50"),
        (",valve,,blue", "valve\nblue"),
        ("Ordinary words in one line of prose.\n", "Ordinary words in one line of prose."),
        (f"{'long ' * 300}end", f"{'long ' * 300}end"),
        ('{"id": "a"}', '{"id": "a"}'),
    ],
)
def test_a_row_that_is_the_only_one_is_data(tmp_path: Path, table: str, text: str) -> None:
    assert [row.text for row in rows(tmp_path, table)] == [text]


@pytest.mark.parametrize("table", ["id,name,price\n", "ID;Text of it\n;\n", "title,text\n\n"])
def test_names_without_rows_are_named_and_their_rows_are_gone(tmp_path: Path, encoder: Encoder, table: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,name\n1,owl\n2,mouse\n")
    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        assert library.sync(path).added == 2
        path.write_text(table)
        report = library.sync(path)
    said = [(skip.source, skip.reason) for skip in report.skipped]
    assert said == [(str(path), "has names of columns and no rows below them")]
    assert report.removed == 2


def test_the_id_of_a_row_is_found_by_its_words(tmp_path: Path) -> None:
    table = "id,title,price\nKX-77,valve,3\nKX-78,,4\nKX-79,,\n"
    assert [(row.id, row.title, row.text) for row in rows(tmp_path, table)] == [
        ("KX-77", "valve", "id: KX-77\nprice: 3"),
        ("KX-78", "", "id: KX-78\nprice: 4"),
        ("KX-79", "", "id: KX-79"),
    ]
    (row,) = rows(tmp_path, "id,text\nKX-77,only this\n")  # which says what the text is
    assert row.text == "only this"


TWICE = [
    ("a.csv", "id,text\n7,owl\n8,heron\n7,mouse\n7,mouse\n", "7,mouse\n"),
    ("a.csv", "id,name\n7,owl\n8,heron\n7,mouse\n7,mouse\n", "7,mouse\n"),
    (
        "a.jsonl",
        "".join(f'{{"id": {id}, "text": "{text}"}}\n' for id, text in [(7, "owl"), (8, "a"), (7, "b"), (7, "b")]),
        '{"id": 7, "text": "b"}\n',
    ),
]


@pytest.mark.parametrize(("name", "data", "row"), TWICE)
def test_rows_of_one_id_are_all_taken_in_and_keep_their_own(
    tmp_path: Path, encoder: Encoder, name: str, data: str, row: str
) -> None:
    path = tmp_path / name
    path.write_text(data)
    documents = [item for item in read_here(path) if isinstance(item, Document)]
    ids = [document.id for document in documents]
    assert ids[:2] == ["7", "8"]
    assert len(ids) == 3 and ids[2].startswith("7 (")
    with Library(tmp_path / "a.nest", encoder=encoder) as library:
        report = library.sync(path)
        assert (report.added, [skip.reason for skip in report.skipped]) == (
            3,
            [
                "1 of its parts have the id of another, first '7'; each is taken in under an id of its own",
                "1 of its parts are the same as another, first '7'; they are taken in once",
            ],
        )
        path.write_text(data.replace(row, "", 1))
        report = library.sync(path)
        assert (report.added, report.changed, report.unchanged, report.removed) == (0, 0, 3, 0)
        path.write_text(data.replace(row, row.replace("7", "9"), 1))
        report = library.sync(path)
        assert (report.added, report.changed, report.unchanged, report.removed) == (1, 0, 3, 0)


BANK = "Account;DE12 3456\nPeriod:;01.05.2024;31.05.2024\n\n"
ABOVE = "Account: DE12 3456\nPeriod: 01.05.2024, 31.05.2024"


@pytest.mark.parametrize(
    ("table", "above", "row"),
    [
        (f"{BANK}Date;Text;Payee;Amount\n02.05.2024;rent;Mr. Hill;-700,00\n03.05.2024;pay;Firm;2.000,00\n", ABOVE,
         "Date: 02.05.2024\nText: rent\nPayee: Mr. Hill\nAmount: -700,00"),
        (f"{BANK}Date;Text;Payee;Amount\n02.05.2024;rent, owed;Mr. Hill;-700,00\nSum;;;-700,00\n", ABOVE,
         "Date: 02.05.2024\nText: rent, owed\nPayee: Mr. Hill\nAmount: -700,00"),
        ("Report of June\nby Ann\nName,City,Country\nBo,Rome,Italy\nCy,Bonn,Germany\n", "Report of June\nby Ann",
         "Name: Bo\nCity: Rome\nCountry: Italy"),
        ("Stock list,,,\n,,,\nPart,Place,Colour,Count\nvalve,A,red,7\npipe,B,,12\n", "Stock list",
         "Part: valve\nPlace: A\nColour: red\nCount: 7"),
        ("Readings\nday\tdose\n1\t5\n2\t6\n", "Readings", "day: 1\ndose: 5"),
        ("".join(f"key {n};value\n" for n in range(8)) + "a;b;c;d;e;f\n1;2;3;4;5;6\n1;2;3;4;5;7\n1;2;3;4;5;8\n",
         "\n".join(f"key {n}: value" for n in range(8)), "a: 1\nb: 2\nc: 3\nd: 4\ne: 5\nf: 6"),
    ],
)  # fmt: skip
def test_lines_above_the_names_are_a_document_of_their_own(tmp_path: Path, table: str, above: str, row: str) -> None:
    found = rows(tmp_path, table)
    assert [found[0].text, found[1].text] == [above, row]
    assert (found[0].id, found[0].title) == (f"{tmp_path / 'a.csv'}:above the table", "a")


@pytest.mark.parametrize(
    ("table", "texts"),
    [
        ("name,city\na,b,c\nd,e,f\ng,h,i\n", ["name: a\ncity: b\nc", "name: d\ncity: e\nf", "name: g\ncity: h\ni"]),
        ("mpg,cyl\nMazda,21,6\nDatsun,22,4\n", ["mpg: Mazda\ncyl: 21\n6", "mpg: Datsun\ncyl: 22\n4"]),
        ("a,b,note\nx,rome,\ny,bonn,\nz,oslo,7\n", ["a: x\nb: rome", "a: y\nb: bonn", "a: z\nb: oslo\nnote: 7"]),
        ("text\nHello, world\nIn 1990, five\nOn 5 May, six\n",
         ["Hello, world", "In 1990, five", "On 5 May, six"]),
        ("name,,\nowl,,x\nmouse,,y\nheron,,z\n", ["name: owl\nx", "name: mouse\ny", "name: heron\nz"]),
    ],
)  # fmt: skip
def test_names_in_the_first_row_stay_names(tmp_path: Path, table: str, texts: list[str]) -> None:
    assert [row.text for row in rows(tmp_path, table)] == texts
