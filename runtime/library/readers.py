"""Where the readers were before they had a room of their own, for programs that import them from here."""

from ..readers import can_read, read_file, read_here

__all__ = ["can_read", "read_file", "read_here"]
