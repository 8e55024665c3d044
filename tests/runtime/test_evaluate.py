from __future__ import annotations

import gzip
import json
import math
from pathlib import Path

import pytest

from bundles import tiny_family
from nestling import Encoder
from nestling.errors import NestlingError
from nestling.evaluate import QueryRun, evaluate, ranking_measures, read_collection
from processes import Run, fails

pytest.importorskip("ir_measures", reason="measuring needs the eval extra")

DOCUMENTS = {
    "d1": ("Owls", "Owls hunt at night."),
    "d2": ("Burns", "Cool a burn under running water."),
    "d3": ("Router", "Hold the reset button for ten seconds."),
}


def write_collection(folder: Path, zipped: bool) -> Path:
    folder.mkdir()
    corpus = "\n".join(json.dumps({"_id": id, "title": title, "text": text}) for id, (title, text) in DOCUMENTS.items())
    if zipped:
        (folder / "corpus.jsonl.gz").write_bytes(gzip.compress(corpus.encode()))
    else:
        (folder / "corpus.jsonl").write_text(corpus)
    queries = [
        {"_id": "q1", "text": "birds in the dark"},
        {"_id": "q2", "text": "scald"},
        {"_id": "q3", "text": "none"},
    ]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    (folder / "qrels").mkdir()
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t2\nq2\td2\t1\nq3\td3\t0\n")
    return folder


@pytest.mark.parametrize("zipped", [True, False])
def test_a_collection_is_read_plain_and_zipped(tmp_path: Path, zipped: bool) -> None:
    collection = read_collection(write_collection(tmp_path / "small", zipped))
    assert collection.name == "small"
    assert [document.id for document in collection.documents] == ["d1", "d2", "d3"]
    assert collection.queries == {"q1": "birds in the dark", "q2": "scald"}
    assert collection.judgements == {"q1": {"d1": 2}, "q2": {"d2": 1}}


def test_measures_are_those_of_their_definitions() -> None:
    judgements = {"q1": {"a": 1, "b": 1}, "q2": {"c": 1}, "q3": {"d": 1}}
    run = {"q1": {"x": 3.0, "a": 2.0, "b": 1.0}, "q2": {"c": 1.0}, "q3": {}}
    values = ranking_measures(judgements, run)
    ideal = 1 + 1 / math.log2(3)
    assert values["q1"]["nDCG@10"] == pytest.approx((1 / math.log2(3) + 1 / math.log2(4)) / ideal)
    assert values["q1"]["MRR@10"] == 0.5
    assert values["q1"]["Recall@100"] == 1.0
    assert values["q2"] == {"nDCG@10": 1.0, "Recall@100": 1.0, "MRR@10": 1.0}
    assert values["q3"] == {"nDCG@10": 0.0, "Recall@100": 0.0, "MRR@10": 0.0}


def test_a_collection_is_measured_through_a_library(tmp_path: Path, encoder: Encoder) -> None:
    collection = read_collection(write_collection(tmp_path / "small", zipped=True))
    result, lexical = evaluate(collection, encoder, [QueryRun("hybrid"), QueryRun("lexical")])
    assert result.measures == {"nDCG@10": 1.0, "Recall@100": 1.0, "MRR@10": 1.0}
    assert (result.documents, result.passages, result.queries) == (3, 3, 2)
    assert result.documents_per_second > 0
    assert result.query_p95_ms >= result.query_p50_ms > 0
    assert lexical.measures["Recall@100"] == 0.0


def test_eval_prints_a_table_or_json(nestling: Run, tmp_path: Path) -> None:
    folder = write_collection(tmp_path / "small", zipped=False)
    table = nestling("eval", folder, "--exact")
    assert table.returncode == 0
    assert "\nnDCG@10               1.0\n" in table.stdout
    values = json.loads(nestling("eval", folder, "--mode", "dense", "--dim", "64", "--json").stdout)
    assert (values["mode"], values["dim"], values["exact"], values["Recall@100"]) == ("dense", 64, False, 1.0)
    assert values["by_query"]["q1"]["MRR@10"] == 1.0


