"""Encoders in, quantized ONNX graphs out."""
