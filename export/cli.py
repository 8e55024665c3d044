"""`nestling-export`: each command is one call with printing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import click

from ..bundle.manifest import read_bundle
from ..commands.program import run
from .errors import ExportError, require_tools
from .recipe.recipe import PRECISIONS
from .recipe.recipe_file import parsed_recipe, read_recipe


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="nestling")
def commands() -> None:
    """Build and verify Nestling bundles. Needs the extra: pip install 'nestling[export]'."""


@commands.command()
@click.argument("model")
@click.argument("more", nargs=-1, metavar="")
@click.option("-o", "--output", type=click.Path(path_type=Path),
              help="The bundle's folder; by default the recipe's, or NAME-bundle for a model.")  # fmt: skip
@click.option("--work", type=click.Path(path_type=Path), default=Path(".nestling-build"), show_default=True,
              help="Where downloads and finished steps are kept.")  # fmt: skip
@click.option(
    "--texts",
    type=click.Path(path_type=Path),
    help="Folder of the training texts that a recipe names; by default the recipe's.",
)
@click.option("--force", is_flag=True, help="Do finished steps again.")
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    help="Build int8, int4 or float32; several may follow, the first is the default. By default those of the recipe, "
    "int8 for a model.",
)
def build(
    model: str,
    more: tuple[str, ...],
    output: Path | None,
    work: Path,
    texts: Path | None,
    force: bool,
    precisions: tuple[str, ...],
) -> None:
    """Build a bundle from MODEL: a model's folder, an id of the Hugging Face hub, or a recipe.

    The source's weights are fetched, narrow widths are trained where a recipe asks for them, and all are quantized,
    verified and written. What is finished is kept: a build that was stopped, in the middle of a training too, goes on
    from there.
    """
    require_tools()
    from .build import build as build_bundle
    from .source.named import is_recipe, recipe_for

    if more and not precisions:
        raise click.UsageError(f"Got unexpected extra argument ({more[0]})")
    chosen = (*precisions, *more) or None
    if is_recipe(model):
        recipe = read_recipe(model)
        output = output or recipe.path.parent
    else:
        described = tuple(name for name in PRECISIONS if name in (chosen or PRECISIONS[:1]))
        text = recipe_for(model, described)
        recipe = parsed_recipe(text, work / "recipe.toml")
        recipe = replace(recipe, path=work / f"{recipe.name}.toml")
        output = output or Path(f"{recipe.name}-bundle")
        work.mkdir(parents=True, exist_ok=True)
        recipe.path.write_text(text, encoding="utf-8")
    build_bundle(recipe, output, work, force, _say, chosen, texts)


@commands.command()
@click.argument("model")
@click.option("--precision", "precisions", multiple=True, help="Describe int8 or int4; may be repeated.")
def init(model: str, precisions: tuple[str, ...]) -> None:
    """Print the recipe that `build MODEL` uses, to be edited.

    MODEL is a model's folder or an id of the Hugging Face hub.
    """
    require_tools()
    from .source.named import recipe_for

    if strange := [name for name in precisions if name not in PRECISIONS]:
        raise ExportError(f"{strange[0]!r} is no precision, expected some of {', '.join(PRECISIONS)}")
    click.echo(recipe_for(model, precisions or PRECISIONS[:1]), nl=False)


@commands.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--work", type=click.Path(path_type=Path), default=Path(".nestling-build"), show_default=True,
              help="Where the source's weights are kept.")  # fmt: skip
def verify(bundle: Path, work: Path) -> None:
    """Measure a bundle against the original weights."""
    require_tools()
    from .build import verify_bundle

    found = read_bundle(bundle)
    found.verify()
    for variant, report in verify_bundle(found, read_recipe(bundle / "recipe.toml"), work, _say).items():
        click.echo(
            f"{found.name} {variant}: cosine {report.cosine_mean} mean, {report.cosine_min} worst, "
            f"top-10 overlap {report.top10_overlap} over {report.sentences} texts; as queries cosine "
            f"{report.query_cosine_mean} mean, {report.query_cosine_min} worst over {report.queries}"
        )


@commands.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("study", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def rate(bundle: Path, study: Path) -> None:
    """Write what a study measured into a bundle.

    STUDY is a JSON file with `quality` by variant, in percent of the original weights', as
    `python -m tests.bench.family.study` measures it, or `relevance`, as `python -m tests.bench.library.relevance` does.
    `nestling tune` shows the one and chooses by it, hits of a search have the other. Building again takes both out.
    """
    from .bundle.rate import MEASURED
    from .bundle.rate import rate as rate_bundle

    try:
        found = json.loads(study.read_bytes())
        measured = {name: found[name] for name in MEASURED if name in found}
    except (ValueError, TypeError, RecursionError) as error:
        raise ExportError(f"{study}: is no study ({error}); expected a JSON object") from error
    click.echo(f"{rate_bundle(bundle, measured).name}: has {' and '.join(measured)} of {study}")


def _say(line: str) -> None:
    click.echo(line, err=True)


def main() -> NoReturn:
    """Run the command that was typed, and exit."""
    run(commands)


if __name__ == "__main__":
    main()
