"""What commands of `nestling` share: their options, and how their examples are shown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

json = click.option("--json", "as_json", is_flag=True, help="Print JSON Lines.")
bundle = click.option("--bundle", type=click.Path(path_type=Path), help="Another bundle than the default.")
width = click.option("--width", help="The encoder's width for documents; remembered by the library.")
query_width = click.option("--query-width", help="The encoder's width for queries; that of documents by default.")
mode = click.option(
    "--mode", type=click.Choice(["hybrid", "dense", "lexical"]), default="hybrid", show_default=True,
    help="By meaning and words together, or by one of them.",
)  # fmt: skip


def _bytes(context: Any, parameter: Any, value: str | None) -> int | None:
    """A size as 500KB, 20MB or 1GB."""
    match = re.fullmatch(r"(\d{1,15})\s*([kmg]?)b?", (value or "").strip().lower())
    if match is None and value is not None:
        raise click.BadParameter(f"{value!r} is no size; give for example 500KB or 20MB", context, parameter)
    return None if match is None else int(match[1]) * int(1000 ** " kmg".index(match[2] or " "))


def sync(command: Any) -> Any:
    """The options that `add` and `sync` share."""
    for option in (
        json,
        bundle,
        width,
        click.option("--fast", is_flag=True, help="Encode at width static: thousands a second; see refine."),
        click.option(
            "--max-size", callback=_bytes, help="Pass over larger files, as 20MB; remembered for these paths."
        ),
        click.option("--ignore", multiple=True, help="A pattern as in a .gitignore; remembered for these paths."),
    ):
        command = option(command)
    return command


def examples(*lines: str) -> str:
    """The end of a command's help: commands as they are typed."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
