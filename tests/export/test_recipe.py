from __future__ import annotations

import re
from pathlib import Path

import pytest

from nestling.export.errors import ExportError
from nestling.export.recipe import FolderSource, HubSource, PypiSource, read_recipe
from tiny import RECIPE


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text)
    return path


def test_a_recipe_is_read_whole(tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, RECIPE))
    assert recipe.name == "tiny"
    assert recipe.source == FolderSource("weights")
    assert recipe.encoder.query_prefix == "do "
    assert recipe.quantize.weight_bits == 7


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
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
        ('name = "tiny"', "", "the recipe lacks the key 'name'"),
        ('name = "tiny"', 'name = "../tiny"', "name is '../tiny', expected letters, digits, '-', '_' and '.'"),
        ('name = "tiny"', 'name = "tiny"\nseed = 1', "the recipe has the unknown key 'seed', expected card, encoder"),
        ('kind = "folder"', 'kind = "ftp"', "source.kind is missing or unknown, expected one of folder, pypi, hub"),
        ('path = "weights"', 'path = "weights"\nx = 1', "[source] has the unknown key 'x', expected path"),
        ('pooling = "mean"', 'pooling = "max"', "pooling is 'max', expected mean or cls"),
        ("max_tokens = 64", "max_tokens = 4", "max_tokens is 4, expected 8 or more"),
        ("max_tokens = 64", 'max_tokens = "64"', "encoder.max_tokens is str, expected int"),
        ("weight_bits = 7", "weight_bits = 3", "weight_bits is 3, expected 7 or 8"),
        ("outlier_ratio = 2.0", "outlier_ratio = 0.5", "outlier_ratio is 0.5, expected 1 or more"),
        ("min_cosine = 0.8", "", "[verify] lacks the key 'min_cosine'"),
        ("[card]", "[card", "is not TOML"),
    ],
)
def test_a_wrong_recipe_says_what_is_wrong(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write(tmp_path, RECIPE.replace(old, new, 1))
    with pytest.raises(ExportError, match=re.escape(message)) as caught:
        read_recipe(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"none\.toml: cannot be read \(No such file or directory\)"):
        read_recipe(tmp_path / "none.toml")
