"""The command that brings a library over to another bundle."""

from __future__ import annotations

import json
from pathlib import Path

import click

from . import options, show
from .opening import open_library


@click.command(epilog=options.examples("nestling upgrade notes.nest", "nestling upgrade notes.nest --to multi"))
@options.library
@click.option("--to", help="Folder or name of the bundle; by default the one that ships with Nestling.")
@click.option("--anew", is_flag=True, help="Compare nothing: by words alone until all is encoded again.")
@options.width
@options.json
def upgrade(library: Path, to: str | None, anew: bool, width: str | None, as_json: bool) -> None:
    """Bring LIBRARY over to another bundle, as a newer Nestling has one.

    It can be searched with that at once: its vectors are read as what they most likely are for the new bundle, by what
    both say of 2,000 passages. Then encode it with `nestling refine`, which can be stopped and goes on another time.
    The bundle of before is not needed. A library of no more passages is encoded at once.
    """
    from ..bundle.manifest import read_bundle
    from ..library.intake.encoders import Encoders
    from ..library.intake.upgrade import upgrade_file
    from ..tuning.width_plan import read_width_plan

    bundle = read_bundle(to)
    plan = read_width_plan(bundle)
    encoders = Encoders(bundle, plan.precision if plan else None, library)
    encoders.require_width(width)
    aimed_at = width or (plan.document_width if plan else encoders.default_width)
    kept = upgrade_file(library, encoders, aimed_at, anew, show.counted("passages compared"))
    with open_library(library, to) as opened:
        if kept is None and not anew:
            opened.refine(progress=show.counted("passages encoded"))
        left = sum(opened.unrefined.values())
    if as_json:
        click.echo(json.dumps({"bundle": bundle.name, "kept": kept, "left": left}))
    share = "" if kept is None else f", {kept:.0%} of the nearest passages stay the nearest"
    show.say(f"{library}: is of bundle {bundle.name}{share}")
    if left:
        show.say(f"{left} passages have the vectors of before; encode them with: nestling refine {library}")
