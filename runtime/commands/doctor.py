"""The command that looks whether all of Nestling works on this machine."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from ..errors import NestlingError
from . import options, show


@click.command(epilog=options.examples("nestling doctor", "nestling doctor --json > doctor.jsonl"))
@options.bundle
@options.json
def doctor(bundle: str | None, as_json: bool) -> None:
    """Try every part of the installation.

    Each gets a line: `fine`; `missing`, where only what it is for does not work; or `broken`, with what to do. Exit 1
    where one is broken. It takes some ten seconds, and leaves nothing behind.
    """
    from ..doctor.examination import examine

    broken, missing = [], []
    for finding in examine(bundle):
        click.echo(json.dumps(asdict(finding), ensure_ascii=False) if as_json else show.finding(finding))
        if finding.state == "broken":
            broken.append(finding.part)
        elif finding.state == "missing":
            missing.append(finding.part)
    if broken:
        raise NestlingError(f"broken: {', '.join(broken)}; what to do stands in their lines")
    show.say("all that Nestling needs works" + (f"; missing: {', '.join(missing)}" if missing else ""))
