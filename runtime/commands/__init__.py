"""The commands of `nestling`."""
