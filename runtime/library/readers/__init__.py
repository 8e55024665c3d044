"""Files to documents: one small function a family of formats, chosen by the file's suffix.

A reader takes a file's path and yields a `Document` for each text in it, or a `Skip` for what cannot be taken in,
and goes on with the rest; it raises `Unreadable` where nothing of a file can be. Formats whose parsers are other
people's and large are read in a process of their own, see `apart`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from ..document import Document, Skip, clean
from .apart import Apart
from .epub import read_epub
from .html import read_html
from .mail import read_eml, read_mbox
from .office import read_docx, read_odf, read_pptx, read_xlsx
from .pdf import read_pdf
from .plain import read_markdown, read_text
from .tables import read_csv, read_jsonl
from .text import Unreadable

Reader = Callable[[Path], Iterator[Document | Skip]]

_HERE: dict[str, Reader] = {
    ".txt": read_text,
    ".text": read_text,
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".html": read_html,
    ".htm": read_html,
    ".xhtml": read_html,
    ".jsonl": read_jsonl,
    ".csv": read_csv,
    ".eml": read_eml,
    ".mbox": read_mbox,
}
_APART: dict[str, Reader] = {
    ".pdf": read_pdf,
    ".docx": read_docx,
    ".pptx": read_pptx,
    ".xlsx": read_xlsx,
    ".odt": read_odf,
    ".odp": read_odf,
    ".ods": read_odf,
    ".epub": read_epub,
}
READERS = _HERE | _APART


def can_read(path: Path) -> bool:
    """Whether there is a reader for a file of this name."""
    return path.suffix.lower() in READERS


def read_file(path: Path, apart: Apart) -> Iterator[Document | Skip]:
    """The documents of one file that `can_read` knows, in its order, and what was skipped.

    Args:
        apart: reads what other people's parsers read.
    """
    if (name := clean(str(path))) != str(path):
        yield Skip(name, "its name is not text; rename it")
    elif path.suffix.lower() in _APART and not getattr(sys, "frozen", False):  # a program without a Python to start
        yield from apart.read(path)
    else:
        yield from read_here(path)


def read_here(path: Path) -> Iterator[Document | Skip]:
    """The documents of one file, read in this process."""
    name = str(path)
    try:
        yield from READERS[path.suffix.lower()](path)
    except Unreadable as reason:
        yield Skip(name, str(reason))
    except OSError as error:
        yield Skip(name, f"cannot be read ({error.strerror or error})")
    except ImportError as error:
        yield Skip(name, f"needs {error.name}; get it with: pip install 'nestling[files]'")
    except MemoryError:
        yield Skip(name, "takes too much memory to read; split it or save it anew")
    except Exception as error:  # of a parser, for which what it read was too much
        yield Skip(name, f"cannot be parsed ({type(error).__name__}: {error})")


def known_suffixes() -> str:
    """The suffixes that can be read, for a message."""
    return " ".join(sorted(READERS))
