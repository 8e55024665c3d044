"""Embeddings as other programs ask for them: their own clients against the running service."""

from __future__ import annotations

import base64
from typing import Any

import huggingface_hub
import huggingface_hub.errors
import numpy as np
import ollama
import openai
import pytest
from services import Service

from nestling import Encoder

TEXTS = ["owls hunt at night", "cool a burn", "the dose for a child"]


@pytest.fixture
def client(service: Service) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"http://{service.host}/v1", api_key=service.token, max_retries=0)


def read_of(encoder: Encoder) -> int:
    """Tokens that are read of the texts."""
    return sum(len(encoder.tokens.ids(text, "document")[0]) for text in TEXTS)


def test_openais_client_gets_the_encoders_vectors(client: openai.OpenAI, encoder: Encoder) -> None:
    (model,) = client.models.list().data
    assert client.models.retrieve(model.id).id == model.id == encoder.bundle.name
    for given in ({}, {"encoding_format": "float"}):
        found = client.embeddings.create(model=model.id, input=TEXTS, **given)  # type: ignore[arg-type]
        vectors = np.array([one.embedding for one in found.data], dtype=np.float32)
        assert (vectors == encoder.encode(TEXTS, role="document")).all()
        assert [one.index for one in found.data] == [0, 1, 2]
        assert found.usage.prompt_tokens == read_of(encoder)
    one = client.embeddings.create(model=model.id, input=TEXTS[0], extra_body={"input_type": "query"})
    assert one.data[0].embedding == encoder.encode(TEXTS[:1], role="query")[0].tolist()


def test_vectors_may_be_shorter(client: openai.OpenAI, encoder: Encoder) -> None:
    found = client.embeddings.create(model=encoder.bundle.name, input=TEXTS, dimensions=128)
    short = np.array([one.embedding for one in found.data], dtype=np.float32)
    whole = encoder.encode(TEXTS, role="document")[:, :128]
    assert np.allclose(short, whole / np.linalg.norm(whole, axis=1, keepdims=True), atol=1e-6)


def test_token_ids_are_taken_as_they_are(client: openai.OpenAI, encoder: Encoder) -> None:
    ids = [encoder.tokens.ids(text, "document")[0].tolist() for text in TEXTS]
    found = client.embeddings.create(model=encoder.bundle.name, input=ids)
    expected = encoder.encode(TEXTS, role="document")
    assert (np.array([one.embedding for one in found.data], dtype=np.float32) == expected).all()
    one = client.embeddings.create(model=encoder.bundle.name, input=ids[1])
    assert (np.array(one.data[0].embedding, dtype=np.float32) == expected[1]).all()


def test_without_a_format_openais_client_is_sent_little_endian_floats(service: Service, encoder: Encoder) -> None:
    body = {"model": encoder.bundle.name, "input": TEXTS[:1], "encoding_format": "base64"}
    (row,) = service.ask("POST", "/v1/embeddings", body).json["data"]
    assert base64.b64decode(row["embedding"]) == encoder.encode(TEXTS[:1], role="document").astype("<f4").tobytes()


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ({"input": "a"}, 400, "model is missing, expected a text"),
        ({"model": "gpt", "input": "a"}, 404, "there is no model 'gpt' here, expected nestling-en"),
        ({"input": []}, 400, "input is a list, expected a text or a list of texts with at least one"),
        ({"input": ["a", 1]}, 400, "input is a list, expected a text or a list of texts with at least one"),
        ({"input": ["a"] * 2049}, 400, "input has 2049 texts, at most 2048 are taken at once; send fewer"),
        ({"input": "a", "dimensions": 385}, 400, "dimensions is 385, expected a whole number from 1 to 384"),
        ({"input": "a", "encoding_format": "x"}, 400, "encoding_format is 'x', expected one of float, base64"),
        ({"input": [-1]}, 400, "input has token ids that are not this tokenizer's, expected 0 to 30521"),
        ({"input": [[1], []]}, 400, "input has token ids that are not this tokenizer's, expected 0 to 30521"),
        ({"input": [1] * 9999}, 400, "input has a text of 9999 tokens, expected at most "),
        ({"input": "\ud800"}, 400, "input holds a lone surrogate at 0; remove it"),
    ],
)
def test_what_cannot_be_embedded_is_refused(service: Service, body: dict[str, Any], status: int, sentence: str) -> None:
    given = body if "model" in body or sentence.startswith("model") else {"model": "nestling-en", **body}
    answer = service.ask("POST", "/v1/embeddings", given)
    assert answer.status == status
    error = answer.json["error"]
    assert error["message"].startswith(sentence)
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", None, None)


