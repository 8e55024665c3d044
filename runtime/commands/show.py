"""What the command line prints: answers on stdout, messages and progress on stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ..library.search.snippet import BOLD

if TYPE_CHECKING:
    from ..bundle.quality import Quality
    from ..document import Hit, Report
    from ..library.intake.sync import Progress
    from ..tuning.cost import Cost
    from ..tuning.width_plan import Choice

_SAID_EVERY_SECONDS = 10.0
_TERMINAL_BOLD = ("\x1b[1m", "\x1b[0m")


def say(message: str) -> None:
    """A message, on stderr."""
    click.echo(message, err=True)


def values(found: dict[str, Any], as_json: bool) -> None:
    """Names with their values, a line each, or as one line of JSON."""
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    width = max(map(len, found))
    for key, value in found.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else "-" if value is None else value
        click.echo(f"{key:<{width}}  {shown}")


def costs(found: Sequence[Cost], quality: Mapping[str, Quality], as_json: bool) -> None:
    """What each variant of a bundle takes, a row each, with its quality where that is known."""
    shares = [quality.get(cost.variant) for cost in found]
    if as_json:
        for cost, share in zip(found, shares, strict=True):
            click.echo(json.dumps({**asdict(cost), "quality": None if share is None else asdict(share)}))
        return
    rows = [
        (cost.width, cost.precision, f"{cost.query_ms:.2f}", f"{cost.tokens_per_second:,.0f}", f"{cost.megabytes:.0f}",
         "-" if share is None else f"{share.documents:.1f}", "-" if share is None else f"{share.queries:.1f}")
        for cost, share in zip(found, shares, strict=True)
    ]  # fmt: skip
    table(("width", "precision", "query ms", "tokens/s", "MB", "documents %", "queries %"), rows)


def choice(made: Choice, as_json: bool) -> None:
    """Which widths were chosen, and what they take together."""
    if as_json:
        click.echo(json.dumps(asdict(made)))
        return
    plan = made.plan
    widths = f"documents {plan.document_width}, queries {plan.query_width}, precision {plan.precision}"
    click.echo(f"{widths}: {made.query_ms:.2f} ms a query, {made.megabytes:.0f} MB")


def table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Rows below a heading, the first column to the left and numbers to the right."""
    widths = [max(map(len, column)) for column in zip(heading, *rows, strict=True)]
    for row in (heading, *rows):
        cells = [cell.ljust(width) if place == 0 else cell.rjust(width) for place, (cell, width) in
                 enumerate(zip(row, widths, strict=True))]  # fmt: skip
        click.echo("  ".join(cells).rstrip())


def report(made: Report, as_json: bool) -> None:
    """What changed, and what was skipped."""
    if as_json:
        click.echo(json.dumps(asdict(made), ensure_ascii=False))
    for skip in made.skipped:
        say(f"skipped {_one_line(skip.source)}: {_one_line(skip.reason)}")
    counts = f"{made.added} added, {made.changed} changed, {made.unchanged} unchanged, {made.removed} removed"
    say(f"{counts}, {len(made.skipped)} skipped")


def hit(number: int, found: Hit) -> str:
    """An answer in three lines: where it stands, why, and what it says."""
    ranks = f"meaning {rank(found.dense_rank)}, words {rank(found.lexical_rank)}"
    title, id = _one_line(found.title), _one_line(found.id)
    heading = f"{number:>2}. {title}  [{id}]" if title else f"{number:>2}. {id}"
    place = f", {found.place}" if found.place else ""
    text = _one_line(found.snippet)
    if sys.stdout.isatty():
        parts = text.split(BOLD[0])
        if len(parts) % 2:  # a text with asterisks of its own may have an odd one
            text = "".join(part if place % 2 == 0 else part.join(_TERMINAL_BOLD) for place, part in enumerate(parts))
    return f"{heading}{place}\n    {found.score:.3f} ({ranks})\n    {text}"


def rank(place: int | None) -> str:
    """A place in an order, or a dash."""
    return "-" if place is None else str(place)


def counted(what: str) -> Callable[[int, int], None]:
    """A line that counts up, on a terminal; silence elsewhere."""
    if not sys.stderr.isatty():
        return lambda done, total: None

    def show(done: int, total: int) -> None:
        click.echo(f"\r\x1b[2K{done} of {total} {what}" + ("\n" if done == total else ""), err=True, nl=False)

    return show


@contextmanager
def synced() -> Iterator[Callable[[Progress], None]]:
    """The progress of a sync: a bar with the time left on a terminal, a line now and then elsewhere."""
    begin = said = time.monotonic()

    def speed(progress: Progress) -> str:
        return f"{progress.passages / max(time.monotonic() - begin, 0.1):,.0f} passages a second"

    if sys.stderr.isatty():
        with click.progressbar(length=1, file=sys.stderr, show_eta=True, width=24) as bar:

            def draw(progress: Progress) -> None:
                bar.length = max(progress.bytes, 1)
                bar.label = f"{progress.files_done:,} of {progress.files:,} files, {speed(progress)}"
                bar.update(progress.bytes_done - bar.pos)

            yield draw
        return

    def line(progress: Progress) -> None:
        nonlocal said
        if time.monotonic() - said >= _SAID_EVERY_SECONDS and progress.files_done < progress.files:
            said = time.monotonic()
            say(f"{progress.files_done:,} of {progress.files:,} files, {speed(progress)}")

    yield line


def _one_line(text: str) -> str:
    """A text without what would break the line or drive the terminal."""
    return " ".join(
        "".join(" " if char.isspace() else char for char in text if char.isprintable() or char.isspace()).split()
    )
