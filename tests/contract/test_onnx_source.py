"""Models that are there as ONNX graphs alone, quantized in every way that is known, give their own weights back."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from safetensors.numpy import load_file

from models import make_model
from nestling import Encoder
from nestling.export.cli import commands
from nestling.export.quantize.calibration import own_texts

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
    "fused and dynamic": lambda path: (
        with_fusions(path), with_dynamic(path, op_types_to_quantize=["MatMul", "Attention"])),  # type: ignore[dict-item]
    "without names": lambda path: (with_dynamic(path, per_channel=True), without_names(path)),  # type: ignore[dict-item]
}  # fmt: skip


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


def taken(folder: Path) -> dict[str, Any]:
    """The weights that a build took out of the graph of a folder."""
    (path,) = (folder.parent / "work").glob("*/from_graph-*/model/model.safetensors")
    return load_file(path)


def step_of(way: str) -> float:
    """How far a weight may be from what it was, as a part of the largest one."""
    return 0 if way in ("float32", "external data", "fused") else 1 / 60


def plain_vectors(model: Path) -> Any:
    """The vectors of TEXTS by sentence-transformers, without the prompts that the graph's folder does not have."""
    from sentence_transformers import SentenceTransformer

    loaded = SentenceTransformer(str(model), device="cpu", local_files_only=True)
    return loaded.encode(TEXTS, prompt="", batch_size=1, normalize_embeddings=True)


@pytest.mark.parametrize("way", WAYS)
def test_weights_come_out_of_a_graph(berts: tuple[Path, Path], tmp_path: Path, way: str) -> None:
    model, graph = berts
    folder = tmp_path / "graph"
    shutil.copytree(graph, folder)
    WAYS[way](folder / "model.onnx")
    result = build(folder)
    assert result.exit_code == 0, result.output + str(result.exception)
    found, exact = taken(folder), load_file(model / "model.safetensors")
    assert found.keys() == {name for name in exact if not name.startswith("pooler")}
    for name, values in found.items():
        assert np.abs(values - exact[name]).max() <= step_of(way) * np.abs(exact[name]).max() + 1e-6, name
    vectors = Encoder(tmp_path / "bundle").encode(TEXTS, role="document")
    assert (vectors * plain_vectors(model)).sum(axis=1).min() > (0.95 if step_of(way) else 0.9999)


@pytest.mark.parametrize("architecture", sorted(POOLINGS.keys() - {"bert"}))
def test_weights_come_out_of_a_graph_of_any_architecture(tmp_path: Path, architecture: str) -> None:
    model = make_model(tmp_path, architecture)
    folder = exported(model, tmp_path / "graph")
    with_dynamic(folder / "model.onnx", per_channel=True)
    result = build(folder, architecture)
    assert result.exit_code == 0, result.output + str(result.exception)
