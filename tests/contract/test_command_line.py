"""`nestling-export` as it is typed: models without recipes, and what is said of those that cannot be built."""

from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from models import make_model, truth
from nestling import Encoder
from nestling.bundle.manifest import read_bundle
from nestling.errors import NestlingError
from nestling.export.cli import commands
from nestling.export.quantize.calibration import own_texts
from nestling.export.recipe.recipe_file import parsed_recipe, read_recipe
from nestling.export.source.weights import require_affordable
from tiny import make_tiny

pytestmark = pytest.mark.filterwarnings("ignore::nestling.errors.TruncationWarning")
TEXTS = ["owls hunt at night", "OWLS Hunt at Night", "wash hands with clean water before you cool the burn"]


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(commands, [str(word) for word in words])


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    make_tiny(tmp_path)
    return tmp_path / "weights"


def float_vectors(model: Path, folder: Path, *words: str) -> Encoder:
    result = run("build", model, "-o", folder, "--work", folder.parent / "work", "--precision", "float32", *words)
    assert result.exit_code == 0, result.output
    return Encoder(folder)


def near(model: Path, encoder: Encoder) -> float:
    """The worst cosine to sentence-transformers of both roles."""
    found = [(encoder.encode(TEXTS, role=role) * truth(model, TEXTS, role)).sum(axis=1)  # type: ignore[arg-type]
             for role in ("query", "document")]  # fmt: skip
    return float(np.min(found))


def change(path: Path, **values: Any) -> None:
    before = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**before, **values}))


def test_init_prints_the_recipe_that_build_uses(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (weights / "README.md").write_text("---\nlicense: mit\nlanguage: en\n---\n# A model\n")
    printed = run("init", weights, "--precision", "int8", "--precision", "int4")
    assert printed.exit_code == 0
    recipe = parsed_recipe(printed.output, tmp_path / "elsewhere" / "recipe.toml")
    assert (recipe.name, recipe.precisions, recipe.encoder.pooling) == ("weights", ("int8", "int4"), "mean")
    assert (recipe.encoder.max_tokens, recipe.card.licence, recipe.card.languages) == (64, "mit", "en")
    monkeypatch.chdir(tmp_path)
    built = run("build", "weights", "--precision", "int8", "int4")
    assert built.exit_code == 0, built.output
    bundle = read_bundle(tmp_path / "weights-bundle")
    assert [variant.name for variant in bundle.variants] == ["xl.int8", "xl.int4"]
    assert (tmp_path / "weights-bundle" / "recipe.toml").read_text() == printed.output
    assert run("verify", "weights-bundle").exit_code == 0


def test_a_bundle_elsewhere_finds_the_folder_that_its_recipe_named(tmp_path: Path) -> None:
    recipe = make_tiny(tmp_path / "here")
    result = run("build", recipe, "-o", tmp_path / "there" / "b", "--work", tmp_path / "work", "--precision", "float32")
    assert result.exit_code == 0, result.output
    found = read_recipe(tmp_path / "there" / "b" / "recipe.toml").source
    assert found.path == str(tmp_path / "here" / "weights")  # type: ignore[union-attr]
    assert run("verify", tmp_path / "there" / "b", "--work", tmp_path / "work").exit_code == 0


def test_what_a_model_puts_in_lower_case_a_bundle_does(weights: Path, tmp_path: Path) -> None:
    path = weights / "tokenizer.json"
    path.write_text(path.read_text().replace('"lowercase":true', '"lowercase":false'))
    assert near(weights, float_vectors(weights, tmp_path / "cased")) > 0.9999
    change(weights / "sentence_bert_config.json", do_lower_case=True)
    lowered = float_vectors(weights, tmp_path / "lowered")
    assert near(weights, lowered) > 0.9999
    first, second, _ = lowered.encode(TEXTS, role="document")
    assert (first == second).all()


@pytest.mark.parametrize("modes", ["mean", "cls", ["cls", "mean"], ["max", "mean_sqrt_len_tokens"]])
def test_every_pooling_is_that_of_sentence_transformers(weights: Path, tmp_path: Path, modes: Any) -> None:
    (weights / "1_Pooling" / "config.json").write_text(json.dumps({"embedding_dimension": 32, "pooling_mode": modes}))
    encoder = float_vectors(weights, tmp_path / "b")
    assert encoder.dim == 32 * (1 if isinstance(modes, str) else len(modes))
    assert near(weights, encoder) > 0.9999


def test_prompts_and_length_are_the_models_own(weights: Path, tmp_path: Path) -> None:
    change(weights / "config_sentence_transformers.json", prompts={"query": "do ", "passage": "how "})
    change(weights / "sentence_bert_config.json", max_seq_length=9)
    result = run("build", weights, "-o", tmp_path / "b", "--work", tmp_path / "w", "--precision", "float32")
    assert result.exit_code == 0, result.output
    encoder = Encoder(tmp_path / "b")
    assert (dict(encoder.bundle.prefixes), encoder.tokens.max_tokens) == ({"query": "do ", "document": ""}, 9)
    assert near(weights, encoder) > 0.9999


def test_layers_behind_the_pooling_are_those_of_sentence_transformers(weights: Path, tmp_path: Path) -> None:
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Dense, LayerNorm, Normalize, Pooling, Transformer

    torch.manual_seed(1)
    norm = LayerNorm(32)
    norm.norm.weight.data += torch.randn(32) / 4
    dense = Dense(32, 20, bias=False, activation_function=torch.nn.GELU())
    whole = SentenceTransformer(
        modules=[Transformer(str(weights)), Pooling(32), Normalize(), norm, dense], device="cpu"
    )
    whole.save(str(tmp_path / "model"), create_model_card=False)
    encoder = float_vectors(tmp_path / "model", tmp_path / "b")
    assert encoder.dim == 20
    assert near(tmp_path / "model", encoder) > 0.9999


def test_a_tokenizer_of_sentencepiece_alone_is_converted(tmp_path: Path) -> None:
    import sentencepiece

    model, written = make_model(tmp_path, "xlm-roberta"), io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(own_texts()), model_writer=written, vocab_size=1000, minloglevel=2
    )
    (model / "tokenizer.json").unlink()
    (model / "sentencepiece.bpe.model").write_bytes(written.getvalue())
    change(model / "tokenizer_config.json", tokenizer_class="XLMRobertaTokenizer")
    assert near(model, float_vectors(model, tmp_path / "b")) > 0.9999


