from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from nestling.export.errors import ExportError
from nestling.export.recipe.parts import EncoderRecipe
from nestling.export.source.settings import Settings, read_settings, resolved, unused_prompts
from nestling.export.source.weights import weight_files

BERT = {"model_type": "bert", "hidden_size": 32, "max_position_embeddings": 64}
POOLING = {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True}


def model(folder: Path, config: Any = BERT, pooling: Any = None, **files: Any) -> Path:
    """A model's folder of JSON alone, of sentence-transformers where `pooling` is given."""
    written = {"config.json": config, **{name.replace("__", "/"): values for name, values in files.items()}}
    if pooling is not None:
        modules = [("models.Transformer", ""), ("models.Pooling", "1_Pooling"), ("models.Normalize", "2_Normalize")]
        listing = [{"type": f"sentence_transformers.{kind}", "path": path} for kind, path in modules]
        written = {"modules.json": listing, "1_Pooling/config.json": pooling, **written}
    for name, values in written.items():
        path = folder / (name if name.endswith(".json") else f"{name}.json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(values if isinstance(values, str) else json.dumps(values))
    return folder


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, ("cls",)),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}, ("cls", "mean")),
        ({"pooling_mode_lasttoken": True}, ("lasttoken",)),
        ({"pooling_mode_cls_token": False}, ("mean",)),
        ({"embedding_dimension": 32, "pooling_mode": "weightedmean"}, ("weightedmean",)),
        ({"embedding_dimension": 32, "pooling_mode": ["mean", "cls"]}, ("mean", "cls")),
        ({"pooling_mode": "cls", "pooling_mode_mean_tokens": True}, ("cls",)),
    ],
)
def test_old_and_new_keys_of_a_pooling_are_read(tmp_path: Path, pooling: Any, expected: tuple[str, ...]) -> None:
    found = read_settings(model(tmp_path, pooling=pooling))
    assert found.pooling == expected
    assert found.dim == 32 * len(expected)
    assert "pooling" in found.stated


def test_a_plain_transformers_model_is_its_mean(tmp_path: Path) -> None:
    found = read_settings(model(tmp_path))
    assert (found.pooling, found.dim, found.max_tokens, found.stated) == (("mean",), 32, 64, ())


def test_modules_may_lie_in_folders_of_their_own(tmp_path: Path) -> None:
    modules = [("0_Transformer", "Transformer"), ("1_Pooling", "Pooling"), ("2_Dense", "Dense"), ("3_N", "Normalize")]
    listing = [{"type": f"sentence_transformers.base.modules.x.{kind}", "path": path} for path, kind in modules]
    dense = {"in_features": 32, "out_features": 20, "activation_function": "torch.nn.modules.linear.Identity"}
    own = {"0_Transformer__config": BERT, "1_Pooling__config": POOLING, "2_Dense__config": dense}
    found = read_settings(model(tmp_path / "model", {}, modules=listing, **own))
    assert (found.trunk, found.dim) == ("0_Transformer", 20)
    assert [(layer.kind, layer.outputs, layer.activation) for layer in found.layers] == [("dense", 20, "Identity")]


def test_prompts_are_those_that_sentence_transformers_takes(tmp_path: Path) -> None:
    prompts = {"query": "q: ", "document": "d: ", "passage": "p: "}
    found = read_settings(model(tmp_path, pooling=POOLING, config_sentence_transformers={"prompts": prompts}))
    assert (found.query_prefix, found.document_prefix) == ("q: ", "d: ")
    assert unused_prompts(tmp_path) == []
    own = {"prompts": {"query": "q: ", "passage": "p: "}, "default_prompt_name": "passage"}
    (tmp_path / "config_sentence_transformers.json").write_text(json.dumps(own))
    found = read_settings(tmp_path)
    assert (found.query_prefix, found.document_prefix) == ("q: ", "")
    assert unused_prompts(tmp_path) == ["passage"]


@pytest.mark.parametrize(
    ("sentence", "tokenizer", "config", "expected"),
    [
        ({"max_seq_length": 40}, {"model_max_length": 50}, BERT, 40),
        ({}, {"model_max_length": 50}, BERT, 50),
        ({}, {"model_max_length": 1e30}, BERT, 64),
        ({"max_seq_length": 512}, {}, BERT, 64),
        ({}, {}, {**BERT, "model_type": "roberta", "pad_token_id": 1}, 62),
        ({"max_seq_length": 64}, {}, {**BERT, "model_type": "mpnet", "pad_token_id": 1}, 62),
        ({}, {}, {**BERT, "model_type": "modernbert", "max_position_embeddings": 100_000}, 32768),
    ],
)
def test_the_longest_text_is_the_models_own(
    tmp_path: Path, sentence: Any, tokenizer: Any, config: Any, expected: int
) -> None:
    folder = model(tmp_path, config, POOLING, sentence_bert_config=sentence, tokenizer_config=tokenizer)
    assert read_settings(folder).max_tokens == expected


def test_lower_case_is_read(tmp_path: Path) -> None:
    assert read_settings(model(tmp_path, pooling=POOLING, sentence_bert_config={"do_lower_case": True})).lower_case
    assert not read_settings(model(tmp_path, sentence_bert_config={"do_lower_case": False})).lower_case


