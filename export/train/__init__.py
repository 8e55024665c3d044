"""A teacher in, nested students out."""
