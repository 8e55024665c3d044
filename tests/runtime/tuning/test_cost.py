from __future__ import annotations

from pathlib import Path

import pytest

from bundles import tiny_family
from nestling.bundle.manifest import Variant, read_bundle
from nestling.errors import NestlingError
from nestling.tuning.cost import measure_cost


def test_each_variant_is_measured_in_a_process_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny_family(tmp_path)
    # Nothing is imported from the folder that the user is in.
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    bundle = read_bundle(folder)
    xl, table = (measure_cost(bundle, bundle.variant(width, None)) for width in ("xl", "static"))
    assert (xl.variant, table.variant) == ("xl.int8", "static.int4")
    for cost in (xl, table):
        assert 0 < cost.query_ms < 1000
        assert cost.tokens_per_second > 100
        assert 15 < cost.base_megabytes < cost.megabytes < 500
    assert table.base_megabytes < xl.base_megabytes - 5  # ONNX Runtime's code


def test_a_variant_that_cannot_run_is_one_sentence(tmp_path: Path) -> None:
    folder = tiny_family(tmp_path)
    bundle = read_bundle(folder)
    (folder / "static.npz").write_bytes(b"")
    with pytest.raises(NestlingError) as caught:
        measure_cost(bundle, bundle.variant("static", None))
    assert str(caught.value).startswith(
        f"{folder}: static.int4 cannot be measured ({folder / 'static.npz'}: has 0 bytes, expected "
    )
    assert str(caught.value).endswith("; try: nestling check")
    with pytest.raises(NestlingError, match="has no width m; its widths are xl, s, static"):
        measure_cost(bundle, Variant("m", "int8", "model.m.int8.onnx"))
