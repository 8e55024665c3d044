"""The weights that an ONNX graph holds, in float32 and under the names that a model's own class has for them.

What quantizers leave is undone: QDQ (DequantizeLinear), QOperator (MatMulInteger, QLinearMatMul, QGemm, QAttention and
what ONNX Runtime fuses of them) and blocks of few bits (MatMulNBits, GatherBlockQuantized); see
onnxruntime.ai/docs/performance/model-optimizations/quantization.html. Exporters turn matrices over and rename them, so
a matrix is named by itself, by the bias that is added to its product, by the path of its node, or by its place among
those of its shape, in this order. Whoever uses them must compare with the graph's own outputs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto, numpy_helper

from ...arrays import Floats
from ..errors import ExportError
from .graph_products import PRODUCTS, Product, dequantized, looked_up

Shapes = Mapping[str, tuple[int, ...]]

_PASSED = ("Cast", "Mul", "Identity", "QuantizeLinear", "DequantizeLinear", "Reshape")
_HOPS = 6
_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)
# What quantizers store codes in.
_CODES = {TensorProto.DataType.Value(name) for name in TensorProto.DataType.keys()  # noqa: SIM118 - no dict
          if name in ("INT8", "UINT8", "INT4", "UINT4", "INT2", "UINT2") or name.startswith("FLOAT8")}  # fmt: skip
_SHOWN = 3


@dataclass(frozen=True, eq=False)
class _Found:
    """A matrix that a graph multiplies with.

    Attributes:
        product: its values, and the bias where the node has it.
        hints: names that may hold its module's, the surest first.
    """

    product: Product
    hints: tuple[str, ...]


def named_weights(model: Any, wanted: Shapes, left_out: str = "") -> dict[str, Floats]:
    """A graph's weights by the names and in the shapes of a model's class.

    Args:
        model: the graph, with all its arrays.
        wanted: shapes of the class's parameters by name, in the order in which it runs them.
        left_out: the module whose weights are not wanted, where there is one.

    Returns:
        float32 arrays by the wanted names; some may be views of one another.

    Raises:
        ExportError: weights are missing, of another shape, or there are others, or some are stored in a way that is
            not known; one sentence that names them.
    """
    graph = _Graph(model)
    found = _by_name(graph, wanted)
    rest = _by_hint(list(graph.products()), wanted, found)
    if left_out:
        rest = [one for one in rest if not any(_holds(hint, left_out) for hint in one.hints)]
    rest = _by_order(rest, wanted, found)
    _require_all(graph, wanted, found, rest, left_out)
    return found


class _Graph:
    """A graph's arrays, as far as they do not depend on its inputs."""

    def __init__(self, model: Any) -> None:
        self.nodes = list(model.graph.node)
        self.stored = {tensor.name: tensor for tensor in model.graph.initializer}
        for node in self.nodes:
            if node.op_type == "Constant":
                for one in node.attribute:
                    if one.name == "value":
                        self.stored[node.output[0]] = one.t
        self.readers: dict[str, list[Any]] = {}
        for node in self.nodes:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)
        self.arrays = {
            name: numpy_helper.to_array(tensor).astype(np.float32, copy=False)
            for name, tensor in self.stored.items()
            if tensor.data_type in _FLOATS
        }
        self.made_by = {output: node for node in self.nodes for output in node.output}
        self.read: set[str] = set()  # outputs of nodes whose arrays were read
        self.names: dict[str, str] = {}  # what an array that was worked out is called where it is stored
        for node in self.nodes:
            self._work_out(node)

    def as_stored(self, name: str) -> Any:
        """A stored array, in its own type; None where there is none of the name."""
        return numpy_helper.to_array(self.stored[name]) if name in self.stored else None

    def products(self) -> Iterator[_Found]:
        """The matrices that activations are multiplied with, in the order of the graph."""
        for node in self.nodes:
            read = PRODUCTS.get(node.op_type)
            products = read(node, self.arrays, self.as_stored, self._scale_behind(node)) if read else []
            for product in products:
                self.read.add(node.output[0])
                own = self.names.get(product.name, product.name)
                yield _Found(product, (own, *self._biases(node, product), node.name, *node.output))

    def strange(self) -> list[str]:
        """Kinds of nodes that read quantized arrays in a way that is not known."""
        codes = {name for name, tensor in self.stored.items() if tensor.data_type in _CODES and len(tensor.dims) > 1}
        unread = [node for node in self.nodes if node.output and node.output[0] not in self.read]
        return sorted({node.op_type for node in unread if codes & set(node.input)})

    def _work_out(self, node: Any) -> None:
        """Add what a node makes of stored arrays alone, and tables that are looked up in."""
        source = node.input[0] if node.input else ""
        values: Floats | None = None
        if node.op_type == "DequantizeLinear":
            values = dequantized(node, self.as_stored)
        elif node.op_type in ("Identity", "Cast", "Transpose") and source in self.arrays:
            values = self.arrays[source]
            if node.op_type == "Transpose":
                orders = [list(one.ints) for one in node.attribute if one.name == "perm"]
                values = np.transpose(values, *orders)
        if values is not None:
            self.arrays[node.output[0]] = values
            self.names[node.output[0]] = self.names.get(source, source)
            self.read.add(node.output[0])
            return
        behind = self.readers.get(node.output[0], [])
        table = looked_up(node, behind, self.as_stored)
        if table is not None:
            self.arrays[node.output[0]] = table
            self.names[node.output[0]] = source
            self.read.add(node.output[0])

    def _scale_behind(self, node: Any) -> Floats | None:
        """What the sums of whole numbers of a node are multiplied with, as far as it is stored: that of the weights.

        None where two factors are stored, of which one is that of the activations.
        """
        for cast in self.readers.get(node.output[0], []):
            for product in self.readers.get(cast.output[0], []) if cast.op_type == "Cast" else []:
                for name in product.input:
                    inputs = self.made_by[name].input if name in self.made_by else ()
                    factors = [self.arrays[one] for one in (name, *inputs) if one in self.arrays]
                    if product.op_type == "Mul" and len(factors) == 1:
                        return factors[0]
        return None

    def _biases(self, node: Any, product: Product) -> list[str]:
        """Names of the arrays that are added to a product, as long as it is an addition alone."""
        names, waiting = [], [(output, 0) for output in node.output]
        while waiting:
            value, hops = waiting.pop()
            for reader in self.readers.get(value, []):
                added = [name for name in reader.input if name in self.arrays and name != value]
                long = [name for name in added if self.arrays[name].shape == (len(product.matrix),)]
                names += [self.names.get(name, name) for name in long]
                if reader.op_type in _PASSED and not long and hops < _HOPS:
                    waiting.append((reader.output[0], hops + 1))
        return names


