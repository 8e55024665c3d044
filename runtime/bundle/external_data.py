"""Which files a graph reads its weights from, as ONNX says it, without the onnx package.

An ONNX graph may name other files to take stored arrays from. Older versions of ONNX Runtime follow such a name
anywhere, so it is compared with the manifest before the graph is loaded. Only the few protobuf fields on the way to
those names are read (github.com/onnx/onnx, onnx.proto).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..errors import BundleError
from .manifest import Variant

# By message, the fields that lead to an external location: field number to the message that it holds.
_WAYS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
_DEEPEST = 16
_MOST_TAG = 2**32


def check_locations(graph: Path, variant: Variant) -> None:
    """Raise BundleError where a graph takes weights from another file than those the manifest lists for it."""
    try:
        found = locations(graph.read_bytes())
    except ValueError as error:
        raise BundleError(f"{graph}: is no ONNX graph ({error}); build the bundle again") from error
    if strange := sorted(found - set(variant.data)):
        raise BundleError(
            f"{graph}: takes weights from {strange[0]!r}, which the manifest does not list for it; "
            "do not use this bundle"
        )


def locations(graph: bytes) -> set[str]:
    """The names of the files that an ONNX graph takes stored arrays from.

    Raises:
        ValueError: the bytes are no protobuf message, or nest too deeply.
    """
    return set(_locations(memoryview(graph), "model", 0))


def _locations(message: memoryview, kind: str, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        raise ValueError("graphs inside graphs are nested too deeply")
    if kind == "entry":
        entry = {number: bytes(value) for number, value in _fields(message)}
        if entry.get(1) == b"location":
            yield entry.get(2, b"").decode(errors="replace")
        return
    for number, value in _fields(message):
        if inner := _WAYS[kind].get(number):
            yield from _locations(value, inner, depth + 1)


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """The fields of a protobuf message that hold bytes: their numbers and what they hold."""
    position = 0
    while position < len(message):
        tag, position = _number(message, position)
        if not 8 <= tag < _MOST_TAG:  # readers differ in what they make of it
            raise ValueError("a field has no valid number")
        wire = tag & 7
        if wire == 0:
            _, position = _number(message, position)
        elif wire in (1, 5):
            position += 8 if wire == 1 else 4
        elif wire == 2:
            length, position = _number(message, position)
            if position + length > len(message):
                raise ValueError("a field is cut short")
            yield tag >> 3, message[position : position + length]
            position += length
        else:
            raise ValueError(f"a field is of the unknown wire type {wire}")
    if position > len(message):
        raise ValueError("a field is cut short")


def _number(message: memoryview, position: int) -> tuple[int, int]:
    """A number of seven bits a byte, and the position behind it."""
    value = 0
    for count in range(10):
        if position + count >= len(message):
            raise ValueError("a number is cut short")
        byte = message[position + count]
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            return value, position + count + 1
    raise ValueError("a number is too long")
