"""sentence-transformers on its backends, with its own search over vectors that a script keeps."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .adapter import Encode, Peer, System, Text, Vectors, Weights

BATCH = 32
MODEL = "sentence-transformers/all-MiniLM-L6-v2"
INT8_FOLDER, OPENVINO_FOLDER = "sentence-transformers-int8", "sentence-transformers-openvino"


def hello(folder: Path, texts: Sequence[str], question: str) -> Any:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(MODEL)
    return model.similarity(model.encode([question]), model.encode(list(texts))).argsort(descending=True)


def torch_model(weights: Weights) -> Any:
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(weights.threads)
    return SentenceTransformer(str(weights.source), device="cpu", local_files_only=True)


def make_int8(weights: Weights) -> None:
    """The ONNX model with dynamic int8, of the kind that is named for this processor."""
    from sentence_transformers import SentenceTransformer, export_dynamic_quantized_onnx_model

    folder = str(weights.made / INT8_FOLDER)
    plain = SentenceTransformer(str(weights.source), backend="onnx", device="cpu", local_files_only=True)
    plain.save_pretrained(folder)
    export_dynamic_quantized_onnx_model(plain, _kind(), folder)


def int8_model(weights: Weights) -> Any:
    import onnxruntime
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(weights.threads)
    folder = weights.made / INT8_FOLDER
    (graph,) = (folder / "onnx").glob(f"model_*{_kind()}.onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = weights.threads
    arguments = {"file_name": f"onnx/{graph.name}", "session_options": options, "provider": "CPUExecutionProvider"}
    return SentenceTransformer(str(folder), backend="onnx", device="cpu", local_files_only=True, model_kwargs=arguments)


def make_openvino(weights: Weights) -> None:
    from sentence_transformers import SentenceTransformer

    plain = SentenceTransformer(str(weights.source), backend="openvino", device="cpu", local_files_only=True)
    plain.save_pretrained(str(weights.made / OPENVINO_FOLDER))


def openvino_model(weights: Weights) -> Any:
    from sentence_transformers import SentenceTransformer

    arguments = {"ov_config": {"INFERENCE_NUM_THREADS": str(weights.threads)}}
    return SentenceTransformer(
        str(weights.made / OPENVINO_FOLDER), backend="openvino", device="cpu", local_files_only=True,
        model_kwargs=arguments,
    )  # fmt: skip


def by(model: Any) -> Encode:
    return lambda texts, query: model.encode(
        list(texts), batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False
    )


class Recommended(Vectors):
    """Bits in FAISS in memory, int8 in a file of usearch, as its page on quantization recommends."""

    def __init__(self, folder: Path, encode: Encode) -> None:
        import faiss
        from usearch.index import Index

        self._folder, self._encode = folder, encode
        self._ids: list[str] = []
        if (folder / "ids.json").exists():
            self._ids, _ = json.loads((folder / "ids.json").read_text())
            self._bits = faiss.read_index_binary(str(folder / "bits.faiss"))
            self._fine = Index.restore(str(folder / "int8.usearch"), view=True)

    def add(self, texts: Sequence[Text]) -> None:
        import faiss
        import numpy as np
        from sentence_transformers.quantization import quantize_embeddings
        from usearch.index import Index

        if self._ids:
            raise NotImplementedError("keeps no documents")
        found = self._encode([one.text for one in texts], False)
        self._bits = faiss.IndexBinaryFlat(found.shape[1])
        self._bits.add(quantize_embeddings(found, precision="ubinary"))
        self._fine = Index(ndim=found.shape[1], metric="ip", dtype="i8")
        self._fine.add(np.arange(len(found)), quantize_embeddings(found, precision="int8"))
        self._ids, self._texts = [one.id for one in texts], [one.text for one in texts]

    def search(self, query: str, k: int, part: str | None = None) -> list[str]:
        import numpy as np
        from sentence_transformers.quantization import quantize_embeddings

        if part is not None:
            raise NotImplementedError("has no filters")
        asked = self._encode([query], True)
        count = min(4 * k, len(self._ids))
        _, near = self._bits.search(quantize_embeddings(asked, precision="ubinary"), count)
        rows = np.stack(self._fine.get(near[0]))
        best = np.argsort(-(rows.astype(np.float32) @ asked[0]), kind="stable")[:k]
        return [self._ids[near[0][rank]] for rank in best]

    def close(self) -> None:
        import faiss

        if not (self._folder / "ids.json").exists():
            faiss.write_index_binary(self._bits, str(self._folder / "bits.faiss"))
            self._fine.save(str(self._folder / "int8.usearch"))
            (self._folder / "ids.json").write_text(json.dumps([self._ids, self._texts]))


def _kind() -> str:
    return "avx512_vnni" if "avx512_vnni" in Path("/proc/cpuinfo").read_text() else "avx2"


def _on(
    install: tuple[str, ...], package: str, model: Callable[[Weights], Any], hello: Any = None, make: Any = None
) -> Peer:
    """A backend of the package, what runs it, and its model."""

    def encoder(weights: Weights) -> Encode:
        return by(model(weights))

    def system(folder: Path, weights: Weights) -> System:
        return Vectors(folder, encoder(weights))

    packages = ("sentence-transformers", "transformers", package)
    return Peer(("torch==2.13.0", *install), packages, "same", hello, encoder, system, make)


PEER = _on(("sentence-transformers",), "torch", torch_model, hello)
INT8 = _on(("sentence-transformers[onnx]",), "onnxruntime", int8_model, make=make_int8)
# From 2.2 on optimum-intel brings torchvision, whose wheel on PyPI is for another torch than the one for CPUs.
OPENVINO = _on(("sentence-transformers[openvino]", "optimum-intel<2.2"), "openvino", openvino_model, make=make_openvino)
BINARY = Peer(
    ("torch==2.13.0", "sentence-transformers", "faiss-cpu", "usearch"),
    ("sentence-transformers", "faiss-cpu", "usearch"),
    "same",
    None,
    None,
    lambda folder, weights: Recommended(folder, by(torch_model(weights))),
)
