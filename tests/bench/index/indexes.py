"""One adapter an index, for `compare.py`: build a file from vectors, open it, search; each by its public API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Search = Callable[[np.ndarray, int], np.ndarray]


@dataclass(frozen=True)
class Contender:
    """An index that is measured.

    Attributes:
        build: vectors and a path to a file or folder there.
        open: that path, and how many rows it holds, to a function of (q, dim) float32 queries and k to (q, k) keys.
        packages: whose versions are named.
        exact: of all vectors by their codes, without a graph.
    """

    build: Callable[[np.ndarray, Path], None]
    open: Callable[[Path], Search]
    packages: tuple[str, ...]
    exact: bool


def nestling_build(fine: Any, with_graph: bool = False) -> Callable[[np.ndarray, Path], None]:
    def build(vectors: np.ndarray, path: Path) -> None:
        from nestling import Index

        index = Index(vectors.shape[1], fine=fine)
        for begin in range(0, len(vectors), 50_000):
            part = vectors[begin : begin + 50_000]
            index.add(np.arange(begin, begin + len(part)), part)
        if with_graph:
            index.build_graph()
        index.save(path)

    return build


def nestling_open(with_graph: bool = False) -> Callable[[Path], Search]:
    def opened(path: Path) -> Search:
        from nestling import Index

        index = Index.open(path, with_graph=with_graph)
        return lambda queries, k: index.search(queries, k).keys

    return opened


def faiss_build(make: Callable[[Any, int], Any], binary: bool = False) -> Callable[[np.ndarray, Path], None]:
    def build(vectors: np.ndarray, path: Path) -> None:
        import faiss

        index = make(faiss, vectors.shape[1])
        index.add(np.packbits(vectors > 0, axis=1, bitorder="little") if binary else vectors)
        (faiss.write_index_binary if binary else faiss.write_index)(index, str(path))

    return build


def faiss_open(binary: bool = False, ef: int | None = None) -> Callable[[Path], Search]:
    def opened(path: Path) -> Search:
        import faiss

        faiss.omp_set_num_threads(1)
        index = (faiss.read_index_binary if binary else faiss.read_index)(str(path))
        if ef is not None:
            index.hnsw.efSearch = ef

        def search(queries: np.ndarray, k: int) -> np.ndarray:
            asked = np.packbits(queries > 0, axis=1, bitorder="little") if binary else queries
            return index.search(asked, k)[1]

        return search

    return opened


def usearch_build(dtype: str) -> Callable[[np.ndarray, Path], None]:
    def build(vectors: np.ndarray, path: Path) -> None:
        from usearch.index import Index

        metric = "hamming" if dtype == "b1" else "cos"
        index = Index(ndim=vectors.shape[1], metric=metric, dtype=dtype)
        index.add(np.arange(len(vectors)), _for_usearch(vectors, dtype), threads=2)
        index.save(str(path))

    return build


def usearch_open(dtype: str, exact: bool = False) -> Callable[[Path], Search]:
    def opened(path: Path) -> Search:
        from usearch.index import Index

        index = Index.restore(str(path), view=True)

        def search(queries: np.ndarray, k: int) -> np.ndarray:
            index.expansion_search = max(64, k)
            found = index.search(_for_usearch(queries, dtype), k, exact=exact, threads=1)
            return np.asarray(found.keys).astype(np.int64).reshape(len(queries), -1)

        return search

    return opened


def sqlite_vec_build(vectors: np.ndarray, path: Path) -> None:
    db = _sqlite_vec(path)
    db.execute(f"CREATE VIRTUAL TABLE v USING vec0(vector float[{vectors.shape[1]}] distance_metric=cosine)")
    with db:
        db.executemany("INSERT INTO v (rowid, vector) VALUES (?, ?)", ((r, x.tobytes()) for r, x in enumerate(vectors)))
    db.close()


def sqlite_vec_open(path: Path) -> Search:
    db = _sqlite_vec(path)

    def search(queries: np.ndarray, k: int) -> np.ndarray:
        sql = "SELECT rowid FROM v WHERE vector MATCH ? AND k = ? ORDER BY distance"
        return np.array([[row for (row,) in db.execute(sql, (query.tobytes(), k))] for query in queries])

    return search


def voyager_build(vectors: np.ndarray, path: Path) -> None:
    from voyager import Index, Space, StorageDataType

    index = Index(Space.InnerProduct, vectors.shape[1], storage_data_type=StorageDataType.E4M3)
    index.add_items(np.array(vectors), ids=list(range(len(vectors))), num_threads=2)  # it takes no read-only arrays
    index.save(str(path))


def voyager_open(path: Path) -> Search:
    from voyager import Index

    index = Index.load(str(path))
    return lambda queries, k: index.query(queries, k=k, num_threads=1, query_ef=max(64, k))[0].astype(np.int64)


def lancedb_build(vectors: np.ndarray, path: Path) -> None:
    import lancedb
    import pyarrow

    def batches() -> Any:
        for begin in range(0, len(vectors), 50_000):
            part = vectors[begin : begin + 50_000]
            flat = pyarrow.array(part.reshape(-1))
            columns = [np.arange(begin, begin + len(part)), pyarrow.FixedSizeListArray.from_arrays(flat, part.shape[1])]
            yield pyarrow.RecordBatch.from_arrays([pyarrow.array(columns[0]), columns[1]], names=["id", "vector"])

    kind = pyarrow.list_(pyarrow.float32(), vectors.shape[1])
    schema = pyarrow.schema([("id", pyarrow.int64()), ("vector", kind)])
    table = lancedb.connect(str(path)).create_table("v", batches(), schema=schema)
    table.create_index(metric="cosine", vector_column_name="vector")


def lancedb_open(path: Path) -> Search:
    import lancedb

    table = lancedb.connect(str(path)).open_table("v")

    def one(query: np.ndarray, k: int) -> list[int]:
        found = table.search(query).metric("cosine").nprobes(20).refine_factor(10).limit(k).select(["id"])
        return found.to_arrow()["id"].to_pylist()

    return lambda queries, k: np.array([one(query, k) for query in queries])


def _for_usearch(vectors: np.ndarray, dtype: str) -> np.ndarray:
    return np.packbits(vectors > 0, axis=1, bitorder="little") if dtype == "b1" else vectors


def _sqlite_vec(path: Path) -> Any:
    import apsw  # Python's own sqlite3 is often built without extensions
    import sqlite_vec

    db = apsw.Connection(str(path))
    db.enable_load_extension(True)
    db.load_extension(sqlite_vec.loadable_path())
    return db


INDEXES = {
    "nestling, int8": Contender(nestling_build("int8"), nestling_open(), ("nestling", "numkong"), True),
    "nestling, int4": Contender(nestling_build("int4"), nestling_open(), ("nestling", "numkong"), True),
    "nestling, int8, graph": Contender(
        nestling_build("int8", True), nestling_open(True), ("nestling", "usearch"), False
    ),
    "FAISS IndexBinaryFlat": Contender(
        faiss_build(lambda faiss, dim: faiss.IndexBinaryFlat(dim), True), faiss_open(True), ("faiss-cpu",), True
    ),
    "FAISS IndexFlatIP": Contender(
        faiss_build(lambda faiss, dim: faiss.IndexFlatIP(dim)), faiss_open(), ("faiss-cpu",), True
    ),
    "FAISS IndexHNSWFlat": Contender(
        faiss_build(lambda faiss, dim: faiss.IndexHNSWFlat(dim, 32, faiss.METRIC_INNER_PRODUCT)),
        faiss_open(ef=100),
        ("faiss-cpu",),
        False,
    ),
    "usearch f32": Contender(usearch_build("f32"), usearch_open("f32"), ("usearch",), False),
    "usearch i8": Contender(usearch_build("i8"), usearch_open("i8"), ("usearch",), False),
    "usearch b1": Contender(usearch_build("b1"), usearch_open("b1"), ("usearch",), False),
    "usearch b1, exact": Contender(usearch_build("b1"), usearch_open("b1", exact=True), ("usearch",), True),
    "sqlite-vec": Contender(sqlite_vec_build, sqlite_vec_open, ("sqlite-vec", "apsw"), True),
    "voyager E4M3": Contender(voyager_build, voyager_open, ("voyager",), False),
    "LanceDB IVF_PQ": Contender(lancedb_build, lancedb_open, ("lancedb",), False),
}
