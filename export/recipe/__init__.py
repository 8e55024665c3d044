"""A recipe file in, checked values and a folder of weights out."""
