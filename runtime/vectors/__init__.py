"""Vectors under keys in, the nearest keys out.

(n, dim) float32 unit rows become codes: one bit a dimension, which a search scans, and a fine code, which rescores the
best of what the scan found. `Index` holds both under the caller's int64 keys, in memory or as one mapped file, and
gives `Hits`. Open index.py first; then codes.py (vectors to codes), flat.py (the search), hamming.py (its kernels),
runs.py (how an index grows), files.py (its file), graph.py (an HNSW graph beside it).
"""
