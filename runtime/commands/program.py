"""Run a program's commands: a known error, or one of the file system, is one line; any other shows, as a defect."""

from __future__ import annotations

import sys
from typing import NoReturn

import click

from ..document import clean
from ..errors import NestlingError
from . import show

_STOPPED = 130


def run(group: click.Group) -> NoReturn:
    """Run the command that was typed and exit: 0 fine, 1 a known error, 2 wrong usage, 130 stopped with Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    code = 1
    try:
        for argument in sys.argv[1:]:
            if clean(argument) != argument:
                raise NestlingError(f"the argument {clean(argument)!r} is not text; rename the file or type it anew")
        code = group.main(standalone_mode=False) or 0
    except click.ClickException as error:  # wrong usage
        error.show()
        code = error.exit_code
    except click.Abort:  # what click makes of Ctrl-C
        show.say("stopped; what was done is kept, and the same command goes on from there")
        code = _STOPPED
    except NestlingError as error:
        show.error(str(error))
    except OSError as error:
        show.error(f"{error.filename or 'the system'}: {error.strerror or error}")
    sys.exit(code)
