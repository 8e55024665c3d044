"""The first step of an encoder, from ids to states, with a token table that is stored in few bits.

The table is half of a small encoder. Its rows are rounded in groups like a matrix, see `blocks`, and ONNX Runtime
reads single rows of it (GatherBlockQuantized), so that it is never unpacked as a whole.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ...arrays import Floats
from ..errors import ExportError
from ..recipe.grid import Codebooks, Grid
from .blocks import Blocks, compensated, pairs
from .codebooks import CodedTable, coded_table, look_up

TABLE = "table"
WORDS = "words"
POSITIONS, PLACES = "positions", "places"

TokenTable = Blocks | CodedTable

# So many tokens are rounded at a time, each by itself: what it takes grows with their number.
_ROWS = 1 << 16


def plain_embedding(model: Any, max_tokens: int) -> None:
    """Put the embedding as look-up, addition and layer norm in place of the fused one, and cut the positions.

    The row of the only token type is added to the positions.

    Raises:
        ExportError: the weights have fewer positions than `max_tokens`.
    """
    graph = model.graph
    (fused,) = (node for node in graph.node if node.op_type == "EmbedLayerNormalization")
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    table, positions, kinds, gain, shift = (stored[fused.input[number]] for number in range(2, 7))
    if len(positions) < max_tokens:
        raise ExportError(f"the weights have {len(positions)} positions, expected max_tokens, {max_tokens}, or more")
    epsilon = next(attribute.f for attribute in fused.attribute if attribute.name == "epsilon")
    gone = _only_for(graph, fused)
    rest = [_copied(node) for node in graph.node if not gone & set(node.output)]
    arrays = {
        TABLE: table,
        POSITIONS: positions[:max_tokens] + kinds[0],
        "embedding.gain": gain,
        "embedding.shift": shift,
        "from": np.zeros(1, dtype=np.int64),
    }
    nodes = [
        helper.make_node("Gather", [TABLE, "input_ids"], [WORDS], name=WORDS, axis=0),
        helper.make_node("Shape", ["input_ids"], ["tokens"], name="tokens", start=1, end=2),
        helper.make_node("Slice", [POSITIONS, "from", "tokens"], [PLACES], name=PLACES),
        helper.make_node("Add", [WORDS, PLACES], ["embedded"], name="embedded"),
        helper.make_node(
            "LayerNormalization", ["embedded", "embedding.gain", "embedding.shift"], [fused.output[0]],
            name="embedding.norm", axis=-1, epsilon=epsilon,
        ),
    ]  # fmt: skip
    replace(model, nodes + rest, arrays)


def half_positions(model: Any) -> None:
    """Store the positions of a graph, if it has a table of them, in float16; they are added in float32 as before."""
    found = [tensor for tensor in model.graph.initializer if tensor.name == POSITIONS]
    if not found:
        return
    (tensor,) = found
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), POSITIONS))
    whole = f"{PLACES}.float"
    nodes = []
    for node in model.graph.node:
        for number, name in enumerate(node.input):
            if name == PLACES:
                node.input[number] = whole
        nodes.append(node)
        if node.name == PLACES:
            nodes.append(helper.make_node("Cast", [PLACES], [whole], name=whole, to=TensorProto.FLOAT))
    replace(model, nodes, {})


def named_embedding(model: Any, table: Floats) -> None:
    """Give the token table and the look-up in it the names that they have in every graph.

    Args:
        table: (tokens, width) float32.

    Raises:
        ExportError: the graph does not look ids up in one such table.
    """
    graph = model.graph
    ids = {value.name for value in graph.input}
    stored = {tensor.name: tensor for tensor in graph.initializer if tuple(tensor.dims) == table.shape}
    found = [
        node
        for node in graph.node
        if node.op_type == "Gather" and node.input[0] in stored and node.input[1] in ids
        and np.array_equal(numpy_helper.to_array(stored[node.input[0]]), table)
    ]  # fmt: skip
    if len(found) != 1:
        raise ExportError(f"the exported graph looks tokens up {len(found)} times, expected one table of tokens")
    (look_up,) = found
    tensor = stored[look_up.input[0]]
    if sum(tensor.name in node.input for node in graph.node) > 1:
        raise ExportError(
            "the exported graph uses the table of tokens for something else too, expected a look-up alone"
        )
    words = look_up.output[0]
    tensor.name = TABLE
    look_up.input[0], look_up.name, look_up.output[0] = TABLE, WORDS, WORDS
    for node in graph.node:
        for position, name in enumerate(node.input):
            if name == words:
                node.input[position] = WORDS


def rounded_table(model: Any, how: Grid | Codebooks, second: Floats, seed: int) -> TokenTable:
    """The token table in groups of each row, or as codes, rounded so that the final vectors change least.

    Args:
        seed: of what is drawn for codes.
        second: (dim, dim) float32, how much the vectors depend on each direction of a row; see `gradients`.
    """
    (tensor,) = (tensor for tensor in model.graph.initializer if tensor.name == TABLE)
    table = numpy_helper.to_array(tensor)
    if isinstance(how, Codebooks):
        return coded_table(table, how, second, seed)
    parts = [
        compensated(np.ascontiguousarray(table[begin : begin + _ROWS].T), second, how)
        for begin in range(0, len(table), _ROWS)
    ]
    codes, scales, zeros = (
        np.concatenate([getattr(part, name) for part in parts], axis=1) for name in ("codes", "scales", "zeros")
    )
    return Blocks(how, codes, scales, zeros)


def put_values(model: Any, blocks: TokenTable) -> None:
    """Give the float32 token table the values of a rounded one, so that what is calibrated next sees its errors."""
    (table,) = (tensor for tensor in model.graph.initializer if tensor.name == TABLE)
    values = np.ascontiguousarray(blocks.values()[: table.dims[1]].T)
    table.CopyFrom(numpy_helper.from_array(values, TABLE))


def compress_table(model: Any, table: TokenTable) -> None:
    """Put a rounded token table in place of the float32 one."""
    if isinstance(table, CodedTable):
        nodes, tensors = look_up(table, TABLE, "input_ids", WORDS)
    else:
        nodes, tensors = _look_up_blocks(model, table)
    kept = [_copied(node) for node in model.graph.node if node.name != WORDS]
    model.graph.initializer.extend(tensors)
    replace(model, [*nodes, *kept], {})


def _look_up_blocks(model: Any, blocks: Blocks) -> tuple[list[Any], list[Any]]:
    """The nodes and stored tensors that look up rows in groups, with scales in float16."""
    grid = blocks.grid
    dim = next(tensor.dims[1] for tensor in model.graph.initializer if tensor.name == TABLE)
    codes = np.ascontiguousarray(blocks.codes[:dim].T)
    scales, zeros = np.ascontiguousarray(blocks.scales.T).astype(np.float16), np.ascontiguousarray(blocks.zeros.T)
    kind = TensorProto.UINT4 if grid.bits == 4 else TensorProto.UINT8
    tensors = [numpy_helper.from_array(scales, f"{TABLE}.scales")]
    for name, array in ((f"{TABLE}.codes", codes), (f"{TABLE}.zeros", zeros)):
        raw = pairs(array.reshape(1, -1)) if grid.bits == 4 else array
        tensors.append(helper.make_tensor(name, kind, array.shape, raw.tobytes(), raw=True))
    bits: dict[str, Any] = {} if grid.bits == 4 else {"bits": grid.bits}
    inputs = [f"{TABLE}.codes", "input_ids", f"{TABLE}.scales", f"{TABLE}.zeros"]
    nodes = [
        helper.make_node(
            "GatherBlockQuantized", inputs, [f"{WORDS}.half"], name=WORDS, domain="com.microsoft",
            gather_axis=0, quantize_axis=1, block_size=grid.group, **bits,
        ),
        helper.make_node("Cast", [f"{WORDS}.half"], [WORDS], name=f"{WORDS}.float", to=TensorProto.FLOAT),
    ]  # fmt: skip
    return nodes, tensors


def replace(model: Any, nodes: list[Any], arrays: dict[str, Any]) -> None:
    """Put new nodes in place of a graph's, add stored arrays, and drop the arrays that nothing reads any more."""
    graph = model.graph
    graph.initializer.extend(numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items())
    used = {name for node in nodes for name in node.input}
    kept = [onnx.TensorProto.FromString(t.SerializeToString()) for t in graph.initializer if t.name in used]
    nodes = [_copied(node) for node in nodes]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)
    domains = {opset.domain for opset in model.opset_import}
    for domain in sorted({node.domain for node in nodes} - domains - {""}):
        model.opset_import.append(helper.make_opsetid(domain, 1))


def _only_for(graph: Any, last: Any) -> set[str]:
    """The outputs of a node, and of the nodes before it that nothing else reads."""
    gone = set(last.output)
    while True:
        kept = [node for node in graph.node if not gone & set(node.output)]
        read = {name for node in kept for name in node.input} | {value.name for value in graph.output}
        ahead = {name for node in graph.node if gone & set(node.output) for name in node.input}
        more = {output for node in kept if ahead & set(node.output) for output in node.output}
        more = {output for node in kept for output in node.output if set(node.output) <= more - read}
        if not more:
            return gone
        gone |= more


def _copied(node: Any) -> Any:
    return onnx.NodeProto.FromString(node.SerializeToString())
