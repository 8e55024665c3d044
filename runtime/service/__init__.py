"""One small service on this machine: HTTP for programs, on top of `Library` and `Encoder`. Needs the extra `serve`.

`server.serve` runs what `app.application` puts together: `guard` (who may ask) around `limits` (how much) around the
routes, one file a face: `search` and `documents` for Nestling itself, `embeddings` as OpenAI's, Ollama's and TEI's
clients expect it. `shelf` holds the libraries, `asked` reads what a request asks for.
"""
