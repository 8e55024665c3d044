"""Nodes as ONNX Runtime computes them fastest on CPUs, in place of fused ones that it computes slowly (1.32).

- SkipLayerNormalization goes through a row number by number. An addition and LayerNormalization use the processor's
  wide registers; the bias that it adds goes to the product before it, which adds one at no cost.
- QAttention keeps the scores of all heads at once. MultiHeadAttention behind its products goes through them in blocks,
  see FlashAttention (arXiv 2205.14135); of texts as short as an encoder's, a block holds all, on every processor.

What is computed is the same but for float rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onnx import helper

from .embedding import replace

_CONTRIB = "com.microsoft"


def quicken(model: Any) -> None:
    """Replace these nodes of an optimized graph, in place."""
    made_by = {output: node for node in model.graph.node for output in node.output}
    nodes: list[Any] = []
    gone: set[str] = set()
    for node in model.graph.node:
        if node.op_type == "SkipLayerNormalization" and not any(node.output[1:]):
            nodes += _norm(node, _product_of(node.input[0], made_by))
        elif node.op_type == "QAttention":
            quantize = made_by[node.input[0]]
            gone.add(quantize.name)
            nodes += _attention(node, quantize.input[0])
        else:
            nodes.append(node)
    replace(model, [node for node in nodes if node.name not in gone], {})


def _product_of(value: str, made_by: Mapping[str, Any]) -> Any:
    """The int8 product that a value is, or that is a term of it; None for another."""
    node = made_by[value]
    makers = [node, *(made_by[name] for name in node.input if node.op_type == "Add" and name in made_by)]
    return next((one for one in makers if one.op_type == "DynamicQuantizeMatMul" and not any(one.input[4:])), None)


def _norm(node: Any, product: Any) -> list[Any]:
    """The sum of two inputs, and of a bias where there is one, normalised.

    Args:
        product: what the bias may be given to, a node that comes before; None for none.
    """
    name, terms = node.name, list(node.input[:2])
    bias = next(iter(node.input[4:5]), "")
    if bias and product is not None:
        del product.input[4:]
        product.input.append(bias)
    elif bias:
        terms.append(bias)
    nodes, total = [], terms[0]
    for place, term in enumerate(terms[1:], start=1):
        nodes.append(helper.make_node("Add", [total, term], [f"{name}.sum{place}"], name=f"{name}.sum{place}"))
        total = f"{name}.sum{place}"
    epsilon = next(attribute.f for attribute in node.attribute if attribute.name == "epsilon")
    norm = helper.make_node(
        "LayerNormalization", [total, *node.input[2:4]], [node.output[0]], name=name, axis=-1, epsilon=epsilon
    )
    return [*nodes, norm]


def _attention(node: Any, source: str) -> list[Any]:
    """One product to queries, keys and values, and what attention makes of them."""
    name, parts = node.name, [f"{node.name}.{part}" for part in ("query", "key", "value")]
    heads = next(attribute.i for attribute in node.attribute if attribute.name == "num_heads")
    weights, bias, scale, zero = node.input[1], node.input[2], node.input[4], node.input[7]
    return [
        helper.make_node(
            "DynamicQuantizeMatMul", [source, weights, scale, zero, bias], [f"{name}.products"],
            name=f"{name}.products", domain=_CONTRIB,
        ),
        helper.make_node("Split", [f"{name}.products"], parts, name=f"{name}.split", axis=-1),
        helper.make_node(
            "MultiHeadAttention", parts, [node.output[0]], name=name, domain=_CONTRIB, num_heads=heads
        ),
    ]  # fmt: skip
