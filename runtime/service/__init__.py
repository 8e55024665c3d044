"""One small service on this machine: a page and HTTP, on top of `Library` and `Encoder`. Needs the extra `serve`.

`server.run` runs what `app.application` puts together: `guard` (who may ask) around `limits` (how much) around the
routes, one file a face: `page` and its `static` files, `search`, `documents`, `originals` and `jobs` for it and for
programs, `embeddings` as OpenAI's, Ollama's and TEI's clients expect it. `shelf` holds the libraries, `asked` reads
what a request asks for.
"""