def test_rotary_positions_are_stored_for_as_many_tokens_as_a_text_can_have(tmp_path: Path) -> None:
    import onnx

    float_vectors(make_model(tmp_path, "qwen3"), tmp_path / "b")
    stored = onnx.load(tmp_path / "b" / "model.xl.float32.onnx").graph.initializer
    assert [list(tensor.dims) for tensor in stored if tensor.name.endswith("_cache")] == [[128, 8]] * 2


def test_a_finished_build_asks_sentence_transformers_for_nothing(weights: Path, tmp_path: Path) -> None:
    words = ("build", weights, "-o", tmp_path / "b", "--work", tmp_path / "w", "--precision", "float32")
    assert run(*words).output.count("sentence-transformers' vectors of") == 3
    again = run(*words).output
    assert again.count("sentence-transformers' vectors of") == again.count("done before") - 3 == 3


def test_a_prompt_that_leaves_no_room_for_a_text_is_one_sentence(weights: Path, tmp_path: Path) -> None:
    change(weights / "config_sentence_transformers.json", prompts={"query": "what do owls hunt at night and how? "})
    change(weights / "sentence_bert_config.json", max_seq_length=9)
    result = run("build", weights, "-o", tmp_path / "b", "--work", tmp_path / "w")
    assert isinstance(result.exception, NestlingError)
    assert re.search(
        r"the text before every query has \d+ tokens of the 7 that are read, expected 3 or fewer; raise "
        r"encoder.max_tokens or shorten encoder.query_prefix$",
        str(result.exception),
    )


@pytest.mark.parametrize("which", ["-o", "--work"])
def test_a_file_in_place_of_a_folder_is_told_before_anything_is_done(weights: Path, tmp_path: Path, which: str) -> None:
    recipe = make_tiny(tmp_path / "tiny")
    (tmp_path / "file").write_text("mine")
    result = run("build", recipe, "--work", tmp_path / "w", which, tmp_path / "file")
    assert f"{tmp_path / 'file'}: is a file, expected a folder for " in str(result.exception)
    assert (tmp_path / "file").read_text() == "mine"
    assert not (tmp_path / "w").exists()


def test_a_bundle_is_not_written_over_its_model(weights: Path) -> None:
    before = {path.name: path.read_bytes() for path in weights.iterdir() if path.is_file()}
    result = run("build", weights, "-o", weights, "--work", weights.parent / "work")
    assert f"{weights}: is the model's own folder; give another for the bundle with -o" in str(result.exception)
    assert {path.name: path.read_bytes() for path in weights.iterdir() if path.is_file()} == before


