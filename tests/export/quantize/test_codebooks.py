"""A token table as codes: what they stand for is near to the table, and what a graph looks up."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from nestling.export.errors import ExportError
from nestling.export.quantize.codebooks import coded_table, look_up
from nestling.export.recipe.grid import Codebooks

RANDOM = np.random.default_rng(0)


def error(table: np.ndarray, values: np.ndarray, second: np.ndarray) -> float:
    off = table - values.T
    return float(np.einsum("nd,de,ne->", off, second, off) / np.einsum("nd,de,ne->", table, second, table))


def test_codes_stand_for_rows_near_to_the_table() -> None:
    table = RANDOM.standard_normal((4000, 16)).astype(np.float32)
    plain = np.eye(16, dtype=np.float32)
    fine, coarse = (coded_table(table, Codebooks(run), plain, 0) for run in (2, 4))
    assert fine.codes.shape == (4000, 8) and coarse.centres.shape == (4, 256, 4)
    assert error(table, fine.values(), plain) < 0.01 < error(table, coarse.values(), plain) < 0.12


def test_few_rows_are_kept_as_they_are() -> None:
    table = RANDOM.standard_normal((200, 8)).astype(np.float16).astype(np.float32)
    found = coded_table(table, Codebooks(4), np.eye(8, dtype=np.float32), 0)
    np.testing.assert_allclose(found.values().T, table, atol=2e-3)


def test_the_error_goes_where_vectors_depend_on_it_least() -> None:
    table = RANDOM.standard_normal((4000, 8)).astype(np.float32)
    second = np.diag([100.0, 1, 1, 1, 100, 1, 1, 1]).astype(np.float32)
    weighted, plain = (coded_table(table, Codebooks(4), by, 0) for by in (second, np.eye(8, dtype=np.float32)))
    assert error(table, weighted.values(), second) < 0.7 * error(table, plain.values(), second)


def test_a_graph_looks_up_what_the_codes_stand_for() -> None:
    table = coded_table(
        RANDOM.standard_normal((300, 12)).astype(np.float32), Codebooks(4), np.eye(12, dtype=np.float32), 0
    )
    nodes, tensors = look_up(table, "table", "ids", "rows")
    inside = helper.make_tensor_value_info("ids", TensorProto.INT64, [1, None])
    out = helper.make_tensor_value_info("rows", TensorProto.FLOAT, [1, None, 12])
    model = helper.make_model(
        helper.make_graph(nodes, "look-up", [inside], [out], tensors), opset_imports=[helper.make_opsetid("", 17)]
    )
    model.ir_version = 9
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    ids = np.array([[3, 299, 0, 3]])
    np.testing.assert_array_equal(session.run(None, {"ids": ids})[0][0], table.values().T[ids[0]])


def test_a_run_that_is_none_is_refused() -> None:
    with pytest.raises(ExportError, match=r"^run is 17, expected 1 to 16$"):
        Codebooks(17)