@pytest.mark.parametrize(
    ("config", "files", "message"),
    [
        ({**BERT, "model_type": "t5"}, {}, "the architecture 't5' is not known, expected bert, roberta, xlm-roberta"),
        ({}, {}, "has no config.json; expected a model in transformers or"),
        ({**BERT, "auto_map": {"AutoModel": "modeling.New"}}, {}, "needs code from the model's repository, which is"),
        ({**BERT, "is_decoder": True}, {}, "is of a decoder, expected an encoder of texts"),
        ({**BERT, "hidden_size": "many"}, {}, "hidden_size is 'many', expected a number of 8 or more"),
        ("{", {}, "config.json: is not JSON"),
        ("[]", {}, "config.json: is list, expected a JSON object"),
        (BERT, {"modules": [{"type": "models.Own", "path": ""}]}, "is code of the model's own, which is never run"),
        (
            BERT,
            {"modules": [{"type": "sentence_transformers.models.Router", "path": ""}]},
            "begins with a module Router",
        ),
        (BERT, {"modules": [{"path": ""}]}, "has an entry without a type"),
        (BERT, {"modules": [{"type": "sentence_transformers.models.Transformer", "path": "../x"}]}, "leaves the model"),
        (BERT, {"config_sentence_transformers": {"truncate_dim": 99}}, "truncate_dim is 99, expected a number from 8"),
        (BERT, {"config_sentence_transformers": {"prompts": ["q"]}}, "prompts is ['q'], expected texts by name"),
        (BERT, {"sentence_bert_config": {"max_seq_length": 2}}, "reads 2 tokens of a text, expected 8 or more"),
        (BERT, {"tokenizer_config": {"truncation_side": "left"}}, "keeps the end of a long text (truncation_side)"),
        ({**BERT, "model_type": ["bert"]}, {}, "the architecture ['bert'] is not known, expected bert"),
        (
            BERT,
            {"sentence_bert_config": {"config_args": {"num_hidden_layers": 1}}},
            "hands on config_args {'num_hidden_",
        ),
        (
            BERT,
            {"config_sentence_transformers": {"prompts": {"query": "\ud800"}}},
            "has the prompt '\\ud800', expected",
        ),
        (BERT, {"sentence_bert_config": {"modality_config": {"image": {}}}}, "reads image, expected text"),
    ],
)
def test_what_cannot_be_exported_is_one_sentence(tmp_path: Path, config: Any, files: Any, message: str) -> None:
    with pytest.raises(ExportError, match=re.escape(message)) as caught:
        read_settings(model(tmp_path, config, **files))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("pooling", "message"),
    [
        ({**POOLING, "word_embedding_dimension": 64}, "pools states of 64 numbers, the transformer's have 32"),
        ({"pooling_mode": "first"}, "pooling_mode is 'first', expected some of cls, max, mean"),
        ({}, "is missing or empty, expected how token states are pooled"),
    ],
)
def test_a_pooling_that_does_not_fit_is_named(tmp_path: Path, pooling: Any, message: str) -> None:
    with pytest.raises(ExportError, match=re.escape(message)):
        read_settings(model(tmp_path, pooling=pooling))


def test_a_model_that_does_not_pool_its_prompts_is_refused_where_it_has_some(tmp_path: Path) -> None:
    pooling = {**POOLING, "include_prompt": False}
    assert read_settings(model(tmp_path, pooling=pooling)).query_prefix == ""
    (tmp_path / "config_sentence_transformers.json").write_text('{"prompts": {"query": "q: "}}')
    with pytest.raises(ExportError, match=r"leaves the tokens of its prompts out of the pooling \(include_prompt is f"):
        read_settings(tmp_path)


def own(folder: Path) -> Settings:
    prompts = {"prompts": {"query": "q: "}}
    return read_settings(
        model(
            folder, pooling=POOLING, config_sentence_transformers=prompts, sentence_bert_config={"max_seq_length": 40}
        )
    )


def test_a_recipe_that_departs_must_say_so(tmp_path: Path) -> None:
    asked = EncoderRecipe(query_prefix="")
    with pytest.raises(
        ExportError, match=r"^encoder\.query_prefix is '', the model's own is 'q: '; where that is mean"
    ):
        resolved(asked, own(tmp_path))
    found, lines = resolved(EncoderRecipe(query_prefix="", departs="shorter"), own(tmp_path))
    assert (found.query_prefix, lines) == ("", ["query_prefix is '', the model's own is 'q: '"])


def test_what_a_model_does_not_state_is_the_recipes_to_say(tmp_path: Path) -> None:
    found, lines = resolved(EncoderRecipe(document_prefix="p: ", max_tokens=16), own(tmp_path))
    assert (found.document_prefix, found.max_tokens, found.query_prefix, lines) == ("p: ", 16, "q: ", [])


def test_more_tokens_than_positions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"^the weights have 64 positions, expected max_tokens, 65, or more$"):
        resolved(EncoderRecipe(max_tokens=65, departs="more"), own(tmp_path))


def test_weights_are_found_whole_or_in_shards(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"has no weights; expected model\.safetensors or pytorch_model\.bin"):
        weight_files(tmp_path)
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors", "c": "model-1.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    (tmp_path / "model-1.safetensors").write_bytes(b"")
    with pytest.raises(ExportError, match=r"model-2\.safetensors: is missing, which model\.safetensors\.index\.json"):
        weight_files(tmp_path)
    (tmp_path / "model-2.safetensors").write_bytes(b"")
    assert [path.name for path in weight_files(tmp_path)] == ["model-1.safetensors", "model-2.safetensors"]
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../x"}}')
    with pytest.raises(ExportError, match=r"names '\.\./x', expected a file of its own folder"):
        weight_files(tmp_path)
