"""A family of encoders from one recipe: trained, exported, quantized, searched across widths."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from nestling import Document, Encoder, Library
from nestling.bundle.manifest import read_bundle
from nestling.errors import BundleError
from nestling.export.build import build, verify_bundle
from nestling.export.errors import ExportError
from nestling.export.quantize.calibration import own_texts
from nestling.export.recipe.recipe_file import read_recipe
from tiny import make_tiny_family

pytestmark = pytest.mark.filterwarnings("ignore::nestling.errors.TruncationWarning")
VARIANTS = [
    *("xl.int8", "l.int8", "m.int8", "s.int8", "xl.int4", "l.int4", "m.int4", "s.int4", "static.int4"),
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A recipe and the bundle that was built from it."""
    folder = tmp_path_factory.mktemp("family")
    recipe = make_tiny_family(folder)
    build(read_recipe(recipe), folder / "bundle", folder / "work", force=False, say=lambda line: None)
    return recipe, folder / "bundle"


def test_the_bundle_holds_every_width_at_every_precision(built: tuple[Path, Path]) -> None:
    bundle = read_bundle(built[1])
    bundle.verify()
    assert [variant.name for variant in bundle.variants] == VARIANTS
    report = json.loads((built[1] / "report.json").read_text())
    assert set(report) == {*VARIANTS, "versions"}


def locations(bundle: Path, precision: str) -> dict[str, list[tuple[str, str]]]:
    """By array, where each width of a precision has it, the widest first."""
    import onnx

    found: dict[str, list[tuple[str, str]]] = {}
    for variant in read_bundle(bundle).variants:
        if variant.precision == precision and variant.width != "static":
            for tensor in onnx.load(bundle / variant.graph, load_external_data=False).graph.initializer:
                entries = {entry.key: entry.value for entry in tensor.external_data}
                if entries:
                    found.setdefault(tensor.name, []).append((entries["location"], entries["offset"]))
    return found


def of_attention(kept: dict[str, list[tuple[str, str]]], layer: int) -> list[list[tuple[str, str]]]:
    named = re.compile(rf"attention(_|\.){layer}|layer\.{layer}\.att", re.IGNORECASE)
    return [found for name, found in kept.items() if named.search(name)]


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_widths_share_their_attention(built: tuple[Path, Path], precision: str) -> None:
    kept = locations(built[1], precision)
    assert len(set(kept["rotation.half"])) == 1
    for layer in (0, 1):
        assert of_attention(kept, layer)
        assert all(len(found) == 4 and len(set(found)) == 1 for found in of_attention(kept, layer))


def test_all_widths_give_vectors_of_one_space(built: tuple[Path, Path]) -> None:
    texts, vectors = own_texts(), {}
    for name in VARIANTS:
        width, precision = name.split(".")
        with Encoder(built[1], width=width, precision=precision) as encoder:
            vectors[name] = encoder.encode(texts, role="document")
    cosines = {name: float((found * vectors["xl.int8"]).sum(axis=1).mean()) for name, found in vectors.items()}
    assert cosines["xl.int4"] > 0.95
    assert cosines["l.int8"] > 0.8
    assert cosines["l.int8"] > cosines["m.int8"] > cosines["s.int8"] > 0.4
    assert cosines["static.int4"] > 0.2


def test_the_reference_is_the_source_turned(built: tuple[Path, Path]) -> None:
    """Turning keeps the cosines of whole vectors, so two texts are as near as they are to the source."""
    reports = verify_bundle(read_bundle(built[1]), read_recipe(built[0]), built[0].parent / "work")
    assert reports["xl.int8"].cosine_mean > 0.95
    kept = json.loads((built[1] / "report.json").read_text())
    assert kept["s.int8"]["cosine_mean"] == reports["s.int8"].cosine_mean < reports["l.int8"].cosine_mean


