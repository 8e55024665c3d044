"""A query in, hits out, over one snapshot of the library's file.

query checks it and makes a question: a vector and words (lexical). ranking asks both halves: bits in memory
(bit_cache) scanned and rescored, and the full text; fuse brings their scores into one order, snippet marks the words.

Open ranking.py first.
"""
