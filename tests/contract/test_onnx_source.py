"""Models that are there as ONNX graphs alone, quantized in every way that is known, give their own weights back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from safetensors.numpy import load_file

from models import make_model, truth
from nestling import Encoder
from nestling.export.cli import commands
from nestling.export.encoder.from_graph import model_of_graph
from nestling.export.errors import ExportError
from nestling.export.quantize.calibration import own_texts
from nestling.export.recipe.parts import EncoderRecipe, OnnxSource

pytestmark = pytest.mark.filterwarnings("ignore::nestling.errors.TruncationWarning")
POOLINGS = {"bert": "cls", "distilbert": "mean", "xlm-roberta": "mean", "modernbert": "cls", "qwen3": "lasttoken"}
TEXTS = own_texts()[:8]
RECIPE = """
name = "taken"
[source]
kind = "onnx"
path = "{folder}"
[encoder]
pooling = "{pooling}"
[int8]
"""


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(commands, [str(word) for word in words])


def exported(model: Path, folder: Path) -> Path:
    """A folder with a model's float32 graph as others export it, its tokenizer and its configuration."""
    from optimum.exporters.onnx import main_export

    main_export(str(model), folder, task="feature-extraction", do_validation=False, library_name="transformers")
    (folder / "model.safetensors").unlink(missing_ok=True)
    return folder


def with_dynamic(path: Path, **options: Any) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    default = {"DefaultTensorType": onnx.TensorProto.FLOAT}
    quantize_dynamic(path, path, weight_type=QuantType.QInt8, extra_options=default, **options)


def with_static(path: Path, form: str, **options: Any) -> None:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path.with_name("tokenizer.json")))
    names = {value.name for value in onnx.load(path).graph.input}

    class Texts(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = own_texts()[:24]

        def get_next(self) -> dict[str, Any] | None:
            if not self.left:
                return None
            ids = np.array([tokenizer.encode(self.left.pop()).ids[:100]], dtype=np.int64)
            given = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
            return {name: given[name] for name in names}

    made = path.with_name("static.onnx")
    quantize_static(
        path, made, Texts(), quant_format=QuantFormat[form], weight_type=QuantType.QInt8,
        op_types_to_quantize=["MatMul", "Gather"], **options,
    )  # fmt: skip
    made.replace(path)


def with_blocks(path: Path, bits: int, symmetric: bool) -> None:
    from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer

    config = DefaultWeightOnlyQuantConfig(block_size=16, is_symmetric=symmetric, bits=bits)
    quantizer = MatMulNBitsQuantizer(onnx.load(path), algo_config=config)
    quantizer.process()
    onnx.save(quantizer.model.model, path)


def with_fusions(path: Path, heads: int = 4, size: int = 64) -> None:
    from onnxruntime.transformers.optimizer import optimize_model

    optimize_model(str(path), "bert", heads, size, opt_level=0).save_model_to_file(str(path))


def pooler_kept(path: Path) -> None:
    """With what BERT has behind its states for a task of its own."""
    model, random = onnx.load(path), np.random.default_rng(0)
    arrays = {"pooler.dense.weight": random.normal(size=(64, 64)), "pooler.dense.bias": random.normal(size=64)}
    for name, values in arrays.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(values.astype(np.float32), name))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(0), "first"))
    model.graph.node.extend([
        onnx.helper.make_node("Gather", ["last_hidden_state", "first"], ["first_state"], axis=1),
        onnx.helper.make_node("Gemm", ["first_state", *arrays], ["dense"], transB=1),
        onnx.helper.make_node("Tanh", ["dense"], ["pooler_output"]),
    ])  # fmt: skip
    model.graph.output.append(onnx.helper.make_tensor_value_info("pooler_output", onnx.TensorProto.FLOAT, None))
    onnx.save(model, path)


def with_external_data(path: Path) -> None:
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="weights.bin", size_threshold=0)


