"""Quantized graphs in, a verified bundle's folder out.

Open `assemble.py` first, which writes graphs (`pack.py`), golden vectors and manifest into a folder. `verify.py`
measures it, `card.py` describes it, `install.py` puts it in its place, and `rate.py` adds what was measured later.
"""
