"""What commands of `nestling` share: their options, and how their examples are shown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

_MOST_BYTES = 2**63 - 1

library = click.argument("library", type=click.Path(path_type=Path))
json = click.option("--json", "as_json", is_flag=True, help="Print JSON Lines on stdout.")
bundle = click.option("--bundle",
                      help="Folder or name of another bundle than the one that ships with Nestling.")  # fmt: skip
width = click.option(
    "--width", help="The encoder's width for documents, as xl, l, m, s or static; the library remembers it."
)
query_width = click.option("--query-width", help="The encoder's width for queries; by default that of documents.")
mode = click.option(
    "--mode", type=click.Choice(["hybrid", "dense", "lexical"]), default="hybrid", show_default=True,
    help="By meaning (dense), by words (lexical), or by both.",
)  # fmt: skip


def _bytes(context: Any, parameter: Any, value: str | None) -> int | None:
    """A size as 500KB, 20MB or 1GB."""
    match = re.fullmatch(r"(\d{1,15})\s*([kmg]?)b?", (value or "").strip().lower())
    if match is None and value is not None:
        raise click.BadParameter(f"{value!r} is no size; give for example 500KB or 20MB", context, parameter)
    return None if match is None else min(int(match[1]) * int(1000 ** " kmg".index(match[2] or " ")), _MOST_BYTES)


def sync(command: Any) -> Any:
    """The options that `add` and `sync` share."""
    for option in (
        json,
        bundle,
        width,
        click.option("--fast", is_flag=True, help="Add quickly with the smallest encoder; improve later with refine."),
        click.option("--max-size", callback=_bytes,
                     help="Skip larger files, as 20MB; remembered for these paths."),
        click.option("--ignore", multiple=True,
                     help="Skip files of a pattern as in a .gitignore; remembered for these paths."),
    ):  # fmt: skip
        command = option(command)
    return command


def examples(*lines: str) -> str:
    """The end of a command's help: commands as they are typed."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