def without_names(path: Path) -> None:
    """Every node and value called by a number, as exporters do that know nothing of modules."""
    model = onnx.load(path)
    kept = {value.name for value in [*model.graph.input, *model.graph.output]}
    kept |= {tensor.name for tensor in model.graph.initializer}
    for number, node in enumerate(model.graph.node):
        node.name = f"n{number}"
    names = {name for node in model.graph.node for name in node.output if name not in kept}
    new = {name: f"v{number}" for number, name in enumerate(sorted(names))}
    for node in model.graph.node:
        for values in (node.input, node.output):
            values[:] = [new.get(name, name) for name in values]
    del model.graph.value_info[:]
    onnx.save(model, path)


WAYS: dict[str, Callable[[Path], None]] = {
    "float32": lambda path: None,
    "external data": with_external_data,
    "dynamic": with_dynamic,
    "dynamic, per channel, 7 bits": lambda path: with_dynamic(path, per_channel=True, reduce_range=True),
    "QDQ": lambda path: with_static(path, "QDQ", per_channel=True),
    "QOperator": lambda path: with_static(path, "QOperator"),
    "blocks of 8 bits": lambda path: with_blocks(path, 8, False),
    "fused": with_fusions,
    "fused with a pooler": lambda path: (pooler_kept(path), with_fusions(path)),  # type: ignore[dict-item]
    "fused and dynamic": lambda path: (
        with_fusions(path), with_dynamic(path, op_types_to_quantize=["MatMul", "Attention"])),  # type: ignore[dict-item]
    "without names": lambda path: (with_dynamic(path, per_channel=True), without_names(path)),  # type: ignore[dict-item]
}  # fmt: skip


def taken(folder: Path, architecture: str = "bert", **config: Any) -> dict[str, Any]:
    """The weights of the graph of a folder."""
    made = folder.parent / "taken"
    made.mkdir()
    source, encoder = OnnxSource(path=str(folder), config=config), EncoderRecipe(pooling=POOLINGS[architecture])
    model_of_graph(folder, source, encoder, own_texts(), lambda line: None, made)
    return load_file(made / "model.safetensors")


def build(folder: Path, architecture: str = "bert", extra: str = "") -> Result:
    recipe = folder.parent / "recipe.toml"
    recipe.write_text(RECIPE.format(folder=folder.as_posix(), pooling=POOLINGS[architecture]) + extra)
    words = ("build", recipe, "-o", folder.parent / "bundle", "--work", folder.parent / "work")
    return run(*words, "--precision", "float32")


@pytest.fixture(scope="module")
def berts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A BERT and the folder of its graph."""
    folder = tmp_path_factory.mktemp("bert")
    model = make_model(folder, "bert")
    return model, exported(model, folder / "graph")


def step_of(way: str) -> float:
    """How far a weight may be from what it was, as a part of the largest one."""
    return 0 if way in ("float32", "external data", "fused") else 1 / 60


def plain_vectors(model: Path) -> Any:
    """The vectors of TEXTS by sentence-transformers, without the prompts that the graph's folder does not have."""
    from sentence_transformers import SentenceTransformer

    loaded = SentenceTransformer(str(model), device="cpu", local_files_only=True)
    return loaded.encode(TEXTS, prompt="", batch_size=1, normalize_embeddings=True)


@pytest.mark.parametrize("way", WAYS)
def test_weights_come_out_of_a_graph(berts: tuple[Path, Path], graph: Path, way: str) -> None:
    WAYS[way](graph / "model.onnx")
    found, exact = taken(graph), load_file(berts[0] / "model.safetensors")
    assert found.keys() == {name for name in exact if not name.startswith("pooler")}
    for name, values in found.items():
        assert np.abs(values - exact[name]).max() <= step_of(way) * np.abs(exact[name]).max() + 1e-6, name


@pytest.mark.parametrize("architecture", sorted(POOLINGS.keys() - {"bert"}))
def test_weights_come_out_of_a_graph_of_any_architecture(tmp_path: Path, architecture: str) -> None:
    model = make_model(tmp_path, architecture)
    folder = exported(model, tmp_path / "graph")
    with_dynamic(folder / "model.onnx", per_channel=True)
    exact = load_file(model / "model.safetensors")
    for name, values in taken(folder, architecture).items():
        assert np.abs(values - exact[name]).max() <= np.abs(exact[name]).max() / 60, name