@pytest.mark.parametrize("query_width", ["xl", "s", "static"])
def test_a_library_is_asked_by_another_width_than_its_documents_have(
    built: tuple[Path, Path], tmp_path: Path, query_width: str
) -> None:
    bundle = read_bundle(built[1])
    texts = {"owl": "owls hunt at night", "burn": "cool burns under running water", "hands": "wash hands with water"}
    with Library(tmp_path / "tiny.nest", encoder=bundle, document_width="xl", query_width=query_width) as library:
        library.add([Document(id, text) for id, text in texts.items()])
        scores = {hit.id: hit.score for hit in library.search("clean water", mode="dense")}
    query = Encoder(bundle, width=query_width).encode(["clean water"], role="query")
    expected = (query @ Encoder(bundle, width="xl").encode(list(texts.values()), role="document").T)[0]
    assert scores == pytest.approx(dict(zip(texts, expected, strict=True)), abs=0.01)


def test_an_unknown_width_names_those_that_there_are(built: tuple[Path, Path]) -> None:
    with pytest.raises(BundleError, match="has no width xs; its widths are xl, l, m, s, static"):
        Encoder(built[1], width="xs")


def test_a_second_build_trains_nothing_anew(built: tuple[Path, Path], tmp_path: Path) -> None:
    recipe, bundle = built
    changed = recipe.with_name("changed.toml")
    changed.write_text(recipe.read_text().replace("min_cosine_mean = 0.9", "min_cosine_mean = 0.91"))
    lines: list[str] = []
    build(read_recipe(changed), tmp_path / "again", recipe.parent / "work", force=False, say=lines.append)
    assert "nest and train: done before" in lines
    assert "train the look-up: done before" in lines
    assert read_bundle(tmp_path / "again").space == read_bundle(bundle).space


def test_building_a_family_twice_gives_the_same_bytes(built: tuple[Path, Path], tmp_path: Path) -> None:
    recipe, bundle = built
    build(read_recipe(recipe), tmp_path / "again", tmp_path / "work", force=False, say=lambda line: None)
    for path in bundle.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name


def test_a_build_that_broke_off_behind_its_second_course_trains_nothing_anew(
    built: tuple[Path, Path], tmp_path: Path
) -> None:
    class Stop(Exception):
        pass

    def stop(line: str) -> None:
        if line.startswith("step 6 of 6"):
            raise Stop

    recipe, bundle = built
    with pytest.raises(Stop):
        build(read_recipe(recipe), tmp_path / "again", tmp_path / "work", force=False, say=stop)
    logs = sorted((tmp_path / "work").rglob("log.jsonl"))
    assert [log.parent.name for log in logs] == ["distil-1", "distil-2"]
    before = [log.read_bytes() for log in logs]
    build(read_recipe(recipe), tmp_path / "again", tmp_path / "work", force=False, say=lambda line: None)
    assert [log.read_bytes() for log in logs] == before
    for path in bundle.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name


def test_missing_training_text_is_named(tmp_path: Path) -> None:
    recipe = make_tiny_family(tmp_path)
    (tmp_path / "more.txt").unlink()
    with pytest.raises(ExportError, match=r"more\.txt: is not there; give the folder that holds the recipe's texts by"):
        build(read_recipe(recipe), tmp_path / "bundle", tmp_path / "work", force=False, say=lambda line: None)


def test_a_dim_that_the_source_has_not_is_refused(tmp_path: Path) -> None:
    recipe = make_tiny_family(tmp_path)
    recipe.write_text(recipe.read_text().replace("dims = [32, 16]", "dims = [64, 16]"))
    with pytest.raises(ExportError, match=r"nest.dims is \[64, 16\], the source has 32"):
        build(read_recipe(recipe), tmp_path / "bundle", tmp_path / "work", force=False, say=lambda line: None)


def test_a_rank_above_the_sources_size_is_refused(tmp_path: Path) -> None:
    recipe = make_tiny_family(tmp_path)
    recipe.write_text(recipe.read_text().replace("rank = 16", "rank = 34"))
    with pytest.raises(ExportError, match=r"static.rank is 34, the source has 32"):
        build(read_recipe(recipe), tmp_path / "bundle", tmp_path / "work", force=False, say=lambda line: None)


def test_the_card_says_what_was_trained(built: tuple[Path, Path]) -> None:
    assert (
        "The others share its token table and attention;\n"
        "what they have of its layers and hidden neurons, 0.5 of the neurons (l); 0.25 of the neurons (m); 0.125 of "
        "the neurons (s), was trained to give its vectors.\n"
    ) in (built[1] / "README.md").read_text()


