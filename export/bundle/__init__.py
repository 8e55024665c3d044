"""Quantized graphs in, a verified bundle's folder out."""
