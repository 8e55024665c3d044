from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nestling.bundle.golden import Golden, read_golden, require_cosine, stored
from nestling.bundle.manifest import BundleFile, default_bundle, read_bundle
from nestling.disk import hash_file
from nestling.errors import BundleError


def bundle_with(folder: Path, arrays: dict[str, np.ndarray]):  # type: ignore[no-untyped-def]
    """The default bundle with another file of golden texts."""
    copy = Path(shutil.copytree(default_bundle(), folder / "bundle"))
    np.savez(copy / "golden.npz", **arrays)
    bundle = read_bundle(copy)
    file = BundleFile((copy / "golden.npz").stat().st_size, hash_file(copy / "golden.npz"))
    return replace(bundle, files={**bundle.files, "golden.npz": file})


def test_golden_texts_are_read_as_they_were_stored(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = random.standard_normal((2, 2, 384)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=2, keepdims=True)
    others = {variant.name: rows[0] for variant in read_bundle().variants[1:]}
    golden = Golden(["owls", "naïve 日本"], rows[0], {"xl.int8": rows[1], **others})
    bundle = bundle_with(tmp_path, stored(golden))  # type: ignore[arg-type]
    found = read_golden(bundle)
    assert found.texts == golden.texts
    assert ((found.reference * rows[0]).sum(axis=1) > 0.99999).all()
    assert np.linalg.norm(found.reference, axis=1) == pytest.approx(1, abs=1e-6)
    assert set(found.built) == {variant.name for variant in bundle.variants}
    assert ((found.built["xl.int8"] * rows[1]).sum(axis=1) > 0.99999).all()


def test_each_variant_has_vectors(tmp_path: Path) -> None:
    rows = np.ones((2, 384), dtype=np.float32)
    bundle = bundle_with(tmp_path, stored(Golden(["a", "b"], rows, {"xl.int8": rows})))  # type: ignore[arg-type]
    with pytest.raises(BundleError) as caught:
        read_golden(bundle)
    assert str(caught.value) == (
        f"{bundle.folder / 'golden.npz'}: has no vectors of {bundle.variants[1].name}, expected some of each variant; "
        "build the bundle again"
    )


@pytest.mark.parametrize(("cosine", "said"), [(0.9849, "0.9849"), (float("nan"), "nan")])
def test_a_vector_must_be_near_the_one_at_the_build(cosine: float, said: str) -> None:
    bundle = read_bundle()
    require_cosine(bundle, bundle.variants[0], 0.985)
    with pytest.raises(BundleError) as caught:
        require_cosine(bundle, bundle.variants[0], cosine)
    assert str(caught.value) == (
        f"{bundle.folder}: xl.int8 gives on this machine a vector with cosine {said} to the one at the build, "
        "expected 0.985 or more; do not use it here and please report it"
    )


TEXTS = np.frombuffer(json.dumps(["a", "b"]).encode(), dtype=np.uint8)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"texts": TEXTS}, "holds no golden vectors ('vectors'); build the bundle again"),
        ({"vectors": np.ones((2, 384))}, "holds no golden vectors ('texts is not a file in the archive'); build"),
        ({"texts": TEXTS[:-1], "vectors": np.ones((2, 384))}, "holds no golden vectors ("),
        ({"texts": TEXTS, "vectors": np.ones((2, 8))}, "has vectors (2, 8), expected (2, 384); build the bundle again"),
        ({"texts": TEXTS, "vectors": np.ones((3, 384))}, "has vectors (3, 384), expected (2, 384); build the bundle"),
    ],
)
def test_a_file_without_golden_texts_is_refused(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    bundle = bundle_with(tmp_path, arrays)
    with pytest.raises(BundleError) as caught:
        read_golden(bundle)
    assert str(caught.value).startswith(f"{bundle.folder / 'golden.npz'}: {message}")


def packed(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), dtype=np.uint8)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("5", "holds no golden vectors (its texts are no list of texts)"),
        ("[1, 2]", "holds no golden vectors (its texts are no list of texts)"),
        ("[" * 100_000, "holds no golden vectors ("),
        ('["a", "\\ud800"]', "holds no golden vectors ("),
    ],
)
def test_golden_texts_that_are_none_are_refused(tmp_path: Path, texts: str, message: str) -> None:
    bundle = bundle_with(tmp_path, {"texts": packed(texts), "vectors": np.ones((2, 384))})
    with pytest.raises(BundleError) as caught:
        read_golden(bundle)
    assert str(caught.value).startswith(f"{bundle.folder / 'golden.npz'}: {message}")


def test_a_file_that_unpacks_to_very_much_is_refused(tmp_path: Path) -> None:
    bundle = bundle_with(tmp_path, {"texts": TEXTS, "vectors": np.ones((2, 384))})
    path = bundle.folder / "golden.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("texts.npy", bytes(65 << 20))
    file = BundleFile(path.stat().st_size, hash_file(path))
    assert file.bytes < 100_000
    with pytest.raises(BundleError, match=r"it unpacks to over \d+ bytes"):
        read_golden(replace(bundle, files={**bundle.files, "golden.npz": file}))


@pytest.mark.parametrize("content", ["array", "member", "noise"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: str) -> None:
    bundle = bundle_with(tmp_path, {"texts": TEXTS, "vectors": np.ones((2, 384))})
    path = bundle.folder / "golden.npz"
    if content == "array":
        with path.open("wb") as stream:
            np.save(stream, np.ones(3))
    elif content == "member":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("texts", "no array")
    else:
        path.write_bytes(path.read_bytes()[:200])
    file = BundleFile(path.stat().st_size, hash_file(path))
    with pytest.raises(BundleError, match=r"holds no golden vectors \(.+\); build the bundle again$"):
        read_golden(replace(bundle, files={**bundle.files, "golden.npz": file}))
