"""The two halves meet: a tiny seeded encoder is built, exported, quantized, verified, loaded and searched."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from nestling import Document, Encoder, Library
from nestling.bundle.manifest import read_bundle
from nestling.disk import hash_file
from nestling.export.build import build
from nestling.export.cli import commands
from nestling.export.errors import ExportError
from nestling.export.recipe.recipe_file import read_recipe
from tiny import RECIPE, make_tiny


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A recipe and the bundle that was built from it."""
    folder = tmp_path_factory.mktemp("tiny")
    recipe = make_tiny(folder)
    build(read_recipe(recipe), folder / "bundle", folder / "work", force=False, say=lambda line: None)
    return recipe, folder / "bundle"


def torch_vectors(weights: Path, texts: list[str]) -> np.ndarray:
    """The reference written out by hand: the mean of the last states, made unit."""
    import torch
    from tokenizers import Tokenizer
    from transformers import BertModel

    tokenizer = Tokenizer.from_file(str(weights / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    model = BertModel.from_pretrained(weights, add_pooling_layer=False).eval()
    rows = []
    with torch.inference_mode():
        for text in texts:
            state = model(input_ids=torch.tensor([tokenizer.encode(text).ids])).last_hidden_state[0]
            mean = state.mean(0).numpy()
            rows.append(mean / np.linalg.norm(mean))
    return np.stack(rows)


def test_the_bundle_gives_the_vectors_of_the_weights(built: tuple[Path, Path]) -> None:
    recipe, bundle = built
    texts = ["cool the burn under running water", "owls hunt at night", "wash hands with clean water before you"]
    found = Encoder(bundle, threads=1).encode(texts, role="document")
    expected = torch_vectors(recipe.parent / "weights", texts)
    assert found.shape == (3, 32)
    assert ((found * expected).sum(axis=1) > 0.95).all()


def test_the_prefix_of_a_role_is_in_front_of_its_texts(built: tuple[Path, Path]) -> None:
    encoder = Encoder(built[1])
    as_query = encoder.encode(["owls hunt at night"], role="query")
    assert (as_query == encoder.encode(["do owls hunt at night"], role="document")).all()
    assert (as_query != encoder.encode(["owls hunt at night"], role="document")).any()


def test_building_twice_gives_the_same_bytes(built: tuple[Path, Path], tmp_path: Path) -> None:
    recipe, bundle = built
    again = tmp_path / "again"
    command = [
        sys.executable,
        "-m",
        "nestling.export.cli",
        "build",
        str(recipe),
        "-o",
        str(again),
        "--work",
        str(tmp_path),
    ]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PYTHONHASHSEED": "7"})
    names = sorted(path.name for path in bundle.iterdir())
    assert names == sorted(path.name for path in again.iterdir())
    assert [name for name in names if (bundle / name).read_bytes() != (again / name).read_bytes()] == []


def test_a_second_build_skips_what_is_done(built: tuple[Path, Path]) -> None:
    recipe, bundle = built
    lines: list[str] = []
    build(read_recipe(recipe), bundle, recipe.parent / "work", force=False, say=lines.append)
    assert [line for line in lines if line.endswith("done before")] == [
        "tokenizer: done before",
        "sentence-transformers' vectors of 676 texts as document: done before",
        "sentence-transformers' vectors of 146 texts as query: done before",
        "sentence-transformers' vectors of 64 texts as document: done before",
        "export xl and fuse: done before",
        "gradients: done before",
        "quantize to int8: done before",
        "quantize to int4: done before",
    ]


def test_the_manifest_says_what_is_in_the_folder(built: tuple[Path, Path]) -> None:
    found = read_bundle(built[1])
    found.verify()
    assert (found.name, found.dim, found.max_tokens) == ("tiny", 32, 64)
    assert set(found.files) | {"manifest.json"} == {path.name for path in built[1].iterdir()}
    assert found.prefixes == {"query": "do ", "document": ""}


def test_the_graph_is_fused_and_all_its_matrices_are_int8(built: tuple[Path, Path]) -> None:
    import onnx

    kinds = [node.op_type for node in onnx.load(built[1] / "model.xl.int8.onnx").graph.node]
    assert kinds.count("MultiHeadAttention") == 2
    assert kinds.count("DynamicQuantizeMatMul") == 8
    assert not {"MatMul", "Attention", "QAttention", "Softmax", "Erf", "SkipLayerNormalization"} & set(kinds)
    assert "GatherBlockQuantized" in kinds


def test_int4_computes_with_blocks_and_shares_the_token_table(built: tuple[Path, Path]) -> None:
    import onnx

    models = [onnx.load(built[1] / f"model.xl.{name}.onnx", load_external_data=False) for name in ("int4", "int8")]
    kinds = [node.op_type for node in models[0].graph.node]
    assert (kinds.count("MatMulNBits"), kinds.count("MultiHeadAttention")) == (12, 2)
    locations = [
        {entry.key: entry.value for entry in tensor.external_data}
        for model in models
        for tensor in model.graph.initializer
        if tensor.name == "positions"
    ]
    assert locations[0] == locations[1]
    assert locations[0]["location"] == "shared.bin"


def test_a_bundle_of_the_original_weights_can_be_built(built: tuple[Path, Path], tmp_path: Path) -> None:
    recipe, bundle = built
    work = recipe.parent / "work"
    build(read_recipe(recipe), tmp_path / "b", work, force=False, say=lambda line: None, precisions=["float32"])
    texts = ["owls hunt at night", "wash hands with clean water before you"]
    found = Encoder(tmp_path / "b", precision="float32").encode(texts, role="document")
    assert np.allclose(found, torch_vectors(recipe.parent / "weights", texts), atol=1e-3)
    assert read_bundle(tmp_path / "b").space == read_bundle(bundle).space
    assert "No graph was rounded." in (tmp_path / "b" / "README.md").read_text()
    names = {path.name for path in (tmp_path / "b").iterdir()}
    assert names == {*read_bundle(tmp_path / "b").files, "manifest.json"}
    with pytest.raises(ExportError, match=r"^'int2' is no precision, expected some of int8, int4, float32$"):
        build(read_recipe(recipe), tmp_path / "c", work, force=False, say=lambda line: None, precisions=["int2"])


def test_int4_that_takes_more_bytes_than_it_may_is_not_written(tmp_path: Path) -> None:
    recipe = make_tiny(tmp_path)
    recipe.write_text(RECIPE.replace("max_bytes = 120000", "max_bytes = 30000"))
    with pytest.raises(
        ExportError, match=r"^the matrices may take -?\d+ bytes, expected \d+ or more, .*raise max_bytes$"
    ):
        build(read_recipe(recipe), tmp_path / "bundle", tmp_path / "work", force=False, say=lambda line: None)
    assert not (tmp_path / "bundle").exists()


def test_the_texts_of_a_recipe_decide_how_int4_is_rounded(built: tuple[Path, Path], tmp_path: Path) -> None:
    recipe = make_tiny(tmp_path)
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "more.txt").write_text("cool hands\nowls hunt at night\nwash it\n")
    pinned = (
        f'[texts]\norigin = "notes"\n\n[texts.files]\n"more.txt" = "{hash_file(texts / "more.txt")}"\n\n[verify.int8]'
    )
    recipe.write_text(RECIPE.replace("passages = 0", "passages = 30").replace("[verify.int8]", pinned))
    command = ["build", str(recipe), "-o", str(tmp_path / "bundle"), "--work", str(tmp_path / "work")]
    result = CliRunner().invoke(commands, command)
    assert isinstance(result.exception, ExportError)
    assert str(result.exception).endswith(
        "more.txt: is not there; give the folder that holds the recipe's texts by --texts"
    )
    assert not (tmp_path / "bundle").exists()
    assert not list((tmp_path / "work").rglob("int4/*"))
    assert CliRunner().invoke(commands, [*command, "--texts", str(texts)]).exit_code == 0
    assert "int4 besides on 30 passages of notes." in (tmp_path / "bundle" / "README.md").read_text()
    before, after = (folder / "xl.int4.bin" for folder in (built[1], tmp_path / "bundle"))
    assert before.stat().st_size == after.stat().st_size
    assert before.read_bytes() != after.read_bytes()
    assert (built[1] / "xl.int8.bin").read_bytes() == (tmp_path / "bundle" / "xl.int8.bin").read_bytes()


def test_the_weights_have_seven_bits(built: tuple[Path, Path]) -> None:
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(built[1] / "model.xl.int8.onnx").graph
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    matrices = [stored[node.input[1]] for node in graph.node if node.op_type == "DynamicQuantizeMatMul"]
    assert len(matrices) == 8
    assert max(int(np.abs(matrix.astype(np.int16)).max()) for matrix in matrices) <= 64


def test_a_library_of_the_built_bundle_is_searched(built: tuple[Path, Path], tmp_path: Path) -> None:
    texts = {"owl": "owls hunt at night", "burn": "cool burns under running water"}
    encoder = Encoder(built[1])
    with Library(tmp_path / "tiny.nest", encoder=encoder) as library:
        library.add([Document(id, text) for id, text in texts.items()])
        scores = {hit.id: hit.score for hit in library.search("wash hands", mode="dense")}
        assert library.search("burn", mode="lexical")[0].id == "burn"
    query = encoder.encode(["wash hands"], role="query")
    expected = dict(zip(texts, (query @ encoder.encode(list(texts.values()), role="document").T)[0], strict=True))
    assert scores == pytest.approx(expected, abs=0.01)


def test_the_report_and_card_give_the_measured_figures(built: tuple[Path, Path]) -> None:
    reports = json.loads((built[1] / "report.json").read_text())
    card = (built[1] / "README.md").read_text()
    for precision in ("int8", "int4"):
        report = reports[f"xl.{precision}"]
        assert report["sentences"] >= 500
        assert f"| {report['sentences']} | {report['cosine_mean']} | {report['cosine_min']} |" in card
    assert "Apache-2.0" in card


def test_verify_measures_a_bundle_again(built: tuple[Path, Path]) -> None:
    recipe, bundle = built
    (bundle / "weights").symlink_to(recipe.parent / "weights")
    result = CliRunner().invoke(commands, ["verify", str(bundle), "--work", str(recipe.parent / "work")])
    (bundle / "weights").unlink()
    reports = json.loads((bundle / "report.json").read_text())
    assert result.exit_code == 0
    for precision in ("int8", "int4"):
        report = reports[f"xl.{precision}"]
        assert (
            f"tiny xl.{precision}: cosine {report['cosine_mean']} mean, {report['cosine_min']} worst" in result.output
        )


def test_a_result_below_the_recipes_bar_is_not_written(tmp_path: Path) -> None:
    recipe = make_tiny(tmp_path)
    recipe.write_text(RECIPE.replace("min_cosine_mean = 0.9", "min_cosine_mean = 0.99999"))
    with pytest.raises(ExportError, match=r"int8: mean cosine to the reference is 0\.\d+, the recipe asks for 0.99999"):
        build(read_recipe(recipe), tmp_path / "bundle", tmp_path / "work", force=False, say=lambda line: None)
    assert not (tmp_path / "bundle").exists()


def test_a_module_that_cannot_be_exported_is_refused(tmp_path: Path) -> None:
    recipe = make_tiny(tmp_path)
    listing = tmp_path / "weights" / "modules.json"
    listing.write_text(listing.read_text().replace("models.Normalize", "models.CNN"))
    with pytest.raises(
        ExportError, match=re.escape("has a module CNN; behind Pooling only Dense, LayerNorm, Normalize")
    ):
        build(read_recipe(recipe), tmp_path / "bundle", tmp_path / "work", force=False, say=lambda line: None)


def test_another_pooling_than_the_weights_were_made_for_must_be_said(tmp_path: Path) -> None:
    recipe = make_tiny(tmp_path)
    recipe.write_text(RECIPE.replace('pooling = "mean"', 'pooling = "cls"'))
    with pytest.raises(
        ExportError, match=r"^encoder\.pooling is cls, the model's own is mean; where that is meant, say"
    ):
        build(read_recipe(recipe), tmp_path / "bundle", tmp_path / "work", force=False, say=lambda line: None)
    recipe.write_text(RECIPE.replace('pooling = "mean"', 'pooling = "cls"\ndeparts = "to see what it does"'))
    lines: list[str] = []
    build(read_recipe(recipe), tmp_path / "bundle", tmp_path / "work", False, lines.append, ["float32"])
    assert "departs from the model's own settings: pooling is cls, the model's own is mean" in lines
    report = json.loads((tmp_path / "bundle" / "report.json").read_text())
    assert report["departures"] == ["pooling is cls, the model's own is mean"]
    assert report["xl.float32"]["cosine_min"] > 0.9999
    card = (tmp_path / "bundle" / "README.md").read_text()
    assert (
        "Departs from the model's own settings (to see what it does): pooling is cls, the model's own is mean." in card
    )


def test_more_tokens_than_the_weights_have_positions_are_refused(tmp_path: Path) -> None:
    recipe = make_tiny(tmp_path)
    recipe.write_text(RECIPE.replace("max_tokens = 64", "max_tokens = 65"))
    with pytest.raises(ExportError, match=r"^the weights have 64 positions, expected max_tokens, 65, or more$"):
        build(read_recipe(recipe), tmp_path / "bundle", tmp_path / "work", force=False, say=lambda line: None)


def test_a_tokenizer_with_more_ids_than_the_weights_have_rows_is_refused(tmp_path: Path) -> None:
    from tokenizers import Tokenizer

    recipe = make_tiny(tmp_path)
    path = tmp_path / "weights" / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.add_tokens(["amoxicillin"])
    tokenizer.save(str(path))
    with pytest.raises(
        ExportError, match=r"^the tokenizer gives ids up to (\d+) and the weights have \1 rows of tokens"
    ):
        build(read_recipe(recipe), tmp_path / "bundle", tmp_path / "work", force=False, say=lambda line: None)
    assert not (tmp_path / "bundle").exists()
