"""The commands of `nestling`: each is one library call with printing.

In come the arguments that were typed; out go answers on stdout, messages on stderr and an exit code. `collect` fills a
library, `search` asks it, `inspect` looks into a file, `measuring` measures a bundle. They share `options`, `opening`
(a library with the widths that were remembered), `show` (what is printed) and `program` (which runs a group of
commands, and turns a known error into one line). Heavy modules are imported inside the functions that need them.
Open `search.py` first.
"""
