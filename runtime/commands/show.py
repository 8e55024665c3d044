"""What the command line prints: answers on stdout, messages and progress on stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..bundle.quality import Quality
    from ..doctor.finding import Finding
    from ..document import Hit, Report, Skip
    from ..library.intake.sync import Progress
    from ..tuning.cost import Cost
    from ..tuning.width_plan import Choice

_SPACE = 8  # of the name of a vector space, as error messages have it
_PART = 16  # of the longest name of a part
_COPIES = 5  # of those that are shown
_MOST_KINDS = 5
_UNITS = ("kB", "MB", "GB", "TB")
_SAID_EVERY_SECONDS = 10.0
_TERMINAL_BOLD = ("\x1b[1m", "\x1b[0m")


def say(message: str) -> None:
    """A message, on stderr."""
    click.echo(message, err=True)


def error(message: str) -> None:
    """What ended a command, as one line."""
    say(f"error: {''.join(char if char.isprintable() else ' ' for char in message)}")


def skipped(what: str, skip: Skip) -> None:
    """What could not be taken in, and why."""
    say(f"{what} {_one_line(skip.source)}: {_one_line(skip.reason)}")


def pairs(found: Mapping[str, str | Sequence[str]]) -> None:
    """Names with their values in a column beside them; a list is a line for each of its values."""
    width = max(map(len, found))
    for name, value in found.items():
        lines = [value] if isinstance(value, str) else value or ["-"]
        for row, line in enumerate(lines):
            click.echo(f"{'' if row else name:<{width}}  {line}")


def library_info(found: Mapping[str, Any]) -> dict[str, str | Sequence[str]]:
    """What `info --json` says of a library, for a person."""
    widths = [f"{count:,} at width {width}" for width, count in _within(found, "passages of ")]
    return {
        "library": _one_line(found["path"]),
        "documents": f"{found['documents']:,}",
        "passages": f"{found['passages']:,}" + (f" ({', '.join(widths)})" if widths else ""),
        "passages to refine": f"{found['unrefined']:,}",
        **({"brought over from": f"bundle {_one_line(found['earlier'])}"} if found["earlier"] else {}),
        "files": f"{found['files']:,}",
        "could not be read": f"{found['failures']:,}",
        "folders": [_one_line(folder) for folder in found["folders"]],
        "last sync": "never" if found["synced"] is None else _local_time(found["synced"]),
        "size": size(found["bytes"]),
        **{f"  {part}": size(count) for part, count in _within(found, "bytes of ")},
        "made with": f"bundle {found['bundle']}, {found['dim']} dimensions, space {found['space'][:_SPACE]}",
        "document width": found["document width"],
    }


def bundle_info(found: Mapping[str, Any]) -> dict[str, str | Sequence[str]]:
    """What `info --json` says of a bundle, for a person."""
    return {
        "bundle": found["name"],
        "vectors": f"{found['dim']} dimensions, space {found['space'][:_SPACE]}",
        "longest text": f"{found['max_tokens']} tokens",
        "size": size(found["bytes"]),
        **{f"  {variant}": size(count) for variant, count in _within(found, "bytes of ")},
    }


def index_info(found: Mapping[str, Any]) -> dict[str, str | Sequence[str]]:
    """What `info --json` says of an index, for a person."""
    return {
        "vectors": f"{found['vectors']:,} of {found['dim']} dimensions",
        "fine codes": found["fine"],
        "size": size(found["bytes"]),
    }


def size(count: int) -> str:
    """Bytes for a person, as 12.3 MB."""
    if count < 1000:
        return f"{count} bytes"
    shown, unit = count / 1000, 0
    while shown >= 999.95 and unit < len(_UNITS) - 1:
        shown, unit = shown / 1000, unit + 1
    return f"{shown:.1f} {_UNITS[unit]}"


def _within(found: Mapping[str, Any], prefix: str) -> list[tuple[str, Any]]:
    return [(key.removeprefix(prefix), value) for key, value in found.items() if key.startswith(prefix)]


def _local_time(utc: str) -> str:
    return datetime.fromisoformat(utc.replace("Z", "+00:00")).astimezone().strftime("%Y-%m-%d %H:%M")


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
        cells = [cell.rjust(width) if column else cell.ljust(width) for column, (cell, width) in
                 enumerate(zip(row, widths, strict=True))]  # fmt: skip
        click.echo("  ".join(cells).rstrip())


def report(made: Report, as_json: bool) -> None:
    """What changed, and what was skipped."""
    if as_json:
        click.echo(json.dumps(made.to_json(), ensure_ascii=False))
    for skip in made.skipped:
        skipped("skipped", skip)
    if made.passed_over:
        say(_passed_over(made.passed_over))
    if made.foreign:
        say(
            f"{made.foreign} documents are in a script that the encoder does not know: they are found by their words "
            "alone; for about 90 languages there is the bundle nestling-multi"
        )
    counts = f"{made.added} added, {made.changed} changed, {made.unchanged} unchanged, {made.removed} removed"
    copies = f", {made.copies} copies of other files" if made.copies else ""
    say(f"{counts}, {len(made.skipped)} skipped{copies}")


def _passed_over(kinds: Sequence[tuple[str, int]]) -> str:
    """Files without a reader in one line: how many there are, and of which suffixes most are."""
    count, most = sum(number for _, number in kinds), kinds[:_MOST_KINDS]
    if count == 1:
        return f"passed over 1 file of a kind that is not read: {_kind(kinds[0][0])}"
    said = [f"{_kind(suffix)} {number}" for suffix, number in most]
    others = count - sum(number for _, number in most)
    said += [f"others {others}"] if others else []
    return f"passed over {count} files of kinds that are not read: {', '.join(said)}"


def _kind(suffix: str) -> str:
    return _one_line(suffix) or "without a suffix"


def hit(number: int, found: Hit) -> str:
    """An answer in three lines: where it stands, why, and what it says; and one for other files that say the same."""
    from ..library.search.snippet import BOLD

    ranks = f"meaning {rank(found.dense_rank)}, words {rank(found.lexical_rank)}"
    title, id = _one_line(found.title), _one_line(found.id)
    heading = f"{number:>2}. {title}  [{id}]" if title else f"{number:>2}. {id}"
    place = f", {found.place}" if found.place else ""
    places = f"\n    also {', '.join(map(_one_line, found.copies[:_COPIES]))}" if found.copies else ""
    if (more := len(found.copies) - _COPIES) > 0:
        places += f" and {more} more"
    text = _one_line(found.snippet)
    if sys.stdout.isatty():
        parts = text.split(BOLD[0])
        if len(parts) % 2:  # a text with asterisks of its own may have an odd one
            text = "".join(part.join(_TERMINAL_BOLD) if number % 2 else part for number, part in enumerate(parts))
    likely = "" if found.relevance is None else f", relevance {found.relevance:.2f}"
    return f"{heading}{place}\n    {found.score:.3f} ({ranks}{likely})\n    {text}{places}"


def finding(found: Finding) -> str:
    """What was found of a part of the installation, in a line."""
    told = _one_line("; ".join(filter(None, (found.found, found.remedy))))
    return f"{found.part:<{_PART}}  {found.state:<7}  {told}"


def rank(found: int | None) -> str:
    """A rank, or a dash for none."""
    return "-" if found is None else str(found)


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
