"""Small seeded models of every architecture, each with a tokenizer of its kind, as sentence-transformers saves them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np

_SIZES: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "max_position_embeddings": 130,
}
_ROTARY = {"num_key_value_heads": 2, "head_dim": 16}
_BPE = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
_GATED = {"local_attention": 8, "global_attn_every_n_layers": 3, "cls_token_id": 0, "sep_token_id": 2}

# By model_type: model and configuration, what is its own, its tokenizer, its pooling, outputs of a Dense layer or 0.
ARCHITECTURES: dict[str, tuple[str, str, dict[str, Any], str, str, int]] = {
    "bert": ("BertModel", "BertConfig", {}, "words", "cls", 0),
    "roberta": ("RobertaModel", "RobertaConfig", _BPE, "bytes", "mean", 40),
    "xlm-roberta": ("XLMRobertaModel", "XLMRobertaConfig", _BPE, "pieces", "mean", 0),
    "camembert": ("CamembertModel", "CamembertConfig", _BPE, "pieces", "weightedmean", 0),
    "mpnet": ("MPNetModel", "MPNetConfig", _BPE, "bytes", "mean", 0),
    "distilbert": ("DistilBertModel", "DistilBertConfig",
                   {"dim": 64, "n_layers": 3, "n_heads": 4, "hidden_dim": 128}, "words", "mean", 0),
    "electra": ("ElectraModel", "ElectraConfig", {"embedding_size": 32}, "words", "mean_sqrt_len_tokens", 0),
    "modernbert": ("ModernBertModel", "ModernBertConfig", {**_BPE, **_GATED}, "bytes", "cls", 0),
    "gemma3_text": ("Gemma3TextModel", "Gemma3TextConfig",
                    {**_ROTARY, "use_bidirectional_attention": True, "sliding_window": 8}, "pieces", "mean", 44),
    "qwen3": ("Qwen3Model", "Qwen3Config", _ROTARY, "bytes", "lasttoken", 0),
}  # fmt: skip
PROMPTS = {"query": "Represent this for searching: ", "document": "passage: "}


def make_model(folder: Path, architecture: str, seed: int = 0) -> Path:
    """Write a model into a folder; returns its own folder there."""
    import torch
    import transformers
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Dense, Normalize, Pooling, Transformer

    model_name, config_name, own, kind, pooling, outputs = ARCHITECTURES[architecture]
    tokenizer = make_tokenizer(kind)
    config = {"pad_token_id": tokenizer.pad_token_id, **_SIZES, **own, "vocab_size": len(tokenizer)}
    torch.manual_seed(seed)
    model = getattr(transformers, model_name)(getattr(transformers, config_name)(**config, initializer_range=0.2))
    for value in model.parameters():
        if value.ndim == 1:  # gains and shifts that are not all alike
            value.data += 0.1 * torch.randn_like(value)
    model.save_pretrained(folder / "raw")
    tokenizer.save_pretrained(folder / "raw")
    modules: list[Any] = [Transformer(str(folder / "raw")), Pooling(64, pooling)]
    if outputs:
        modules.append(Dense(64, outputs, activation_function=torch.nn.Tanh()))
    whole = SentenceTransformer(modules=[*modules, Normalize()], prompts=PROMPTS, device="cpu")
    whole.save(str(folder / "model"), create_model_card=False)
    return folder / "model"


def make_tokenizer(kind: str) -> Any:
    """A fast tokenizer that was trained on the texts that come with Nestling.

    Args:
        kind: `words` for WordPiece as BERT has it, `bytes` for BPE over bytes, `pieces` for Unigram.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    from nestling.export.quantize.calibration import own_texts

    if kind == "words":
        first, pad, last, unknown, mask = names = ["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"]
    else:
        first, pad, last, unknown, mask = names = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer: Any
    if kind == "words":
        tokenizer = Tokenizer(models.WordPiece(unk_token=unknown))
        tokenizer.normalizer = normalizers.BertNormalizer()
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(vocab_size=1500, special_tokens=names)
    elif kind == "bytes":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(vocab_size=1500, special_tokens=names, initial_alphabet=alphabet)
    else:
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.normalizer = normalizers.NFKC()
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(vocab_size=1500, special_tokens=names, unk_token=unknown)
    tokenizer.train_from_iterator(own_texts(), trainer)
    ids = [(token, tokenizer.token_to_id(token)) for token in (first, last)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{first} $A {last}", special_tokens=ids)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=pad, unk_token=unknown, cls_token=first, sep_token=last,
        mask_token=mask, model_max_length=128, model_input_names=["input_ids", "attention_mask"],
    )  # fmt: skip


def truth(model: Path, texts: list[str], role: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    """What sentence-transformers makes of texts by itself, with all settings of the model's own."""
    from sentence_transformers import SentenceTransformer

    loaded = SentenceTransformer(str(model), device="cpu", local_files_only=True)
    encode = loaded.encode_query if role == "query" else loaded.encode_document
    return np.asarray(encode(texts, batch_size=1, normalize_embeddings=True), dtype=np.float32)


def odd_texts(count: int) -> list[str]:
    """Texts of words, marks, scripts, controls and nothing, the same in every run."""
    draw = random.Random(0)
    words = "owls hunt at night Élan naïve straße İstanbul 東京 ไทย हिंदी مرحبا <s> [SEP] </s> <mask> e\u0301 ﬁ".split()
    blanks = [" ", "  ", "\n", "\t", "\u00a0", "\u200b", "", ", ", "."]
    texts = ["", " ", "\n", "a", "\u0000", "owl" * 3000, "owl " * 3000]
    while len(texts) < count:
        parts = []
        for _ in range(draw.choice((1, 2, 3, 8, 40))):
            drawn = chr(
                draw.choice((draw.randrange(32, 127), draw.randrange(0xA0, 0x3000), draw.randrange(0x3000, 0xD7FF)))
            )
            parts += [draw.choice((draw.choice(words), drawn)), draw.choice(blanks)]
        texts.append("".join(parts))
    return texts
