"""Embeddings as the clients of other services expect them, an API a file: OpenAI's, Ollama's, TEI's."""
