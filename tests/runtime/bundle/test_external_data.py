from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nestling.bundle.external_data import locations
from protobuf import field, varint


def tensor(location: str) -> bytes:
    """A TensorProto with a dim, a name, raw data and an external location."""
    entries = [(b"offset", b"64"), (b"location", location.encode())]
    external = b"".join(field(13, field(1, key) + field(2, value)) for key, value in entries)
    return varint(1 << 3) + varint(300) + field(8, b"name") + field(9, b"\x00" * 200) + external


IN_INITIALIZER = field(7, field(5, tensor("a.bin")))
IN_SPARSE = field(7, field(15, field(1, tensor("b.bin")) + field(2, tensor("c.bin"))))
IN_ATTRIBUTE = field(7, field(1, field(5, field(5, tensor("d.bin")))))
IN_INNER_GRAPH = field(7, field(1, field(5, field(6, field(5, tensor("../e.bin"))))))
IN_TRAINING = field(20, field(2, field(5, tensor("g.bin"))))
IN_DEFAULT = field(25, field(11, field(5, tensor("h.bin"))))
IN_FUNCTION = field(25, field(7, field(5, field(10, tensor("/f.bin")))))


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (b"", set()),
        (field(2, b"producer") + varint(1 << 3) + varint(8), set()),
        (varint(4 << 3 | 1) + bytes(8) + varint(6 << 3 | 5) + bytes(4) + IN_INITIALIZER, {"a.bin"}),
        (IN_SPARSE, {"b.bin", "c.bin"}),
        (IN_ATTRIBUTE, {"d.bin"}),
        (IN_INNER_GRAPH, {"../e.bin"}),
        (IN_FUNCTION, {"/f.bin"}),
        (IN_TRAINING, {"g.bin"}),
        (IN_DEFAULT, {"h.bin"}),
        (IN_INITIALIZER + IN_FUNCTION, {"a.bin", "/f.bin"}),
    ],
)
def test_locations_are_found_wherever_a_graph_may_have_them(message: bytes, found: set[str]) -> None:
    assert locations(message) == found


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (b"no graph at all", "a field is of the unknown wire type 6"),
        (IN_INITIALIZER[:-1], "a field is cut short"),
        (varint(4 << 3 | 1) + bytes(7), "a field is cut short"),
        (varint(7 << 3 | 2 | 1 << 32) + IN_INITIALIZER[1:], "a field has no valid number"),
        (varint(2) + b"\x00", "a field has no valid number"),
        (b"\x80", "a number is cut short"),
        (b"\xff" * 11, "a number is too long"),
    ],
)
def test_what_is_no_message_is_refused(message: bytes, error: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(error)}$"):
        locations(message)


def test_graphs_in_graphs_without_end_are_refused() -> None:
    message = field(5, tensor("a.bin"))
    for _ in range(40):
        message = field(1, field(5, field(6, message)))
    with pytest.raises(ValueError, match=r"^graphs inside graphs are nested too deeply$"):
        locations(field(7, message))


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(message: bytes) -> None:
    try:
        assert all(isinstance(name, str) for name in locations(message))
    except ValueError as error:
        assert str(error)
