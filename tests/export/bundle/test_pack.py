from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from nestling.arrays import Floats, Ids
from nestling.export.bundle.pack import SHARED, graph_name, pack
from nestling.export.quantize.blocks import nearest
from nestling.export.quantize.embedding import compress_table, rounded_table
from nestling.export.quantize.int4 import found_matrices, with_blocks
from nestling.export.recipe.grid import Grid

BOTH, MINE, YOURS = (np.random.default_rng(seed).normal(size=(20, 20)).astype(np.float32) for seed in range(3))
SMALL = np.arange(20, dtype=np.float32)


def graph(arrays: dict[str, Floats]) -> Any:
    """x times or plus one array after the other."""
    nodes, source = [], "x"
    for name, array in arrays.items():
        kind = "Add" if array.ndim == 1 else "MatMul"
        nodes.append(helper.make_node(kind, [source, name], [f"{name}.out"], name=f"node.{name}"))
        source = f"{name}.out"
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 20])
    y = helper.make_tensor_value_info(source, TensorProto.FLOAT, [None, 20])
    stored = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(helper.make_graph(nodes, "g", [x], [y], stored), opset_imports=opsets, ir_version=9)


def two() -> dict[str, Any]:
    return {
        "one": graph({"both": BOTH, "mine": MINE, "small": SMALL}),
        "two": graph({"other_name": BOTH, "yours": YOURS, "small": SMALL}),
    }


def encoders(model: Any) -> dict[str, Any]:
    """The tiny encoder three times: in float32, with a table of 4 bits, and with matrices of 4 bits too."""
    result = {name: onnx.ModelProto.FromString(model.SerializeToString()) for name in ("float32", "table", "int4")}
    table = rounded_table(model, Grid(4, 16, False), np.eye(32, dtype=np.float32), 0)
    rounded = {one.name: nearest(one.weights, Grid(4, 32, True)) for one in found_matrices(model)}
    with_blocks(result["int4"], rounded)
    for name in ("table", "int4"):
        compress_table(result[name], table)
    return result


def locations(path: Path) -> dict[str, tuple[str, int, int]]:
    """By array, where a graph says it is: file, offset, length."""
    found = {}
    for tensor in onnx.load(path, load_external_data=False).graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            entry = {item.key: item.value for item in tensor.external_data}
            found[tensor.name] = entry["location"], int(entry["offset"]), int(entry["length"])
    return found


def run(graph: bytes | str, **inputs: Any) -> Floats:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, inputs)[0])


def test_what_two_graphs_hold_is_stored_once_and_the_rest_apart(tmp_path: Path) -> None:
    files = pack(two(), tmp_path)
    assert files == {"one": ("one.bin", SHARED), "two": (SHARED, "two.bin")}
    assert (tmp_path / SHARED).read_bytes() == BOTH.tobytes()
    assert (tmp_path / "one.bin").read_bytes() == MINE.tobytes()
    assert (tmp_path / "two.bin").read_bytes() == YOURS.tobytes()
    names = {"one.bin", "two.bin", SHARED, graph_name("one"), graph_name("two")}
    assert {path.name for path in tmp_path.iterdir()} == names


def test_what_some_hold_is_no_file_of_the_others(tmp_path: Path) -> None:
    models = {"one": graph({"a": BOTH}), "two": graph({"a": BOTH, "b": MINE}), "three": graph({"a": BOTH, "b": MINE})}
    assert pack(models, tmp_path) == {
        "one": (SHARED,),
        "two": (SHARED, "two-three.bin"),
        "three": (SHARED, "two-three.bin"),
    }
    assert (tmp_path / "two-three.bin").read_bytes() == MINE.tobytes()


def test_small_arrays_stay_in_the_graph(tmp_path: Path) -> None:
    pack(two(), tmp_path)
    assert set(locations(tmp_path / graph_name("one"))) == {"both", "mine"}
    stored = {t.name: t for t in onnx.load(tmp_path / graph_name("two"), load_external_data=False).graph.initializer}
    assert (numpy_helper.to_array(stored["small"]) == SMALL).all()


