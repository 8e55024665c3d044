from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from nestling.arrays import Floats, Ids
from nestling.export.quantize.activations import Flow, follows, matrices, moments, paired_moments, reach

RANDOM = np.random.default_rng(0)
TABLE, FIRST, SECOND = (RANDOM.normal(size=shape).astype(np.float32) for shape in ((50, 12), (12, 7), (7, 5)))
TEXTS = [RANDOM.integers(0, 50, length) for length in RANDOM.integers(1, 20, 150)]


@pytest.fixture
def chain() -> Any:
    """ids -> table -> first -> relu -> second -> a product of activations."""
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["words"], name="words"),
        helper.make_node("MatMul", ["words", "first"], ["one"], name="to_one"),
        helper.make_node("Relu", ["one"], ["positive"], name="positive"),
        helper.make_node("MatMul", ["positive", "second"], ["two"], name="to_two"),
        helper.make_node("Transpose", ["two"], ["turned"], name="turned", perm=[0, 2, 1]),
        helper.make_node("MatMul", ["two", "turned"], ["out"], name="with_itself"),
    ]
    stored = [numpy_helper.from_array(a, n) for a, n in ((TABLE, "table"), (FIRST, "first"), (SECOND, "second"))]
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, [1, None])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "chain", [ids], [out], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def flows(ids: Ids) -> dict[str, Floats]:
    """What `chain` multiplies by its weights, (tokens, channels)."""
    words = TABLE[ids]
    return {"words": words, "positive": np.maximum(words @ FIRST, 0)}


def captured(model: Any, name: str, ids: Ids) -> Floats:
    probe = onnx.ModelProto.FromString(model.SerializeToString())
    probe.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(probe.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run([name], {"input_ids": ids[None, :]})[0][0])


def test_only_products_with_stored_weights_are_matrices(chain: Any) -> None:
    assert [node.name for node in matrices(chain)] == ["to_one", "to_two"]


def test_the_encoders_matrices_are_all_found(model: Any) -> None:
    kinds = [node.op_type for node in matrices(model)]
    assert (kinds.count("Attention"), kinds.count("MatMul"), len(kinds)) == (2, 6, 8)


def test_reach_is_the_largest_magnitude_of_a_channel(chain: Any) -> None:
    found = reach(chain, TEXTS)
    assert set(found) == {"words", "positive"}
    for name, values in found.items():
        expected = np.abs(np.concatenate([flows(ids)[name] for ids in TEXTS])).max(axis=0)
        assert np.allclose(values, expected, rtol=1e-5)


@pytest.mark.parametrize("count", [1, 63, 64, 65, 150])
def test_moments_count_every_text_alike(chain: Any, count: int) -> None:
    found = moments(chain, TEXTS[:count])
    assert set(found) == {"words", "positive"}
    for name, values in found.items():
        of_texts = [flows(ids)[name].astype(np.float64) for ids in TEXTS[:count]]
        expected = np.mean([rows.T @ rows / len(rows) for rows in of_texts], axis=0)
        assert values.dtype == np.float32
        assert np.allclose(values, expected, rtol=1e-4, atol=1e-5)


def test_moments_do_not_depend_on_the_order_of_texts(chain: Any) -> None:
    found, turned = moments(chain, TEXTS), moments(chain, TEXTS[::-1])
    for name in ("words", "positive"):
        assert np.allclose(found[name], turned[name], rtol=1e-5, atol=1e-5 * np.abs(found[name]).max())


def test_what_flows_through_the_encoder_is_measured_where_it_flows(model: Any, texts: list[Ids]) -> None:
    before, texts = model.SerializeToString(), texts[:3]
    reached, second = reach(model, texts), moments(model, texts)
    assert model.SerializeToString() == before
    assert set(reached) == set(second) == {node.input[0] for node in matrices(model)}
    for name in reached:
        rows = [captured(model, name, ids).astype(np.float64) for ids in texts]
        assert np.allclose(reached[name], np.abs(np.concatenate(rows)).max(axis=0), rtol=1e-5)
        expected = np.mean([one.T @ one / len(one) for one in rows], axis=0)
        assert np.allclose(second[name], expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_paired_moments_are_those_of_both_models(chain: Any) -> None:
    other = onnx.ModelProto.FromString(chain.SerializeToString())
    changed = (FIRST + 0.3).astype(np.float32)
    for tensor in other.graph.initializer:
        if tensor.name == "first":
            tensor.CopyFrom(numpy_helper.from_array(changed, "first"))
    ids = [text[None, :] for text in TEXTS]
    second, cross, flow = paired_moments(chain, other, Flow("input_ids", ids, ids), "positive", True)
    assert flow is not None
    for text, exact, rounded in zip(TEXTS, flow.exact, flow.rounded, strict=True):
        assert np.allclose(exact[0], flows(text)["positive"], rtol=1e-5, atol=1e-5)
        assert np.allclose(rounded[0], np.maximum(TABLE[text] @ changed, 0), rtol=1e-5, atol=1e-5)
    expected_second, expected_cross = np.zeros((7, 7)), np.zeros((7, 7))
    for ids in TEXTS:
        exact, found = flows(ids)["positive"], np.maximum(TABLE[ids] @ changed, 0)
        expected_second += found.T @ found / (len(ids) * len(TEXTS))
        expected_cross += found.T @ exact / (len(ids) * len(TEXTS))
    assert np.allclose(second, expected_second, rtol=1e-4)
    assert np.allclose(cross, expected_cross, rtol=1e-4)


def test_models_are_run_on_from_any_place_with_the_same_result(model: Any, texts: list[Ids]) -> None:
    names = list(dict.fromkeys(node.input[0] for node in matrices(model)))
    ids = [text[None, :] for text in texts]
    first = Flow("input_ids", ids, ids)
    pairs = [(start, name) for index, start in enumerate(names) for name in names[index + 1 :]]
    run_on = [(start, name) for start, name in pairs if follows(model, start, name)]
    # All that comes behind a layer's input or its middle depends on nothing else, but for the residual connections.
    assert len(run_on) == len([(s, n) for s, n in pairs if names.index(s) % 2 == 0])
    for start, name in run_on:
        _, _, flow = paired_moments(model, model, first, start, True)
        assert flow is not None
        found, whole = (paired_moments(model, model, one, name, False) for one in (flow, first))
        assert np.allclose(found[0], whole[0], rtol=1e-4, atol=1e-5 * np.abs(whole[0]).max())
        assert found[2] is None


def test_what_skips_a_place_does_not_follow_from_it(model: Any) -> None:
    names = list(dict.fromkeys(node.input[0] for node in matrices(model)))
    assert [follows(model, names[0], name) for name in names[1:4]] == [True, True, True]
    assert [follows(model, names[1], name) for name in names[2:4]] == [False, False]
    assert follows(model, "input_ids", names[0])
    assert not follows(model, names[0], names[0])