def _by_name(graph: _Graph, wanted: Shapes) -> dict[str, Floats]:
    """The arrays that are stored under the wanted names, or were worked out of codes whose names begin so."""
    found: dict[str, Floats] = {}
    for name, values in graph.arrays.items():
        own = graph.names.get(name, "")
        key = _key(own or name, wanted)
        if key is not None and values.shape == wanted[key] and (own or _ends(name, key)):
            found.setdefault(key, values)
    return found


def _by_hint(rest: list[_Found], wanted: Shapes, found: dict[str, Floats]) -> list[_Found]:
    """Put matrices to the modules that their hints name, one to each, into `found`; returns the others."""
    left: list[_Found] = []
    taken: set[str] = set()
    for one in rest:
        keys = [_key(hint, wanted, module=True) for hint in one.hints]
        fitting = [key for key in keys if key is not None and wanted[key] == one.product.matrix.shape]
        if fitting and fitting[0] not in taken:
            taken.add(fitting[0])
            _put(one, fitting[0], wanted, found)
        else:
            left.append(one)
    return left


def _by_order(rest: list[_Found], wanted: Shapes, found: dict[str, Floats]) -> list[_Found]:
    """Put matrices to what is missing of their shape, where that is as many, into `found`; returns the others."""
    there = Counter(one.product.matrix.shape for one in rest)
    missing = {shape: [key for key in wanted if key not in found and wanted[key] == shape] for shape in there}
    left = []
    for one in rest:
        shape = one.product.matrix.shape
        if there[shape] == len(missing[shape]):
            _put(one, missing[shape].pop(0), wanted, found)
            there[shape] -= 1
        else:
            left.append(one)
    return left


def _put(one: _Found, key: str, wanted: Shapes, found: dict[str, Floats]) -> None:
    """Put a matrix, and its bias where it has one, into `found`."""
    found[key] = one.product.matrix
    bias = key.removesuffix("weight") + "bias"
    if one.product.bias is not None and wanted.get(bias) == one.product.bias.shape:
        found[bias] = one.product.bias


def _key(name: str, wanted: Shapes, module: bool = False) -> str | None:
    """The wanted name that a longer one holds; with `module` also where it holds the path of its module alone."""
    path = name.replace("/", ".")
    for key in wanted:
        if _holds(path, key) or (module and key.endswith(".weight") and _holds(path, key.removesuffix(".weight"))):
            return key
    return None


def _holds(path: str, part: str) -> bool:
    """Whether a dotted path holds another one whole; what a quantizer put behind it, as `_quantized`, may follow."""
    return part in path and re.search(rf"(^|[.:/]){re.escape(part)}($|[._/])", path) is not None


def _ends(path: str, part: str) -> bool:
    """Whether a dotted path ends with another one whole."""
    return path == part or path.endswith(f".{part}")


def _require_all(graph: _Graph, wanted: Shapes, found: Mapping[str, Floats], rest: list[_Found], left_out: str) -> None:
    if strange := graph.strange():
        raise ExportError(
            f"its {', '.join(strange)} hold weights in a form that is not read, expected floats, DequantizeLinear, "
            f"GatherBlockQuantized, {', '.join(kind for kind in PRODUCTS if kind not in ('MatMul', 'Gemm'))}; give a "
            "graph that was quantized otherwise"
        )
    if missing := [key for key in wanted if key not in found]:
        raise ExportError(
            f"it lacks {_listed(missing)}, which the configuration asks for; correct source.config or give another "
            "graph"
        )
    others = [next((hint for hint in one.hints if hint.endswith(".bias")), one.hints[0]) for one in rest] + [
        name for name in graph.stored
        if name in graph.arrays and name.endswith((".weight", ".bias")) and _key(name, wanted) is None
        and not (left_out and _holds(name, left_out))
    ]  # fmt: skip
    if others:
        raise ExportError(
            f"it has {_listed(list(dict.fromkeys(others)))} too, which the configuration has no place for; correct "
            "source.config or give another graph"
        )


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} others" if len(names) > _SHOWN else "")
