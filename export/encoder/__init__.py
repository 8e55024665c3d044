"""A model's folder in, an encoder in torch and float32 out: transformer, pooling, and the layers behind it.

Open `sentence_encoder.py` first. `head.py` is what comes behind the transformer, `tokenizer.py` writes the tokenizer,
and `reference.py` gives what sentence-transformers itself makes of texts. `from_graph.py` makes a folder of a model
that is there as an ONNX graph alone, and `graph_vectors.py` compares it with the graph.
"""
