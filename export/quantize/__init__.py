"""transformers encoders in, ONNX graphs at each precision out.

Open `quantize.py` first. `onnx_graph.py` exports and fuses, `embedding.py` rounds the token table, `int8.py` and
`int4.py` the matrices, with what `activations.py` and `gradients.py` measure on the texts of `calibration.py`.
"""
