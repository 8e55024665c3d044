"""A recipe's source in, a folder of weights on this machine and what it says of itself out; nothing of it is ever run.

Open `fetch.py` first. `settings.py` reads a model's own files, `readable.py` makes a folder that the installed
transformers and sentence-transformers can read, `weights.py` looks at weights without loading them,
`graph_weights.py` takes them out of an ONNX graph, and `named.py` tells what a name on the command line is and writes
the recipe for it.
"""
