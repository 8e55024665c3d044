"""What a name on the command line is, a recipe or a model, and the recipe of a model that has none."""

from __future__ import annotations

import re
from pathlib import Path

from ...disk import hash_file
from ..errors import ExportError, first_line
from ..recipe.parts import FolderSource, HubSource
from ..recipe.recipe_text import plain_name, short_recipe
from .settings import CONFIG, MODULES, Settings, read_settings
from .weights import weight_files

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_CARD_LINE = re.compile(r"^(license|language):[ \t]*([\w.+-]+)[ \t]*$", re.MULTILINE)
_MOST_CARD = 1 << 20


def is_recipe(name: str) -> bool:
    """Whether a name on the command line is a recipe's, and not a model's."""
    return Path(name).is_file() or name.endswith(".toml")


def recipe_for(name: str, precisions: tuple[str, ...]) -> str:
    """The recipe of a model, as text: a folder, or an id of the Hugging Face hub.

    Raises:
        ExportError: it is neither, or the hub cannot be asked, or the model cannot be exported.
    """
    folder = Path(name)
    if folder.is_dir():
        return _of_folder(folder, precisions)
    if not _HUB_ID.fullmatch(name) or folder.parent.is_dir():
        raise ExportError(f"{name}: is no recipe, no folder of a model and no id of the hub, as ORGANISATION/MODEL")
    return _of_hub(name, precisions)


def _of_folder(folder: Path, precisions: tuple[str, ...]) -> str:
    if not any((folder / name).is_file() for name in (CONFIG, MODULES)):
        raise ExportError(f"{folder}: has no {CONFIG} and no {MODULES}; expected a model's folder")
    settings = read_settings(folder)
    weights = weight_files(folder / settings.trunk)
    files = {path.relative_to(folder).as_posix(): hash_file(path) for path in weights}
    whole = folder.resolve()
    source = FolderSource(whole.as_posix(), files)
    name = plain_name(whole.name)
    return short_recipe(name, source, _encoder(settings), precisions, _card(folder, whole.name))


def _of_hub(name: str, precisions: tuple[str, ...]) -> str:
    from huggingface_hub import HfApi, snapshot_download

    try:
        revision = str(HfApi().model_info(name).sha)
        folder = Path(
            snapshot_download(
                name, revision=revision, allow_patterns=["*.json", "README.md"], ignore_patterns=["onnx/*"]
            )
        )
    except Exception as error:  # the hub's errors share no public base class
        raise ExportError(
            f"{name}: is no folder here, and the hub cannot be asked for it ({first_line(error)})"
        ) from error
    source = HubSource(name, revision)
    return short_recipe(
        plain_name(name.partition("/")[2]), source, _encoder(read_settings(folder)), precisions, _card(folder, name)
    )


def _encoder(settings: Settings) -> dict[str, object]:
    pooling = settings.pooling[0] if len(settings.pooling) == 1 else list(settings.pooling)
    return {
        "pooling": pooling,
        "max_tokens": settings.max_tokens,
        "query_prefix": settings.query_prefix,
        "document_prefix": settings.document_prefix,
    }


def _card(folder: Path, origin: str) -> dict[str, str]:
    """What a model's own card says of itself, where it says it in a line each."""
    found: dict[str, str] = {}
    path = folder / "README.md"
    if path.is_file():
        with path.open(encoding="utf-8", errors="replace") as stream:
            text = stream.read(_MOST_CARD)
        if text.startswith("---"):
            found = dict(_CARD_LINE.findall(text[3 : max(3, text.find("\n---", 3))]))
    return {"origin": origin, "licence": found.get("license", ""), "languages": found.get("language", "")}