@pytest.mark.parametrize(("count", "outside"), [(255, False), (256, True)])
def test_an_array_of_a_kilobyte_is_large(tmp_path: Path, count: int, outside: bool) -> None:
    model = graph({"weights": BOTH})
    model.graph.initializer.append(numpy_helper.from_array(np.arange(count, dtype=np.float32), "more"))
    pack({"one": model}, tmp_path)
    assert ("more" in locations(tmp_path / graph_name("one"))) == outside


def test_arrays_begin_where_they_are_aligned_and_do_not_overlap(tmp_path: Path, model: Any) -> None:
    models = encoders(model)
    for count in (300, 301, 302):
        models["table"].graph.initializer.append(numpy_helper.from_array(np.ones(count, np.float32), f"odd.{count}"))
    held = {name: {t.name: t.raw_data for t in one.graph.initializer} for name, one in models.items()}
    pack(models, tmp_path)
    ranges: dict[str, set[tuple[int, int]]] = {}
    for name, raw in held.items():
        for array, (file, offset, length) in locations(tmp_path / graph_name(name)).items():
            assert offset % 64 == 0
            assert (tmp_path / file).read_bytes()[offset : offset + length] == raw[array]
            ranges.setdefault(file, set()).add((offset, offset + length))
    for file, found in ranges.items():
        ordered = sorted(found)
        assert all(end <= begin for (_, end), (begin, _) in pairwise(ordered))
        assert ordered[-1][1] == (tmp_path / file).stat().st_size


def test_the_same_bytes_in_another_shape_or_type_are_another_array(tmp_path: Path) -> None:
    turned = graph({"weights": BOTH})
    turned.graph.initializer[0].CopyFrom(numpy_helper.from_array(BOTH.reshape(10, 40), "weights"))
    whole = graph({"weights": BOTH})
    whole.graph.initializer.append(numpy_helper.from_array(BOTH.view(np.int32), "whole"))
    files = pack({"turned": turned, "whole": whole}, tmp_path)
    assert files == {"turned": ("turned.bin",), "whole": ("whole.bin",)}
    assert (tmp_path / "whole.bin").read_bytes() == BOTH.tobytes() * 2


def test_an_array_that_one_graph_holds_twice_is_stored_once(tmp_path: Path) -> None:
    assert pack({"one": graph({"a": BOTH, "b": BOTH.copy()})}, tmp_path) == {"one": ("one.bin",)}
    assert (tmp_path / "one.bin").read_bytes() == BOTH.tobytes()


def test_a_packed_graph_computes_what_it_did(tmp_path: Path) -> None:
    x = np.random.default_rng(9).normal(size=(3, 20)).astype(np.float32)
    expected = {name: run(model.SerializeToString(), x=x) for name, model in two().items()}
    pack(two(), tmp_path)
    for name, y in expected.items():
        assert (run(str(tmp_path / graph_name(name)), x=x) == y).all()


def test_packed_encoders_give_the_same_vectors_to_the_bit(tmp_path: Path, model: Any, texts: list[Ids]) -> None:
    expected = {
        name: [run(one.SerializeToString(), input_ids=ids[None, :]) for ids in texts[::5]]
        for name, one in encoders(model).items()
    }
    files = pack(encoders(model), tmp_path)
    assert all(SHARED in found for found in files.values())
    for name, wanted in expected.items():
        for ids, vector in zip(texts[::5], wanted, strict=True):
            assert (run(str(tmp_path / graph_name(name)), input_ids=ids[None, :]) == vector).all()


def test_a_packed_encoder_is_made_of_its_files_alone(tmp_path: Path, model: Any, texts: list[Ids]) -> None:
    files = pack(encoders(model), tmp_path)
    for name, needed in files.items():
        alone = tmp_path / "alone" / name
        alone.mkdir(parents=True)
        for file in (*needed, graph_name(name)):
            (alone / file).write_bytes((tmp_path / file).read_bytes())
        assert run(str(alone / graph_name(name)), input_ids=texts[3][None, :]).shape == (1, 32)


def test_packing_twice_gives_the_same_bytes(tmp_path: Path, model: Any) -> None:
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        pack(encoders(model), tmp_path / folder)
    names = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "second").iterdir())
    assert all((tmp_path / "first" / n).read_bytes() == (tmp_path / "second" / n).read_bytes() for n in names)
