"""One small service on this machine: a page and HTTP, on top of `Library` and `Encoder`. Needs the extra `serve`.

`server.run` runs what `app.application` puts together: `protection` around the routes, which are the `page` with its
`static` files, what it and programs ask of libraries (`api`), and embeddings (`models`). `shelf` holds the libraries,
`asked` reads what a request asks for, `answers` writes refusals; `assistant` is MCP, a process of its own.
"""
