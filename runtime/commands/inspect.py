"""Commands that look into a file: what a library, an index or a bundle holds, and whether it is sound."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from ..errors import NestlingError
from . import options, show
from .opening import open_library


@click.command(epilog=options.examples("nestling info notes.nest", "nestling info notes.nest --json"))
@click.argument("named", metavar="PATH")
@options.bundle
@options.json
def info(named: str, bundle: str | None, as_json: bool) -> None:
    """Print what a library, index or bundle holds.

    Of a library it says also which files could not be read, and why. With --json sizes are in bytes, dates in UTC.
    """
    from ..vectors.files import is_index

    path = _path_of(named)
    if path.is_dir():
        values, shown = _of_bundle(path), show.bundle_info
    elif is_index(path):
        values, shown = _of_index(path), show.index_info
    else:
        with open_library(path, bundle) as opened:
            values, shown = opened.info().to_json(), show.library_info
            for skip in opened.failures():
                show.skipped("not taken in:", skip)
    if as_json:
        click.echo(json.dumps(values, ensure_ascii=False))
    else:
        show.pairs(shown(values))


def _path_of(named: str) -> Path:
    """The folder of an installed bundle where it is named, see `bundle_folder`, and no file is; else the path given."""
    from ..bundle.installed import installed_as

    path = Path(named)
    found = None if path.is_file() else installed_as(named)
    return found or path


def _of_bundle(path: Path) -> dict[str, Any]:
    from ..bundle.manifest import read_bundle

    found = read_bundle(path)
    return {
        "name": found.name,
        "space": found.space,
        "dim": found.dim,
        "max_tokens": found.max_tokens,
        "variants": [variant.name for variant in found.variants],
        "bytes": sum(file.bytes for file in found.files.values()),
        **{f"bytes of {variant.name}": found.bytes_of(variant) for variant in found.variants},
    }


def _of_index(path: Path) -> dict[str, Any]:
    from ..vectors.index import Index

    with Index.open(path) as index:
        return {"vectors": len(index), "dim": index.dim, "fine": index.fine, "bytes": path.stat().st_size}


@click.command(epilog=options.examples("nestling check notes.nest --full", "nestling check notes.nest --repair"))
@click.argument("named", metavar="PATH")
@click.option("--full", is_flag=True, help="Of a library: compare the vectors of all passages with their texts.")
@click.option("--repair", is_flag=True, help="Of a library: make what is damaged again from its documents.")
@options.bundle
def check(named: str, full: bool, repair: bool, bundle: str | None) -> None:
    """Look for damage; exit 1 where there is any.

    PATH is a library, an index, or a bundle, its folder or its name. A bundle's files are compared with their hashes;
    then each of its variants encodes a few texts, and the vectors are compared with those of the machine that built it.
    """
    from ..vectors.files import is_index

    path = _path_of(named)
    is_library = not path.is_dir() and not is_index(path)
    if (full or repair) and not is_library:
        raise NestlingError(f"{path}: is no library; --full and --repair are for libraries")
    if is_library:
        _check_library(path, bundle, full, repair)
    elif path.is_dir():
        _check_bundle(path)
    else:
        from ..vectors.index import Index

        _said_sound(path, Index.problems(path), "restore it from a copy or build it again")


def _check_library(path: Path, bundle: str | None, full: bool, repair: bool) -> None:
    with open_library(path, bundle) as opened:
        problems = opened.problems(full=full or repair)
        if problems and repair:
            for problem in problems:
                show.say(f"{path}: {problem}")
            problems = opened.repair()
    mend = f"mend it with: nestling check {path} --repair"
    _said_sound(path, problems, "restore it from a copy, or add its files to a new library" if repair else mend)


def _check_bundle(path: Path) -> None:
    from ..encoding.conformance import conformance

    for measured in conformance(path):
        click.echo(
            f"{path}: {measured.variant}: sound; cosine {measured.cosine_mean:.4f} mean, {measured.cosine_min:.4f} "
            f"worst to the vectors at the build ({measured.reference_mean:.4f}, {measured.reference_min:.4f} to "
            f"float32), {measured.agreement:.0%} of nearest texts the same over {measured.texts} texts, "
            f"{measured.tokens_per_second:.0f} tokens a second"
        )


def _said_sound(path: Path, problems: list[str], remedy: str) -> None:
    if problems:
        raise NestlingError(f"{path}: {'; '.join(problems)}; {remedy}")
    click.echo(f"{path}: sound")


@click.command(
    epilog=options.examples("nestling dump notes.nest notes.jsonl", "nestling dump notes.nest notes.parquet")
)
@options.library
@click.argument("output", type=click.Path(path_type=Path))
@options.bundle
def dump(library: Path, output: Path, bundle: str | None) -> None:
    """Write all passages and vectors to a file.

    Each passage of LIBRARY is a row with its text, metadata and vector. OUTPUT ends with .jsonl or .parquet.
    """
    with open_library(library, bundle) as opened:
        count = opened.dump(output, progress=show.counted("passages"))
    show.say(f"{count} passages written to {output}")
