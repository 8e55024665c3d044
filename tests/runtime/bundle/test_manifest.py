from __future__ import annotations

import json
import os
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from nestling.bundle.manifest import Bundle, BundleFile, Variant, read_bundle
from nestling.disk import hash_file
from nestling.errors import BundleError

KEYS = "dim, files, format, golden, max_tokens, name, prefixes, space, tokenizer, variants"
CONTENTS = {"tokenizer.json": b"{}", "model.onnx": b"a graph", "weights.bin": b"weights", "golden.npz": b"vectors"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle whose files hold anything; reading a bundle runs none of them."""
    for name, data in CONTENTS.items():
        (tmp_path / name).write_bytes(data)
    bundle = Bundle(
        folder=tmp_path,
        name="small",
        space="ab" * 32,
        dim=16,
        max_tokens=64,
        prefixes={"document": "", "query": "query: "},
        tokenizer="tokenizer.json",
        golden="golden.npz",
        variants=(Variant("xl", "int8", "model.onnx", ("weights.bin",)), Variant("s", "int8", "model.onnx")),
        files={name: BundleFile(len(data), hash_file(tmp_path / name)) for name, data in CONTENTS.items()},
    )
    (tmp_path / "manifest.json").write_text(bundle.manifest())
    return tmp_path


def change(folder: Path, *trail: Any, value: Any) -> None:
    """Put a value into the manifest, or take the key out where the value is None."""
    path = folder / "manifest.json"
    values = inside = json.loads(path.read_text())
    for key in trail[:-1]:
        inside = inside[key]
    if value is None:
        del inside[trail[-1]]
    else:
        inside[trail[-1]] = value
    path.write_text(json.dumps(values))


def error(folder: Path) -> str:
    with pytest.raises(BundleError) as caught:
        read_bundle(folder).verify()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_bundle_is_read_as_it_was_written(folder: Path) -> None:
    bundle = read_bundle(folder)
    bundle.verify()
    assert (bundle.name, bundle.dim, bundle.max_tokens) == ("small", 16, 64)
    assert bundle.prefixes == {"document": "", "query": "query: "}
    assert bundle.manifest() == (folder / "manifest.json").read_text()


def test_the_first_variant_that_fits_is_taken(folder: Path) -> None:
    bundle = read_bundle(folder)
    assert bundle.variant(None, None) == Variant("xl", "int8", "model.onnx", ("weights.bin",))
    assert bundle.variant("xl", "int8").files == ("model.onnx", "weights.bin")
    assert bundle.variant("s", None).width == "s"
    with pytest.raises(BundleError) as caught:
        bundle.variant("m", "int4")
    assert str(caught.value) == "bundle small has no width m; its widths are xl, s"
    with pytest.raises(BundleError) as caught:
        bundle.variant("s", "int4")
    assert str(caught.value) == "bundle small has no precision int4 of width s; it has int8"


def family(folder: Path) -> Bundle:
    """The bundle with more widths and a table."""
    bundle = read_bundle(folder)
    (folder / "static.npz").write_bytes(b"a table")
    variants = (
        Variant("xl", "int8", "model.onnx"),
        Variant("xl", "int4", "model.onnx"),
        Variant("s", "int4", "model.onnx"),
        Variant("static", "int4", "static.npz"),
    )
    files = {**bundle.files, "static.npz": BundleFile(7, hash_file(folder / "static.npz"))}
    return replace(bundle, variants=variants, files=files)


def test_the_table_is_there_in_every_precision_of_the_bundle(folder: Path) -> None:
    bundle = family(folder)
    (folder / "manifest.json").write_text(bundle.manifest())
    bundle = read_bundle(folder)
    assert bundle.widths == ("xl", "s", "static")
    assert [bundle.precisions(width) for width in bundle.widths] == [("int8", "int4"), ("int4",), ("int4", "int8")]
    table = Variant("static", "int4", "static.npz")
    assert [bundle.variant("static", precision) for precision in (None, "int8", "int4")] == [table] * 3
    assert [variant.is_static for variant in bundle.variants] == [False, False, False, True]
    assert bundle.variant(None, "int4").name == "xl.int4"
    with pytest.raises(BundleError, match=r"^bundle small has no precision int2 of width static; it has int4, int8$"):
        bundle.variant("static", "int2")


@pytest.mark.parametrize(
    ("variants", "message"),
    [
        (
            [Variant("s", "int4", "static.npz")],
            "s.int4 is 'static.npz', expected a file that ends in .npz for width",
        ),
        (
            [Variant("static", "int4", "model.onnx")],
            "static.int4 is 'model.onnx', expected a file that ends in .npz",
        ),
        (
            [Variant("static", "int2", "static.npz", ("weights.bin",))],
            "static.int2 has 1 data files, expected none, and precision int8 or int4; build the bundle again",
        ),
        (
            [Variant("static", "int4", "static.npz"), Variant("static", "int8", "static.npz")],
            "has several token tables, expected one; build the bundle again",
        ),
    ],
)
def test_a_table_that_is_not_as_it_must_be_is_refused(folder: Path, variants: list[Variant], message: str) -> None:
    with pytest.raises(BundleError) as caught:
        replace(family(folder), variants=tuple(variants))
    assert str(caught.value).startswith(f"{folder / 'manifest.json'}: {message}")


@pytest.mark.parametrize(
    ("trail", "value", "message"),
    [
        (["format"], 4, "has format 4, this Nestling reads 3; update Nestling"),
        (["format"], 2, "has format 2, this Nestling reads 3; build the bundle again"),
        (["format"], 1, "has format 1, this Nestling reads 3; build the bundle again"),
        (["format"], "1", "has no format number; it is not a bundle's manifest"),
        (["format"], None, "has no format number; it is not a bundle's manifest"),
        (["pooling"], "mean", f"manifest has the unknown key 'pooling', expected {KEYS}; build the bundle again"),
        (["dim"], None, "manifest lacks the key 'dim'; build the bundle again"),
        (["dim"], "16", "dim is str, expected int; build the bundle again"),
        (["dim"], True, "dim is bool, expected int"),
        (["dim"], 7, "dim is 7, expected 8 to 65536"),
        (["max_tokens"], 1, "max_tokens is 1, expected 8 to 32768"),
        (["max_tokens"], 10**30, f"max_tokens is {10**30}, expected 8 to 32768"),
        (["prefixes"], {"query": ""}, "prefixes are for ['query'], expected ['document', 'query']"),
        (["prefixes", "query"], 3, "prefixes.query is int, expected str"),
        (["variants"], [], "no variants, expected at least one graph"),
        (["variants", 0, "graph"], "gone.onnx", "'gone.onnx' is used but not listed in files; build the bundle again"),
        (["variants", 0, "data"], ["gone.bin"], "'gone.bin' is used but not listed in files; build the bundle again"),
        (["variants", 0, "data"], "weights.bin", "variants.data is str, expected list"),
        (["variants", 0, "data"], [7], "variants.data is int, expected str"),
        (["variants", 0, "data"], None, "a variant lacks the key 'data'; build the bundle again"),
        (
            ["variants", 0, "layers"],
            "6",
            "a variant has the unknown key 'layers', expected data, graph, precision, width; build the bundle again",
        ),
        (["variants", 0, "width"], None, "a variant lacks the key 'width'; build the bundle again"),
        (["variants", 0], "xl", "a variant is str, expected keys with values; build the bundle again"),
        (["files", "model.onnx", "sha256"], None, "files.model.onnx lacks the key 'sha256'; build the bundle again"),
        (["files", "model.onnx", "bytes"], "7", "files.model.onnx.bytes is str, expected int"),
        (["tokenizer"], "../tokenizer.json", "'../tokenizer.json' is used but not listed in files"),
        (["name"], "a\nb", "the name 'a\\nb' has characters that cannot be shown"),
        (["variants", 0, "precision"], "\x1b[2J", "the name 'xl.\\x1b[2J' has characters that cannot be shown"),
        (
            ["variants", 1, "width"],
            "xl",
            "variants are ['xl.int8', 'xl.int8'], expected each once; build the bundle again",
        ),
        (["prefixes", "query"], "\ud800", "prefixes.query is '\\ud800', expected text without lone surrogates"),
    ],
)
def test_a_manifest_that_is_not_as_it_must_be_is_refused(
    folder: Path, trail: list[Any], value: Any, message: str
) -> None:
    change(folder, *trail, value=value)
    found = error(folder)
    assert found.startswith(f"{folder / 'manifest.json'}: {message}")


@pytest.mark.parametrize(
    "name",
    ["../model.onnx", "/etc/passwd", "sub/model.onnx", "..", ".", "a\\b", "C:model", "", "manifest.json", "a\0b"],
)
def test_a_name_that_leaves_the_folder_is_refused(folder: Path, name: str) -> None:
    change(folder, "files", name, value={"bytes": 7, "sha256": "00"})
    assert error(folder).endswith(f"the file name {name!r} leaves the bundle's folder; expected a plain file name")


def test_a_link_that_leaves_the_folder_is_refused(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "model.onnx"
    outside.write_bytes(CONTENTS["model.onnx"])
    (folder / "model.onnx").unlink()
    (folder / "model.onnx").symlink_to(outside)
    assert error(folder).endswith("model.onnx: the link leaves the bundle's folder; put the file itself there")


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "golden.npz").unlink()
    assert error(folder).endswith(
        "golden.npz: cannot be read (No such file or directory); the bundle is incomplete, install it again"
    )


def test_a_file_of_another_size_is_named(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"a graph and more")
    assert error(folder).endswith("model.onnx: has 16 bytes, expected 7; the bundle is damaged, install it again")


def test_an_altered_file_of_the_same_size_is_named(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"a grapH")
    assert error(folder).endswith(
        "model.onnx: its hash differs from the manifest; the bundle is damaged, install it again"
    )


@pytest.mark.parametrize("text", ["", "{", "[1]", '"bundle"', "\xff"])
def test_a_manifest_that_is_no_object_is_refused(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_bytes(text.encode("latin-1"))
    assert error(folder).startswith(f"{folder / 'manifest.json'}: ")


def test_a_folder_without_a_manifest_is_no_bundle(tmp_path: Path) -> None:
    assert error(tmp_path).endswith(
        "manifest.json: cannot be read (No such file or directory); a bundle is a folder with a manifest"
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names")
def test_a_pipe_is_refused_and_not_waited_for(folder: Path) -> None:
    change(folder, "files", "golden.npz", value={"bytes": 0, "sha256": sha256().hexdigest()})
    (folder / "golden.npz").unlink()
    os.mkfifo(folder / "golden.npz")
    found: list[str] = []
    reader = Thread(target=lambda: found.append(error(folder)), daemon=True)
    reader.start()
    reader.join(10)
    assert found == [f"{folder / 'golden.npz'}: is no regular file; the bundle is damaged, install it again"]


def test_a_link_to_a_file_of_the_folder_is_followed(folder: Path) -> None:
    (folder / "model.onnx").rename(folder / "other.onnx")
    (folder / "model.onnx").symlink_to("other.onnx")
    read_bundle(folder).verify()