def reshaped(recipe: Path, lines: str) -> None:
    """A recipe whose widths are cut otherwise, of the first state of a text, which hardly differs between texts where
    weights are random: with the mean off, rounding is more of what is left."""
    text = recipe.read_text().replace("dims = [32, 16]\n", f"dims = [32, 16]\n{lines}\n", 1)
    text = text.replace("min_cosine = 0.8\n", "min_cosine = 0.6\n")
    recipe.write_text(text.replace('pooling = "mean"', 'pooling = "cls"'))
    (recipe.parent / "weights" / "1_Pooling" / "config.json").write_text(
        '{"embedding_dimension": 32, "pooling_mode": "cls"}'
    )


def test_a_width_may_have_fewer_layers_and_attention_of_its_own(tmp_path: Path) -> None:
    recipe = make_tiny_family(tmp_path)
    reshaped(recipe, 'layers = { s = [1], m = [1] }\nneurons = { s = 0.5, m = 1.0 }\nown_attention = ["s", "m"]')
    build(read_recipe(recipe), tmp_path / "b", tmp_path / "work", force=False, say=lambda line: None)
    vectors = {}
    for name in ("xl.int8", "l.int8", "m.int8", "s.int8"):
        with Encoder(tmp_path / "b", width=name[:-5], precision="int8") as encoder:
            vectors[name] = encoder.encode(own_texts(), role="document")
    near = {name: float((found * vectors["xl.int8"]).sum(axis=1).mean()) for name, found in vectors.items()}
    assert near["l.int8"] > near["s.int8"] > 0.3
    assert "layers 1 and 0.5 of the neurons (s)" in (tmp_path / "b" / "README.md").read_text()
    assert "The others share its token table, l its attention too;" in (tmp_path / "b" / "README.md").read_text()
    attention = of_attention(locations(tmp_path / "b", "int8"), 0)
    assert any(len(set(found)) > 2 for found in attention)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("layers = { s = [0, 5] }", "layers of s names 5, the source's are 0 to 1"),
        ("layers = { s = [1, 0] }", "layers of s is [1, 0], expected numbers of layers from 0 on, rising"),
        ("layers = { xl = [0] }", "layers names 'xl', expected some of l, m, s, trained here"),
        ("neurons = { s = 1.5 }", "neurons of s is 1.5, expected a part above 0 and up to 1"),
    ],
)
def test_a_cut_that_cannot_be_is_refused_at_once(tmp_path: Path, lines: str, message: str) -> None:
    recipe = make_tiny_family(tmp_path)
    reshaped(recipe, lines)
    with pytest.raises(ExportError, match=re.escape(message)):
        build(read_recipe(recipe), tmp_path / "b", tmp_path / "work", force=False, say=lambda line: None)
    assert not any((tmp_path / "work").rglob("reference-*.npy"))


def test_a_part_of_the_mean_is_taken_off(built: tuple[Path, Path]) -> None:
    (kept,) = (path for path in (built[0].parent / "work").rglob("turn.npy"))
    *rotation, mean = np.load(kept)
    taught = [np.load(path) for path in sorted((built[0].parent / "work").rglob("targets.npy"))]
    whole = np.concatenate([rows[rows.any(axis=1)] for rows in taught]).mean(axis=0)
    share = read_recipe(built[0]).nest.mean  # type: ignore[union-attr]
    assert np.allclose(mean, share * whole @ np.stack(rotation), atol=1e-6)


def test_the_turn_is_stored_and_read_back(built: tuple[Path, Path]) -> None:
    import onnx

    from nestling.export.quantize.onnx_graph import half_rotation, stored_turn

    (kept,) = (path for path in (built[0].parent / "work").rglob("turn.npy"))
    *rotation, mean = np.load(kept)
    for variant in read_bundle(built[1]).variants[:-1]:
        model = onnx.load(built[1] / variant.graph)
        assert [t.data_type for t in model.graph.initializer if t.name == "rotation.half"] == [onnx.TensorProto.FLOAT16]
        found = stored_turn(model)
        assert found is not None
        assert found.rotation.dtype == found.mean.dtype == np.float32
        assert (found.rotation == np.stack(rotation)).all()
        assert (found.mean == mean).all()
        before = model.SerializeToString(deterministic=True)
        half_rotation(model)
        assert model.SerializeToString(deterministic=True) == before