def test_openais_client_raises_what_it_raises_elsewhere(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="there is no model 'text-embedding-3-small' here"):
        client.embeddings.create(model="text-embedding-3-small", input="a")


def test_ollamas_client_gets_the_encoders_vectors(service: Service, encoder: Encoder) -> None:
    client = ollama.Client(f"http://{service.host}", headers={"Authorization": f"Bearer {service.token}"})
    found = client.embed(f"{encoder.bundle.name}:latest", TEXTS)
    assert (np.array(found.embeddings, dtype=np.float32) == encoder.encode(TEXTS, role="document")).all()
    assert found.prompt_eval_count == read_of(encoder)
    long = "owls and mice " * 1000
    assert len(client.embed(encoder.bundle.name, long).embeddings) == 1
    with pytest.raises(ollama.ResponseError, match=r"text 0 is longer than the \d+ tokens that are read"):
        client.embed(encoder.bundle.name, long, truncate=False)


def test_hugging_faces_client_gets_the_encoders_vectors(service: Service, encoder: Encoder) -> None:
    client = huggingface_hub.InferenceClient(f"http://{service.host}", token=service.token)
    found = client.feature_extraction(TEXTS[0])
    assert (np.asarray(found, dtype=np.float32) == encoder.encode(TEXTS[:1], role="document")).all()
    asked = client.feature_extraction(TEXTS[0], prompt_name="query")
    assert (np.asarray(asked, dtype=np.float32) == encoder.encode(TEXTS[:1], role="query")).all()
    long = "owls and mice " * 1000
    with pytest.raises(huggingface_hub.errors.HfHubHTTPError, match="413"):
        client.feature_extraction(long)
    assert client.feature_extraction(long, truncate=True).shape == (1, encoder.dim)


def test_teis_api_is_spoken(service: Service, encoder: Encoder) -> None:
    found = service.ask("POST", "/embed", {"inputs": TEXTS}).json
    assert (np.array(found, dtype=np.float32) == encoder.encode(TEXTS, role="document")).all()
    (one,) = service.ask("POST", "/", {"inputs": TEXTS[0], "prompt_name": "query"}).json
    assert one == encoder.encode(TEXTS[:1], role="query")[0].tolist()
    refused = service.ask("POST", "/embed", {"inputs": "owls and mice " * 1000})
    assert refused.status == 413
    ranked = service.ask("POST", "/rerank", {"query": "nocturnal birds", "texts": TEXTS, "return_text": True}).json
    assert ranked[0] == {"index": 0, "text": TEXTS[0], "score": ranked[0]["score"]}
    assert [row["score"] for row in ranked] == sorted((row["score"] for row in ranked), reverse=True)
    info = service.ask("GET", "/info").json
    assert (info["model_id"], info["max_input_length"]) == (encoder.bundle.name, encoder.tokens.max_tokens)


@pytest.mark.parametrize(
    ("path", "name"),
    [("/embed", "truncate"), ("/embed", "normalize"), ("/api/embed", "truncate"), ("/rerank", "return_text")],
)
def test_what_is_yes_or_no_is_nothing_else(service: Service, path: str, name: str) -> None:
    given = {"model": "nestling-en", "input": "a", "inputs": "a", "query": "a", "texts": "a", name: {}}
    answer = service.ask("POST", path, given)
    assert (answer.status, answer.json) == (400, {"error": f"{name} is an object, expected true or false"})
