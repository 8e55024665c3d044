"""Answers that are refusals: one sentence, in the form of the API that was asked."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import JSONResponse

from ..document import clean

_OF_OPENAI = "/v1/"


def refusal(path: str, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """A refusal of a request to a path; a sentence may repeat what no text may hold."""
    sentence = clean(sentence)
    if path.startswith(_OF_OPENAI):
        kind = "invalid_request_error" if status < 500 else "server_error"
        body: object = {"error": {"message": sentence, "type": kind, "param": None, "code": None}}
    else:
        body = {"error": sentence}
    return JSONResponse(body, status, headers=None if headers is None else dict(headers))
