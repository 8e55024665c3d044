from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from nestling.disk import hash_file
from nestling.export.errors import ExportError
from nestling.export.quantize.calibration import drawn_texts, own_texts
from nestling.export.recipe.parts import TextsRecipe

LINES = [f"line {number} of the first file" for number in range(50)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "plain.txt").write_text("\n\n".join(LINES))
    with gzip.open(tmp_path / "packed.txt.gz", "wt", encoding="utf-8") as stream:
        stream.write("Wörter in der zweiten Datei\n" * 9)
    return tmp_path


def recipe(folder: Path, *names: str) -> TextsRecipe:
    return TextsRecipe("notes", {name: hash_file(folder / name) for name in names})


def test_own_texts_are_of_many_lengths() -> None:
    texts = own_texts()
    assert len(texts) == len(set(texts)) > 200
    assert all(text.strip() == text != "" for text in texts)


def test_passages_are_drawn_from_each_file_alike(folder: Path) -> None:
    texts = [drawn.text for drawn in drawn_texts(recipe(folder, "plain.txt", "packed.txt.gz"), folder, 80, seed=0)]
    assert len(texts) == 80
    assert sum("Wörter" in text for text in texts) == 40
    # Each is a line with none or some of those behind it, in their order.
    whole = " ".join(LINES)
    first = [text for text in texts if text.startswith("line")]
    assert all(text in whole for text in first)
    assert {len(text) < 30 for text in first} == {True, False}
    assert max(map(len, texts)) < 1000 + 30


def test_the_same_seed_draws_the_same_passages_in_any_order_of_files(folder: Path) -> None:
    one, other = (drawn_texts(recipe(folder, *names), folder, 40, seed=3) for names in (
        ("plain.txt", "packed.txt.gz"), ("packed.txt.gz", "plain.txt"),
    ))  # fmt: skip
    assert one == other
    assert one != drawn_texts(recipe(folder, "plain.txt", "packed.txt.gz"), folder, 40, seed=4)


def test_a_passage_may_be_words_as_in_a_query(folder: Path) -> None:
    texts = [drawn.text for drawn in drawn_texts(recipe(folder, "plain.txt"), folder, 80, seed=0, kinds=[(-4, None)])]
    whole = " ".join(LINES)
    assert {len(text.split()) for text in texts} == {2, 3, 4}
    assert all(text in whole for text in texts)


def test_what_is_like_a_query_is_known(folder: Path) -> None:
    plain = recipe(folder, "plain.txt", "packed.txt.gz")
    drawn = drawn_texts(plain, folder, 80, seed=0, kinds=[(-4, None), (0, None)])
    assert 20 < sum(one.query for one in drawn) < 60
    asked = TextsRecipe("notes", plain.files, ["packed.txt.gz"])
    assert all(one.query for one in drawn_texts(asked, folder, 80, seed=0) if "Wörter" in one.text)
    with pytest.raises(ExportError, match=r"^queries names 'no.txt', expected some of files$"):
        TextsRecipe("notes", plain.files, ["no.txt"])


def test_a_passage_that_is_too_long_ends_with_a_word(folder: Path) -> None:
    texts = [
        drawn.text
        for drawn in drawn_texts(recipe(folder, "plain.txt"), folder, 80, seed=0, kinds=[(0, 100), (200, 100)])
    ]
    words = set(" ".join(LINES).split())
    assert max(map(len, texts)) <= 100
    assert max(map(len, texts)) > 80
    assert {word for text in texts for word in text.split()} <= words


def test_a_passage_without_a_space_is_cut_where_it_is_too_long(folder: Path) -> None:
    (folder / "one.txt").write_text("x" * 50 + "\nfour words of text")
    texts = [drawn.text for drawn in drawn_texts(recipe(folder, "one.txt"), folder, 40, seed=0, kinds=[(0, 12)])]
    assert set(texts) == {"x" * 12, "four words"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("plain.txt", None, "is not there; give the folder that holds the recipe's texts by --texts"),
        ("plain.txt", b"altered", "has sha256 "),
        ("plain.txt", b"\xff\xfe", "is no text ('utf-8' codec can't decode byte 0xff"),
        ("packed.txt.gz", gzip.compress(b"line\n" * 99)[:12] + bytes(40), "is no text ("),
        ("packed.txt.gz", b"no gzip", "is no text (Not a gzipped file (b'no'))"),
        ("plain.txt", b" \n\n", "is empty, expected a passage a line"),
    ],
)
def test_files_that_are_not_as_pinned_are_refused(folder: Path, name: str, content: bytes | None, message: str) -> None:
    pinned = recipe(folder, name)
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    if content != b"altered" and content is not None:
        pinned = recipe(folder, name)
    with pytest.raises(ExportError, match=f"^{re.escape(f'{folder / name}: {message}')}"):
        drawn_texts(pinned, folder, 4, seed=0)


def test_of_a_table_each_column_but_the_first_is_passages(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "parallel.tsv.gz", "wt", encoding="utf-8") as stream:
        stream.write("de\twash hands\tHände waschen\n" * 5)
    given = recipe(tmp_path, "parallel.tsv.gz")
    texts = {drawn.text for drawn in drawn_texts(given, tmp_path, 40, seed=0, kinds=[(0, None)])}
    assert texts == {"wash hands", "Hände waschen"}
