"""Texts to vectors.

In come a bundle and a list of texts with their role; out come (n, dim) float32, unit rows. Open `encoder.py` first: it
asks `engine.py` for what a variant runs with, which is `onnx_engine.py` for graphs and `static.py` for the token table.
Both get token ids from `tokens.py`, where `words.py` is the fast way. `verified.py` keeps which variants were
verified on this machine, and `conformance.py` compares a whole bundle with what it gave where it was built.
"""
