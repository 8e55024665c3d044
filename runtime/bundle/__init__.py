"""A bundle: a folder with graphs, a token table, a tokenizer and golden texts, and the manifest that lists them.

In comes a folder; out come a `Bundle`, its variants, and files that were compared with their hashes. Nothing of a
bundle is run here. Open `manifest.py` first; `golden.py` has the texts whose vectors are known, `quality.py` how much
of the original's quality each variant keeps; `archive.py` and `external_data.py` read what is not trusted.
"""
