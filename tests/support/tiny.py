"""A tiny seeded encoder in sentence-transformers layout: real architecture, random weights, a vocabulary of its own."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

VOCABULARY = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] a an and are at before by cold cool do for hand hands how in is it of on or owl "
    "owls hunt hunts night the to warm wash water when where with you burn burns under running minutes clean first "
    "aid . , ? ! - ##s ##ing ##ed"
).split()

RECIPE = """
name = "tiny"

[source]
kind = "folder"
path = "weights"

[encoder]
pooling = "mean"
max_tokens = 64
query_prefix = "do "
document_prefix = ""

[table]
bits = 4
group = 16
symmetric = false

[int8]
weight_bits = 7
outlier_ratio = 2.0
float_ratio = 4.0

[int4]
max_bytes = 120000
eight_bits = true
passages = 0

[verify.int8]
min_cosine_mean = 0.9
min_cosine = 0.8
min_top10_overlap = 0.3

[verify.int4]
min_cosine_mean = 0.8
min_cosine = 0.5
min_top10_overlap = 0.2

[card]
title = "A tiny encoder for tests."
origin = "random numbers"
licence = "Apache-2.0"
languages = "none"
training = "none"
"""


# What makes a family of the tiny encoder, in front of [verify.int8].
FAMILY = f"""[texts]
origin = "notes"

[texts.files]
"more.txt" = "{"0" * 64}"

[nest]
dims = [32, 16]
mean = 0.9

[[nest.courses]]
passages = 40
steps = 20
batch = 8
optimizer = "adamw"
warmup = 5
distance = 10.0
states = 5.0
learning_rates = {{ s = 1e-3, m = 1e-3, l = 5e-4 }}
widths = {{ s = 1.0, m = 0.7, l = 0.5 }}

[[nest.courses]]
passages = 30
steps = 6
batch = 5
optimizer = "muon"
warmup = 2
distance = 10.0
states = 0.0
learning_rates = {{ s = 1e-3, m = 1e-3 }}
widths = {{ s = 1.0, m = 1.0 }}
bfloat16 = true

[static]
bits = 4
rank = 16
passes = 2
learning_rate = 0.01
batch = 8
"""


def make_tiny(folder: Path, seed: int = 0) -> Path:
    """Write weights, tokenizer and a recipe for them into a folder; returns the recipe's path."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    weights = folder / "weights"
    (weights / "1_Pooling").mkdir(parents=True)
    tokenizer = Tokenizer(models.WordPiece({word: id for id, word in enumerate(VOCABULARY)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.enable_padding(length=128)
    tokenizer.enable_truncation(128)
    tokenizer.save(str(weights / "tokenizer.json"))
    (weights / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.4,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(weights)
    modules = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")]
    (weights / "modules.json").write_text(
        json.dumps(
            [
                {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
                for number, (kind, path) in enumerate(modules)
            ]
        )
    )
    (weights / "1_Pooling" / "config.json").write_text(
        json.dumps({"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False})
    )
    recipe = folder / "recipe.toml"
    recipe.write_text(RECIPE)
    return recipe


def loaded(weights: Path) -> Any:
    """The encoder of a model's folder in torch."""
    from nestling.export.encoder.sentence_encoder import load_encoder
    from nestling.export.source.settings import read_settings

    return load_encoder(weights, read_settings(weights))


def make_tiny_family(folder: Path) -> Path:
    """The same with a recipe for a family, and the text that it is trained on beside it; returns the recipe's path."""
    recipe = make_tiny(folder)
    words = np.random.default_rng(0).choice(VOCABULARY[5:46], size=(60, 8))
    text = folder / "more.txt"
    text.write_text("\n".join(" ".join(line) for line in words))
    pinned = FAMILY.replace("0" * 64, hashlib.sha256(text.read_bytes()).hexdigest())
    recipe.write_text(RECIPE.replace("[verify.int8]", pinned + "\n[verify.int8]"))
    return recipe