def test_a_bundle_is_built_of_a_graph(berts: tuple[Path, Path], graph: Path) -> None:
    result = build(graph)
    assert result.exit_code == 0, result.output + str(result.exception)
    assert "weights out of model.onnx: cosine 1.0000 mean" in result.output
    assert "weights out of an ONNX graph (cosine 1.0000 mean" in (graph.parent / "bundle" / "README.md").read_text()
    assert "taken" in json.loads((graph.parent / "bundle" / "report.json").read_text())
    vectors = Encoder(graph.parent / "bundle").encode(TEXTS, role="document")
    assert (vectors * plain_vectors(berts[0])).sum(axis=1).min() > 0.9999
    assert "weights out of model.onnx: done before" in build(graph).output
    with_dynamic(graph / "model.onnx", per_channel=True)
    again = build(graph)
    assert "weights out of model.onnx: cosine 0.9" in again.output, again.output + str(again.exception)


@pytest.fixture
def graph(berts: tuple[Path, Path], tmp_path: Path) -> Path:
    shutil.copytree(berts[1], tmp_path / "graph")
    return tmp_path / "graph"


def reconfigured(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def changed(path: Path, change: Callable[[Any], Any]) -> None:
    model = onnx.load(path)
    change(model)
    onnx.save(model, path)


def classified(model: Any) -> None:
    """As a re-ranker's graph has it, with a layer behind the encoder."""
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.ones((64, 1), np.float32), "classifier.weight"))
    model.graph.node.append(onnx.helper.make_node("MatMul", ["last_hidden_state", "classifier.weight"], ["logits"]))
    model.graph.output.append(onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, None))


def pooled(model: Any) -> None:
    """With the mean of the states as the text's vector, where the recipe says the first one."""
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1]), "tokens_axis"))
    inputs = ["last_hidden_state", "tokens_axis"]
    model.graph.node.append(onnx.helper.make_node("ReduceMean", inputs, ["sentence_embedding"], keepdims=0))
    model.graph.output.append(onnx.helper.make_tensor_value_info("sentence_embedding", onnx.TensorProto.FLOAT, None))


def in_whole_numbers(model: Any) -> None:
    """A table of 8-bit numbers that is read by a node that is none of a quantizer's."""
    for tensor in model.graph.initializer:
        if tensor.name.endswith("position_embeddings.weight"):
            values = (onnx.numpy_helper.to_array(tensor) * 10).astype(np.int8)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))


def shuffled(model: Any) -> None:
    """A layer's norm under the name of another's."""
    names = {"encoder.layer.0.output.LayerNorm.bias": "encoder.layer.2.output.LayerNorm.bias"}
    names |= {new: old for old, new in names.items()}
    for tensor in model.graph.initializer:
        tensor.name = names.get(tensor.name, tensor.name)
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]


def outside(folder: Path, name: str) -> None:
    model = onnx.load(folder / "model.onnx")
    (folder.parent / "secret.bin").write_bytes(b"0" * 10_000)
    onnx.external_data_helper.convert_model_to_external_data(model, location="w.bin", size_threshold=0)
    onnx.save(model, folder / "model.onnx")
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = name
    (folder / "model.onnx").write_bytes(model.SerializeToString())