def test_weights_of_other_kinds_are_read(weights: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    expected = float_vectors(weights, tmp_path / "b").encode(TEXTS, role="document")
    whole = load_file(weights / "model.safetensors")
    (weights / "model.safetensors").unlink()
    torch.save(whole, weights / "pytorch_model.bin")
    assert (float_vectors(weights, tmp_path / "c").encode(TEXTS, role="document") == expected).all()
    (weights / "pytorch_model.bin").unlink()
    names = sorted(whole)
    shards = {"model-1-of-2.safetensors": names[::2], "model-2-of-2.safetensors": names[1::2]}
    for file, held in shards.items():
        save_file({name: whole[name] for name in held}, weights / file, metadata={"format": "pt"})
    where = {name: file for file, held in shards.items() for name in held}
    change(weights / "model.safetensors.index.json", metadata={"total_size": 1}, weight_map=where)
    assert (float_vectors(weights, tmp_path / "d").encode(TEXTS, role="document") == expected).all()
    for file, held in shards.items():
        save_file({name: whole[name].half() for name in held}, weights / file, metadata={"format": "pt"})
    assert near(weights, float_vectors(weights, tmp_path / "e")) > 0.9999


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (self.mark.touch, ())


def broken(weights: Path, kind: str) -> None:
    import torch

    if kind == "code in a .bin":
        (weights / "model.safetensors").unlink()
        torch.save({"weight": Evil(weights.parent / "evil")}, weights / "pytorch_model.bin")
    elif kind == "no weights":
        (weights / "model.safetensors").unlink()
    elif kind == "damaged weights":
        (weights / "model.safetensors").write_bytes(b"\xff" * 100)
    elif kind == "another size":
        change(weights / "config.json", hidden_size=64)
        change(weights / "1_Pooling" / "config.json", word_embedding_dimension=64)
    elif kind == "too few layers":
        change(weights / "config.json", num_hidden_layers=9)
    elif kind == "no tokenizer":
        (weights / "tokenizer.json").unlink()
    else:
        (weights / "modules.json").write_text('[{"type": "modeling.Own", "path": ""}]')


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("code in a .bin", "weights"),
        ("no weights", "has no weights; expected model.safetensors or pytorch_model.bin"),
        ("damaged weights", "is no safetensors file"),
        ("another size", "transformers cannot load it"),
        ("too few layers", "the weights lack encoder.layer.2"),
        ("no tokenizer", "tokenizer"),
        ("code", "the module modeling.Own is code of the model's own, which is never run"),
    ],
)
def test_a_model_that_cannot_be_built_is_one_sentence(weights: Path, tmp_path: Path, kind: str, message: str) -> None:
    broken(weights, kind)
    result = run("build", weights, "-o", tmp_path / "b", "--work", tmp_path / "w")
    assert result.exit_code != 0
    assert isinstance(result.exception, NestlingError), repr(result.exception)
    assert message in str(result.exception)
    assert "\n" not in str(result.exception)
    assert not (tmp_path / "b").exists()
    assert not (tmp_path / "evil").exists()
    assert "sentence-transformers' vectors" not in result.output  # nothing was spent on it


def test_what_is_no_model_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "empty").mkdir()
    for name, message in (
        ("empty", "has no config.json and no modules.json; expected a model's folder"),
        ("nothing", "is no recipe, no folder of a model and no id of the hub"),
        ("somebody/model", "is no folder here, and the hub cannot be asked for it"),
    ):
        result = run("build", name)
        assert isinstance(result.exception, NestlingError), repr(result.exception)
        assert message in str(result.exception)
        assert "\n" not in str(result.exception)


@pytest.mark.parametrize("architecture", ["bert", "modernbert"])
def test_models_that_newer_releases_saved_are_read(tmp_path: Path, architecture: str) -> None:
    """Saved by sentence-transformers 6.2 and transformers 5.24, with the vectors that those give."""
    files = Path(__file__).parent / "files"
    shutil.unpack_archive(files / f"{architecture}-6.2.zip", tmp_path / "model")
    encoder = float_vectors(tmp_path / "model", tmp_path / "b")
    with np.load(files / f"{architecture}-6.2.npz") as stored:
        texts = [str(text) for text in stored["texts"]]
        assert (encoder.encode(texts, role="query") * stored["q"]).sum(axis=1).min() > 0.99999
        assert (encoder.encode(texts, role="document") * stored["d"]).sum(axis=1).min() > 0.99999


def test_the_tools_that_live_together_are_installed() -> None:
    import sentence_transformers
    import transformers

    assert transformers.__version__.startswith("4.5")
    assert sentence_transformers.__version__.startswith("5.")


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "export" / "recipes").glob("*.toml")), ids=str)
def test_the_recipes_on_the_shelf_are_read(path: Path) -> None:
    recipe = read_recipe(path)
    assert (recipe.name, recipe.precisions) == (path.stem, ("int8", "int4"))
    assert recipe.card.licence


def test_what_long_texts_will_take_is_told(weights: Path, tmp_path: Path) -> None:
    said: list[str] = []
    require_affordable(weights, 64, said.append)
    change(weights / "config.json", num_attention_heads=12)
    require_affordable(weights, 8192, said.append)
    assert len(said) == 3
    assert said[2] == (
        "a text of 8,192 tokens will take about 4.4 GB to encode, which grows with its square; set encoder.max_tokens "
        "for less"
    )
