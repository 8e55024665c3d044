"""`nestling-export`: each command is one call with printing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from ..bundle.manifest import read_bundle
from ..errors import NestlingError
from .errors import ExportError, require_tools
from .recipe.recipe_file import read_recipe


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="nestling")
def commands() -> None:
    """Build and verify Nestling bundles. Needs the extra: pip install 'nestling[export]'."""


@commands.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The bundle's folder; the recipe's by default.")
@click.option("--work", type=click.Path(path_type=Path), default=Path(".nestling-build"), show_default=True,
              help="Where downloads and finished steps are kept.")  # fmt: skip
@click.option(
    "--texts",
    type=click.Path(path_type=Path),
    help="Where the texts are that RECIPE's [texts.files] names; the recipe's folder by default.",
)
@click.option("--force", is_flag=True, help="Do finished steps again.")
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    help="What the bundle is to hold, the default first; float32 may be among them. All of RECIPE without it.",
)
def build(
    recipe: Path,
    output: Path | None,
    work: Path,
    texts: Path | None,
    force: bool,
    precisions: tuple[str, ...],
) -> None:
    """Build the bundle of RECIPE: fetch, train, export, fuse, quantize, verify, write.

    What is finished is kept: a build that was stopped, in the middle of a training too, goes on from there.
    """
    require_tools()
    from .build import build as build_bundle

    def say(line: str) -> None:
        click.echo(line, err=True)

    output, chosen = output or recipe.parent, precisions or None
    build_bundle(read_recipe(recipe), output, work, force, say, chosen, texts)


@commands.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--work", type=click.Path(path_type=Path), default=Path(".nestling-build"), show_default=True,
              help="Where the source's weights are kept.")  # fmt: skip
def verify(bundle: Path, work: Path) -> None:
    """Measure BUNDLE against its recipe's source in torch and float32."""
    require_tools()
    from .build import verify_bundle

    found = read_bundle(bundle)
    found.verify()
    for variant, report in verify_bundle(found, read_recipe(bundle / "recipe.toml"), work).items():
        click.echo(
            f"{found.name} {variant}: cosine {report.cosine_mean} mean, {report.cosine_min} worst, "
            f"top-10 overlap {report.top10_overlap} over {report.sentences} texts"
        )


@commands.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("study", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def rate(bundle: Path, study: Path) -> None:
    """Write into BUNDLE what STUDY, a JSON file, says under `quality` of its variants: percent of the original's.

    `nestling tune` shows it and chooses by it. `python tests/bench/study.py` measures it. Building again takes it out.
    """
    from .bundle.rate import rate as rate_bundle

    try:
        quality = json.loads(study.read_bytes())["quality"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ExportError(f'{study}: is no study ({error}); expected JSON with "quality" by variant') from error
    click.echo(f"{rate_bundle(bundle, quality).name}: rated {', '.join(quality)}")


def main() -> None:
    """Run a command; a known error is one line on stderr and exit code 1."""
    try:
        commands(standalone_mode=True)
    except (NestlingError, OSError) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
