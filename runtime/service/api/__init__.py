"""Nestling's own HTTP: search, documents and their originals, and what takes long."""