def test_queries_are_evaluated_at_another_width(nestling: Run, tmp_path: Path) -> None:
    collection = read_collection(write_collection(tmp_path / "small", zipped=False))
    family = tiny_family(tmp_path)
    results = {
        width: evaluate(collection, Encoder(family), [QueryRun("dense")], query_width=width)[0]
        for width in (None, "xl", "static")
    }
    assert [(result.width, result.query_width) for result in results.values()] == [
        ("xl", "xl"),
        ("xl", "xl"),
        ("xl", "static"),
    ]
    assert results[None].by_query == results["xl"].by_query
    asked = ("eval", tmp_path / "small", "--bundle", family, "--mode", "dense", "--json")
    values = json.loads(nestling(*asked, "--query-width", "static").stdout)
    assert (values["width"], values["query_width"]) == ("xl", "static")
    assert values["by_query"] == results["static"].by_query
    failed = nestling(*asked, "--query-width", "m")
    assert (failed.returncode, failed.stderr) == (
        1,
        "error: bundle tiny has no width m; its widths are xl, s, static\n",
    )


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "corpus.jsonl",
            '{"_id": "a", "text": "b"}\n{"_id": 3}',
            "corpus.jsonl:2: is no JSON object with _id and text, and a",
        ),
        ("corpus.jsonl", '{"_id": "a", "text": 7}', "corpus.jsonl:1: is no JSON object with _id and text, and a"),
        ("corpus.jsonl", '{"_id": "a", "text": "", "title": [1]}', "corpus.jsonl:1: is no JSON object with _id and"),
        ("corpus.jsonl", '{"_id": " ", "text": "b"}', "corpus.jsonl:1: is no JSON object with _id and text, and a"),
        ("queries.jsonl", "[1]", "queries.jsonl:1: is no JSON object with _id and text, and a title that is text"),
        ("qrels/test.tsv", "head\nq1\td1\t1000001", "test.tsv:2: expected query-id, corpus-id and a whole score of"),
        ("qrels/test.tsv", "head\nq1\td1\tx", "test.tsv:2: expected query-id, corpus-id and a whole score"),
        ("qrels/test.tsv", "head\nq1\td1\t0", "test.tsv: has no relevant judgement"),
        ("qrels/test.tsv", "head\nq9\td1\t1", "the judged query 'q9' is not in queries.jsonl"),
    ],
)
def test_a_broken_collection_says_where(tmp_path: Path, name: str, text: str, message: str) -> None:
    folder = write_collection(tmp_path / "small", zipped=False)
    (folder / name).write_text(text)
    with pytest.raises(NestlingError) as caught:
        read_collection(folder)
    assert message in str(caught.value)


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    folder = write_collection(tmp_path / "small", zipped=True)
    whole = (folder / "corpus.jsonl.gz").read_bytes()
    for data in (b"no archive", whole[:-9], whole[:12] + b"\xff\xff\xff" + whole[15:]):
        (folder / "corpus.jsonl.gz").write_bytes(data)
        with pytest.raises(NestlingError, match=r"corpus\.jsonl\.gz: is cut short or damaged behind line "):
            read_collection(folder)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--dim", "7", "dim is 7, expected a multiple of 8 from 8 to "),
        ("--threads", "0", "threads is 0, expected "),
        ("--width", "none", "has no width none"),
        ("--precision", "int2", "int2"),
    ],
)
def test_an_option_that_cannot_be_is_one_line(
    nestling: Run, tmp_path: Path, option: str, value: str, message: str
) -> None:
    fails(nestling("eval", write_collection(tmp_path / "small", zipped=False), option, value), message)


def test_a_missing_corpus_is_named(tmp_path: Path) -> None:
    folder = write_collection(tmp_path / "small", zipped=False)
    (folder / "corpus.jsonl").unlink()
    with pytest.raises(NestlingError, match=r"corpus\.jsonl: is missing, and so is corpus\.jsonl\.gz"):
        read_collection(folder)


def test_a_parallel_collection_is_asked_in_another_language(tmp_path: Path, nestling: Run) -> None:
    folder = write_collection(tmp_path / "small", zipped=False)
    (folder / "corpus.jsonl").rename(folder / "corpus.en.jsonl")
    (folder / "queries.jsonl").rename(folder / "queries.pt-br.jsonl")
    collection = read_collection(folder, documents_in="en", queries_in="pt-br")
    assert (collection.name, len(collection.documents), len(collection.queries)) == ("small pt-br-en", 3, 2)
    done = nestling("eval", folder, "--documents-in", "en", "--queries-in", "pt-br", "--mode", "lexical", "--json")
    assert json.loads(done.stdout)["collection"] == "small pt-br-en"
    fails(nestling("eval", folder, "--documents-in", "de"), "corpus.de.jsonl")
    fails(
        nestling("eval", folder, "--documents-in", "../en"),
        "'../en' is no language, expected one as in the files' names: en, pt-br",
    )
