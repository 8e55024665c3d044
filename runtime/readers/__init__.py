"""Files to documents: one small function for a family of formats, chosen by the file's suffix.

In comes a file's path; out come a `Document` for each text in it and a `Skip` for each part that cannot be taken in.
A reader raises `Unreadable` where nothing of a file can be; a file without any text gives nothing. Formats whose
parsers are other people's, or may take much memory, are read in a process of their own, see `sandbox`. Open `plain.py`
first: it is small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from .. import child
from ..document import Document, Skip, clean
from .agenda.calendars import read_ics
from .agenda.cards import read_vcf
from .epub import read_epub
from .html import read_html
from .jsonl import read_jsonl
from .mail.mailbox import read_mbox
from .mail.message import read_eml, read_emlx, read_mht
from .mail.outlook import read_msg
from .named import SUFFIXES as NAMED
from .named import bundle_of, read_named
from .notes.markdown import read_markdown
from .notes.notebook import read_notebook
from .notes.outline import read_opml
from .notes.prose import SUFFIXES as PROSE
from .notes.prose import read_prose
from .office.by_content import SUFFIXES as OFFICE
from .office.by_content import read_office
from .pdf import read_pdf
from .plain import read_text
from .sandbox import Sandbox
from .subtitles import read_subtitles
from .tables import read_csv, read_tsv
from .text import Empty, Unreadable, shown

Reader = Callable[[Path], Iterator[Document | Skip]]


def _read_mht(path: Path) -> Iterator[Document | Skip]:
    return read_mht(path, read_here, _is_known)


_HERE: dict[str, Reader] = {
    ".txt": read_text,
    ".text": read_text,
    ".md": read_markdown,
    ".markdown": read_markdown,
    **dict.fromkeys(PROSE, read_prose),
    ".srt": read_subtitles,
    ".vtt": read_subtitles,
    ".jsonl": read_jsonl,
    ".csv": read_csv,
    ".tsv": read_tsv,
}
_IN_SANDBOX: dict[str, Reader] = {
    ".pdf": read_pdf,
    **dict.fromkeys(OFFICE, lambda path: read_office(path, _read_mht)),
    ".epub": read_epub,
    ".html": read_html,
    ".htm": read_html,
    ".xhtml": read_html,
    ".eml": lambda path: read_eml(path, read_here, _is_known),
    ".emlx": lambda path: read_emlx(path, read_here, _is_known),
    **dict.fromkeys((".mht", ".mhtml"), _read_mht),
    ".mbox": lambda path: read_mbox(path, read_here, _is_known),
    ".msg": lambda path: read_msg(path, read_here, _is_known),
    ".ipynb": read_notebook,
    ".opml": read_opml,
    ".ics": read_ics,
    ".vcf": read_vcf,
}
_NAMED: dict[str, Reader] = dict.fromkeys(NAMED, read_named)
READERS = _HERE | _IN_SANDBOX | _NAMED

MAX_SKIPS = 1000
_MAX_REASON = 300


def can_read(path: Path | str) -> bool:
    """Whether there is a reader for a file of this name and place, be it one that says why the file
    cannot be read."""
    return _suffix(Path(path)) in READERS


def _suffix(path: Path) -> str:
    """What tells the reader of a file: its suffix, that of mail where it is a message in a Maildir, or that of the
    folder around it which is a document of Apple's."""
    suffix = bundle_of(path) or path.suffix.lower()
    if suffix not in READERS and path.parent.name in ("cur", "new") and (path.parent.parent / "tmp").is_dir():
        return ".eml"
    return suffix


def _is_known(suffix: str) -> bool:
    return suffix in READERS


def read_file(path: Path, sandbox: Sandbox) -> Iterator[Document | Skip]:
    """The documents of one file that `can_read` knows, in its order, and what was skipped.

    Of a file with over 1,000 parts that cannot be taken in, the others are only counted.

    Args:
        sandbox: reads what other people's parsers read.
    """
    skips = 0
    for item in _read(path, sandbox):
        if isinstance(item, Document):
            yield item
        elif (skips := skips + 1) <= MAX_SKIPS:
            yield replace(item, reason=_line(item.reason))
    if skips > MAX_SKIPS:
        yield Skip(clean(str(path)), f"{skips - MAX_SKIPS} more of its parts cannot be taken in")


def _read(path: Path, sandbox: Sandbox) -> Iterator[Document | Skip]:
    if (name := clean(str(path))) != str(path):
        yield Skip(name, "its name is not text; rename it", transient=True)
    elif _suffix(path) in _IN_SANDBOX and child.python() is not None:
        yield from sandbox.read(path)
    else:  # also where no Python is there that could run the sandbox
        yield from read_here(path)


def read_here(path: Path) -> Iterator[Document | Skip]:
    """The documents of one file, read in this process."""
    name = str(path)
    try:
        for item in READERS[_suffix(path)](path):
            yield replace(item, text=shown(item.text), title=shown(item.title)) if isinstance(item, Document) else item
    except Empty:
        return
    except Unreadable as reason:
        yield Skip(name, str(reason))
    except OSError as error:
        yield Skip(name, f"cannot be read ({error.strerror or error})", transient=True)
    except ModuleNotFoundError as error:
        yield Skip(name, f"needs {error.name}; get it with: pip install 'nestling[files]'", transient=True)
    except ImportError as error:
        yield Skip(name, f"its parser cannot be loaded ({error}); install it anew", transient=True)
    except MemoryError:
        yield Skip(name, "takes too much memory to read; split it or save it anew")
    except Exception as error:  # of a parser, for which what it read was too much
        yield Skip(name, f"cannot be parsed ({type(error).__name__}: {error})")


def _line(reason: str) -> str:
    """A reason as one short line, without what a terminal obeys; parsers put into theirs what they read."""
    line = "".join(char if char.isprintable() else "\ufffd" for char in " ".join(reason[: 2 * _MAX_REASON].split()))
    return line if len(line) <= _MAX_REASON else f"{line[: _MAX_REASON - 1]}…"


def known_suffixes() -> str:
    """The suffixes that can be read, for a message."""
    return " ".join(sorted(READERS.keys() - _NAMED))
