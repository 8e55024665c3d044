"""Nodes as ONNX Runtime computes them fastest on CPUs, in place of fused ones that it computes slowly (1.32).

- SkipLayerNormalization goes through a row number by number. An addition and LayerNormalization use the processor's
  wide registers; the bias that it adds goes to the product before it, which adds one at no cost.
- QAttention keeps the scores of all heads at once. MultiHeadAttention behind its products goes through them in blocks,
  see FlashAttention (arXiv 2205.14135); their size is from that of the second cache, and with 256 KiB one holds all
  scores of a head for the 256 tokens of an encoder with 12 heads of 32.

What is computed is the same but for float rounding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from onnx import helper

from ..errors import ExportError
from .embedding import replace

_CONTRIB = "com.microsoft"
_EPSILON = 1e-12
# Of attention, what is not its number of heads and may be there, and its value where nothing is meant by it.
_PLAIN = {"unidirectional": 0, "do_rotary": 0, "past_present_share_buffer": 0}


def rewrite_slow_nodes(model: Any) -> None:
    """Replace these nodes of an optimized graph, in place.

    Raises:
        ExportError: an attention has a mask, a past, a scale of its own or an order.
    """
    graph = model.graph
    made_by = {output: node for node in graph.node for output in node.output}
    readers = Counter([*(name for node in graph.node for name in node.input), *(value.name for value in graph.output)])
    nodes: list[Any] = []
    for node in graph.node:
        if node.op_type == "SkipLayerNormalization" and not any(node.output[1:]):
            nodes += _norm(node, _product_of(node.input[0], made_by, readers))
        elif node.op_type == "QAttention":
            nodes += _attention(node, made_by.get(node.input[0]))
        else:
            nodes.append(node)
    read = {name for node in nodes for name in node.input}
    replace(model, [n for n in nodes if n.op_type != "DynamicQuantizeLinear" or read & set(n.output)], {})


def _product_of(value: str, made_by: Mapping[str, Any], readers: Mapping[str, int]) -> Any:
    """The int8 product without a bias that a value is, or that is a term of it, where nothing else reads either."""
    node = made_by.get(value)
    if node is None or readers[value] != 1:
        return None
    terms = [made_by.get(name) for name in node.input if node.op_type == "Add" and readers[name] == 1]
    products = [one for one in (node, *terms) if one is not None and one.op_type == "DynamicQuantizeMatMul"]
    return next((one for one in products if not any(one.input[4:])), None)


def _norm(node: Any, product: Any) -> list[Any]:
    """The sum of two inputs, and of a bias where there is one, normalised.

    Args:
        product: what the bias may be given to, a node that comes before; None for none.
    """
    name, terms = node.output[0], list(node.input[:2])
    bias = next(iter(node.input[4:5]), "")
    if bias and product is not None:
        inputs = [*product.input[:4], *[""] * (4 - len(product.input)), bias]
        del product.input[:]
        product.input.extend(inputs)
    elif bias:
        terms.append(bias)
    nodes, total = [], terms[0]
    for number, term in enumerate(terms[1:], start=1):
        output = f"{name}.sum{number}"
        nodes.append(helper.make_node("Add", [total, term], [output], name=output))
        total = output
    epsilon = next((attribute.f for attribute in node.attribute if attribute.name == "epsilon"), _EPSILON)
    shift = [one for one in node.input[3:4] if one]
    norm = helper.make_node(
        "LayerNormalization", [total, node.input[2], *shift], [name], name=name, axis=-1, epsilon=epsilon
    )
    return [*nodes, norm]


def _attention(node: Any, quantize: Any) -> list[Any]:
    """One product to queries, keys and values, and what attention makes of them.

    Args:
        quantize: what made its input int8.
    """
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    inputs = [*node.input, *[""] * (9 - len(node.input))]
    strange = [key for key, value in attributes.items() if key in _PLAIN and value != _PLAIN[key]]
    strange += attributes.keys() - {"num_heads", "mask_filter_value", *_PLAIN}
    if strange or inputs[5] or inputs[8] or len(node.output) > 1:
        raise ExportError(f"attention {node.output[0]} has more than an encoder's, expected no mask, past or order")
    if quantize is None or quantize.op_type != "DynamicQuantizeLinear":
        raise ExportError(f"attention {node.output[0]} has an input of int8, expected one that is rounded before it")
    name = node.output[0]
    parts = [f"{name}.{part}" for part in ("query", "key", "value")]
    _, weights, bias, _, scale, _, _, zero, _ = inputs
    return [
        helper.make_node(
            "DynamicQuantizeMatMul", [quantize.input[0], weights, scale, zero, bias], [f"{name}.products"],
            name=f"{name}.products", domain=_CONTRIB,
        ),
        helper.make_node("Split", [f"{name}.products"], parts, name=f"{name}.split", axis=-1),
        helper.make_node(
            "MultiHeadAttention", parts, [name], name=name, domain=_CONTRIB, num_heads=attributes["num_heads"]
        ),
    ]  # fmt: skip
