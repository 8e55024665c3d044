"""Protobuf messages by hand, for ONNX graphs without the onnx package."""

from __future__ import annotations


def field(number: int, content: bytes) -> bytes:
    """A field that holds bytes."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def number(number: int, value: int) -> bytes:
    """A field that holds a number."""
    return varint(number << 3) + varint(value)


def varint(value: int) -> bytes:
    """A number of seven bits a byte."""
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])
