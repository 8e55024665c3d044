"""`nestling`, the program; its commands are in `commands`."""

from __future__ import annotations

from .commands.collect import commands, main

__all__ = ["commands", "main"]

if __name__ == "__main__":
    main()