def broken(folder: Path, kind: str) -> None:
    path = folder / "model.onnx"
    if kind == "more layers":
        reconfigured(folder, num_hidden_layers=5)
    elif kind == "fewer layers":
        reconfigured(folder, num_hidden_layers=2)
    elif kind == "another size":
        reconfigured(folder, intermediate_size=256)
    elif kind == "another architecture":
        reconfigured(folder, model_type="xlm-roberta")
    elif kind == "another activation":
        reconfigured(folder, hidden_act="silu")
    elif kind == "another pooling":
        changed(path, pooled)
    elif kind == "unknown architecture":
        reconfigured(folder, model_type="t5")
    elif kind == "no configuration":
        (folder / "config.json").unlink()
    elif kind == "a classifier":
        changed(path, classified)
    elif kind == "numbers of no quantizer":
        changed(path, in_whole_numbers)
    elif kind == "other names":
        changed(path, shuffled)
    elif kind == "weights outside":
        outside(folder, "../secret.bin")
    elif kind == "weights elsewhere":
        outside(folder, str(folder.parent / "secret.bin"))
    elif kind == "weights behind a link":
        outside(folder, "link.bin")
        (folder / "link.bin").symlink_to(folder.parent / "secret.bin")
    elif kind == "weights missing":
        outside(folder, "none.bin")
    elif kind == "no graph":
        path.unlink()
    else:
        path.write_bytes(b"PK\x03\x04 is no graph")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("more layers", "it lacks encoder.layer.3.attention.self.query.weight, encoder.layer.3"),
        ("fewer layers", "encoder.layer.2.attention.self.query.bias"),
        ("another size", "it lacks encoder.layer.0.intermediate.dense.weight, encoder.layer.0.intermediate.dense.bias"),
        ("another architecture", "give other vectors than the graph itself (cosine "),
        ("another activation", "give other vectors than the graph itself (cosine "),
        ("another pooling", "correct source.config or encoder.pooling"),
        ("unknown architecture", "the architecture 't5' is not known, expected bert"),
        ("no configuration", "has no config.json; expected a model in transformers"),
        ("a classifier", "it has classifier.weight too, which the configuration has no place for"),
        ("numbers of no quantizer", "its Gather hold weights in a form that is not read, expected floats, Dequ"),
        ("other names", "give other vectors than the graph itself (cosine "),
        ("weights outside", "takes weights from '../secret.bin', which is outside its folder"),
        ("weights elsewhere", "secret.bin', which is outside its folder"),
        ("weights behind a link", "takes weights from 'link.bin', which is outside its folder"),
        ("weights missing", "none.bin: is missing, which model.onnx takes weights from"),
        ("no graph", "cannot be read (No such file or directory); expected the recipe's graph"),
        ("damaged", "is no ONNX graph"),
    ],
)
def test_a_graph_that_is_not_what_it_should_be_is_one_sentence(graph: Path, kind: str, message: str) -> None:
    broken(graph, kind)
    with pytest.raises(ExportError) as error:
        taken(graph)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_configuration_stands_in_the_recipe_where_there_is_none(graph: Path) -> None:
    config = json.loads((graph / "config.json").read_text())
    (graph / "config.json").unlink()
    assert taken(graph, **config)


def test_a_graph_in_the_layout_of_sentence_transformers_is_read(
    berts: tuple[Path, Path], graph: Path, tmp_path: Path
) -> None:
    whole = tmp_path / "whole"
    shutil.copytree(berts[0], whole)
    (whole / "model.safetensors").unlink()
    (whole / "onnx").mkdir()
    shutil.copyfile(graph / "model.onnx", whole / "onnx" / "model.onnx")
    (tmp_path / "made").mkdir()
    source = OnnxSource(graph="onnx/model.onnx", path=str(whole))
    model_of_graph(whole, source, EncoderRecipe(), own_texts(), lambda line: None, tmp_path / "made")
    vectors = truth(tmp_path / "made", TEXTS, "query")
    assert (vectors * truth(berts[0], TEXTS, "query")).sum(axis=1).min() > 0.9999


def test_what_newer_releases_wrote_beside_a_graph_is_read(graph: Path) -> None:
    path = graph / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "tokenizer_class": "TokenizersBackend"}))
    assert taken(graph)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "package is missing, expected path, or package, version, sha256, folder"),
        ({"path": "m", "package": "p"}, "path and package are both given, expected one of them"),
        ({"package": "p", "version": "1", "folder": "f"}, "sha256 is missing"),
        ({"package": "p", "version": "1", "sha256": "0", "folder": "f", "files": {"a": "0" * 64}}, "without path"),
        ({"path": "m", "graph": "../g.onnx"}, "graph is '../g.onnx', expected a file of the folder"),
        ({"path": "m", "graph": ""}, "graph is '', expected a file of the folder"),
        ({"path": "m", "files": {"../x": "y"}}, "files has '../x'"),
        ({"path": "m", "config": {"day": date(2026, 1, 1)}}, "config cannot stand in a config.json"),
    ],
)
def test_a_source_that_cannot_be_is_one_sentence(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ExportError) as error:
        OnnxSource(**given)
    assert message in str(error.value)
