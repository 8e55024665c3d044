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
    pipes = 'Pipe 7 5","copper, bent\n' * 300
    found = rows(tmp_path, f'id,text\n{pipes}7,"{long}"\n8,last\n')
    assert [row.text for row in found[-2:]] == [long, "last"]
    assert len(found) == 302


def test_blanks_in_a_cell_cost_no_time_that_grows_with_the_square(tmp_path: Path) -> None:
    begin = time.monotonic()
    (row,) = rows(tmp_path, f"1{' ' * 60_000}x,2\n3,4\n")
    assert row.text.endswith("2: 4")
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
